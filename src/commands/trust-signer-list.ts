/** `dtrust trust signer list`: who may sign beside the owner, with which keys, which tags, and what he signed last. */
import { escapeJson, escapeShort } from '../lib/escape.ts';
import { parseRepository } from '../reference/reference.ts';
import type { VerifiedCollection } from '../trust/collection.ts';
import { tufKeyId } from '../trust/core/keys.ts';
import { type SignerRole, signedBy, signersOf } from '../trust/signers.ts';
import type { Context, ExitStatus } from './context.ts';
import { assertJsonFormat } from './format.ts';
import { openFor, printWarnings, sourceFor } from './open-collection.ts';
import { runOwn } from './run-own.ts';
import { renderTable } from './table.ts';

const SYNTAX = {
  usage: 'dtrust trust signer list [OPTIONS] REPOSITORY',
  summary: 'List the signers of a repository',
  flags: { format: { type: 'string', describe: "'json': everything that is known, on one line" } },
  least: 1,
  most: 1,
} as const;

interface ListedSigner {
  readonly signer: SignerRole;
  /** What he signed last of what is released. */
  readonly tags: readonly string[];
}

const SHORT_ID = 12;

export function run(context: Context): Promise<ExitStatus> {
  return runOwn(context, SYNTAX, async (args, services) => {
    const json = assertJsonFormat(args.string('format'));
    const repository = parseRepository(args.positionals[0] ?? '');
    const source = await sourceFor(services, repository);
    const collection = await openFor(services, repository, source, { purpose: 'own' });
    printWarnings(services, collection);
    const signers = await listSigners(collection);
    context.out(json ? renderJson(signers) : renderList(signers, collection));
    return 0;
  });
}

async function listSigners(collection: VerifiedCollection): Promise<readonly ListedSigner[]> {
  const released = await collection.listTargets();
  await collection.loadAll();
  const { trusted } = collection;
  return signersOf(trusted)
    .map((signer) => ({ signer, tags: signedBy(trusted, signer, released).map(({ path }) => path) }))
    .sort((left, right) => (left.signer.name < right.signer.name ? -1 : 1));
}

function renderJson(signers: readonly ListedSigner[]): string {
  const shown = signers.map(({ signer, tags }) => ({
    Name: signer.name,
    Keys: signer.keys.map((key) => ({ ID: tufKeyId(key) })),
    Threshold: signer.threshold,
    Paths: signer.paths ?? null,
    SignedLast: tags,
  }));
  return `${escapeJson(JSON.stringify(shown))}\n`;
}

function renderList(signers: readonly ListedSigner[], { repository }: VerifiedCollection): string {
  if (signers.length === 0) return `No signers for ${repository.canonical}: the repository key signs\n`;
  const rows = signers.map(({ signer, tags }) => [
    escapeShort(signer.name),
    signer.keys.map((key) => tufKeyId(key).slice(0, SHORT_ID)).join(', '),
    signer.paths === undefined ? 'all' : signer.paths.map((path) => escapeShort(path)).join(', '),
    `${tags.length}`,
  ]);
  return renderTable(['SIGNER', 'KEYS', 'MAY SIGN', 'SIGNED LAST'], rows);
}
