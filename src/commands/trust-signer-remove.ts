/**
 * `dtrust trust signer remove`: his keys count no more (docs/specification.md, rule 2.6). Tags that he signed last are
 * shown first: they stay, signed by a key that stays, or go.
 */
import { KeyError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { type PublishTools, prepare } from '../publish/prepare.ts';
import { publishEdits } from '../publish/publish-edits.ts';
import { parseRepository, type Repository } from '../reference/reference.ts';
import type { VerifiedCollection } from '../trust/collection.ts';
import { RELEASES } from '../trust/core/delegations.ts';
import type { Edit } from '../trust/core/editor.ts';
import { isSameKey } from '../trust/core/keys.ts';
import { signingKeys } from '../trust/core/role-keys.ts';
import type { TargetFound } from '../trust/core/search.ts';
import { type SignerRole, signedBy, signersOf } from '../trust/signers.ts';
import type { Context, ExitStatus } from './context.ts';
import { forEachRepository } from './each-repository.ts';
import { sayPinLine } from './new-pin-line.ts';
import { createPublishTools } from './publish-tools.ts';
import { runOwn } from './run-own.ts';
import type { Services } from './services.ts';

const SYNTAX = {
  usage: 'dtrust trust signer remove [OPTIONS] NAME REPOSITORY [REPOSITORY...]',
  summary: 'Remove a signer',
  flags: {
    force: {
      alias: 'f',
      type: 'boolean',
      describe: 'Do not ask about the tags that the signer signed last: they stay signed',
    },
  },
  least: 2,
  most: Number.POSITIVE_INFINITY,
} as const;

export function run(context: Context): Promise<ExitStatus> {
  return runOwn(context, SYNTAX, async (args, services) => {
    const [name = '', ...names] = args.positionals;
    const force = args.on('force');
    const shown = escapeShort(name);
    await forEachRepository(
      services,
      names.map(parseRepository),
      `remove signer ${shown} from`,
      (repository) => remove(services, repository, name, force),
    );
    return 0;
  });
}

async function remove(
  services: Services,
  repository: Repository,
  name: string,
  force: boolean,
): Promise<void> {
  const { context } = services;
  const { canonical } = repository;
  const tools = await createPublishTools(services, repository);
  context.out(`Removing signer "${escapeShort(name)}" from ${canonical}...\n`);
  const prepared = await prepare(tools, {
    targets: true,
    mayInitialise: false,
    administers: async (collection) => {
      const { keys } = signerNamed(collection, name);
      return { roles: ['targets'], rolesIfHere: ['root'], without: keys };
    },
  });
  if (prepared.kind === 'new') throw new RangeError('a repository without trust data is refused');
  const { collection } = prepared;
  const signer = signerNamed(collection, name);
  const released = await collection.listTargets();
  await collection.loadAll();
  const own = signedBy(collection.trusted, signer, released);
  tellWhoSignedLast(tools, collection, signer, released.length - own.length);
  const keep = own.length === 0 || force || (await askToKeep(tools, signer, own));
  const edits: Edit[] = [
    { kind: 'removeSigner', name },
    ...own.flatMap((target) => editsFor(signer, target, keep)),
  ];
  const seen = await publishEdits(tools, prepared, edits);
  sayPinLine(tools, seen);
  context.out(`Successfully removed ${name} from ${canonical}\n`);
}

/** @throws KeyError KEY_NOT_LISTED */
function signerNamed({ trusted, repository }: VerifiedCollection, name: string): SignerRole {
  const signers = signersOf(trusted);
  const found = signers.find((signer) => signer.name === name);
  if (found !== undefined) return found;
  const there = signers.map((signer) => escapeShort(signer.name)).join(', ');
  throw new KeyError({
    code: 'KEY_NOT_LISTED',
    message: `no signer ${escapeShort(name)} for repository ${repository.canonical}`,
    reference: repository.canonical,
    expected: there === '' ? 'there are no signers' : `one of: ${there}`,
    found: escapeShort(name),
    hints: [`See who may sign: dtrust trust signer list ${repository.familiar}`],
  });
}

/** What stands in a role of his own goes with it: to stay it is signed again where everybody else's tags are. */
function editsFor({ role }: SignerRole, target: TargetFound, keep: boolean): readonly Edit[] {
  const { path } = target;
  if (target.role !== role) return keep ? [] : [{ kind: 'removeTarget', path }];
  const { lengthBytes, sha256, mediaType, custom } = target;
  return keep ? [{ kind: 'putTarget', target: { path, lengthBytes, sha256, mediaType, custom } }] : [];
}

/** Whoever may sign releases can write any entry into it; which ones he wrote only his own role says. */
function tellWhoSignedLast(
  { say }: PublishTools,
  { trusted, repository }: VerifiedCollection,
  signer: SignerRole,
  others: number,
): void {
  const releases = trusted.targets(RELEASES);
  const delegations = trusted.targets()?.signed.delegations;
  const listed = delegations?.roles.get(RELEASES);
  if (releases === undefined || delegations === undefined || listed === undefined || others === 0) return;
  const last = signingKeys(releases, listed, delegations.keys);
  if (!last.every((key) => signer.keys.some((own) => isSameKey(key, own)))) return;
  say(
    `${escapeShort(signer.name)} signed ${RELEASES} last, which lists ${others} tags that he did not sign in his own name; ` +
      `compare them with what they should be: dtrust trust inspect --pretty ${repository.familiar}`,
  );
}

/**
 * Whether the tags stay; false: they are revoked.
 * @throws KeyError PROMPT_UNAVAILABLE, PROMPT_DECLINED
 */
async function askToKeep(
  { terminal, repository }: PublishTools,
  signer: SignerRole,
  own: readonly TargetFound[],
): Promise<boolean> {
  const { familiar, canonical } = repository;
  const name = escapeShort(signer.name);
  const tags = own.map(({ path }) => escapeShort(path));
  if (!terminal.canPrompt()) {
    throw new KeyError({
      code: 'PROMPT_UNAVAILABLE',
      message: `${name} signed last what is released as ${tags.join(', ')}, and nobody is here to say whether it stays`,
      reference: canonical,
      hints: [
        `If these tags are to stay signed: dtrust trust signer remove --force ${name} ${familiar}`,
        `For each that is not, before that: dtrust trust revoke ${tags[0] ?? `${familiar}:TAG`}`,
      ],
    });
  }
  terminal.say(`The signer ${name} signed last:`);
  for (const { path, sha256 } of own) terminal.say(`  ${escapeShort(path)}  ${sha256}`);
  if (await terminal.askYesNo('Keep these tags signed? [y/N] ')) return true;
  if (await terminal.askYesNo('Revoke them? [y/N] ')) return false;
  throw new KeyError({ code: 'PROMPT_DECLINED', message: `nothing was changed: ${name} is still a signer` });
}
