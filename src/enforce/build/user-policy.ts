/**
 * A source policy that the user has set for BuildKit himself, and what of it may stand beside dtrust's.
 *
 * Denials may: they only refuse more. Allowances are dropped: they would let in what nobody decided on. A conversion
 * may stand when what it leads to is judged by dtrust's own rules, or is no image and was none before: one from an image to
 * a file on a web server would put unsigned bytes in an image's place.
 *
 * The file is read more strictly than BuildKit reads it: a member that is not known here is refused, not skipped.
 */
import { UsageError } from '../../lib/errors.ts';
import { escapeShort } from '../../lib/escape.ts';
import {
  isJsonArray,
  isJsonObject,
  JsonError,
  type JsonValue,
  parseStrictJson,
} from '../../lib/strict-json.ts';
import type { PolicyRule } from './source-policy.ts';

export interface UserPolicy {
  readonly converts: readonly PolicyRule[];
  readonly denies: readonly PolicyRule[];
  /** How many rules were left out. */
  readonly dropped: number;
}

const MEMBERS = new Set(['action', 'selector', 'updates']);
const SELECTOR_MEMBERS = new Set(['identifier', 'matchType', 'match_type', 'constraints']);
const UPDATE_MEMBERS = new Set(['identifier', 'attrs']);
const IMAGE = 'docker-image://';
/** Sources that are no image, whose conversion to another of the same kind brings none in. */
const PLAIN_SCHEMES = ['https://', 'http://', 'git://'];

/**
 * Reads a policy file.
 * @throws UsageError USAGE
 */
export function parseUserPolicy(bytes: Uint8Array, file: string): UserPolicy {
  const rules = readRules(bytes, file);
  const converts = rules.filter(({ action }) => action === 'CONVERT');
  const denies = rules.filter(({ action }) => action === 'DENY');
  for (const rule of converts) assertHarmless(rule, file);
  return { converts, denies, dropped: rules.length - converts.length - denies.length };
}

function readRules(bytes: Uint8Array, file: string): readonly PolicyRule[] {
  let value: JsonValue;
  try {
    value = parseStrictJson(bytes, 'source policy', { prototypeNames: 'keep' });
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw invalid(file, 'it is not JSON', error);
  }
  if (!isJsonObject(value)) throw invalid(file, 'it is not a JSON object');
  const unknown = [...value.keys()].find((name) => name !== 'rules' && name !== 'version');
  if (unknown !== undefined) throw invalid(file, `its member ${escapeShort(unknown)} is not known`);
  const rules = value.get('rules') ?? [];
  if (!isJsonArray(rules)) throw invalid(file, 'its rules are no list');
  return rules.map((rule, i) => readRule(rule, (problem) => invalid(file, `rule ${i + 1}: ${problem}`)));
}

function readRule(value: JsonValue, refuse: (problem: string) => UsageError): PolicyRule {
  const rule = known(value, MEMBERS, 'it', refuse);
  // BuildKit: a rule that says no action allows.
  const action = rule.get('action') ?? 'ALLOW';
  if (action !== 'ALLOW' && action !== 'DENY' && action !== 'CONVERT') {
    throw refuse('its action is none of ALLOW, DENY and CONVERT');
  }
  const selector = known(rule.get('selector'), SELECTOR_MEMBERS, 'its selector', refuse);
  const identifier = selector.get('identifier');
  if (typeof identifier !== 'string') throw refuse('its selector has no identifier');
  const written = rule.get('updates');
  if (written === undefined) return { action, selector: { ...toPlain(selector), identifier } };
  const updates = known(written, UPDATE_MEMBERS, 'its updates', refuse);
  const target = updates.get('identifier');
  if (target !== undefined && typeof target !== 'string') throw refuse('what it converts to is no text');
  return {
    action,
    selector: { ...toPlain(selector), identifier },
    updates: { ...toPlain(updates), ...(target === undefined ? {} : { identifier: target }) },
  };
}

function assertHarmless({ selector, updates }: PolicyRule, file: string): void {
  const target = updates?.identifier ?? '';
  if (target === '' || target.startsWith(IMAGE)) return;
  const matchType = selector.matchType ?? selector.match_type;
  const literal = matchType === undefined || matchType === 'WILDCARD' || matchType === 'EXACT';
  const plain = (text: string) => PLAIN_SCHEMES.some((scheme) => text.startsWith(scheme));
  if (literal && plain(selector.identifier) && plain(target)) return;
  throw invalid(
    file,
    `it converts ${escapeShort(selector.identifier)} to ${escapeShort(target)}, which could stand in an image's place unsigned`,
  );
}

function known(
  value: JsonValue | undefined,
  members: ReadonlySet<string>,
  what: string,
  refuse: (problem: string) => UsageError,
): ReadonlyMap<string, JsonValue> {
  if (value === undefined || !isJsonObject(value)) throw refuse(`${what} is no object`);
  const unknown = [...value.keys()].find((name) => !members.has(name));
  if (unknown !== undefined) throw refuse(`${what} has a member ${escapeShort(unknown)}, which is not known`);
  return value;
}

/** Back to what JSON.stringify writes. */
function toPlain(object: ReadonlyMap<string, JsonValue>): Record<string, unknown> {
  return Object.fromEntries([...object].map(([name, value]) => [name, plainValue(value)]));
}

function plainValue(value: JsonValue): unknown {
  if (isJsonObject(value)) return toPlain(value);
  return isJsonArray(value) ? value.map(plainValue) : value;
}

function invalid(file: string, problem: string, cause?: unknown): UsageError {
  return new UsageError({
    code: 'USAGE',
    message: `the source policy ${escapeShort(file)} cannot be merged: ${problem}`,
    hints: ['Mend the file, or unset EXPERIMENTAL_BUILDKIT_SOURCE_POLICY.'],
    cause,
  });
}
