/**
 * How a failure reaches the operator: one line that says what was checked, expected and found, with its code,
 * then one `hint:` line for each command that helps. `DTRUST_ERRORS=json` adds one JSON object as the last line
 * on stderr; `DTRUST_DEBUG=1` adds specification step, role and the chain of causes. Never a stack for a
 * foreseeable failure; an unforeseen one is a bug and says so.
 */
import { CommandLineError } from '../cli/pflag.ts';
import { DtrustError, hasCode, NetworkError, RegistryError, TrustError } from '../lib/errors.ts';
import { escapeJson, escapeText } from '../lib/escape.ts';

export interface ReportOptions {
  readonly json: boolean;
  readonly debug: boolean;
}

/** The text for stderr, each line ended. */
export function renderError(error: unknown, options: ReportOptions): string {
  if (!(error instanceof DtrustError)) return renderBug(error);
  const lines = error instanceof CommandLineError ? usageLines(error) : refusalLines(error);
  if (options.debug) lines.push(...debugLines(error));
  if (options.json) lines.push(escapeJson(JSON.stringify(jsonOf(error))));
  return `${lines.join('\n')}\n`;
}

function refusalLines(error: DtrustError): string[] {
  const hints = error.hints.map((hint) => `dtrust: hint: ${quoted(hint)}`);
  return [`dtrust: ${verdict(error)}: ${subject(error)}${quoted(error.message)} (${error.code})`, ...hints];
}

/**
 * Whoever made the error has escaped what others wrote; here once more, for the one place where somebody forgot. What
 * an engine says in several lines keeps them, moved in, so that none of them passes for a line of dtrust's own.
 */
function quoted(text: string): string {
  return text.split('\n').map(escapeText).join('\n  ');
}

/** What it is about, unless the message says it. */
function subject({ reference, message }: DtrustError): string {
  if (reference === undefined || message.includes(reference)) return '';
  return `${escapeText(reference)}: `;
}

/** What docker would refuse as well, in docker's words. */
function usageLines({ message, usage }: CommandLineError): string[] {
  // `docker pull` of `docker pull [OPTIONS] NAME[:TAG|@DIGEST]`
  const command = usage.replace(/ (?:\[|[A-Z]).*$/, '');
  return [message, '', `Usage:  ${usage}`, '', `Run '${command} --help' for more information`];
}

/** Evidence that was refused and a source that could not be reached must never read alike. */
function verdict(error: DtrustError): string {
  if (error instanceof TrustError) {
    // Once: the message may begin with the same words.
    const isSaid = error.code !== 'NO_TRUST_DATA' || error.message.includes('no trust data for ');
    return isSaid ? 'refused' : 'refused: no trust data';
  }
  if (error instanceof NetworkError) return 'error: cannot reach';
  if (error instanceof RegistryError) return 'error: registry';
  return hasCode(error, 'NOT_YET_ENFORCED', 'CANNOT_BE_ENFORCED') ? 'refused' : 'error';
}

function debugLines(error: DtrustError): string[] {
  const lines: string[] = [];
  if (error instanceof TrustError) {
    if (error.spec !== undefined) lines.push(`dtrust: debug: step ${error.spec}`);
    if (error.attack !== undefined) lines.push(`dtrust: debug: guards against ${error.attack}`);
    if (error.role !== undefined) lines.push(`dtrust: debug: role ${escapeText(error.role)}`);
  }
  let cause: unknown = error.cause;
  for (let depth = 0; cause instanceof Error && depth < 8; depth += 1) {
    const code = 'code' in cause && typeof cause.code === 'string' ? ` (${cause.code})` : '';
    lines.push(`dtrust: debug: caused by ${cause.name}: ${escapeText(cause.message)}${escapeText(code)}`);
    cause = cause.cause;
  }
  return lines;
}

function jsonOf(error: DtrustError): Record<string, string | null> {
  return {
    code: error.code,
    class: error.class,
    reference: error.reference ?? null,
    expected: error.expected ?? null,
    found: error.found ?? null,
    hint: error.hints[0] ?? null,
  };
}

function renderBug(error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `dtrust: internal error, please report it with the lines below\n${escapeStack(stack)}\n`;
}

function escapeStack(stack: string): string {
  return stack
    .split('\n')
    .map((line) => escapeText(line))
    .join('\n');
}
