/**
 * What a staged state changes (protocol 4.6), from the bytes: every difference between a role's signed part and the one
 * it takes the place of, in some entry of the list. What has no entry of its own kind is listed as a member with its
 * JSON before and after, so that nothing is signed that was not shown.
 *
 * `version` is not listed, it is always the next one; nor `_type`, which goes with the role, and the `spec_version`
 * that every new role has.
 */
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from '../../lib/strict-json.ts';
import { canonicalJson } from './canonical-json.ts';
import { type KeyId, type PublicKey, publicKeyFromListing, tufKeyId } from './keys.ts';
import { metadataFileName, parseSignedJson, SPEC_VERSION } from './metadata.ts';
import type { TargetFound } from './search.ts';
import { Shape } from './shape.ts';
import { fileReplaced, type StagedRoleName } from './staged.ts';
import { releasedChanges } from './staged-released.ts';
import type { StagedView } from './staged-view.ts';

/** A key as a role lists it; without `key` where the ID stands for none that is understood. */
export interface ListedKey {
  readonly keyid: string;
  readonly key?: PublicKey;
}

export interface RoleListing {
  readonly keys: readonly ListedKey[];
  readonly threshold: JsonValue | undefined;
}

export type StagedChange =
  | {
      readonly kind: 'target';
      /** The role whose entry it is. */
      readonly role: StagedRoleName;
      readonly path: string;
      readonly before?: JsonObject;
      readonly after?: JsonObject;
    }
  | {
      readonly kind: 'keys';
      /** Who lists them. */
      readonly by: StagedRoleName;
      /** For which role. */
      readonly role: string;
      readonly before?: RoleListing;
      readonly after?: RoleListing;
    }
  /** What a search finds, where no entry changes but who is asked for it. */
  | {
      readonly kind: 'released';
      readonly role: StagedRoleName;
      readonly path: string;
      readonly before?: TargetFound;
      readonly after?: TargetFound;
    }
  /** It cannot be told what a search finds, before or after. */
  | { readonly kind: 'unlisted'; readonly role: StagedRoleName; readonly why: string }
  /** The delegations in the order of the search. */
  | {
      readonly kind: 'order';
      readonly role: StagedRoleName;
      readonly before: readonly string[];
      readonly after: readonly string[];
    }
  | {
      readonly kind: 'expires';
      readonly role: StagedRoleName;
      readonly before?: JsonValue;
      readonly after?: JsonValue;
    }
  | {
      readonly kind: 'member';
      readonly role: StagedRoleName;
      readonly name: string;
      /** Set for a member of the role listed there: `roles` or `delegations.roles`. */
      readonly of?: { readonly list: string; readonly role: string };
      readonly before?: JsonValue;
      readonly after?: JsonValue;
    };

/** All changes of a staged state, role by role; then what is released otherwise without a change of its entry. */
export function stagedChanges(view: StagedView): readonly StagedChange[] {
  const { roles, current } = view;
  const changes = roles.flatMap(({ role, staged }) => {
    const replaced = fileReplaced(current.trusted, role);
    const bytes =
      replaced === undefined
        ? undefined
        : role === 'root'
          ? current.trusted.root.bytes
          : (current.trusted.targets(role)?.bytes ??
            current.files.get(metadataFileName(role, replaced.version)));
    const before = bytes === undefined ? new Map<string, JsonValue>() : parseSignedJson(bytes, role);
    return changesOf(role, before, parseSignedJson(staged.bytes, role));
  });
  return [...changes, ...releasedChanges(view, changes)];
}

function changesOf(role: StagedRoleName, before: JsonObject, after: JsonObject): readonly StagedChange[] {
  const changes: StagedChange[] = [];
  for (const [name, was, is] of differences(before, after)) {
    if (name === 'version' || name === '_type') continue;
    // What dtrust writes into every role that is new.
    if (name === 'spec_version' && was === undefined && is === SPEC_VERSION) continue;
    const [wasObject, isObject] = [asObject(was), asObject(is)];
    if (name === 'expires') changes.push({ kind: 'expires', role, ...sides(was, is) });
    else if (name === 'targets' && role !== 'root') changes.push(...entries(role, wasObject, isObject));
    else if (name === 'delegations' && role !== 'root') {
      changes.push(...delegationChanges(role, wasObject, isObject));
    } else if (role === 'root' && (name === 'keys' || name === 'roles')) continue;
    else changes.push({ kind: 'member', role, name, ...sides(was, is) });
  }
  if (role !== 'root') return changes;
  const [was, is] = [tableOf(before, 'roles'), tableOf(after, 'roles')];
  const roles = listings(role, 'roles', was, is, tableOf(before, 'keys'), tableOf(after, 'keys'));
  return [...changes, ...roles];
}

function entries(role: StagedRoleName, before: JsonObject, after: JsonObject): readonly StagedChange[] {
  return differences(before, after).map(([path, was, is]) => ({
    kind: 'target',
    role,
    path,
    ...(was === undefined ? {} : { before: asObject(was) }),
    ...(is === undefined ? {} : { after: asObject(is) }),
  }));
}

