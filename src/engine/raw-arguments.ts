/**
 * Arguments and environment as bytes. Node reads both as UTF-8 and puts U+FFFD in place of anything else, which
 * would change what docker gets; on Linux the bytes themselves are in /proc.
 */
import { isUtf8 } from 'node:buffer';
import type nodeFs from 'node:fs';
import { isFileError } from './executable.ts';

export interface RawStart {
  readonly args: readonly Uint8Array[];
  /** `NAME=value` each, in order. */
  readonly environment: readonly Uint8Array[];
}

type Variables = Readonly<Record<string, string | undefined>>;

/** Whether all that this process was started with is UTF-8, so that what Node read is what there was. */
export function startedWithText(fs: Pick<typeof nodeFs, 'readFileSync'>): boolean {
  try {
    return isUtf8(fs.readFileSync('/proc/self/cmdline')) && isUtf8(fs.readFileSync('/proc/self/environ'));
  } catch (error) {
    if (isFileError(error)) return false;
    throw error;
  }
}

/**
 * The bytes that these arguments and this environment were read from; what dtrust has changed or added is taken as
 * it is. Undefined where there is no /proc, or where an argument that Node could not read is not to be found there.
 */
export function restoreBytes(
  fs: Pick<typeof nodeFs, 'readFileSync'>,
  args: readonly string[],
  env: Variables,
): RawStart | undefined {
  try {
    const given = splitZero(fs.readFileSync('/proc/self/cmdline'));
    const own = args.length === 0 ? [] : given.slice(-args.length);
    const unchanged = args.every((arg, i) => arg === lossyText(own[i]));
    if (!unchanged && args.some(mayBeDamaged)) return undefined;
    return {
      args: unchanged ? own : args.map(encode),
      environment: restoreEnvironment(splitZero(fs.readFileSync('/proc/self/environ')), env),
    };
  } catch (error) {
    if (isFileError(error)) return undefined;
    throw error;
  }
}

function restoreEnvironment(raw: readonly Uint8Array[], env: Variables): Uint8Array[] {
  const seen = new Set<string>();
  const kept = raw.flatMap((entry) => {
    const text = lossyText(entry);
    const name = text.slice(0, text.indexOf('='));
    const value = env[name];
    // Without a name it is no variable, and env(1) would take it for the program.
    if (name === '' || value === undefined) return [];
    seen.add(name);
    return [text === `${name}=${value}` ? entry : encode(`${name}=${value}`)];
  });
  const added = Object.entries(env).filter(([name, value]) => value !== undefined && !seen.has(name));
  return [...kept, ...added.map(([name, value]) => encode(`${name}=${value}`))];
}

/** Whether Node may have put U+FFFD in place of something else. */
export const mayBeDamaged = (text: string): boolean => text.includes('\ufffd');

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

/** The text as Node reads it. */
function lossyText(bytes: Uint8Array | undefined): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
}

/** The text when the bytes are UTF-8, else undefined. */
export function asText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

/** Everything up to each zero byte; what stands behind the last one is not complete and left out. */
function splitZero(bytes: Uint8Array): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let from = 0, end = bytes.indexOf(0); end !== -1; from = end + 1, end = bytes.indexOf(0, from)) {
    parts.push(bytes.subarray(from, end));
  }
  return parts;
}

/**
 * A shell command that starts a program with exactly these bytes. What is UTF-8 goes in as positional parameters,
 * the rest is spelt in octal by the shell's own printf. `env -i` sets the environment whatever its names are.
 */
export function shellStart(
  file: string,
  args: readonly Uint8Array[],
  environment: readonly Uint8Array[],
): readonly string[] {
  const parameters: string[] = [];
  const assignments: string[] = [];
  const word = (bytes: Uint8Array): string => {
    const text = asText(bytes);
    if (text !== undefined) return `"\${${parameters.push(text)}}"`;
    // A command substitution drops line ends at its end, so a mark stands there and is taken off again.
    const name = `v${assignments.length}`;
    assignments.push(`${name}=$(printf '${octal(bytes)}_')`);
    return `"\${${name}%_}"`;
  };
  // Behind `--` a variable whose name begins with a dash is none of env's options (-S would run what it says).
  const variables = environment.map(word);
  const program = word(encode(file));
  // A program with an equals sign in its path would be a variable to env, and the first argument the program.
  const wrapper = file.includes('=') ? [`/bin/sh -c 'exec "$0" "$@"'`] : [];
  const command = ['exec env -i --', ...variables, ...wrapper, program, ...args.map(word)].join(' ');
  return ['sh', '-c', [...assignments, command].join('; '), 'sh', ...parameters];
}

function octal(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('');
}
