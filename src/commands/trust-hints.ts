/**
 * What to do next, by code: for failures that come from deep inside, where neither the repository's name nor the
 * commands are known. Where an error brings its own hints they stand.
 */
import { DtrustError } from '../lib/errors.ts';
import type { Repository } from '../reference/reference.ts';

/** Docker Hub is where `docker login` goes when it is given no host. */
const loginTo = ({ host }: Repository) => (host === 'docker.io' ? 'docker login' : `docker login ${host}`);

type Hint = (repository: Repository) => readonly string[];

const OLDER: Hint = ({ canonical }) => [
  'Older trust data than this machine has seen is being served. Ask the owner, not the registry, what is current.',
  'If somebody is publishing at this moment, look again in a few seconds: a publish that another one overwrote is made again.',
  `If it is yours, put the newest state known here back: dtrust trust restore ${canonical}`,
];
const DAMAGED: Hint = ({ canonical }) => [
  `The trust data in the registry is damaged or was tampered with; its owner publishes it anew: dtrust trust refresh ${canonical}`,
];
const OTHER_KEYS: Hint = ({ canonical }) => [
  `Compare the pin with what the owner prints: dtrust trust pin export ${canonical}`,
];
const NOT_SIGNED: Hint = ({ familiar }) => [
  `See what is signed: dtrust trust inspect --pretty ${familiar}`,
  `If it is yours, sign it: dtrust push ${familiar}:TAG`,
];
/** Others may have published that often, or somebody with a stolen key may have used the versions up (protocol 2.5). */
const FAR_AHEAD: Hint = ({ canonical }) => [
  `If others have published that often since this machine last looked, let it take in what verifies, then try again: dtrust trust inspect ${canonical}`,
  `Only if a key was stolen: with the root key, replace all snapshot and timestamp keys: dtrust trust rotate --recover ${canonical}`,
];

const LOG_IN: Hint = (repository) => [`Log in with an account that may do this: ${loginTo(repository)}`];
const OUT_OF_REACH: Hint = ({ host }) => [`Check that ${host} is right and can be reached, then try again`];
const OWN_AUTHORITY: Hint = ({ host }) => [
  `If ${host} has a certificate of your own authority, put that into /etc/docker/certs.d/${host}/ca.crt`,
  `If ${host} speaks plain http, list it under insecure-registries in the engine's daemon.json`,
];

const HINTS: ReadonlyMap<string, Hint> = new Map<string, Hint>([
  ...['TIMESTAMP_ROLLBACK', 'SNAPSHOT_ROLLBACK', 'SNAPSHOT_ROLE_REMOVED', 'ROOT_BELOW_PIN'].map(
    (code) => [code, OLDER] as const,
  ),
  ...[
    'METADATA_JSON',
    'METADATA_SHAPE',
    'METADATA_TOO_LARGE',
    'ROOT_VERSION',
    'ROOT_CHAIN',
    'TIMESTAMP_THRESHOLD',
  ].map((code) => [code, DAMAGED] as const),
  ...['SNAPSHOT_HASH', 'SNAPSHOT_THRESHOLD', 'SNAPSHOT_VERSION', 'TARGETS_HASH', 'TARGETS_THRESHOLD'].map(
    (code) => [code, DAMAGED] as const,
  ),
  ...['TARGETS_VERSION', 'ROLE_MISSING', 'TRUST_DATA_INVALID'].map((code) => [code, DAMAGED] as const),
  ...['ROOT_PIN', 'ROOT_THRESHOLD', 'COLLECTION_MISMATCH'].map((code) => [code, OTHER_KEYS] as const),
  ...['TARGET_NOT_SIGNED', 'TARGET_NOT_RELEASED'].map((code) => [code, NOT_SIGNED] as const),
  ...['REGISTRY_UNAUTHORIZED', 'REGISTRY_DENIED', 'REGISTRY_RATE_LIMIT'].map(
    (code) => [code, LOG_IN] as const,
  ),
  ...['NETWORK_DNS', 'NETWORK_REFUSED', 'NETWORK_BROKEN', 'NETWORK_TIMEOUT', 'REGISTRY_UNAVAILABLE'].map(
    (code) => [code, OUT_OF_REACH] as const,
  ),
  ['NETWORK_TLS', OWN_AUTHORITY],
  ['VERSION_JUMP', FAR_AHEAD],
  [
    'KEY_NOT_LISTED',
    ({ familiar }) => [
      `See which keys count now, and run it again if it is still to be done: dtrust trust status ${familiar}`,
    ],
  ],
  [
    'THRESHOLD_UNREACHABLE',
    ({ familiar }) => [
      `List more root keys in the same publish: dtrust trust threshold --add-key FILE.pub root N ${familiar}`,
      `More signers for what is released: dtrust trust signer add --key NAME.pub NAME ${familiar}`,
      `Or ask for fewer keys first: dtrust trust threshold releases N ${familiar}`,
    ],
  ],
  [
    'ROLE_EXPIRED',
    ({ canonical }) => [`Whoever has a key for it renews it: dtrust trust refresh ${canonical}`],
  ],
  [
    'TRUST_DATA_GONE',
    ({ canonical }) => [
      'Ask the owner, or who runs the registry, where the tag _trust went; once it is back this machine knows it again',
      `If it is yours, put it back: dtrust trust restore ${canonical}`,
    ],
  ],
]);

/** The same failure, with the repository's name and a hint where it has none. Anything else is returned as it is. */
export function withHints(error: unknown, repository: Repository): unknown {
  if (!(error instanceof DtrustError)) return error;
  error.reference ??= repository.canonical;
  if (error.hints.length === 0) error.hints = HINTS.get(error.code)?.(repository) ?? [];
  return error;
}