function delegationChanges(
  role: StagedRoleName,
  before: JsonObject,
  after: JsonObject,
): readonly StagedChange[] {
  const [was, is] = [byName(before), byName(after)];
  const [names, namesNow] = [[...was.keys()], [...is.keys()]];
  const order: StagedChange[] =
    names.join('\n') === namesNow.join('\n') ? [] : [{ kind: 'order', role, before: names, after: namesNow }];
  const others = differences(before, after)
    .filter(([name]) => name !== 'keys' && name !== 'roles')
    .map(([name, left, right]): StagedChange => {
      return { kind: 'member', role, name: `delegations.${name}`, ...sides(left, right) };
    });
  const listed = listings(
    role,
    'delegations.roles',
    was,
    is,
    tableOf(before, 'keys'),
    tableOf(after, 'keys'),
  );
  return [...order, ...listed, ...others];
}

/** Changes of roles that list keys, and of the table the keys stand in. */
function listings(
  by: StagedRoleName,
  where: string,
  before: JsonObject,
  after: JsonObject,
  table: JsonObject,
  tableNow: JsonObject,
): readonly StagedChange[] {
  const changes: StagedChange[] = [];
  for (const role of new Set([...before.keys(), ...after.keys()])) {
    const [was, is] = [before.get(role), after.get(role)];
    const [listed, listedNow] = [listingOf(was, table), listingOf(is, tableNow)];
    if (listingText(listed) !== listingText(listedNow)) {
      const shown = {
        ...(listed && { before: listed }),
        ...(listedNow && { after: listedNow }),
      };
      changes.push({ kind: 'keys', by, role, ...shown });
    }
    for (const [name, left, right] of differences(asObject(was), asObject(is))) {
      if (name === 'keyids' || name === 'threshold' || name === 'name') continue;
      changes.push({ kind: 'member', role: by, name, of: { list: where, role }, ...sides(left, right) });
    }
  }
  const prefix = where === 'roles' ? 'keys' : 'delegations.keys';
  for (const [keyid, left, right] of differences(table, tableNow)) {
    // A key that comes with a role, or goes with one, is shown there.
    const shown =
      left === undefined ? isListed(after, keyid) : right === undefined && isListed(before, keyid);
    if (!shown) changes.push({ kind: 'member', role: by, name: `${prefix}.${keyid}`, ...sides(left, right) });
  }
  return changes;
}

function listingOf(json: JsonValue | undefined, table: JsonObject): RoleListing | undefined {
  if (!isJsonObject(json)) return undefined;
  const ids = json.get('keyids');
  const keyids = isJsonArray(ids) ? ids.filter((id) => typeof id === 'string') : [];
  return {
    threshold: json.get('threshold'),
    keys: keyids.map((keyid) => listedKey(keyid, table.get(keyid))),
  };
}

function listedKey(keyid: string, json: JsonValue | undefined): ListedKey {
  if (!isJsonObject(json)) return { keyid };
  const shape = new Shape('root');
  const publicValue = asObject(json.get('keyval')).get('public');
  const parts = {
    keytype: shape.string(json.get('keytype'), 'keytype'),
    scheme: shape.string(json.get('scheme'), 'scheme'),
    publicValue: typeof publicValue === 'string' ? publicValue : '',
  };
  return { keyid, key: publicKeyFromListing(keyid as KeyId, json, parts) };
}

/** Keys by what they are: the ID under which one is listed says nothing. */
function listingText(listing: RoleListing | undefined): string {
  if (listing === undefined) return '';
  const keys = listing.keys.map(({ keyid, key }) => `${keyid} ${key === undefined ? '' : tufKeyId(key)}`);
  return `${listing.threshold}\n${keys.sort().join('\n')}`;
}

function isListed(roles: JsonObject, keyid: string): boolean {
  return [...roles.values()].some((role) => {
    const ids = asObject(role).get('keyids');
    return isJsonArray(ids) && ids.includes(keyid);
  });
}

/** Members that are not the same on both sides; undefined stands for none. */
function differences(
  before: JsonObject,
  after: JsonObject,
): readonly (readonly [string, JsonValue | undefined, JsonValue | undefined])[] {
  return [...new Set([...before.keys(), ...after.keys()])]
    .map((name) => [name, before.get(name), after.get(name)] as const)
    .filter(([, was, is]) => !isSame(was, is));
}

function isSame(left: JsonValue | undefined, right: JsonValue | undefined): boolean {
  if (left === undefined || right === undefined) return left === right;
  return Buffer.compare(canonicalJson(left), canonicalJson(right)) === 0;
}

function sides(before: JsonValue | undefined, after: JsonValue | undefined) {
  return {
    ...(before === undefined ? {} : { before }),
    ...(after === undefined ? {} : { after }),
  };
}

function byName(delegations: JsonObject): JsonObject {
  const roles = delegations.get('roles');
  const listed = isJsonArray(roles) ? roles.filter(isJsonObject) : [];
  return new Map(listed.map((role) => [String(role.get('name')), role]));
}

function tableOf(json: JsonObject, name: string): JsonObject {
  return asObject(json.get(name));
}

function asObject(value: JsonValue | undefined): JsonObject {
  return isJsonObject(value) ? value : new Map();
}
