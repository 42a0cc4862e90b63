/**
 * Reading flags exactly as Go's pflag does, on which docker's command line is built: which text is a flag, which
 * is the value of the one before, and which is a positional.
 *
 * Getting one of these wrong turns a positional into a value or the other way round, and then dtrust decides on
 * another command than docker runs. What pflag refuses is refused with its words and docker's exit status.
 */

import { UsageError } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';
import { parseGoBool } from './content-trust.ts';
import type { FlagSpec, FlagTable } from './flags.ts';

/** Docker's exit status for a flag it cannot read. */
const FLAG_ERROR_STATUS = 125;

/** A command line docker itself would refuse; printed as docker does, with the usage line. */
export class CommandLineError extends UsageError {
  readonly exitStatus: number;
  /** `docker pull [OPTIONS] NAME[:TAG|@DIGEST]` */
  readonly usage: string;

  constructor(message: string, usage: string, exitStatus: number = FLAG_ERROR_STATUS) {
    super({ code: 'USAGE', message });
    this.usage = usage;
    this.exitStatus = exitStatus;
  }
}

export interface FlagOccurrence {
  readonly name: string;
  /** Booleans are `true` or `false`, whatever was typed. */
  readonly value: string;
  /** Index in the arguments of the text that names the flag. */
  readonly at: number;
}

export interface FlagValues {
  /** In the order given. */
  readonly occurrences: readonly FlagOccurrence[];
  readonly positionals: readonly string[];
  /** Index of the first positional in the arguments; their number when there is none. */
  readonly positionalsAt: number;
  /** Index of each positional. */
  readonly indices: readonly number[];
  /** Where one more flag could stand, read after all the others: before a `--`, else where flags are read no more. */
  readonly flagsEndAt: number;
}

/**
 * Reads arguments by a flag table.
 * @throws CommandLineError USAGE
 */
export function parseFlags(args: readonly string[], table: FlagTable): FlagValues {
  return new FlagReader(args, table).read();
}

class FlagReader {
  readonly #args: readonly string[];
  readonly #table: FlagTable;
  readonly #occurrences: FlagOccurrence[] = [];
  readonly #positionals: string[] = [];
  #next = 0;
  readonly #indices: number[] = [];
  #positionalsAt: number | undefined;
  #flagsEndAt: number | undefined;

  constructor(args: readonly string[], table: FlagTable) {
    this.#args = args;
    this.#table = table;
  }

  read(): FlagValues {
    while (this.#next < this.#args.length) {
      const at = this.#next;
      const arg = this.#args[at] ?? '';
      this.#next += 1;
      if (arg === '--') {
        this.#flagsEndAt ??= at;
        this.#takePositionals(this.#next);
      } else if (!arg.startsWith('-') || arg === '-') {
        if (this.#table.interspersed) this.#takePositional(arg, at);
        else this.#takePositionals(at);
      } else if (arg.startsWith('--')) {
        this.#readLong(arg, at);
      } else {
        this.#readShorts(arg.slice(1), at);
      }
    }
    return {
      occurrences: this.#occurrences,
      positionals: this.#positionals,
      positionalsAt: this.#positionalsAt ?? this.#args.length,
      indices: this.#indices,
      flagsEndAt: this.#flagsEndAt ?? this.#endOfFlags(),
    };
  }

  /** Without a `--`: flags are read to the end, or to the first positional. */
  #endOfFlags(): number {
    const end = this.#args.length;
    return this.#table.interspersed ? end : (this.#positionalsAt ?? end);
  }

  #takePositional(arg: string, at: number): void {
    this.#positionalsAt ??= at;
    this.#positionals.push(arg);
    this.#indices.push(at);
  }

  #takePositionals(from: number): void {
    this.#positionalsAt ??= from;
    const taken = this.#args.slice(from);
    this.#positionals.push(...taken);
    this.#indices.push(...taken.map((_, i) => from + i));
    this.#next = this.#args.length;
  }

  #readLong(arg: string, at: number): void {
    const body = arg.slice(2);
    if (/^[-=]/.test(body)) throw this.#error(`bad flag syntax: ${escapeText(arg)}`);
    const equals = body.indexOf('=');
    const name = equals === -1 ? body : body.slice(0, equals);
    const spec = this.#table.byName.get(name);
    if (spec === undefined) throw this.#error(`unknown flag: --${escapeText(name)}`);
    if (equals !== -1) this.#set(spec, body.slice(equals + 1), at);
    else if (!spec.takesValue) this.#set(spec, 'true', at);
    else this.#set(spec, this.#takeValue(`--${name}`), at);
  }

  /** `-aq`, `-Hvalue`, `-H=value`, `-H value`; a boolean's value only as `-q=false`. */
  #readShorts(shorts: string, at: number): void {
    let rest = shorts;
    while (rest !== '') {
      const letter = rest.slice(0, 1);
      const spec = this.#table.byShort.get(letter);
      if (spec === undefined) {
        throw this.#error(`unknown shorthand flag: ${quoteByte(rest)} in -${escapeText(rest)}`);
      }
      // pflag: `=` counts only with something behind it, else it is the next letter, or the value.
      if (rest.length > 2 && rest[1] === '=') {
        this.#set(spec, rest.slice(2), at);
        return;
      }
      if (spec.takesValue) {
        const value = rest.length > 1 ? rest.slice(1) : this.#takeValue(`'${letter}' in -${rest}`);
        this.#set(spec, value, at);
        return;
      }
      this.#set(spec, 'true', at);
      rest = rest.slice(1);
    }
  }

  /** The next argument, whatever it looks like: `--platform -q` makes `-q` the platform. */
  #takeValue(flag: string): string {
    const value = this.#args[this.#next];
    if (value === undefined) throw this.#error(`flag needs an argument: ${flag}`);
    this.#next += 1;
    return value;
  }

  #set(spec: FlagSpec, text: string, at: number): void {
    let value = text;
    if (!spec.takesValue) {
      const truth = parseGoBool(text);
      if (truth === undefined) {
        const named = spec.short === undefined ? `--${spec.name}` : `-${spec.short}, --${spec.name}`;
        const shown = JSON.stringify(escapeText(text));
        throw this.#error(
          `invalid argument ${shown} for "${named}" flag: strconv.ParseBool: parsing ${shown}: invalid syntax`,
        );
      }
      value = String(truth);
    }
    this.#occurrences.push({ name: spec.name, value, at });
  }

  #error(message: string): CommandLineError {
    return new CommandLineError(message, this.#table.usage);
  }
}

/** Go looks at one byte and prints it as a quoted character: the first byte of `ü` is 'Ã'. */
function quoteByte(text: string): string {
  const byte = new TextEncoder().encode(text)[0] ?? 0;
  return `'${escapeText(String.fromCharCode(byte))}'`;
}

/** The last value given for a flag, or undefined. */
export function lastValue(occurrences: readonly FlagOccurrence[], name: string): string | undefined {
  return occurrences.findLast((occurrence) => occurrence.name === name)?.value;
}
