/**
 * `dtrust trust threshold`: how many keys must sign the root, or what is released (docs/specification.md, rule 2.8);
 * for the root with keys that come and go in the same publish.
 */
import { KeyError, UsageError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { changeKeys, keysOfRole } from '../publish/change-keys.ts';
import { parseRepository, type Repository } from '../reference/reference.ts';
import type { VerifiedCollection } from '../trust/collection.ts';
import { RELEASES } from '../trust/core/delegations.ts';
import type { Edit } from '../trust/core/editor.ts';
import { isSameKey, type KeyId, type PublicKey, tufKeyId } from '../trust/core/keys.ts';
import { isKeyId } from '../trust/core/pin.ts';
import { openCollection } from '../trust/updater.ts';
import type { Context, ExitStatus } from './context.ts';
import { forEachRepository } from './each-repository.ts';
import { readGivenKey } from './given-key.ts';
import type { OwnArguments } from './own-options.ts';
import { createPublishTools } from './publish-tools.ts';
import { sayChanged, withStagingHint } from './rotation-words.ts';
import { runOwn } from './run-own.ts';
import type { Services } from './services.ts';

const SYNTAX = {
  usage: 'dtrust trust threshold [OPTIONS] root|releases N REPO...',
  summary: 'Say how many different keys must sign the root, or what is released',
  flags: {
    'add-key': {
      type: 'string',
      repeatable: true,
      describe: 'Public key file of one more root key',
    },
    'remove-key': {
      type: 'string',
      repeatable: true,
      describe: 'ID of a root key that is to count no more',
    },
  },
  least: 3,
  most: Number.POSITIVE_INFINITY,
} as const;

interface Wanted {
  readonly role: 'root' | typeof RELEASES;
  readonly threshold: number;
  readonly add: readonly PublicKey[];
  readonly remove: readonly KeyId[];
  /** As it was typed, for the way on by several people. */
  readonly typed: string;
}

export function run(context: Context): Promise<ExitStatus> {
  return runOwn(context, SYNTAX, async (args, services) => {
    const wanted = parseWanted(context, args);
    const repositories = args.positionals.slice(2).map(parseRepository);
    await forEachRepository(services, repositories, 'change the threshold of', (repository) =>
      withStagingHint(`${wanted.typed} ${repository.familiar}`, () => change(services, repository, wanted)),
    );
    return 0;
  });
}

async function change(services: Services, repository: Repository, wanted: Wanted): Promise<void> {
  const { context } = services;
  const { canonical } = repository;
  const { role, threshold, add, remove } = wanted;
  const tools = await createPublishTools(services, repository);
  const before = thresholdOf(await openCollection(tools.editOptions), role);
  if (before === threshold && add.length + remove.length === 0) {
    context.out(`${role} of ${canonical} takes ${threshold} already\n`);
    return;
  }
  context.out(`Changing the threshold of ${role} in ${canonical}...\n`);
  const edits = (collection: VerifiedCollection): readonly Edit[] => [
    ...add.map((key): Edit => ({ kind: 'addKey', role: 'root', key: newRootKey(collection, key) })),
    { kind: 'setThreshold', role, threshold, ...(before === undefined ? {} : { from: before }) },
    ...remove.map((keyId): Edit => ({ kind: 'removeKey', role: 'root', keyId })),
  ];
  const changed = await changeKeys(tools, {
    edits,
    roles: role === 'root' ? ['root'] : [],
    comes: add,
    holds: (seen) => thresholdOf(seen, role) === threshold,
  });
  sayChanged(tools, changed);
  const of = role === 'root' ? ` of ${keysOfRole(changed.seen, 'root').length}` : '';
  context.out(
    `Successfully changed ${role} of ${canonical}: ${threshold}${of} ${threshold === 1 && of === '' ? 'key' : 'keys'} must sign it\n`,
  );
}

function thresholdOf({ trusted }: VerifiedCollection, role: Wanted['role']): number | undefined {
  if (role === 'root') return trusted.root.signed.roles.root.threshold;
  return trusted.targets()?.signed.delegations?.roles.get(RELEASES)?.threshold;
}

/** @throws KeyError KEY_EXISTS */
function newRootKey(collection: VerifiedCollection, key: PublicKey): PublicKey {
  const listed = keysOfRole(collection, 'root');
  if (!listed.some((other) => isSameKey(other, key))) return key;
  throw new KeyError({
    code: 'KEY_EXISTS',
    message: `this key is a root key of ${collection.repository.canonical} already: ${tufKeyId(key)}`,
    reference: collection.repository.canonical,
    found: tufKeyId(key),
    hints: [`See which keys count now: dtrust trust status ${collection.repository.familiar}`],
  });
}

/** @throws UsageError USAGE; KeyError of the key files */
function parseWanted(context: Context, args: OwnArguments): Wanted {
  const [name = '', count = ''] = args.positionals;
  const [files, remove] = [args.strings('add-key'), args.strings('remove-key')];
  if (name !== 'root' && name !== 'releases') throw usage('whose threshold it is', 'root, releases', name);
  if (!/^[1-9]\d{0,2}$/.test(count))
    throw usage('how many keys must sign', 'a whole number from 1 on', count);
  if (name === 'releases' && files.length + remove.length > 0) {
    throw new UsageError({
      code: 'USAGE',
      message: 'who signs releases is not said here',
      hints: ['Signers are added and removed with: dtrust trust signer add, dtrust trust signer remove'],
    });
  }
  const keyIds = remove.map((id) => {
    if (isKeyId(id)) return id;
    throw usage('which key', '64 hex digits, as dtrust trust status shows them', id);
  });
  const flags = [
    ...files.map((file) => `--add-key ${escapeShort(file)} `),
    ...keyIds.map((id) => `--remove-key ${id} `),
  ];
  return {
    role: name === 'root' ? 'root' : RELEASES,
    threshold: Number(count),
    add: files.map((file) => readGivenKey(context, file)),
    remove: keyIds,
    typed: `threshold ${flags.join('')}${name} ${count}`,
  };
}

function usage(what: string, expected: string, found: string): UsageError {
  return new UsageError({
    code: 'USAGE',
    message: `${what}: ${expected} is expected`,
    expected,
    found: escapeShort(found),
    hints: [`Usage: ${SYNTAX.usage}`],
  });
}
