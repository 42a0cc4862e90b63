/**
 * The editor: the next state of a collection from the current one, signed with the keys at hand.
 *
 * What it gives away has been verified by `TrustedMetadata`, going on from the root that was trusted before, as every
 * client will verify it; an edit that clients would refuse is refused here, with nothing published. Snapshot and
 * timestamp are always new, so an edit without edits is a refresh of the online roles.
 */
import assert from 'node:assert';
import { TARGETS } from './delegations.ts';
import { Draft } from './draft.ts';
import { addKey, addSigner, removeKey, removeSigner, setKeys } from './edit-keys.ts';
import { recover, replaceKeys, replaceSignerKeys, setThreshold } from './edit-rotate.ts';
import { type CanSign, putTarget, removeTarget } from './edit-targets.ts';
import type { CreateOptions, CurrentState, Edit, EditOptions, NewState } from './edits.ts';
import { DAY_MS, ROOT_LIFETIME_MS, TARGETS_LIFETIME_MS } from './limits.ts';
import { metadataFileName, type RoleName, type TopLevelRole } from './metadata.ts';
import { runSearch, searchTarget } from './search.ts';
import { type PriorMetadata, TrustedMetadata } from './trusted-metadata.ts';
import { countSigners, sha256Hex, type WrittenFiles, writeChanged, writeState } from './write-state.ts';

export type {
  CreateOptions,
  CurrentState,
  Edit,
  EditOptions,
  NewState,
  TargetEntry,
} from './edits.ts';

/** A role is renewed on the way when that gains this much; otherwise every publish would rewrite every role. */
const WORTH_RENEWING_MS = 30 * DAY_MS;
/** Roots are kept for ever and clients walk them one by one, so they are renewed more rarely. */
const ROOT_WORTH_RENEWING_MS = 365 * DAY_MS;

/**
 * The first state of a collection.
 *
 * @throws KeyError KEY_UNSUPPORTED; TrustError COLLECTION_MISMATCH for a target outside `names`.
 */
export async function createCollection(options: CreateOptions): Promise<NewState> {
  const { collection, names = [collection], migratedFrom, rootKeys, targetsKey, onlineKey } = options;
  const draft = new Draft(undefined);
  draft.setExtension({ collection, names, ...(migratedFrom && { migratedFrom }) });
  const roots = [...rootKeys.map(({ publicKey }) => publicKey), ...(options.otherRootKeys ?? [])];
  setKeys(draft, 'root', roots, options.rootThreshold ?? 1);
  setKeys(draft, 'targets', [targetsKey.publicKey], 1);
  for (const online of ['snapshot', 'timestamp'] as const) setKeys(draft, online, [onlineKey.publicKey], 1);
  draft.keysTakenAway = false;
  draft.replacedRoles.clear();
  const edits = (options.targets ?? []).map((target): Edit => ({ kind: 'putTarget', target }));
  return await finish(draft, edits, { ...options, signers: [...rootKeys, targetsKey, onlineKey] });
}

/**
 * The state after these edits, in their order.
 *
 * Roles whose keys are at hand are renewed where that gains more than 30 days (a root: more than a year). New versions
 * are one more than the highest in `current` or `highestVersions`.
 *
 * @throws KeyError KEY_MISSING, KEY_ROOT_MISSING, KEY_NAME, KEY_EXISTS, KEY_NOT_LISTED, KEY_UNSUPPORTED,
 * THRESHOLD_UNREACHABLE; TrustError VERSION_JUMP, COLLECTION_MISMATCH, TAG_HELD_BY_ROLE, TARGET_NOT_SIGNED, ROLE_MISSING, and whatever the new state
 * would be refused for (ROLE_EXPIRED when a role that cannot be signed here has expired).
 */
export async function editCollection(
  current: CurrentState,
  edits: readonly Edit[],
  options: EditOptions,
): Promise<NewState> {
  assert(current.trusted.snapshot !== undefined, 'the current state is verified');
  return await finish(new Draft(current), edits, options);
}

