/**
 * Delegations of a targets role: who is trusted for which paths, and with which keys.
 *
 * TUF 1.0.34, section 4.5, and TAP 15 (succinct hash bins). Bins count as terminating, as python-tuf and tuf-js have
 * it; with one bin for each path that cannot be seen from outside.
 */
import { createHash } from 'node:crypto';
import type { JsonObject, JsonValue } from '../../lib/strict-json.ts';
import type { KeyId, PublicKey } from './keys.ts';
import { isPathMatch } from './path-pattern.ts';
import { parseKeys, parseRoleKeys, type RoleKeys } from './role-keys.ts';
import type { Shape } from './shape.ts';

declare const roleNameBrand: unique symbol;

/** The name of a role; below the four top-level ones it was chosen by a delegator. */
export type RoleName = string & { readonly [roleNameBrand]: true };

export type TopLevelRole = 'root' | 'timestamp' | 'snapshot' | 'targets';

export const TOP_LEVEL_ROLES: readonly TopLevelRole[] = ['root', 'timestamp', 'snapshot', 'targets'];

export const TARGETS = 'targets' as RoleName;
export const RELEASES = 'targets/releases' as RoleName;

export interface DelegatedRole extends RoleKeys {
  readonly name: RoleName;
  readonly terminating: boolean;
  /** Exactly one of `paths` and `pathHashPrefixes` is there. */
  readonly paths?: readonly string[];
  readonly pathHashPrefixes?: readonly string[];
}

export interface SuccinctRoles extends RoleKeys {
  readonly bitLength: number;
  readonly namePrefix: string;
}

/** Either a list of roles in the order a search takes them, or bins. */
export interface Delegations {
  readonly keys: ReadonlyMap<KeyId, PublicKey>;
  readonly roles: ReadonlyMap<RoleName, DelegatedRole>;
  readonly succinct?: SuccinctRoles;
}

/** What a search descends into for one path. */
export interface Delegation {
  readonly name: RoleName;
  readonly terminating: boolean;
}

/** @throws TrustError METADATA_SHAPE. */
export function parseDelegations(json: JsonObject, shape: Shape): Delegations {
  const keys = parseKeys(json.get('keys'), shape);
  const listed = json.get('roles');
  const succinct = shape.optionalObject(json.get('succinct_roles'), 'delegations.succinct_roles');
  if ((listed === undefined) === (succinct === undefined)) {
    shape.fail('delegations', 'either with roles or with succinct_roles');
  }
  const roles = new Map<RoleName, DelegatedRole>();
  for (const item of listed === undefined ? [] : shape.array(listed, 'delegations.roles')) {
    const role = parseDelegatedRole(shape.object(item, 'a delegated role'), shape);
    if (roles.has(role.name)) shape.fail('delegations.roles', 'free of repetitions');
    roles.set(role.name, role);
  }
  return Object.freeze({ keys, roles, ...(succinct && { succinct: parseSuccinct(succinct, shape) }) });
}

function parseDelegatedRole(json: JsonObject, shape: Shape): DelegatedRole {
  const paths = json.get('paths');
  const prefixes = json.get('path_hash_prefixes');
  if ((paths === undefined) === (prefixes === undefined)) {
    shape.fail('a delegated role', 'with either paths or path_hash_prefixes');
  }
  return Object.freeze({
    name: parseRoleName(json.get('name'), shape),
    ...parseRoleKeys(json, shape),
    terminating: shape.boolean(json.get('terminating'), 'terminating'),
    ...(paths !== undefined && { paths: strings(paths, 'paths', shape) }),
    ...(prefixes !== undefined && { pathHashPrefixes: strings(prefixes, 'path_hash_prefixes', shape) }),
  });
}

function strings(value: JsonValue, what: string, shape: Shape): readonly string[] {
  return Object.freeze(shape.array(value, what).map((item) => shape.string(item, `an item of ${what}`)));
}

/**
 * A role name becomes part of a file name and of messages: not one of the top-level names (a delegation to
 * `snapshot` would be looked up as another file), not empty, bounded.
 */
function parseRoleName(value: JsonValue | undefined, shape: Shape): RoleName {
  const name = shape.string(value, 'the name of a delegated role');
  const reserved = (TOP_LEVEL_ROLES as readonly string[]).includes(name) || name in Object.prototype;
  if (name === '' || name.length > 255 || reserved) shape.fail('the name of a delegated role', 'allowed');
  return name as RoleName;
}

function parseSuccinct(json: JsonObject, shape: Shape): SuccinctRoles {
  const bitLength = shape.integer(json.get('bit_length'), 'bit_length', 1);
  if (bitLength > 32) shape.fail('bit_length', 'at most 32');
  const namePrefix = shape.string(json.get('name_prefix'), 'name_prefix');
  if (namePrefix === '' || namePrefix.length > 200) shape.fail('name_prefix', 'allowed');
  return Object.freeze({ ...parseRoleKeys(json, shape), bitLength, namePrefix });
}

/** The keys and threshold a delegator lists for a role, bins included; undefined when it does not delegate to it. */
export function delegatedRoleKeys(
  delegations: Delegations | undefined,
  role: RoleName,
): RoleKeys | undefined {
  if (delegations === undefined) return undefined;
  const { succinct } = delegations;
  if (succinct !== undefined) return isBinName(succinct, role) ? succinct : undefined;
  return delegations.roles.get(role);
}

/** TUF 5.6.7.2: the roles that are trusted for this path, in the order of their appearance. */
export function delegationsFor(delegations: Delegations | undefined, path: string): readonly Delegation[] {
  if (delegations === undefined) return [];
  const pathHash = createHash('sha256').update(path, 'utf8').digest();
  if (delegations.succinct !== undefined) {
    return [{ name: binFor(delegations.succinct, pathHash), terminating: true }];
  }
  const hex = pathHash.toString('hex');
  return [...delegations.roles.values()].filter((role) => isDelegatedPath(role, path, hex));
}

function isDelegatedPath(role: DelegatedRole, path: string, pathHashHex: string): boolean {
  if (role.paths !== undefined) return role.paths.some((pattern) => isPathMatch(path, pattern));
  return (role.pathHashPrefixes ?? []).some((prefix) => pathHashHex.startsWith(prefix));
}

/** How many bins there are. */
export function binCount(succinct: SuccinctRoles): number {
  return 2 ** succinct.bitLength;
}

/** The name of the bin with this index: prefix, hyphen, index in hex, as long as that of the last bin. */
export function binName(succinct: SuccinctRoles, index: number): RoleName {
  const digits = (binCount(succinct) - 1).toString(16).length;
  return `${succinct.namePrefix}-${index.toString(16).padStart(digits, '0')}` as RoleName;
}

/** TAP 15: the first `bit_length` bits of sha256(path) are the index. */
function binFor(succinct: SuccinctRoles, pathHash: Buffer): RoleName {
  return binName(succinct, pathHash.readUInt32BE(0) >>> (32 - succinct.bitLength));
}

function isBinName(succinct: SuccinctRoles, role: RoleName): boolean {
  const suffix = role.slice(succinct.namePrefix.length + 1);
  if (!/^[0-9a-f]{1,8}$/.test(suffix)) return false;
  const index = Number.parseInt(suffix, 16);
  return index < binCount(succinct) && binName(succinct, index) === role;
}
