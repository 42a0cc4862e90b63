/**
 * Which private keys a publish needs, whether they are here, and unlocking them: all of it before anything is
 * uploaded, so that a missing key never leaves an unsigned image behind.
 */

import { rootRefused } from '../keys/held-key.ts';
import type { KeyStore } from '../keys/key-store.ts';
import type { Passphrases } from '../keys/passphrases.ts';
import { DAY_MS } from '../lib/clock.ts';
import type { KeyError } from '../lib/errors.ts';
import { sideBySide } from '../lib/settle.ts';
import type { VerifiedCollection } from '../trust/collection.ts';
import { delegationsFor, RELEASES, TARGETS } from '../trust/core/delegations.ts';
import { isSameKey, type PublicKey, tufKeyId } from '../trust/core/keys.ts';
import type { RoleName, TopLevelRole } from '../trust/core/metadata.ts';
import type { RoleKeys } from '../trust/core/role-keys.ts';
import type { Signer } from '../trust/core/signer.ts';
import { releasing } from '../trust/role-walk.ts';
import { keysListed } from '../trust/signers.ts';
import { heldByRole, keysMissing, type NeededRole } from './keys-missing.ts';

/** Roles this close to their end are renewed on the way when their keys are here. */
const RENEWAL_MS = 60 * DAY_MS;

/** What a change of keys signs beside snapshot and timestamp. */
export interface AdministeredRoles {
  readonly roles: readonly ('root' | 'targets')[];
  /** Signed as well where their keys are at hand. */
  readonly rolesIfHere?: readonly ('root' | 'targets')[];
  /** Keys that will count no more in the state that is to be signed. */
  readonly without?: readonly PublicKey[];
  /** Instead of the above: every role that is signed, snapshot and timestamp too, with the keys that it will have. */
  readonly signs?: readonly NeededRole[];
  /** New keys that are in no file yet; they sign first. */
  readonly fresh?: readonly Signer[];
}

export interface SigningKeysRequest extends Partial<AdministeredRoles> {
  readonly collection: VerifiedCollection;
  readonly keys: KeyStore;
  readonly passphrases: Passphrases;
  /** False: there is no terminal. Default true. */
  readonly mayAsk?: boolean;
  /** Whether tags are to be changed, which takes the released role's key beside the online key. */
  readonly targets: boolean;
  /** Which tags, where that is known: a signer limited to some of them has a role of his own. */
  readonly paths?: readonly string[];
  readonly nowMs: number;
  /** Protocol 4.6: of a role that takes more keys than are here, those that are here do. */
  readonly partly?: boolean;
}

const ONLINE: ReadonlySet<string> = new Set(['snapshot', 'timestamp']);

/**
 * The signers for a publish, unlocked; each key once.
 *
 * @throws KeyError KEY_ROOT_REFUSED (a root key in DTRUST_KEY), KEY_MISSING, KEY_ROOT_MISSING and KEY_NOT_LISTED naming whose keys are accepted, KEY_PASSPHRASE,
 * KEY_PASSPHRASE_MISSING, KEY_FILE_INVALID, KEY_FILE_MODE, KEY_UNSUPPORTED, PROMPT_DECLINED; TrustError
 * TAG_HELD_BY_ROLE, and as `listTargets`; LocalStateError
 */
export async function unlockSigningKeys(request: SigningKeysRequest): Promise<readonly Signer[]> {
  const { keys, passphrases } = request;
  assertNoRootHeld(request);
  const chosen = new Map<string, PublicKey>();
  const needed = await neededRoles(request);
  const refused =
    request.partly === true
      ? unsignable(request, needed)
      : needed.find((role) => here(request, role) < role.threshold);
  if (refused !== undefined) throw await missing(request, refused);
  for (const role of needed) {
    const present = [
      ...role.keys.filter((key) => freshFor(request, key) !== undefined),
      ...role.keys.filter((key) => freshFor(request, key) === undefined && keys.has(key)),
    ];
    for (const key of present.slice(0, role.threshold)) chosen.set(tufKeyId(key), key);
  }
  const unlock = async (key: PublicKey) => freshFor(request, key) ?? (await keys.load(key, passphrases));
  // A person is asked for one key after the other; where nobody is asked, the slow derivations run side by side.
  if (request.mayAsk === false) return await sideBySide([...chosen.values()].map(unlock));
  const signers: Signer[] = [];
  for (const key of chosen.values()) signers.push(await unlock(key));
  return signers;
}