/** Makes the edits in the draft, in their order, and renews on the way what the keys at hand can. Throws as `editCollection`. */
export function applyEdits(draft: Draft, edits: readonly Edit[], options: EditOptions): void {
  for (const edit of edits) applyEdit(draft, edit, options);
  // Protocol 4.6: nothing else waits for other people's signatures; a change without edits is there to renew.
  renewOnTheWay(draft, edits.length === 0 ? options : { ...options, partly: false });
}

async function finish(draft: Draft, edits: readonly Edit[], options: EditOptions): Promise<NewState> {
  applyEdits(draft, edits, options);
  const written = await writeState(draft, options, await writeChanged(draft, options));
  const trusted = verifyNewState(draft, written, options.nowMs);
  const lastEdits = new Map(edits.map((edit) => [pathOf(edit), edit]));
  for (const [path, edit] of lastEdits) if (path !== undefined) verifyEdit(trusted, path, edit, written);
  return {
    files: written.files,
    written: written.written,
    versions: written.versions,
    timestampSha256: sha256Hex(written.timestamp),
    trusted,
    warnings: draft.warnings,
  };
}

function applyEdit(draft: Draft, edit: Edit, options: EditOptions): void {
  switch (edit.kind) {
    case 'putTarget':
      putTarget(draft, edit.target, edit.role, canSignWith(draft, options));
      break;
    case 'removeTarget':
      removeTarget(draft, edit.path, canSignWith(draft, options));
      break;
    case 'addKey':
      addKey(draft, edit.role, edit.key);
      break;
    case 'removeKey':
      removeKey(draft, edit.role, edit.keyId);
      break;
    case 'rotateKeys':
      setKeys(draft, edit.role, edit.keys, edit.threshold ?? draft.root.roles[edit.role].threshold);
      break;
    case 'replaceKeys':
      replaceKeys(draft, edit.role, edit);
      break;
    case 'replaceSignerKeys':
      replaceSignerKeys(draft, edit);
      break;
    case 'recover':
      recover(draft, edit);
      break;
    case 'setThreshold':
      setThreshold(draft, edit);
      break;
    case 'addSigner':
      addSigner(draft, edit);
      break;
    case 'removeSigner':
      removeSigner(draft, edit.name, canSignRoot(draft, options));
      break;
    case 'renew':
      renew(draft, edit.roles, options);
      break;
  }
}

function canSignWith(draft: Draft, options: EditOptions): CanSign {
  return (role) => {
    const set = draft.keysFor(role);
    return countSigners(set, options.signers) >= (options.partly === true ? 1 : set.role.threshold);
  };
}

/** Whether the root that is trusted now would accept a successor signed with the keys at hand. */
function canSignRoot(draft: Draft, options: EditOptions): boolean {
  const root = draft.base?.trusted.root.signed ?? draft.root;
  const set = { role: root.roles.root, keys: root.keys };
  return countSigners(set, options.signers) >= (options.partly === true ? 1 : set.role.threshold);
}

function renew(
  draft: Draft,
  roles: readonly (RoleName | TopLevelRole)[] | undefined,
  options: EditOptions,
): void {
  if (roles?.includes('root') ?? canSignRoot(draft, options)) draft.rootChanged = true;
  const canSign = canSignWith(draft, options);
  for (const role of targetsRolesOf(draft)) {
    if (roles?.includes(role) ?? canSign(role)) touch(draft, role);
  }
}

/** Protocol 2.7: each publish renews what its keys can. */
function renewOnTheWay(draft: Draft, options: EditOptions): void {
  const trusted = draft.base?.trusted;
  if (trusted === undefined) return;
  const rootGain = options.nowMs + ROOT_LIFETIME_MS - trusted.root.signed.expiresAtMs;
  if (rootGain > ROOT_WORTH_RENEWING_MS && canSignRoot(draft, options)) draft.rootChanged = true;
  const canSign = canSignWith(draft, options);
  // Bins are many and are renewed when they are written, or by `renew`.
  const named = draft.delegations?.succinct === undefined ? targetsRolesOf(draft) : [TARGETS];
  for (const role of named) {
    const loaded = trusted.targets(role);
    if (loaded === undefined || !canSign(role)) continue;
    const gain = options.nowMs + TARGETS_LIFETIME_MS - loaded.signed.expiresAtMs;
    if (gain > WORTH_RENEWING_MS) touch(draft, role);
  }
}

