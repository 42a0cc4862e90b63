import { describe, expect, it } from 'vitest';
import { TrustError } from '../../../src/lib/errors.ts';
import {
  metadataFileName,
  parseRoot,
  parseSnapshot,
  parseTargets,
  parseTimestamp,
  type RoleName,
} from '../../../src/trust/core/metadata.ts';
import { RepositorySimulator } from '../../helpers/repository-simulator.ts';
import { throwsCode } from '../../helpers/throws-code.ts';

type Signed = Record<string, never>;

const simulator = new RepositorySimulator();
simulator.putTarget('docker.io/acme/app:1.0');
simulator.delegate({ name: 'targets/a', paths: ['x*'] });
const files = simulator.publish();

const PARSERS = {
  root: { parse: parseRoot, file: '1.root.json' },
  timestamp: { parse: parseTimestamp, file: 'timestamp.json' },
  snapshot: { parse: parseSnapshot, file: '1.snapshot.json' },
  targets: { parse: parseTargets, file: '1.targets.json' },
} as const;
type Role = keyof typeof PARSERS;

/** A file of the simulator with its JSON changed, as text; signatures are not looked at by parsers. */
function changed(role: Role, change: (file: { signed: Signed; signatures: unknown }) => void): Buffer {
  const json = JSON.parse(Buffer.from(files.get(PARSERS[role].file) ?? Buffer.alloc(0)).toString());
  change(json);
  return Buffer.from(JSON.stringify(json));
}

const set = (path: string, value: unknown) => (file: { signed: Signed }) => {
  const names = path.split('/').map((name) => name.replaceAll('~', '/'));
  let at: Record<string, never> = file.signed;
  for (const name of names.slice(0, -1)) at = at[name] ?? ({} as Signed);
  const last = names.at(-1) ?? '';
  if (value === undefined) delete at[last];
  else at[last] = value as never;
};

const KEY =
  Object.keys(JSON.parse(Buffer.from(files.get('1.root.json') ?? '').toString()).signed.keys)[0] ?? '';
const TARGET = 'targets/docker.io~acme~app:1.0';

describe('metadata that is accepted', () => {
  it.each<[Role, string, string, unknown]>([
    ['root', 'an unknown member', 'unknown', { a: [1] }],
    ['root', 'a role it does not know', 'roles/mirrors', { keyids: [], threshold: 1 }],
    [
      'root',
      'a key of an unknown type',
      'keys/ff',
      { keytype: 'sphincs', scheme: 'x', keyval: { public: 'y' } },
    ],
    ['root', 'a key of an unknown scheme', `keys/${KEY}/scheme`, 'ed25519ph'],
    ['root', 'a key without a public value', `keys/${KEY}/keyval`, { certificate: 'x' }],
    ['root', 'an unknown member of a key', `keys/${KEY}/x-owner`, 'me'],
    ['root', 'a listed key that is not in the table', 'roles/root/keyids', ['nowhere']],
    ['root', 'an older specification', 'spec_version', '1.0.0'],
    ['root', 'a specification of two numbers', 'spec_version', '1.0'],
    ['root', 'the last second of year 9999', 'expires', '9999-12-31T23:59:59Z'],
    ['root', 'a leap day', 'expires', '2028-02-29T00:00:00Z'],
    ['root', 'no x-dtrust', 'x-dtrust', undefined],
    ['root', 'an unknown member of x-dtrust', 'x-dtrust/new', true],
    ['root', 'the largest version', 'version', Number.MAX_SAFE_INTEGER],
    ['snapshot', 'no x-dtrust', 'x-dtrust', undefined],
    ['targets', 'a hash it does not know', `${TARGET}/hashes/blake3`, 'x'],
    ['targets', 'no custom member', `${TARGET}/custom`, undefined],
    ['targets', 'a target without sha256', `${TARGET}/hashes`, { md5: 'x' }],
    ['targets', 'no delegations', 'delegations', undefined],
    ['targets', 'an unknown member of a delegation', 'delegations/roles/0/x', 1],
  ])('%s with %s', (role, _, path, value) => {
    const metadata = PARSERS[role].parse(changed(role, set(path, value)));
    expect(Object.isFrozen(metadata.signed)).toBe(true);
    expect(metadata.signed.version).toBeGreaterThan(0);
  });
});

