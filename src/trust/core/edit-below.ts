/**
 * Roles below a releasing role. dtrust makes none, but a search goes there (TUF 5.6.7.2), and whoever could sign the
 * releasing role can have delegated to a key of his own: taking a tag back has to end what is said there as well.
 */
import { isJsonArray, isJsonObject, type JsonValue } from '../../lib/strict-json.ts';
import { type Delegations, delegationsFor, parseDelegations } from './delegations.ts';
import type { Draft } from './draft.ts';
import type { RoleName } from './metadata.ts';
import { Shape } from './shape.ts';

/** The names of the roles that `role` delegates this path to and that say yes to it, themselves or further down. */
export function rolesSayingYesBelow(draft: Draft, role: RoleName, path: string): readonly RoleName[] {
  const direct = takers(delegationsOf(draft, role), path);
  const delegators = new Map<RoleName, RoleName[]>();
  const sayingYes: RoleName[] = [];
  const waiting = new Set(direct);
  // A set that grows while it is walked: each role once, in circles too.
  for (const name of waiting) {
    const signed = draft.base?.trusted.targets(name)?.signed;
    if (signed?.targets.has(path) === true) sayingYes.push(name);
    for (const below of takers(signed?.delegations, path)) {
      const above = delegators.get(below);
      if (above === undefined) delegators.set(below, [name]);
      else above.push(name);
      waiting.add(below);
    }
  }
  const leading = new Set(sayingYes);
  for (const name of leading) for (const above of delegators.get(name) ?? []) leading.add(above);
  return direct.filter((name) => name !== role && leading.has(name));
}

/** Takes these delegations out of `role`. What else was signed only there is no longer signed. */
export function cutDelegations(draft: Draft, role: RoleName, names: readonly RoleName[]): void {
  const { json } = draft.role(role);
  const before = json.get('delegations');
  const roles = isJsonObject(before) ? before.get('roles') : undefined;
  const kept = isJsonArray(roles) ? roles.filter((each) => !isOneOf(each, names)) : [];
  if (kept.length === 0 || !isJsonObject(before)) json.delete('delegations');
  else json.set('delegations', new Map<string, JsonValue>([...before, ['roles', kept]]));
  draft.changed.add(role);
}

function takers(delegations: Delegations | undefined, path: string): readonly RoleName[] {
  return delegationsFor(delegations, path).map(({ name }) => name);
}

function delegationsOf(draft: Draft, role: RoleName): Delegations | undefined {
  const json = draft.role(role).json.get('delegations');
  return isJsonObject(json) ? parseDelegations(json, new Shape(role)) : undefined;
}

function isOneOf(role: JsonValue, names: readonly RoleName[]): boolean {
  const name = isJsonObject(role) ? role.get('name') : undefined;
  return names.some((each) => each === name);
}
