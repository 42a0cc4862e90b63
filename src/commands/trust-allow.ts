/** `dtrust trust allow NAME@sha256:D`, `trust allow list`, `trust allow remove`: exceptions by exact digest. */
import {
  addException,
  type Exception,
  isCurrent,
  loadExceptions,
  makeException,
  removeException,
} from '../enforce/exceptions.ts';
import { UsageError } from '../lib/errors.ts';
import { escapeJson, escapeShort } from '../lib/escape.ts';
import { type Digest, isSha256 } from '../reference/digest.ts';
import { parseReference, type Repository } from '../reference/reference.ts';
import type { Context, ExitStatus } from './context.ts';
import { assertJsonFormat } from './format.ts';
import { runOwn } from './run-own.ts';
import type { Services } from './services.ts';
import { renderTable } from './table.ts';

const SYNTAX = {
  usage:
    'dtrust trust allow NAME@sha256:DIGEST --reason TEXT --until YYYY-MM-DD | trust allow list | trust allow remove NAME@sha256:DIGEST',
  summary: 'Let a digest that nobody signed be used under its tag, for a while',
  flags: {
    reason: { type: 'string', describe: 'Why; shown whenever the exception is used' },
    until: { type: 'string', describe: 'Last day on which it counts (UTC), at most 366 days ahead' },
    format: { type: 'string', describe: "'json': one JSON object per line, for list" },
  },
  least: 1,
  most: 2,
} as const;

export function run(context: Context): Promise<ExitStatus> {
  return runOwn(context, SYNTAX, async (args, services) => {
    const [first = '', second] = args.positionals;
    const [reason, until, format] = [args.string('reason'), args.string('until'), args.string('format')];
    const plain = reason === undefined && until === undefined;
    if ((first === 'list' || first === 'ls') && second === undefined && plain) return list(services, format);
    if (format !== undefined) throw usage('--format is for the list');
    if ((first === 'remove' || first === 'rm') && second !== undefined && plain) {
      return await remove(services, second);
    }
    if (second !== undefined) throw usage(`\`${escapeShort(`${first} ${second}`)}\` is not known`);
    if (reason === undefined || until === undefined) throw usage('--reason and --until are needed');
    const { repository, digest } = parseNamed(first);
    const given = { repository: repository.canonical, digest, reason, until };
    await addException(storeOf(services), makeException(given, context.startTimeMs));
    context.out(`Allowed ${repository.canonical}@${digest} until ${until}\n`);
    return 0;
  });
}

async function remove(services: Services, name: string): Promise<ExitStatus> {
  const { repository, digest } = parseNamed(name);
  const named = { repository: repository.canonical, digest };
  if (!(await removeException(storeOf(services), named))) {
    const message = `there is no exception for ${repository.canonical}@${digest}`;
    throw new UsageError({ code: 'USAGE', message, hints: ['dtrust trust allow list'] });
  }
  services.context.out(`Removed the exception for ${repository.canonical}@${digest}\n`);
  return 0;
}

function list(services: Services, format: string | undefined): ExitStatus {
  const json = assertJsonFormat(format);
  const { context } = services;
  const all = loadExceptions(storeOf(services));
  const state = (each: Exception) => (isCurrent(each, context.startTimeMs) ? 'in use' : 'over');
  const text = json
    ? all.map((each) => `${escapeJson(JSON.stringify({ ...jsonOf(each), State: state(each) }))}\n`).join('')
    : renderTable(
        ['REPOSITORY', 'DIGEST', 'UNTIL', 'STATE', 'REASON'],
        all.map((each) => [
          each.repository,
          each.digest,
          each.until,
          state(each),
          escapeShort(each.reason, 500),
        ]),
      );
  context.out(text);
  return 0;
}

function jsonOf({ repository, digest, reason, until }: Exception) {
  return { Repository: repository, Digest: digest, Reason: reason, Until: until };
}

/** A tag beside the digest would look as if it counted. */
function parseNamed(text: string): { readonly repository: Repository; readonly digest: Digest } {
  const { repository, tag, digest } = parseReference(text);
  if (digest !== undefined && isSha256(digest) && tag === undefined) return { repository, digest };
  throw usage(`${escapeShort(text)} is not NAME@sha256:DIGEST`);
}

function storeOf(services: Services) {
  const { fs, clock } = services.context;
  return { fs, clock, directory: services.trustDirectory };
}

function usage(message: string): UsageError {
  return new UsageError({ code: 'USAGE', message, hints: [`Usage: ${SYNTAX.usage}`] });
}
