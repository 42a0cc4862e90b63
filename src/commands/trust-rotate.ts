/**
 * `dtrust trust rotate --recover`: after a theft, all keys of snapshot and timestamp at once (docs/specification.md,
 * rule 2.5); and the way to `rotate root`, `targets`, `online` and `signer`.
 */
import { UsageError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { type NewSignerKeys, recoverKeys } from '../publish/recover.ts';
import { parseRepository, type Repository } from '../reference/reference.ts';
import { type PublicKey, tufKeyId } from '../trust/core/keys.ts';
import type { Command, Context, ExitStatus, Outcome } from './context.ts';
import { forEachRepository } from './each-repository.ts';
import { readGivenKey } from './given-key.ts';
import type { OwnArguments } from './own-options.ts';
import { createPublishTools } from './publish-tools.ts';
import { sayChanged, withStagingHint } from './rotation-words.ts';
import { runOwn } from './run-own.ts';
import type { Services } from './services.ts';
import { assertSignerName } from './signer-name.ts';

const SYNTAX = {
  usage:
    'dtrust trust rotate --recover [OPTIONS] REPO...\n        dtrust trust rotate root|targets|online|signer --help',
  summary:
    'After a key was stolen that could publish: replace every key of snapshot and timestamp at once. What the thief\n' +
    'published with it ends there, also where it used up all versions.',
  flags: {
    recover: { type: 'boolean', describe: 'Replace every key of snapshot and timestamp' },
    signer: {
      type: 'string',
      repeatable: true,
      describe: 'NAME=FILE.pub: the new public key of a signer; without one he cannot publish alone any more',
    },
  },
  least: 0,
  most: Number.POSITIVE_INFINITY,
} as const;

/** What can be rotated by itself, each in a chunk of its own. */
const BELOW: ReadonlyMap<string, () => Promise<Command>> = new Map<string, () => Promise<Command>>([
  ['root', () => import('./trust-rotate-root.ts')],
  ['targets', () => import('./trust-rotate-targets.ts')],
  ['online', () => import('./trust-rotate-online.ts')],
  ['signer', () => import('./trust-rotate-signer.ts')],
]);

export async function run(context: Context): Promise<Outcome> {
  const [first, ...rest] = context.parsed.rest;
  const below = first === undefined ? undefined : await BELOW.get(first)?.();
  if (below !== undefined) return await below.run({ ...context, parsed: { ...context.parsed, rest } });
  return await runRecovery(context);
}

function runRecovery(context: Context): Promise<ExitStatus> {
  const { rest } = context.parsed;
  const asked = rest.length === 0 ? { ...context, parsed: { ...context.parsed, help: true } } : context;
  return runOwn(asked, SYNTAX, async (args, services) => {
    if (!args.on('recover') || args.positionals.length === 0) {
      throw new UsageError({
        code: 'USAGE',
        message: args.on('recover') ? 'name the repositories' : 'what is to be rotated is not said',
        expected: 'root, targets, online or signer NAME; or --recover',
        hints: ['See what there is: dtrust trust rotate --help'],
      });
    }
    const signers = parseSigners(context, args);
    const repositories = args.positionals.map(parseRepository);
    await forEachRepository(services, repositories, 'replace the keys of', (repository) =>
      withStagingHint(`rotate --recover ${repository.familiar}`, () =>
        recover(services, repository, signers),
      ),
    );
    return 0;
  });
}

async function recover(services: Services, repository: Repository, signers: NewSignerKeys): Promise<void> {
  const { context } = services;
  const { canonical, familiar } = repository;
  const tools = await createPublishTools(services, repository);
  context.out(`Replacing all keys of snapshot and timestamp of ${canonical}...\n`);
  const recovered = await recoverKeys(tools, signers);
  for (const line of recovered.lost) tools.say(`warning: ${line}`);
  for (const { name } of recovered.withoutKey) {
    const shown = escapeShort(name);
    tools.say(
      `warning: ${shown} can sign tags and no longer publish alone; with a new key of his: dtrust trust rotate signer --key FILE.pub ${shown} ${familiar}`,
    );
  }
  sayChanged(tools, recovered);
  tools.say(
    `if the stolen key could sign tags too, compare what is released with what it should be: dtrust trust inspect --pretty ${familiar}`,
  );
  tools.say(
    `a signer whose key was stolen signs on until it is replaced (dtrust trust rotate signer) or he is removed: dtrust trust signer remove NAME ${familiar}`,
  );
  context.out(`Successfully replaced the keys of ${canonical}: ${tufKeyId(recovered.onlineKey)}\n`);
}

/** @throws UsageError USAGE; KeyError of the key files */
function parseSigners(context: Context, args: OwnArguments): NewSignerKeys {
  const signers = new Map<string, readonly PublicKey[]>();
  for (const text of args.strings('signer')) {
    const [given = '', file] = [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)];
    if (!text.includes('=') || file === '') {
      throw new UsageError({
        code: 'USAGE',
        message: `--signer takes a name and a file: ${escapeShort(text)}`,
        expected: 'NAME=FILE.pub',
        found: escapeShort(text),
      });
    }
    const name = assertSignerName(given);
    const key = readGivenKey(context, file);
    signers.set(name, [...(signers.get(name) ?? []), key]);
  }
  return signers;
}
