/**
 * `dtrust trust status`: until when the trust data of repositories is good, by whose keys it is renewed, and what this
 * machine has to do with it. It says nothing about images.
 *
 * Exit status 0: every repository was read, nothing has expired, and with `--expiring` nothing ends within that time.
 */
import type { KeyStore } from '../keys/key-store.ts';
import { DtrustError } from '../lib/errors.ts';
import { inParallel } from '../lib/parallel.ts';
import { parseRepository, type Repository } from '../reference/reference.ts';
import { endsWithin } from '../trust/collection-status.ts';
import { type Context, type ExitStatus, note } from './context.ts';
import { parseDuration } from './duration.ts';
import { wantsAll } from './each-repository.ts';
import { assertJsonFormat } from './format.ts';
import { keysToShow } from './keys-to-show.ts';
import { type Known, repositoriesHere } from './known-repositories.ts';
import type { OwnArguments } from './own-options.ts';
import { readStatus } from './read-status.ts';
import { type Row, renderEnding, renderOverview, renderPages } from './render-status.ts';
import { renderStatusJson } from './render-status-json.ts';
import { runOwn } from './run-own.ts';
import type { Services } from './services.ts';
import { withHints } from './trust-hints.ts';

const SYNTAX = {
  usage: 'dtrust trust status [OPTIONS] [REPO...]',
  summary: 'Show until when the trust data of repositories is good, and who can renew it',
  flags: {
    all: { type: 'boolean', describe: 'Every repository remembered, pinned, or with a key of its own here' },
    expiring: { type: 'string', describe: "Only roles that end within this time, such as '90d'" },
    format: { type: 'string', describe: "'json': one JSON object per repository and line" },
  },
  least: 0,
  most: Number.POSITIVE_INFINITY,
} as const;

/** Registries are asked side by side; not by so many requests that one takes it for an attack. */
const AT_ONCE = 8;

export function run(context: Context): Promise<ExitStatus> {
  return runOwn(context, SYNTAX, async (args, services) => {
    const json = assertJsonFormat(args.string('format'));
    const expiring = args.string('expiring');
    const withinMs = expiring === undefined ? undefined : parseDuration(expiring, 'expiring');
    const all = wantsAll(args, SYNTAX.usage);
    const known = all ? await repositoriesHere(services) : named(args);
    if (known.length === 0)
      note(context, 'no repository is remembered, pinned, or has a key of its own here');
    const keys = await keysToShow(services);
    const rows = await inParallel(known, AT_ONCE, (each) => rowOf(services, keys, each, !all));
    services.about = undefined;
    const failed = rows.flatMap((row) => ('error' in row ? [row] : []));
    // One repository that is refused is refused as by every command.
    if (!all && rows.length === 1 && failed[0] !== undefined) throw failed[0].error;
    const shown = withinMs === undefined ? rows : rows.flatMap((row) => onlyEnding(row, withinMs));
    if (json) context.out(renderStatusJson(shown));
    else if (withinMs !== undefined) context.out(renderEnding(shown, withinMs));
    else context.out(all ? renderOverview(rows) : renderPages(rows));
    if (failed[0] !== undefined) {
      note(context, `cannot tell how these stand: ${failed.map(({ name }) => name).join(', ')}`);
      throw failed[0].error;
    }
    return shown.some((row) => ends(row, withinMs ?? 0)) ? 1 : 0;
  });
}

function named(args: OwnArguments): readonly Known[] {
  const repositories = args.positionals.map(parseRepository);
  return [...new Map(repositories.map((repository) => [repository.canonical, { repository }])).values()];
}

async function rowOf(services: Services, keys: KeyStore, known: Known, warn: boolean): Promise<Row> {
  if (!('repository' in known)) return known;
  const { repository } = known;
  try {
    const { status, warnings } = await readStatus(services, repository, keys);
    if (warn) for (const line of new Set(warnings)) note(services.context, `warning: ${line}`);
    const { lost } = status;
    if (lost !== undefined) note(services.context, `warning: ${lost.message} (${lost.code})`);
    return { name: repository.canonical, status };
  } catch (error) {
    return { name: repository.canonical, error: assertForeseen(error, repository) };
  }
}

/** What is no DtrustError is a bug, or a person who stops the command: it is thrown on. */
function assertForeseen(error: unknown, repository: Repository): DtrustError {
  if (!(error instanceof DtrustError)) throw error;
  withHints(error, repository);
  return error;
}

function onlyEnding(row: Row, withinMs: number): readonly Row[] {
  if ('error' in row) return [row];
  const { status, name } = row;
  const roles = status.roles.filter((role) => endsWithin(role, status.nowMs, withinMs));
  return roles.length === 0 ? [] : [{ name, status: { ...status, roles } }];
}

function ends(row: Row, withinMs: number): boolean {
  return 'status' in row && row.status.roles.some((role) => endsWithin(role, row.status.nowMs, withinMs));
}