describe('metadata that is refused', () => {
  const versions: [string, unknown][] = [
    ['zero', 0],
    ['negative', -1],
    ['a string', '1'],
    ['null', null],
    ['missing', undefined],
  ];
  const dates: [string, unknown][] = [
    ['a number', 1_900_000_000],
    ['with fractions', '2028-01-01T00:00:00.000Z'],
    ['with an offset', '2028-01-01T00:00:00+00:00'],
    ['without a zone', '2028-01-01T00:00:00'],
    ['a day alone', '2028-01-01'],
    ['a day that is not there', '2027-02-29T00:00:00Z'],
    ['hour 24', '2028-01-01T24:00:00Z'],
    ['a second 60', '2028-12-31T23:59:60Z'],
    ['year 10000', '10000-01-01T00:00:00Z'],
    ['no date', 'never'],
    ['missing', undefined],
  ];
  const common = (['root', 'timestamp', 'snapshot', 'targets'] as const).flatMap((role) => [
    ...versions.map(([what, value]) => [role, `a version that is ${what}`, 'version', value] as const),
    ...dates.map(([what, value]) => [role, `an expiry that is ${what}`, 'expires', value] as const),
    [role, 'a Notary v1 type', '_type', role[0]?.toUpperCase() + role.slice(1)] as const,
    [role, 'no specification version', 'spec_version', undefined] as const,
    [role, 'specification 2', 'spec_version', '2.0.0'] as const,
    [role, 'specification 1', 'spec_version', '1'] as const,
    [role, 'specification 1.0.0-x', 'spec_version', '1.0.0-x'] as const,
  ]);

  it.each<readonly [Role, string, string, unknown]>([
    ...common,
    ['root', 'no keys', 'keys', undefined],
    ['root', 'keys as an array', 'keys', []],
    ['root', 'a key that is a string', `keys/${KEY}`, 'x'],
    ['root', 'a key without a type', `keys/${KEY}/keytype`, undefined],
    ['root', 'a key whose value is a string', `keys/${KEY}/keyval`, 'x'],
    ['root', 'no root role', 'roles/root', undefined],
    ['root', 'no timestamp role', 'roles/timestamp', undefined],
    ['root', 'no snapshot role', 'roles/snapshot', undefined],
    ['root', 'no targets role', 'roles/targets', undefined],
    ['root', 'a threshold of 0', 'roles/root/threshold', 0],
    ['root', 'a negative threshold', 'roles/targets/threshold', -1],
    ['root', 'a threshold that is a string', 'roles/root/threshold', '1'],
    ['root', 'a key ID twice in a role', 'roles/root/keyids', [KEY, KEY]],
    ['root', 'a key ID that is a number', 'roles/root/keyids', [1]],
    ['root', 'no consistent_snapshot', 'consistent_snapshot', undefined],
    ['root', 'consistent_snapshot as a string', 'consistent_snapshot', 'true'],
    ['root', 'x-dtrust as a string', 'x-dtrust', 'x'],
    ['root', 'an empty collection', 'x-dtrust/collection', ''],
    ['root', 'names that are a string', 'x-dtrust/names', 'x'],
    ['root', 'a floor of 0', 'x-dtrust/floor', { timestamp: 0, snapshot: 1 }],
    ['root', 'half a floor', 'x-dtrust/floor', { timestamp: 1 }],
    ['root', 'a migration without a hash', 'x-dtrust/migrated-from', { gun: 'x', version: 1 }],
    ['timestamp', 'no meta', 'meta', undefined],
    ['timestamp', 'meta without snapshot.json', 'meta', {}],
    ['timestamp', 'more than snapshot.json', 'meta/targets.json', { version: 1 }],
    ['timestamp', 'a snapshot version of 0', 'meta/snapshot.json/version', 0],
    ['timestamp', 'a negative length', 'meta/snapshot.json/length', -1],
    ['timestamp', 'a hash in upper case', 'meta/snapshot.json/hashes/sha256', 'A'.repeat(64)],
    ['timestamp', 'a hash cut short', 'meta/snapshot.json/hashes/sha256', 'a'.repeat(63)],
    ['timestamp', 'a sha512 that is none', 'meta/snapshot.json/hashes/sha512', 'a'.repeat(64)],
    ['snapshot', 'no targets.json', 'meta/targets.json', undefined],
    ['snapshot', 'meta as an array', 'meta', []],
    ['snapshot', 'an entry that is a number', 'meta/targets.json', 1],
    ['snapshot', 'a turn of a year', 'x-dtrust/turn', 31_536_000],
    ['snapshot', 'a turn of 0', 'x-dtrust/turn', 0],
    [
      'snapshot',
      'a history that is endless',
      'x-dtrust/history',
      Array.from({ length: 65 }, () => 'a'.repeat(64)),
    ],
    ['snapshot', 'a history of words', 'x-dtrust/history', ['word']],
    ['targets', 'no targets', 'targets', undefined],
    ['targets', 'targets as an array', 'targets', []],
    ['targets', 'a target without length', `${TARGET}/length`, undefined],
    ['targets', 'a target of negative length', `${TARGET}/length`, -1],
    ['targets', 'a target without hashes', `${TARGET}/hashes`, undefined],
    ['targets', 'a target with a short sha256', `${TARGET}/hashes/sha256`, 'ab'],
    ['targets', 'custom as a string', `${TARGET}/custom`, 'x'],
    ['targets', 'delegations without keys', 'delegations/keys', undefined],
    ['targets', 'delegations with neither roles nor bins', 'delegations/roles', undefined],
    ['targets', 'delegations with roles and bins', 'delegations/succinct_roles', {}],
    ['targets', 'a delegation to root', 'delegations/roles/0/name', 'root'],
    ['targets', 'a delegation to targets', 'delegations/roles/0/name', 'targets'],
    ['targets', 'a delegation without a name', 'delegations/roles/0/name', ''],
    ['targets', 'a delegation named __proto__', 'delegations/roles/0/name', '__proto__'],
    ['targets', 'a delegation with an endless name', 'delegations/roles/0/name', 'x'.repeat(256)],
    ['targets', 'a delegation without paths', 'delegations/roles/0/paths', undefined],
    ['targets', 'a delegation with paths and prefixes', 'delegations/roles/0/path_hash_prefixes', ['0']],
    ['targets', 'a delegation without terminating', 'delegations/roles/0/terminating', undefined],
    ['targets', 'a delegation with threshold 0', 'delegations/roles/0/threshold', 0],
  ])('%s with %s', (role, _, path, value) => {
    const bytes = changed(role, set(path, value));
    const error = throwsCode(() => PARSERS[role].parse(bytes), TrustError, 'METADATA_SHAPE');
    expect(error.role).toBe(role);
  });

  it('with two delegations of one name', () => {
    const bytes = changed('targets', (file) => {
      const roles = (file.signed as { delegations?: { roles: unknown[] } }).delegations?.roles ?? [];
      roles.push(roles[0]);
    });
    throwsCode(() => parseTargets(bytes), TrustError, 'METADATA_SHAPE');
  });

  it.each([33, 0, -1, 1.5])('with %d bits of bins', (bit_length) => {
    const bytes = changed('targets', (file) => {
      Object.assign(file.signed, {
        delegations: {
          keys: {},
          succinct_roles: { keyids: [], threshold: 1, bit_length, name_prefix: 'bin' },
        },
      });
    });
    throwsCode(
      () => parseTargets(bytes),
      TrustError,
      bit_length === 1.5 ? 'METADATA_JSON' : 'METADATA_SHAPE',
    );
  });

  it.each<[string, (file: { signatures: unknown }) => void]>([
    ['no signatures', (file) => Object.assign(file, { signatures: undefined })],
    ['signatures as an object', (file) => Object.assign(file, { signatures: {} })],
    ['a signature without key ID', (file) => Object.assign(file, { signatures: [{ sig: 'aa' }] })],
    ['a signature without value', (file) => Object.assign(file, { signatures: [{ keyid: 'aa' }] })],
    [
      'a key ID twice among the signatures',
      (file) =>
        Object.assign(file, {
          signatures: [
            { keyid: 'a', sig: '' },
            { keyid: 'a', sig: '' },
          ],
        }),
    ],
    ['no signed part', (file) => Object.assign(file, { signed: undefined })],
    ['a signed part that is an array', (file) => Object.assign(file, { signed: [] })],
  ])('with %s', (_, change) => {
    throwsCode(() => parseRoot(changed('root', change)), TrustError, 'METADATA_SHAPE');
  });

  it.each<[string, string]>([
    ['a version that no double holds', '"version":9007199254740993'],
    ['a version with a fraction', '"version":1.0'],
    ['a version twice', '"version":1,"version":2'],
    ['a prototype name', '"version":1,"__proto__":{}'],
    ['endless nesting', `"version":1,"x":${'['.repeat(100)}${']'.repeat(100)}`],
  ])('as JSON with %s', (_, text) => {
    const bytes = Buffer.from(
      changed('root', () => undefined)
        .toString()
        .replace('"version":1', text),
    );
    const error = throwsCode(() => parseRoot(bytes), TrustError, 'METADATA_JSON');
    expect(error.cause).toBeInstanceOf(Error);
    expect(error.message).toBe('root metadata is not the JSON that metadata must be');
  });

  it('without any part of it in the message', () => {
    const bytes = changed('root', set('expires', 'hunter2\u001b[31m'));
    expect(throwsCode(() => parseRoot(bytes), TrustError, 'METADATA_SHAPE').message).toBe(
      'root metadata has the wrong shape: expires is not a moment as YYYY-MM-DDTHH:MM:SSZ',
    );
  });
});

