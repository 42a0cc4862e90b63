/**
 * Flags and positionals of dtrust's own commands, by yargs and strictly: what is not known is refused before
 * anything happens. Docker's own commands are read by src/cli instead, exactly as docker reads them.
 */
import yargs from 'yargs';
import { UsageError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';

export interface OwnFlag {
  readonly alias?: string;
  readonly type: 'string' | 'boolean' | 'number';
  readonly describe: string;
  readonly repeatable?: boolean;
}

export interface OwnSyntax {
  /** `dtrust trust sign [OPTIONS] NAME:TAG` */
  readonly usage: string;
  readonly summary: string;
  readonly flags: Readonly<Record<string, OwnFlag>>;
  readonly least: number;
  readonly most: number;
}

export interface OwnArguments {
  readonly help: boolean;
  readonly positionals: readonly string[];
  string(name: string): string | undefined;
  strings(name: string): readonly string[];
  on(name: string): boolean;
}

/**
 * Reads the arguments behind the command.
 * @throws UsageError USAGE with the usage line as its hint
 */
export function parseOwn(syntax: OwnSyntax, args: readonly string[]): OwnArguments {
  const values = read(syntax, args);
  const positionals = (values._ ?? []).map(String);
  const help = values.help === true;
  if (!help) assertCount(syntax, positionals.length);
  return {
    help,
    positionals,
    string: (name) => assertOnce(syntax, name, values[name]),
    strings: (name) => [values[name] ?? []].flat().map(String),
    on: (name) => [values[name] ?? false].flat().at(-1) === true,
  };
}

/** The help text of a command, as docker lays it out. */
export function renderOwnHelp({ usage, summary, flags }: OwnSyntax): string {
  const rows = Object.entries(flags).map(([name, flag]) => {
    const short = flag.alias === undefined ? '    ' : `-${flag.alias}, `;
    const value = flag.type === 'boolean' ? '' : ` ${flag.type}`;
    return [`  ${short}--${name}${value}`, flag.describe] as const;
  });
  const width = Math.max(0, ...rows.map(([left]) => left.length)) + 3;
  const options = rows.map(([left, right]) => `${left.padEnd(width)}${right}\n`).join('');
  return `Usage:  ${usage}\n\n${summary}\n${options === '' ? '' : `\nOptions:\n${options}`}`;
}

function read(syntax: OwnSyntax, args: readonly string[]): Record<string, unknown> & { _?: unknown[] } {
  const known = new Set([
    'help',
    'h',
    ...Object.entries(syntax.flags).flatMap(([n, f]) => [n, f.alias ?? n]),
  ]);
  refuseInherited(syntax, args);
  const parser = yargs([])
    .help(false)
    .version(false)
    .detectLocale(false)
    .exitProcess(false)
    .parserConfiguration({
      'boolean-negation': false,
      'camel-case-expansion': false,
      'dot-notation': false,
      'parse-numbers': false,
      'parse-positional-numbers': false,
      'strip-aliased': false,
      'unknown-options-as-args': false,
    })
    .option('help', { alias: 'h', type: 'boolean' })
    .fail((message) => {
      throw usageError(syntax, message ?? 'the arguments cannot be read');
    });
  for (const [name, { alias, type, repeatable }] of Object.entries(syntax.flags)) {
    const takesValue = type !== 'boolean';
    const shape = { type: takesValue ? 'string' : 'boolean', requiresArg: takesValue } as const;
    parser.option(name, { ...shape, ...(alias && { alias }), ...(repeatable && { array: true, nargs: 1 }) });
  }
  const values = parser.parseSync([...args]) as Record<string, unknown> & { _?: unknown[] };
  const stranger = Object.keys(values).find((name) => name !== '_' && name !== '$0' && !known.has(name));
  if (stranger !== undefined) {
    throw usageError(syntax, `unknown flag: ${stranger.length === 1 ? '-' : '--'}${escapeShort(stranger)}`);
  }
  return values;
}

/** yargs keeps flags in plain objects, where `--toString` and `--constructor` find what every object has. */
function refuseInherited(syntax: OwnSyntax, args: readonly string[]): void {
  const end = args.indexOf('--');
  for (const arg of end < 0 ? args : args.slice(0, end)) {
    const name = /^--?([^=]*)/.exec(arg)?.[1];
    if (name !== undefined && name in Object.prototype) {
      throw usageError(syntax, `unknown flag: --${name}`);
    }
  }
}

function assertOnce(syntax: OwnSyntax, name: string, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (Array.isArray(value)) throw usageError(syntax, `--${name} is given more than once`);
  return String(value);
}

function assertCount(syntax: OwnSyntax, count: number): void {
  const { least, most } = syntax;
  if (count >= least && count <= most) return;
  const wanted =
    least === most
      ? `${least}`
      : most === Number.POSITIVE_INFINITY
        ? `at least ${least}`
        : `${least} to ${most}`;
  throw usageError(syntax, `${wanted} argument${wanted === '1' ? '' : 's'} expected, ${count} given`);
}

function usageError(syntax: OwnSyntax, message: string): UsageError {
  return new UsageError({ code: 'USAGE', message, hints: [`Usage: ${syntax.usage}`] });
}
