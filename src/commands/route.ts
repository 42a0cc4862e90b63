/**
 * What becomes of one command line: pure, so that a test can put every command of every docker through it.
 *
 * - `own`: dtrust does it.
 * - `untouched`: the real docker, argv and environment byte for byte.
 * - `plain`: the real docker for a command that would be enforced, with trust switched off for this call.
 * - `warned`: the real docker, after one line that dtrust does not know this command.
 * - refused: thrown.
 */
import { applyAlias, type ParsedArgv } from '../cli/argv.ts';
import { type CommandClass, classify } from '../cli/classify.ts';
import { contentTrustEnabled } from '../cli/content-trust.ts';
import { UsageError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';

export type Route =
  | { readonly kind: 'own'; readonly command: string }
  | { readonly kind: 'untouched' }
  | { readonly kind: 'plain' }
  | { readonly kind: 'warned'; readonly line: string };

export interface RouteOptions {
  readonly parsed: ParsedArgv;
  /** DOCKER_CONTENT_TRUST of the process, as it is. */
  readonly contentTrust: string | undefined;
  /** `aliases` of config.json; asked only for the builds, the only commands that can have one. */
  readonly aliases: () => ReadonlyMap<string, string>;
}

/**
 * Decides the route.
 * @throws UsageError NOT_YET_ENFORCED, CANNOT_BE_ENFORCED; USAGE for a `trust` command that there is not
 */
export function route({ parsed, contentTrust, aliases }: RouteOptions): Route {
  const { path } = parsed;
  if (path[0] === 'trust') return own(classify(path, parsed.rest), path);
  // Help is docker's own to print, for the commands that dtrust does as well.
  if (parsed.help) return { kind: 'untouched' };
  const buildLike = path[0] === 'builder' || path.at(-1) === 'build';
  const found = classify(buildLike ? applyAlias(path, aliases()) : path, parsed.rest);
  if (found.class === 'pass') return { kind: 'untouched' };
  const isOn = contentTrustEnabled(contentTrust, parsed.contentTrust);
  // With trust off nothing is checked, so there is nothing to warn of.
  if (found.class === 'unknown')
    return isOn ? { kind: 'warned', line: unknownLine(path) } : { kind: 'untouched' };
  if (!isOn) return { kind: 'plain' };
  return own(found, path);
}

function own(found: CommandClass, path: readonly string[]): Route {
  if (found.class === 'enforced') return { kind: 'own', command: found.command };
  if (found.class === 'pass' || found.class === 'unknown') return { kind: 'own', command: path.join(' ') };
  if (found.class === 'mistyped') throw noSuchCommand(found, path);
  const when = found.class === 'not-built' ? '' : ' while content trust is on';
  throw new UsageError({
    code: found.class === 'cannot' ? 'CANNOT_BE_ENFORCED' : 'NOT_YET_ENFORCED',
    message: `\`${escapeShort(path.join(' '))}\` is not run${when}: ${found.why}`,
    hints: [found.hint],
  });
}

function noSuchCommand(found: CommandClass & { class: 'mistyped' }, path: readonly string[]): UsageError {
  const [first, ...others] = found.nearest.map((command) => `\`dtrust ${command}\``);
  const meant = others.length === 0 ? first : `${first}, or ${others.join(' or ')}`;
  const list = `Run \`dtrust ${found.parent} --help\` for the commands that there are.`;
  return new UsageError({
    code: 'USAGE',
    message: `there is no command \`dtrust ${escapeShort(path.join(' '))}\``,
    hints: [...(first === undefined ? [] : [`Did you mean ${meant}?`]), list],
  });
}

function unknownLine(path: readonly string[]): string {
  return `warning: \`${escapeShort(path.join(' '))}\` is not known to dtrust and is run without a check`;
}