describe('x-dtrust', () => {
  it('protocol 1.2: names are the collection itself unless others are given', () => {
    const only = changed('root', set('x-dtrust/names', undefined));
    expect(parseRoot(only).signed.extension?.names).toEqual(['docker.io/acme/app']);
    const more = changed('root', set('x-dtrust/names', ['docker.io/acme/*']));
    expect(parseRoot(more).signed.extension?.names).toEqual(['docker.io/acme/*']);
  });

  it('protocol 2.5: the floor is read', () => {
    const floor = { timestamp: 7, snapshot: 5 };
    expect(parseRoot(changed('root', set('x-dtrust/floor', floor))).signed.extension?.floor).toEqual(floor);
  });

  it('protocol 4.2: turn and history are read', () => {
    const history = ['a'.repeat(64), 'b'.repeat(64)];
    const bytes = changed('snapshot', set('x-dtrust', { turn: 4, history }));
    expect(parseSnapshot(bytes).signed.extension).toEqual({ turnSeconds: 4, history });
  });

  it('protocol 7.4: the root a collection was migrated from is read', () => {
    const migrated = { gun: 'docker.io/acme/app', version: 3, sha256: 'c'.repeat(64) };
    const bytes = changed('root', set('x-dtrust/migrated-from', migrated));
    expect(parseRoot(bytes).signed.extension?.migratedFrom).toEqual(migrated);
  });
});

describe('file names', () => {
  it.each<[string, number, string]>([
    ['root', 7, '7.root.json'],
    ['timestamp', 9, 'timestamp.json'],
    ['snapshot', 41, '41.snapshot.json'],
    ['targets/releases', 9, '9.targets%2Freleases.json'],
    ["a!'()*b", 1, '1.a%21%27%28%29%2Ab.json'],
    ['../x', 1, '1...%2Fx.json'],
    ['ä ~', 2, '2.%C3%A4%20~.json'],
  ])('%s version %d is %s', (role, version, name) => {
    expect(metadataFileName(role as RoleName, version)).toBe(name);
  });
});
