/**
 * `dtrust trust stage COMMAND`: the ordinary command, for roles that take keys of several machines. What it would
 * publish is signed with the keys that are here and kept beside the trust data, until others have signed it with
 * `dtrust trust cosign` (docs/specification.md, rule 4.6).
 */
import { parseDockerArgv } from '../cli/argv.ts';
import { classify } from '../cli/classify.ts';
import { UsageError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { discardStaged } from '../publish/stage.ts';
import { Staged } from '../publish/staged.ts';
import { parseRepository } from '../reference/reference.ts';
import { openCollection } from '../trust/updater.ts';
import { commandNamed } from './command-modules.ts';
import { type Context, type ExitStatus, note, type Outcome } from './context.ts';
import { createPublishTools, stagedStoreFor } from './publish-tools.ts';
import { runOwn } from './run-own.ts';

const SYNTAX = {
  usage: 'dtrust trust stage COMMAND [ARG...]',
  summary:
    'Run a command whose change takes keys of several machines: it is signed with the keys that are here, and kept for\n' +
    'others to sign with dtrust trust cosign. COMMAND is push, sign, revoke, signer add, signer remove, rotate, threshold\n' +
    'or refresh, with its own arguments.',
  flags: {
    discard: { type: 'string', describe: 'Take back what is staged for this repository' },
  },
  least: 0,
  most: 0,
} as const;

/** Those that end in one publish of edits. */
const STAGEABLE: ReadonlySet<string> = new Set([
  'push',
  'trust sign',
  'trust revoke',
  'trust signer add',
  'trust signer remove',
  'trust rotate',
  'trust threshold',
  'trust refresh',
]);

export function run(context: Context): Promise<Outcome> {
  const [first] = context.parsed.rest;
  if (first === undefined || first.startsWith('-') || context.parsed.help) return runOwnWork(context);
  return stage(context);
}

async function stage(context: Context): Promise<Outcome> {
  const { rest, globals } = context.parsed;
  const parsed = parseDockerArgv(rest[0] === 'push' ? rest : ['trust', ...rest]);
  const path = parsed.path.join(' ');
  const isKnown = classify(parsed.path, parsed.rest).class === 'enforced';
  if (!isKnown || !STAGEABLE.has(path)) {
    throw new UsageError({
      code: 'USAGE',
      message: `there is nothing to stage in \`${escapeShort(rest.slice(0, 2).join(' '))}\``,
      expected: [...STAGEABLE].map((each) => each.replace('trust ', '')).join(', '),
      hints: [`Usage: ${SYNTAX.usage}`],
    });
  }
  if (parsed.contentTrust === 'off') {
    throw new UsageError({ code: 'USAGE', message: 'what is pushed without content trust is not signed' });
  }
  try {
    const command = await commandNamed(path);
    return await command.run({ ...context, parsed: { ...parsed, globals }, staging: true });
  } catch (error) {
    if (!(error instanceof Staged)) throw error;
    if (path.startsWith('trust rotate')) {
      note(
        context,
        `once it is published, run \`dtrust trust ${escapeShort(rest.join(' '))}\` here: this machine then uses the new key`,
      );
    }
    return 0;
  }
}

function runOwnWork(context: Context): Promise<ExitStatus> {
  return runOwn(context, SYNTAX, async (args, services) => {
    const name = args.string('discard');
    if (name === undefined) {
      throw new UsageError({
        code: 'USAGE',
        message: 'a command to stage is expected',
        hints: [`Usage: ${SYNTAX.usage}`],
      });
    }
    const repository = parseRepository(name);
    const tools = await createPublishTools(services, repository);
    const collection = await openCollection(tools.editOptions);
    const isThere = await discardStaged(tools, await stagedStoreFor(services, tools.source), collection);
    const done = isThere ? 'Took back what was staged' : 'Nothing that can be read was staged';
    context.out(`${done} for ${repository.canonical}\n`);
    tools.say(
      'whoever kept a copy with enough signatures can still publish it, until the roles that it changes are published anew',
    );
    return 0;
  });
}