function freshFor({ fresh = [] }: SigningKeysRequest, key: PublicKey): Signer | undefined {
  return fresh.find(({ publicKey }) => isSameKey(publicKey, key));
}

/** Whether some role that has to be signed takes more keys than are on this machine. Throws as `listTargets`. */
export async function fallsShort(request: SigningKeysRequest): Promise<boolean> {
  return (await neededRoles(request)).some((role) => here(request, role) < role.threshold);
}

/**
 * Protocol 4.6: the role that keeps this machine from signing even a part. One signature on what changes is a part;
 * snapshot and timestamp are signed by whoever publishes it.
 */
function unsignable(request: SigningKeysRequest, needed: readonly NeededRole[]): NeededRole | undefined {
  const staged = needed.filter(({ name }) => !ONLINE.has(name));
  if (staged.length === 0) return needed.find((role) => here(request, role) < role.threshold);
  return staged.some((role) => here(request, role) > 0) ? undefined : staged[0];
}

function here(request: SigningKeysRequest, role: NeededRole): number {
  return role.keys.filter((key) => request.keys.has(key) || freshFor(request, key) !== undefined).length;
}

/** DTRUST_KEY is for machines that run jobs, and whoever reads a job's secrets must not have the root key. */
function assertNoRootHeld({ collection, keys }: SigningKeysRequest): void {
  const root = collection.trusted.root.signed;
  if (keysIn(root, 'root').some((key) => keys.find(key)?.held === true)) throw rootRefused();
}

/** Why a role cannot be signed here. Rejects with what is wrong with a key file, where one is there and no good. */
async function missing(request: SigningKeysRequest, role: NeededRole, path?: string): Promise<KeyError> {
  await openUnreadable(request, role);
  const { collection, keys } = request;
  return keysMissing(collection, role, here(request, role), keys, path);
}

/** A key file that is there and cannot be used says why, rather than that the key is missing. */
async function openUnreadable({ keys, passphrases }: SigningKeysRequest, role: NeededRole): Promise<void> {
  const entries = role.keys.map((key) => keys.find(key));
  const unreadable = entries.find((entry) => entry?.protection === 'unreadable');
  if (unreadable !== undefined) await keys.load(unreadable, passphrases);
}

async function neededRoles(request: SigningKeysRequest): Promise<readonly NeededRole[]> {
  const { collection, nowMs, targets, paths, roles = [], rolesIfHere = [], partly = false } = request;
  if (request.signs !== undefined) return request.signs;
  const { trusted } = collection;
  const root = trusted.root.signed;
  const top = (name: TopLevelRole) => neededRole(request, name, root.roles[name], keysIn(root, name));
  const atHand = (role: NeededRole) => here(request, role) >= (partly ? 1 : role.threshold);
  // What is renewed on the way must not make a publish wait for others; a refresh is there for nothing else.
  const renewable =
    targets || roles.length > 0 ? (role: NeededRole) => here(request, role) >= role.threshold : atHand;
  const ending = (expiresAtMs: number) => expiresAtMs - nowMs < RENEWAL_MS;
  // In this order a person is asked: root first, as Docker asks.
  const named = [...roles.map(top), ...rolesIfHere.map(top).filter(atHand)];
  if (targets && paths !== undefined) named.push(...(await rolesOfPaths(request, paths, atHand)));
  else if (targets) named.push(releasedRole(request) ?? top('targets'));
  // Renewed while it is time, where their keys are at hand; a machine without them is only warned (protocol 2.7).
  for (const role of [top('targets'), ...(await delegatedRoles(request))]) {
    const ends = trusted.targets(role.name as RoleName)?.signed.expiresAtMs ?? Number.POSITIVE_INFINITY;
    const isNamed = named.some(({ name }) => name === role.name);
    if (!isNamed && ending(ends) && renewable(role)) named.push(role);
  }
  const needed = [...named, top('snapshot'), top('timestamp')];
  const rootRole = top('root');
  return ending(root.expiresAtMs) && renewable(rootRole) ? [...needed, rootRole] : needed;
}

