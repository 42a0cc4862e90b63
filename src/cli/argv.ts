/**
 * What a docker command line says: global flags, the command, its flags and positionals, as docker reads them.
 *
 * Docker reads in three steps, and so does this: the flags before the first positional by pflag; then cobra's
 * `Traverse`, which looks for verbs with a rougher idea of flags (`docker image -- x pull y` pulls y); then the
 * command's own flags by pflag again. test/cli-grammar compares with a real docker.
 *
 * Where dtrust cannot be sure which command docker would run, it throws; it never calls something passed on
 * that docker would carry out as a pull. Narrower than docker, for that reason: arguments behind a `--` that
 * stands before the command and begin with `-` again, and flags between a command and its verb that no known
 * release has.
 */
import { UsageError } from '../lib/errors.ts';
import type { FlagTable } from './flags.ts';
import { COMMAND_FLAGS, GLOBAL_FLAGS } from './flags.ts';
import type { FlagOccurrence } from './pflag.ts';
import { CommandLineError, lastValue, parseFlags } from './pflag.ts';
import { traverse } from './traverse.ts';

/** Flags by name; each with every value given, in order. */
export type FlagMap = ReadonlyMap<string, readonly string[]>;

export interface ParsedArgv {
  /** Flags before the command; help and version are not among them. */
  readonly globals: FlagMap;
  /** Where in the arguments the command's first word stands. */
  readonly commandAt: number;
  /** Flags between the words of the command (`buildx --builder x build`); help is not among them. */
  readonly between: FlagMap;
  /** Aliases replaced (`image rmi` is `image rm`); what is unknown as typed; empty for docker by itself. */
  readonly path: readonly string[];
  /** Everything behind the command, untouched. */
  readonly rest: readonly string[];
  /** Where `rest` begins in the arguments. */
  readonly restAt: number;
  /** Of the command; empty where `readsFlags` is false. */
  readonly flags: FlagMap;
  readonly positionals: readonly string[];
  /** Where each positional stands in `rest`. */
  readonly positionalsAt: readonly number[];
  /** Where in `rest` a flag of dtrust's own is read last of all. */
  readonly flagsEndAt: number;
  /** Whether the command has a flag table and the arguments fit it. */
  readonly readsFlags: boolean;
  /** What `--disable-content-trust` says where docker reads it, the last one; undefined when it says nothing. */
  readonly contentTrust: 'on' | 'off' | undefined;
  /** Where in the arguments those flags stand. */
  readonly contentTrustAt: readonly number[];
  /** Docker would print the command's help and do nothing else; false when in doubt. */
  readonly help: boolean;
  readonly usage: string;
}

const CONTENT_TRUST = 'disable-content-trust';

/**
 * Reads the arguments of one call, without the program's name.
 * @throws CommandLineError USAGE where docker prints a usage error for a command that dtrust does itself
 * @throws UsageError USAGE where it cannot be told which command docker would run
 */
export function parseDockerArgv(argv: readonly string[]): ParsedArgv {
  const globals = parseFlags(argv, GLOBAL_FLAGS);
  const start = globals.positionalsAt;
  refuseSecondReading(argv[start]);
  const found = traverse(argv, start);
  const path = found.unknown === undefined ? found.node.path : [...found.node.path, found.unknown];
  const help = lastHelp(found.flags, lastHelp(globals.occurrences, undefined));
  const common = {
    globals: toMap(globals.occurrences, ['help', 'version']),
    commandAt: start,
    between: toMap(found.flags, ['help']),
    path,
    restAt: found.restAt,
  };
  const rest = argv.slice(found.restAt);
  const table = found.unknown === undefined ? COMMAND_FLAGS.get(path.join(' ')) : undefined;
  const own = table === undefined ? undefined : readCommand(rest, table, found.restAt);
  if (own === undefined || table === undefined) return withoutFlags({ ...common, rest, help });
  return {
    ...common,
    rest,
    ...own.parsed,
    help: table.ownHelp ? own.help === true : (own.help ?? help) === true,
  };
}

/** The arguments without the content-trust flags, which Docker CLI 29, buildx and Compose do not know. */
export function stripContentTrustFlag(argv: readonly string[], parsed: ParsedArgv): string[] {
  return argv.filter((_, index) => !parsed.contentTrustAt.includes(index));
}

/** The last value of a flag that takes one. */
export function flagValue(flags: FlagMap, name: string): string | undefined {
  return flags.get(name)?.at(-1);
}

/** Whether a boolean flag is set; the last one said counts. */
export function flagOn(flags: FlagMap, name: string): boolean {
  return flagValue(flags, name) === 'true';
}

/**
 * Returns its argument when the command has as many positionals as docker wants.
 * @throws CommandLineError USAGE, exit status 1 as docker's
 */
