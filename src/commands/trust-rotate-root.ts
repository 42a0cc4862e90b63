/**
 * `dtrust trust rotate root`: another root key in the place of this user's old one, in some repositories or in all of
 * them (docs/specification.md, rules 2.1 and 2.8). The old key signs its successor, and is kept.
 */
import { KeyError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { changeKeys, keysOfRole } from '../publish/change-keys.ts';
import { type NextKey, nextRootKey, notePublished } from '../publish/next-key.ts';
import type { PublishTools } from '../publish/prepare.ts';
import { parseRepository, type Repository } from '../reference/reference.ts';
import type { VerifiedCollection } from '../trust/collection.ts';
import { isSameKey, type PublicKey, tufKeyId } from '../trust/core/keys.ts';
import type { Context, ExitStatus } from './context.ts';
import { forEachRepository, wantsAll } from './each-repository.ts';
import { readGivenKey } from './given-key.ts';
import { createPublishTools } from './publish-tools.ts';
import { repositoriesOfOwnRoot, rootKeysListed } from './root-keys-listed.ts';
import { sayChanged, withStagingHint } from './rotation-words.ts';
import { runOwn } from './run-own.ts';
import type { Services } from './services.ts';

const SYNTAX = {
  usage: 'dtrust trust rotate root [OPTIONS] [REPO...]',
  summary: 'Put a new root key in the place of yours',
  flags: {
    all: {
      type: 'boolean',
      describe: 'Every repository whose root lists a root key that is on this machine',
    },
    key: {
      type: 'string',
      repeatable: true,
      describe: 'Public key file of a root key that somebody else has; none is made here then',
    },
  },
  least: 0,
  most: Number.POSITIVE_INFINITY,
} as const;

export function run(context: Context): Promise<ExitStatus> {
  return runOwn(context, SYNTAX, async (args, services) => {
    const all = wantsAll(args, SYNTAX.usage);
    const given = args.strings('key').map((file) => readGivenKey(context, file));
    const repositories = all ? await repositoriesOfOwnRoot(services) : args.positionals.map(parseRepository);
    const rotation = new RootRotation(services, await rootKeysListed(services, repositories), given);
    const flags = args.strings('key').map((file) => `--key ${escapeShort(file)} `);
    await forEachRepository(services, repositories, 'rotate the root key of', (repository) =>
      withStagingHint(`rotate root ${flags.join('')}${repository.familiar}`, () =>
        rotation.rotate(repository),
      ),
    );
    return 0;
  });
}

/** One key for all repositories of a call. */
class RootRotation {
  readonly #services: Services;
  readonly #listed: ReadonlyMap<string, readonly PublicKey[]>;
  readonly #given: readonly PublicKey[];
  #next: Promise<NextKey> | undefined;

  constructor(
    services: Services,
    listed: ReadonlyMap<string, readonly PublicKey[]>,
    given: readonly PublicKey[],
  ) {
    this.#services = services;
    this.#listed = listed;
    this.#given = given;
  }

  async rotate(repository: Repository): Promise<void> {
    const { context } = this.#services;
    const tools = await createPublishTools(this.#services, repository);
    context.out(`Rotating the root key of ${repository.canonical}...\n`);
    const next = this.#given.length > 0 ? undefined : await this.#nextKey(tools);
    const keys = next === undefined ? this.#given : [next.publicKey];
    const before = this.#listed.get(repository.canonical) ?? [];
    if (next !== undefined && before.some((key) => isSameKey(key, next.publicKey))) {
      // Published before a rotation was interrupted, or by the same command for more repositories.
      await notePublished(tools, next, repository.canonical);
      context.out(`The root key of ${repository.canonical} is ${tufKeyId(next.publicKey)} already\n`);
      return;
    }
    const changed = await changeKeys(tools, {
      edits: (collection) => [
        { kind: 'replaceKeys', role: 'root', gone: ownRootKeys(tools, collection, keys), keys },
      ],
      roles: ['root'],
      comes: keys,
      ...(next === undefined ? {} : { next }),
      repositories: [...this.#listed.keys()],
    });
    sayChanged(tools, changed);
    context.out(
      `Successfully rotated the root key of ${repository.canonical}: ${keys.map(tufKeyId).join(', ')}\n`,
    );
  }

  #nextKey(tools: PublishTools): Promise<NextKey> {
    this.#next ??= nextRootKey(tools, this.#listed);
    return this.#next;
  }
}

/**
 * The keys to be replaced: those of this user.
 * @throws KeyError KEY_ROOT_MISSING
 */
function ownRootKeys(
  { keys, repository }: PublishTools,
  collection: VerifiedCollection,
  staying: readonly PublicKey[],
): readonly PublicKey[] {
  const listed = keysOfRole(collection, 'root');
  const own = listed.filter((key) => keys.has(key) && !staying.some((other) => isSameKey(other, key)));
  if (own.length > 0) return own;
  throw new KeyError({
    code: 'KEY_ROOT_MISSING',
    message: `no root key of ${repository.canonical} is on this machine that could be replaced`,
    reference: repository.canonical,
    expected: `private key of one of: ${listed.map(tufKeyId).join(', ')}`,
    found: 'none of them',
    hints: [
      'Run it where such a key is; to see the keys that are here: dtrust trust key list',
      `If it is lost and another root key is listed, run this there: dtrust trust threshold root N --remove-key KEYID ${repository.familiar}`,
    ],
  });
}