/** For each path the role that holds it, or the one it would come into (rule 2.3); each role once. */
async function rolesOfPaths(
  request: SigningKeysRequest,
  paths: readonly string[],
  atHand: (role: NeededRole) => boolean,
): Promise<readonly NeededRole[]> {
  const { collection } = request;
  // Loads every role that releases.
  await collection.listTargets('passed-over');
  const chosen = new Map<string, NeededRole>();
  for (const path of paths) {
    const candidates = releasingRoles(request, path);
    const last = candidates.at(-1);
    const holder = candidates.find(({ name }) =>
      collection.trusted.targets(name as RoleName)?.signed.targets.has(path),
    );
    const order = [...(last === undefined ? [] : [last]), ...candidates];
    const signable = order.find(atHand);
    if (holder !== undefined && !atHand(holder) && signable !== undefined) {
      await openUnreadable(request, holder);
      throw heldByRole(collection, path, holder);
    }
    const role = holder ?? signable ?? last;
    if (role === undefined) continue;
    if (!atHand(role)) throw await missing(request, role, path);
    chosen.set(role.name, role);
  }
  return [...chosen.values()];
}

/** Roles below `targets` that a search can come to: one that has expired stops the search there. */
async function delegatedRoles(request: SigningKeysRequest): Promise<readonly NeededRole[]> {
  const delegations = request.collection.trusted.targets()?.signed.delegations;
  if (delegations === undefined || delegations.succinct !== undefined) return [];
  // Loads them, for until when they are good.
  await request.collection.listTargets('passed-over');
  const names = releasing(
    delegations,
    [...delegations.roles.keys()].map((name) => ({ name })),
  );
  return names.flatMap((name) => {
    const role = delegations.roles.get(name);
    if (role === undefined) return [];
    return [neededRole(request, name, role, keysListed(role.keyids, delegations.keys))];
  });
}

function releasingRoles(request: SigningKeysRequest, path: string): readonly NeededRole[] {
  const { trusted } = request.collection;
  const delegations = trusted.targets()?.signed.delegations;
  const root = trusted.root.signed;
  const names =
    delegations?.succinct === undefined ? releasing(delegations, delegationsFor(delegations, path)) : [];
  const roles = names.flatMap((name) => {
    const role = delegations?.roles.get(name);
    return role === undefined || delegations === undefined
      ? []
      : [neededRole(request, name, role, keysListed(role.keyids, delegations.keys))];
  });
  if (roles.length > 0) return roles;
  return [neededRole(request, TARGETS, root.roles.targets, keysIn(root, 'targets'))];
}

function keysIn(
  { roles, keys }: VerifiedCollection['trusted']['root']['signed'],
  name: TopLevelRole,
): readonly PublicKey[] {
  return keysListed(roles[name].keyids, keys);
}

/** Where tags stand once there are signers (protocol 2.2). */
function releasedRole(request: SigningKeysRequest): NeededRole | undefined {
  const delegations = request.collection.trusted.targets()?.signed.delegations;
  const releases = delegations?.roles.get(RELEASES);
  if (delegations === undefined || releases === undefined) return undefined;
  return neededRole(request, RELEASES, releases, keysListed(releases.keyids, delegations.keys));
}

function neededRole(
  { without = [] }: SigningKeysRequest,
  name: string,
  { threshold }: RoleKeys,
  keys: readonly PublicKey[],
): NeededRole {
  const staying = keys.filter((key) => !without.some((other) => isSameKey(key, other)));
  return { name, keys: staying, threshold };
}
