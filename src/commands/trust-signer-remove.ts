/**
 * `dtrust trust signer remove`: his keys count no more (docs/specification.md, rule 2.6). Tags that he signed last are
 * shown first: they stay, signed by a key that stays, are signed for another digest, or go. All of it is one publish.
 */
import { KeyError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { describeManifest } from '../publish/describe-manifest.ts';
import { passingOver } from '../publish/leaving-role.ts';
import {
  editsFor,
  type Leaving,
  leavingSigner,
  othersInHisHand,
  type TagDecision,
  type TagDecisions,
  verifyDecisions,
  verifyStillSigned,
} from '../publish/leaving-signer.ts';
import { type Prepared, type PublishTools, prepare } from '../publish/prepare.ts';
import { publishEdits } from '../publish/publish-edits.ts';
import type { Digest } from '../reference/digest.ts';
import { parseRepository, parseTag, type Repository } from '../reference/reference.ts';
import type { Edit, TargetEntry } from '../trust/core/editor.ts';
import type { TargetFound } from '../trust/core/search.ts';
import { signersOf } from '../trust/signers.ts';
import { askAboutTags } from './ask-signer-tags.ts';
import type { Context, ExitStatus } from './context.ts';
import { forEachRepository } from './each-repository.ts';
import { sayPinLine } from './new-pin-line.ts';
import { createPublishTools } from './publish-tools.ts';
import { runOwn } from './run-own.ts';
import type { Services } from './services.ts';
import { parseTagDecisions, TAG_FLAGS } from './signer-tag-flags.ts';

const SYNTAX = {
  usage: 'dtrust trust signer remove [OPTIONS] NAME REPOSITORY [REPOSITORY...]',
  summary: 'Remove a signer',
  flags: {
    force: {
      alias: 'f',
      type: 'boolean',
      describe: 'Do not ask: tags that no other flag names stay signed',
    },
    ...TAG_FLAGS,
  },
  least: 2,
  most: Number.POSITIVE_INFINITY,
} as const;

interface Removal {
  readonly name: string;
  /** What was said about tags on the command line. */
  readonly decisions: TagDecisions;
  /** Tags about which nothing was said stay, unasked. */
  readonly force: boolean;
}

export function run(context: Context): Promise<ExitStatus> {
  return runOwn(context, SYNTAX, async (args, services) => {
    const [name = '', ...names] = args.positionals;
    const repositories = names.map(parseRepository);
    const removal = { name, force: args.on('force'), decisions: parseTagDecisions(args, repositories) };
    await forEachRepository(services, repositories, `remove signer ${escapeShort(name)} from`, (repository) =>
      remove(services, repository, removal),
    );
    return 0;
  });
}

async function remove(services: Services, repository: Repository, removal: Removal): Promise<void> {
  const { context } = services;
  const { canonical } = repository;
  const shown = escapeShort(removal.name);
  const given = await createPublishTools(services, repository);
  context.out(`Removing signer "${shown}" from ${canonical}...\n`);
  const tools = await passingOver(given, (trusted) =>
    signersOf(trusted).find(({ name }) => name === removal.name),
  );
  const entries = new Map<string, TargetEntry>();
  // Signed is what the registry has under the digest, as with `trust sign`.
  const check = async ({ path }: TargetFound, digest: Digest) => {
    const tag = parseTag(path.slice(canonical.length + 1));
    const client = await services.registry();
    entries.set(path, (await describeManifest(client, repository, tag, digest, context.signal)).entry);
  };
  const prepared = await prepareRemoval(tools, removal, check);
  const leaving = await leavingSigner(prepared.collection, removal.name);
  tellWhatElse(tools, othersInHisHand(prepared.collection, leaving), shown);
  const decisions = await decide(tools, leaving, removal, check);
  const edits: Edit[] = [
    { kind: 'removeSigner', name: removal.name },
    ...[...leaving.own, ...leaving.others].flatMap((target) => {
      const decision = decisions.get(target.path);
      return decision === undefined
        ? []
        : editsFor(leaving.signer, target, decision, entries.get(target.path));
    }),
  ];
  const seen = await publishEdits(tools, prepared, edits, (base) => verifyStillSigned(base, leaving));
  sayPinLine(tools, seen);
  for (const [path, { kind }] of decisions) {
    if (kind === 'revoke') context.out(`Revoked ${escapeShort(path)}\n`);
    if (kind === 'repoint') context.out(`Signed ${escapeShort(path)} for ${entries.get(path)?.sha256}\n`);
  }
  context.out(`Successfully removed ${shown} from ${canonical}\n`);
}

/** What the command line says is looked at before a key is asked for. */
async function prepareRemoval(
  tools: PublishTools,
  { name, decisions }: Removal,
  check: (target: TargetFound, digest: Digest) => Promise<void>,
): Promise<Prepared & { readonly kind: 'existing' }> {
  const prepared = await prepare(tools, {
    targets: true,
    mayInitialise: false,
    administers: async (collection) => {
      const leaving = await leavingSigner(collection, name);
      for (const [target, decision] of verifyDecisions(leaving, collection, decisions)) {
        if (decision.kind === 'repoint') await check(target, decision.digest);
      }
      return { roles: ['targets'], rolesIfHere: ['root'], without: leaving.signer.keys };
    },
  });
  if (prepared.kind === 'existing') return prepared;
  throw new RangeError('a repository without trust data is refused');
}

/**
 * A decision for each tag that he signed last, and for what else was named.
 * @throws KeyError PROMPT_UNAVAILABLE, PROMPT_DECLINED
 */
async function decide(
  tools: PublishTools,
  { own, others, signer }: Leaving,
  { decisions, force }: Removal,
  check: (target: TargetFound, digest: Digest) => Promise<void>,
): Promise<TagDecisions> {
  const made = new Map<string, TagDecision>();
  for (const { path } of [...own, ...others]) {
    const decision = decisions.get(path);
    if (decision !== undefined) made.set(path, decision);
  }
  const open = own.filter(({ path }) => !made.has(path));
  if (force) for (const { path } of open) made.set(path, { kind: 'keep' });
  if (force || open.length === 0) return made;
  const { terminal, repository } = tools;
  const name = escapeShort(signer.name);
  if (!terminal.canPrompt()) throw nobodyToAsk(repository, name, open);
  const asked = await askAboutTags({ terminal, signer: name, targets: open, check });
  return new Map([...made, ...asked]);
}

/** He could write any entry into the released role, and was the last to sign it. */
function tellWhatElse({ say, repository }: PublishTools, others: readonly TargetFound[], name: string): void {
  if (others.length === 0) return;
  say(
    `${name} signed targets/releases last, which lists ${others.length} ${others.length === 1 ? 'tag' : 'tags'} that he did not sign in his own name; ` +
      `compare with what they should be: dtrust trust inspect --pretty ${repository.familiar}`,
  );
}

function nobodyToAsk(
  { canonical, familiar }: Repository,
  name: string,
  open: readonly TargetFound[],
): KeyError {
  const tags = open.map(({ path }) => escapeShort(path));
  const first = tags[0] ?? `${familiar}:TAG`;
  return new KeyError({
    code: 'PROMPT_UNAVAILABLE',
    message: `${name} signed last what is released as ${tags.join(', ')}, and nobody is here to say whether it stays`,
    reference: canonical,
    hints: [
      `If these tags are to stay signed: dtrust trust signer remove --force ${name} ${familiar}`,
      `Say it for one tag: --keep ${first}, --revoke ${first}, or --repoint ${first}=sha256:DIGEST`,
    ],
  });
}