export function assertPositionals(parsed: ParsedArgv): ParsedArgv {
  const name = parsed.path.join(' ');
  const { positionals: wanted, least = 0, most = Number.POSITIVE_INFINITY } = COMMAND_FLAGS.get(name) ?? {};
  const count = parsed.positionals.length;
  const complain = (requires: string) => {
    throw new CommandLineError(`docker: 'docker ${name}' requires ${requires}`, parsed.usage, 1);
  };
  const some = (number: number) => `${number} ${number === 1 ? 'argument' : 'arguments'}`;
  if (wanted !== undefined && count !== wanted) complain(some(wanted));
  if (least > 0 && Number.isFinite(most) && (count < least || count > most)) {
    complain(`at least ${least} and at most ${some(most)}`);
  }
  if (count > most) complain(`at most ${some(most)}`);
  if (count < least) complain(`at least ${some(least)}`);
  return parsed;
}

/**
 * The path after config.json's `aliases`. Docker knows one alias, `builder`, and it stands for the builds as well;
 * another plugin than buildx behind it is not known to dtrust, and its commands are refused with the builder's.
 */
export function applyAlias(path: readonly string[], aliases: ReadonlyMap<string, string>): readonly string[] {
  const target = aliases.get('builder');
  if (target === undefined || target === 'buildx') return path;
  const building = path[0] === 'build' || (path[0] === 'image' && path[1] === 'build');
  return path[0] === 'builder' || building ? ['builder', `(alias of ${target})`] : path;
}

/** `docker -- -D pull x`: docker reads the flags again behind the `--`, by other rules. */
function refuseSecondReading(first: string | undefined): void {
  if (first === undefined || !first.startsWith('-') || first === '-') return;
  throw new UsageError({
    code: 'USAGE',
    message: 'it cannot be told which command is meant: a flag follows `--`',
    hints: ['Put the flags before the command and leave `--` out.'],
  });
}

interface CommandFlags {
  readonly parsed: Pick<
    ParsedArgv,
    | 'flags'
    | 'positionals'
    | 'positionalsAt'
    | 'flagsEndAt'
    | 'readsFlags'
    | 'contentTrust'
    | 'contentTrustAt'
    | 'usage'
  >;
  readonly help: boolean | undefined;
}

/** Commands dtrust does itself must parse; for the others a flag that is not known only means: not sure. */
function readCommand(rest: readonly string[], table: FlagTable, restAt: number): CommandFlags | undefined {
  try {
    const values = parseFlags(rest, table);
    const disabled = lastValue(values.occurrences, CONTENT_TRUST);
    return {
      parsed: {
        flags: toMap(values.occurrences, ['help']),
        positionals: values.positionals,
        positionalsAt: values.indices,
        flagsEndAt: values.flagsEndAt,
        readsFlags: true,
        contentTrust: disabled === undefined ? undefined : disabled === 'true' ? 'off' : 'on',
        contentTrustAt: values.occurrences
          .filter((flag) => flag.name === CONTENT_TRUST)
          .map((flag) => flag.at + restAt),
        usage: table.usage,
      },
      help: lastHelp(values.occurrences, undefined),
    };
  } catch (error) {
    const must = table.positionals !== undefined || table.least !== undefined;
    if (!(error instanceof CommandLineError) || must) throw error;
    return undefined;
  }
}

function withoutFlags(
  common: Pick<ParsedArgv, 'globals' | 'commandAt' | 'between' | 'path' | 'rest' | 'restAt'> & {
    readonly help: boolean | undefined;
  },
): ParsedArgv {
  return {
    ...common,
    flags: new Map(),
    positionals: [],
    positionalsAt: [],
    flagsEndAt: 0,
    readsFlags: false,
    contentTrust: undefined,
    contentTrustAt: [],
    help: asksForHelp(common),
    usage: `docker ${common.path.join(' ')}`.trim(),
  };
}

/**
 * Without a flag table: help is the first thing said behind the command, where it can be no other flag's value,
 * and nothing later can take it back (`--help=false`). A help before the command is not counted: a command may
 * have one of its own, as `run` has.
 */
function asksForHelp(command: Pick<ParsedArgv, 'path' | 'rest'> & { help: boolean | undefined }): boolean {
  if (command.rest[0] !== '--help') return command.path[0] === 'trust' && command.help === true;
  return !command.rest.some((arg) => arg.startsWith('-') && arg.includes('='));
}

function lastHelp(occurrences: readonly FlagOccurrence[], before: boolean | undefined): boolean | undefined {
  const value = lastValue(occurrences, 'help');
  return value === undefined ? before : value === 'true';
}

function toMap(occurrences: readonly FlagOccurrence[], without: readonly string[]): FlagMap {
  const map = new Map<string, string[]>();
  for (const { name, value } of occurrences) {
    if (!without.includes(name)) map.set(name, [...(map.get(name) ?? []), value]);
  }
  return map;
}
