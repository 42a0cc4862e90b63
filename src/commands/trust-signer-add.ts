/**
 * `dtrust trust signer add`: somebody else may sign, with a key of his own; everywhere, or for some tags alone
 * (docs/specification.md, rules 2.2 to 2.4). Takes the root key: signers keep the whole collection fresh. The key of a
 * job, `ci`, is made here (job-key.ts).
 */
import { UsageError } from '../lib/errors.ts';
import { type Prepared, type PublishTools, prepare } from '../publish/prepare.ts';
import { publishEdits } from '../publish/publish-edits.ts';
import { assertNobodysKey } from '../publish/signers-keys.ts';
import { parseRepository, type Repository } from '../reference/reference.ts';
import type { VerifiedCollection } from '../trust/collection.ts';
import type { PublicKey } from '../trust/core/keys.ts';
import type { Context, ExitStatus } from './context.ts';
import { forEachRepository } from './each-repository.ts';
import { readGivenKey } from './given-key.ts';
import { assertNoSuchSigner, isJobName, listJobKey, sayIfItMayStand } from './job-key.ts';
import { sayPinLine } from './new-pin-line.ts';
import { isMatchedBy, parsePathPattern } from './path-patterns.ts';
import { createPublishTools } from './publish-tools.ts';
import { runOwn } from './run-own.ts';
import type { Services } from './services.ts';
import { assertSignerName } from './signer-name.ts';

const SYNTAX = {
  usage: 'dtrust trust signer add [OPTIONS] NAME REPOSITORY [REPOSITORY...]',
  summary: 'Add a signer',
  flags: {
    key: {
      type: 'string',
      repeatable: true,
      describe: "Path to the signer's public key file; not for ci, ci-NAME",
    },
    path: {
      type: 'string',
      repeatable: true,
      describe: "Limit the signer to tags that match, such as 'dev-*'",
    },
  },
  least: 2,
  most: Number.POSITIVE_INFINITY,
} as const;

interface NewSigner {
  readonly name: string;
  /** Its key was made here, for a job. */
  readonly isJob: boolean;
  readonly keys: readonly PublicKey[];
  /** As typed. */
  readonly patterns: readonly string[];
}

export function run(context: Context): Promise<ExitStatus> {
  return runOwn(context, SYNTAX, async (args, services) => {
    const [given = '', ...names] = args.positionals;
    const name = assertSignerName(given);
    const repositories = names.map(parseRepository);
    const files = args.strings('key');
    const patterns = args.strings('path');
    if (files.length === 0) {
      if (!isJobName(name)) throw withoutKey(name, repositories);
      const request = { name, doing: `add signer ${name} to`, repositories };
      await listJobKey(context, request, (quiet, repository, keys) =>
        add(quiet, repository, { name, keys, patterns, isJob: true }),
      );
      return 0;
    }
    const keys = files.map((file) => readGivenKey(context, file));
    const signer = { name, keys, patterns, isJob: false };
    await forEachRepository(services, repositories, `add signer ${name} to`, (repository) =>
      add(services, repository, signer),
    );
    return 0;
  });
}

async function add(services: Services, repository: Repository, signer: NewSigner): Promise<void> {
  const { context } = services;
  const { name, keys, patterns, isJob } = signer;
  const { canonical } = repository;
  const tools = await createPublishTools(services, repository);
  context.out(`Adding signer "${name}" to ${canonical}...\n`);
  const prepared = await prepareExisting(tools, signer);
  const paths = patternsFor(prepared.collection, signer);
  await tellWhatMatches(tools, prepared.collection, name, paths);
  const edit = { kind: 'addSigner', name, keys, ...(patterns.length === 0 ? {} : { paths }) } as const;
  const publishing = publishEdits(tools, prepared, [edit]);
  const seen = await (isJob
    ? sayIfItMayStand(services, name, repository, 'signer remove', publishing)
    : publishing);
  sayPinLine(tools, seen);
  context.out(`Successfully added signer: ${name} to ${canonical}\n`);
}

/** As docker does: a repository that nobody has signed in yet is begun first. */
async function prepareExisting(
  tools: PublishTools,
  signer: NewSigner,
): Promise<Prepared & { readonly kind: 'existing' }> {
  const request = {
    targets: false,
    mayInitialise: true,
    administers: async (collection: VerifiedCollection) => {
      if (signer.isJob) assertNoSuchSigner(collection, signer.name);
      assertNobodysKey(collection, signer);
      patternsFor(collection, signer);
      return { roles: ['root', 'targets'] as const };
    },
  };
  const prepared = await prepare(tools, request);
  if (prepared.kind === 'existing') return prepared;
  tools.say(`initializing signed repository for ${tools.repository.canonical}`);
  await publishEdits(tools, prepared, []);
  const again = await prepare(tools, { ...request, mayInitialise: false });
  if (again.kind === 'existing') return again;
  throw new RangeError('what was just begun is there');
}

function patternsFor({ trusted, repository }: VerifiedCollection, { patterns }: NewSigner): string[] {
  return patterns.map((text) => parsePathPattern(text, repository, trusted.names));
}

/** A pattern is easily mistyped, and what is signed already stays where it stands (rule 2.3). */
async function tellWhatMatches(
  { say }: PublishTools,
  collection: VerifiedCollection,
  name: string,
  paths: readonly string[],
): Promise<void> {
  if (paths.length === 0) return;
  const signed = await collection.listTargets('passed-over');
  for (const pattern of paths) {
    const matched = signed.filter(({ path }) => isMatchedBy(path, pattern));
    if (matched.length === 0) say(`warning: nothing that is signed now matches ${pattern}`);
    else {
      say(
        `${matched.length} signed tags match ${pattern}; they stay as they are, and ${name} cannot change them until they are revoked`,
      );
    }
  }
}

function withoutKey(name: string, repositories: readonly Repository[]): UsageError {
  const familiar = repositories.map((repository) => repository.familiar).join(' ');
  return new UsageError({
    code: 'USAGE',
    message: 'path to a public key must be provided using the `--key` flag',
    hints: [
      `The signer makes his key with: dtrust trust key generate ${name}`,
      `Then, with the file he sends: dtrust trust signer add --key ${name}.pub ${name} ${familiar}`,
      `For a job of a CI service its key is made here: dtrust trust signer add ci ${familiar}`,
    ],
  });
}