function touch(draft: Draft, role: RoleName): void {
  draft.role(role);
  draft.changed.add(role);
}

/** `targets` and the roles it delegates to that have a file. */
function targetsRolesOf(draft: Draft): readonly RoleName[] {
  const delegations = draft.delegations;
  if (delegations?.succinct !== undefined) {
    const prefix = `${delegations.succinct.namePrefix}-`;
    const listed = [...(draft.base?.trusted.snapshot?.signed.meta.keys() ?? [])];
    const bins = listed.filter((name) => name.startsWith(prefix)).map((name) => name.replace(/\.json$/, ''));
    return [TARGETS, ...(bins as RoleName[])];
  }
  const named = [...(delegations?.roles.keys() ?? [])].filter((role) => draft.hasRole(role));
  return [TARGETS, ...named];
}

/**
 * The whole new state through the client's state machine, from the root that was trusted before.
 *
 * @param thresholds 'unsafe-ignored' for a state that is still to be signed (protocol 4.6) and is only looked at
 */
export function verifyNewState(
  draft: Draft,
  written: WrittenFiles,
  nowMs: number,
  thresholds: 'enforced' | 'unsafe-ignored' = 'enforced',
): TrustedMetadata {
  const { files, versions } = written;
  const fileOf = (role: RoleName | TopLevelRole): Uint8Array => {
    const bytes = files.get(metadataFileName(role, versions.get(role) ?? 0));
    assert(bytes !== undefined, 'every file of the new state is there');
    return bytes;
  };
  const base = draft.base?.trusted;
  const collection = draft.root.extension?.collection ?? '';
  const trusted = new TrustedMetadata(base?.root.bytes ?? fileOf('root'), {
    startTimeMs: nowMs,
    collection,
    thresholds,
  });
  if (base !== undefined) trusted.loadPrior(priorOf(base));
  if (base !== undefined && draft.rootChanged) trusted.updateRoot(fileOf('root'));
  trusted.finishRoot();
  assert(trusted.updateTimestamp(fileOf('timestamp')) === 'updated', 'the timestamp is a new one');
  trusted.updateSnapshot(fileOf('snapshot'));
  if (draft.changed.has(TARGETS) || base?.targets() !== undefined || files.has(targetsName(versions))) {
    trusted.updateTargets(fileOf(TARGETS));
    for (const role of draft.changed) {
      if (role !== TARGETS) trusted.updateDelegatedTargets(fileOf(role), role, TARGETS);
    }
  }
  return trusted;
}

function targetsName(versions: ReadonlyMap<string, number>): string {
  return metadataFileName(TARGETS, versions.get(TARGETS) ?? 0);
}

function priorOf(trusted: TrustedMetadata): PriorMetadata {
  const { timestamp, snapshot } = trusted;
  return {
    ...(timestamp && { timestamp: timestamp.bytes }),
    ...(snapshot && { snapshot: snapshot.bytes }),
  };
}

/** What was asked for is what a client will find; of several edits of one path the last one decides. */
function verifyEdit(trusted: TrustedMetadata, path: string, edit: Edit, written: WrittenFiles): void {
  const search = searchTarget(trusted, path, { explain: false });
  const result = runSearch(search, (request) => written.files.get(request.fileName));
  const found = result.kind === 'found' ? result.target.sha256 : undefined;
  assert(
    found === (edit.kind === 'putTarget' ? edit.target.sha256 : undefined),
    'the edit is what a client finds',
  );
}

function pathOf(edit: Edit): string | undefined {
  if (edit.kind === 'putTarget') return edit.target.path;
  return edit.kind === 'removeTarget' ? edit.path : undefined;
}
