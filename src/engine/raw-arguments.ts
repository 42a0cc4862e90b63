/**
 * Arguments and environment as bytes. Node reads both as UTF-8 and puts U+FFFD in place of anything else, which
 * would change what docker gets; on Linux the bytes themselves are in /proc.
 */
import type nodeFs from 'node:fs';
import { isFileError } from './executable.ts';

export interface RawStart {
  /** The last `count` arguments of this process. */
  readonly args: readonly Uint8Array[];
  /** `NAME=value` each, in order. */
  readonly environment: readonly Uint8Array[];
}

/** What this process was started with; undefined where there is no /proc. */
export function readRawStart(fs: Pick<typeof nodeFs, 'readFileSync'>, count: number): RawStart | undefined {
  try {
    const args = splitZero(fs.readFileSync('/proc/self/cmdline'));
    const environment = splitZero(fs.readFileSync('/proc/self/environ'));
    return { args: count === 0 ? [] : args.slice(-count), environment };
  } catch (error) {
    if (isFileError(error)) return undefined;
    throw error;
  }
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
  // An entry without '=' would be taken for the program by env(1); it is no variable either.
  const variables = environment.filter((entry) => entry.indexOf(EQUALS) > 0).map(word);
  const program = word(new TextEncoder().encode(file));
  const command = ['exec env -i', ...variables, program, ...args.map(word)].join(' ');
  return ['sh', '-c', [...assignments, command].join('; '), 'sh', ...parameters];
}

const EQUALS = 0x3d;

function octal(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('');
}
