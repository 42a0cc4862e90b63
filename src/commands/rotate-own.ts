/** Another key in the place of one that belongs to a repository: what `rotate targets` and `rotate online` share. */
import { changeKeys, keysOfRole, onlineKeysOf } from '../publish/change-keys.ts';
import { type NextKey, nextRepositoryKey, notePublished } from '../publish/next-key.ts';
import { parseRepository, type Repository } from '../reference/reference.ts';
import type { VerifiedCollection } from '../trust/collection.ts';
import type { Edit } from '../trust/core/editor.ts';
import { isSameKey, type PublicKey, tufKeyId } from '../trust/core/keys.ts';
import { openCollection } from '../trust/updater.ts';
import type { Context, ExitStatus } from './context.ts';
import { forEachRepository } from './each-repository.ts';
import { createPublishTools } from './publish-tools.ts';
import { sayChanged, withStagingHint } from './rotation-words.ts';
import { runOwn } from './run-own.ts';
import type { Services } from './services.ts';

interface OwnRotation {
  /** What is typed behind `rotate`. */
  readonly verb: 'targets' | 'online';
  readonly what: string;
  readonly summary: string;
}

type OnlineRole = 'snapshot' | 'timestamp';

const ONLINE: readonly OnlineRole[] = ['snapshot', 'timestamp'];

export function rotateOwn(context: Context, rotation: OwnRotation): Promise<ExitStatus> {
  const syntax = {
    usage: `dtrust trust rotate ${rotation.verb} REPO...`,
    summary: rotation.summary,
    flags: {},
    least: 1,
    most: Number.POSITIVE_INFINITY,
  };
  return runOwn(context, syntax, async (args, services) => {
    const repositories = args.positionals.map(parseRepository);
    await forEachRepository(services, repositories, `rotate the ${rotation.what} of`, (repository) =>
      withStagingHint(`rotate ${rotation.verb} ${repository.familiar}`, () =>
        rotate(services, repository, rotation),
      ),
    );
    return 0;
  });
}

async function rotate(
  services: Services,
  repository: Repository,
  { verb, what }: OwnRotation,
): Promise<void> {
  const { context } = services;
  const { canonical } = repository;
  const tools = await createPublishTools(services, repository);
  context.out(`Rotating the ${what} of ${canonical}...\n`);
  const next = await nextRepositoryKey(tools, verb === 'targets' ? 'targets' : 'snapshot', canonical);
  const roles = verb === 'targets' ? (['targets'] as const) : ONLINE;
  if (next.fresh === undefined && isInUse(await openCollection(tools.editOptions), next, roles)) {
    // The rotation was interrupted after it was published.
    await notePublished(tools, next, canonical);
    context.out(`The ${what} of ${canonical} is ${tufKeyId(next.publicKey)} already\n`);
    return;
  }
  const edits = (collection: VerifiedCollection) =>
    verb === 'targets'
      ? replacing('targets', keysOfRole(collection, 'targets'), next)
      : ONLINE.flatMap((role) => replacing(role, onlineKeysIn(collection, role), next));
  sayChanged(tools, await changeKeys(tools, { edits, next, roles }));
  context.out(`Successfully rotated the ${what} of ${canonical}: ${tufKeyId(next.publicKey)}\n`);
}

function replacing(
  role: 'targets' | OnlineRole,
  gone: readonly PublicKey[],
  { publicKey }: NextKey,
): readonly Edit[] {
  const others = gone.filter((key) => !isSameKey(key, publicKey));
  return [{ kind: 'replaceKeys', role, gone: others, keys: [publicKey] }];
}

/** Signers' keys stay listed; every other key of the role goes. */
function onlineKeysIn(collection: VerifiedCollection, role: OnlineRole): readonly PublicKey[] {
  const online = onlineKeysOf(collection);
  return keysOfRole(collection, role).filter((key) => online.some((other) => isSameKey(other, key)));
}

function isInUse(
  collection: VerifiedCollection,
  { publicKey }: NextKey,
  roles: readonly ('targets' | OnlineRole)[],
): boolean {
  return roles.every((role) => keysOfRole(collection, role).some((key) => isSameKey(key, publicKey)));
}
