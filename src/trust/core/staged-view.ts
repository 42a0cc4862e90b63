/**
 * What a staged state is worth (protocol 4.6): everything about it was chosen by somebody with write access to the
 * registry, so everything is checked against the verified current state before a person is shown it.
 *
 * Guaranteed of a view: it is of this collection; each role takes the place of exactly the file that is current, one
 * version on; the whole, with snapshot and timestamp put in, passes the client's state machine in all but signatures;
 * each signature is a valid one by a key that counts; its files are the payloads that were read and those signatures,
 * and nothing else. Not guaranteed: that the change is wanted. That is for whoever signs it.
 */
import { TrustError } from '../../lib/errors.ts';
import { escapeShort } from '../../lib/escape.ts';
import { delegatedRoleKeys, TARGETS } from './delegations.ts';
import { Draft } from './draft.ts';
import { verifyNewState } from './editor.ts';
import type { CurrentState, EditOptions, NewState } from './edits.ts';
import { isSameKey, isSignedBy, type KeyId, type PublicKey } from './keys.ts';
import { MAX_STAGED_ROLES, MAX_VERSION_JUMP } from './limits.ts';
import {
  type Metadata,
  parseRoot,
  parseSignedJson,
  parseTargets,
  type RoleName,
  type Root,
  type Targets,
} from './metadata.ts';
import { signingKeys } from './role-keys.ts';
import type { Signer } from './signer.ts';
import {
  fileReplaced,
  type Signatures,
  type StagedRole,
  type StagedRoleName,
  type StagedState,
  signStagedFile,
  stagedId,
  withSignatures,
} from './staged.ts';
import { loadReleasing, verifyRestStands, verifyStagedEntries } from './staged-rules.ts';
import type { TrustedMetadata } from './trusted-metadata.ts';
import { type KeySet, sha256Hex, writeState } from './write-state.ts';

/** Keys of which so many have to sign a role; a root has two such sets, the old and the new one. */
export interface StagedQuorum extends KeySet {
  /** Those that have signed, each content once. */
  readonly signed: readonly PublicKey[];
}

export interface StagedRoleView {
  readonly role: StagedRoleName;
  readonly staged: StagedRole;
  readonly metadata: Metadata<Root> | Metadata<Targets>;
  readonly quorums: readonly StagedQuorum[];
}

export interface StagedView {
  readonly id: string;
  readonly state: StagedState;
  readonly current: CurrentState;
  /** The state that would come of it, verified in all but signatures: to be looked at, never used. */
  readonly wouldBe: TrustedMetadata;
  readonly roles: readonly StagedRoleView[];
  /** Whether every role has the signatures it takes. */
  readonly complete: boolean;
}

export interface ViewTerms {
  readonly nowMs: number;
  /** As for the editor. */
  readonly highestVersions: ReadonlyMap<string, number>;
}

/**
 * Checks a staged state against the current one.
 *
 * @throws TrustError STAGED_OUTDATED when what it was built on is no longer current, STAGED_INVALID, and whatever the
 * state that would come of it would be refused for
 */
export async function viewStaged(
  current: CurrentState,
  given: StagedState,
  terms: ViewTerms,
): Promise<StagedView> {
  verifyForm(current, given);
  const parsed = new Map([...given.roles].map(([role, staged]) => [role, parse(role, staged)]));
  for (const [role, staged] of given.roles) verifyBuiltOn(current.trusted, role, staged);
  for (const [role, staged] of given.roles) verifyVersion(current.trusted, role, staged, parsed.get(role));
  const draft = draftOf(current, given);
  verifyFloorRoom(draft, terms);
  const options = { ...termsAboveFloor(draft, terms), signers: [], partly: true };
  const written = await writeState(draft, options, given.roles);
  const wouldBe = verifyNewState(draft, written, terms.nowMs, 'unsafe-ignored');
  loadReleasing(current);
  verifyRestStands(current.trusted, wouldBe, given.roles);
  verifyStagedEntries(current.trusted, wouldBe, [...given.roles.keys()]);
  const roles = [...parsed].map(([role, metadata]) => {
    const quorums = keySetsOf(current.trusted, wouldBe, role);
    const staged = onlyCounting(role, given.roles.get(role) as StagedRole, metadata, quorums);
    return { role, staged, metadata, quorums: quorums.map((set) => quorumOf(set, metadata)) };
  });
  const state = {
    collection: given.collection,
    roles: new Map(roles.map(({ role, staged }) => [role, staged])),
  };
  const complete = roles.every(({ quorums }) =>
    quorums.every(({ signed, role }) => signed.length >= role.threshold),
  );
  return { id: stagedId(state), state, current, wouldBe, roles, complete };
}

/** The staged state with what these signers add; the same when they have nothing to add. */
export async function signStaged(view: StagedView, signers: readonly Signer[]): Promise<StagedState> {
  const roles = new Map<StagedRoleName, StagedRole>();
  for (const { role, staged, metadata, quorums } of view.roles) {
    const json = parseSignedJson(staged.bytes, role);
    const added = await signStagedFile(json, metadata.signatures, quorums, signers);
    const bytes = withSignatures(json, new Map([...metadata.signatures, ...added]));
    roles.set(role, { ...staged, bytes });
  }
  return { ...view.state, roles };
}

/** Both states' signatures; they must be of one ID, and both have been looked at. */
export function mergeStaged(view: StagedView, other: StagedView): StagedState {
  const roles = new Map<StagedRoleName, StagedRole>();
  for (const { role, staged, metadata } of view.roles) {
    const theirs = other.roles.find((each) => each.role === role)?.metadata.signatures ?? new Map();
    const json = parseSignedJson(staged.bytes, role);
    roles.set(role, { ...staged, bytes: withSignatures(json, new Map([...metadata.signatures, ...theirs])) });
  }
  return { ...view.state, roles };
}

/** Whether every signature of `part` stands in `whole` as well. */
export function holdsSignatures(whole: StagedView, part: StagedView): boolean {
  return part.roles.every(({ role, metadata }) => {
    const there = whole.roles.find((each) => each.role === role)?.metadata.signatures;
    return [...metadata.signatures.keys()].every((keyid) => there?.has(keyid) === true);
  });
}

/**
 * The state to publish: the staged roles, and snapshot and timestamp signed with the keys here.
 *
 * @throws KeyError KEY_MISSING for the online key; TrustError as `viewStaged`, and ROOT_THRESHOLD, TARGETS_THRESHOLD
 * while signatures are missing
 */
export async function completeStaged(
  current: CurrentState,
  given: StagedState,
  options: Omit<EditOptions, 'partly'>,
): Promise<NewState> {
  const highestVersions = options.highestVersions ?? new Map();
  const { state } = await viewStaged(current, given, { nowMs: options.nowMs, highestVersions });
  const draft = draftOf(current, state);
  const terms = { ...options, ...termsAboveFloor(draft, { nowMs: options.nowMs, highestVersions }) };
  const written = await writeState(draft, terms, state.roles);
  const trusted = verifyNewState(draft, written, options.nowMs);
  const { files, versions } = written;
  const timestampSha256 = sha256Hex(written.timestamp);
  return { files, written: written.written, versions, timestampSha256, trusted, warnings: [] };
}

function verifyForm({ trusted }: CurrentState, { collection, roles }: StagedState): void {
  if (collection !== trusted.collection) {
    throw new TrustError({
      code: 'COLLECTION_MISMATCH',
      message: `what is staged is for the collection ${escapeShort(collection)}`,
      spec: 'protocol 4.6',
      expected: trusted.collection,
      found: escapeShort(collection),
    });
  }
  if (roles.size === 0 || roles.size > MAX_STAGED_ROLES) throw invalid(`it has ${roles.size} roles`);
  for (const role of roles.keys()) {
    if (role === ('snapshot' as RoleName) || role === ('timestamp' as RoleName)) {
      throw invalid(`${role} metadata is made by whoever publishes`, role);
    }
  }
}

function parse(role: StagedRoleName, { bytes }: StagedRole): Metadata<Root> | Metadata<Targets> {
  return role === 'root' ? parseRoot(bytes) : parseTargets(bytes, role);
}

/** Protocol 4.6: built on exactly what is current, so that a publish that came in between is not undone by it. */
function verifyBuiltOn(trusted: TrustedMetadata, role: StagedRoleName, { replaces }: StagedRole): void {
  const now = fileReplaced(trusted, role);
  if (now?.version === replaces?.version && now?.sha256 === replaces?.sha256) return;
  const shown = (file: typeof now) =>
    file === undefined ? 'no such role' : `version ${file.version}, sha256:${escapeShort(file.sha256, 80)}`;
  throw new TrustError({
    code: 'STAGED_OUTDATED',
    message: `what is staged was built on another ${escapeShort(role)} than is current: somebody has published since`,
    spec: 'protocol 4.6',
    role,
    expected: shown(now),
    found: shown(replaces),
  });
}

/** Roots go up by one (TUF 5.3.5, by the state machine); other roles go up, and not by more than a publish may jump. */
function verifyVersion(
  trusted: TrustedMetadata,
  role: StagedRoleName,
  { version }: StagedRole,
  metadata: Metadata<Root> | Metadata<Targets> | undefined,
): void {
  const found = metadata?.signed.version ?? 0;
  const least = (fileReplaced(trusted, role)?.version ?? 0) + 1;
  const most = role === 'root' ? least : least + MAX_VERSION_JUMP;
  if (found === version && found >= least && found <= most) return;
  throw new TrustError({
    code: 'STAGED_INVALID',
    message: `the ${escapeShort(role)} that is staged is version ${found}, which is not the next one`,
    spec: 'protocol 4.6',
    role,
    expected: `${least}`,
    found: `${found}`,
  });
}

/** The staged roles as if they had just been edited. */
function draftOf(current: CurrentState, { roles }: StagedState): Draft {
  const draft = new Draft(current);
  for (const [role, { bytes }] of roles) {
    const json = parseSignedJson(bytes, role);
    if (role === 'root') draft.adoptRoot(json);
    else draft.adoptRole(role, json);
  }
  for (const online of ['snapshot', 'timestamp'] as const) {
    const before = keysOf(current.trusted.root.signed, online);
    const kept = before.filter((key) => draft.rootKeysOf(online).some((other) => isSameKey(key, other)));
    if (kept.length < before.length) draft.keysTakenAway = true;
    if (kept.length === 0) draft.replacedRoles.add(online);
  }
  return draft;
}

function keysOf({ keys, roles }: Root, role: 'snapshot' | 'timestamp'): readonly PublicKey[] {
  return roles[role].keyids.flatMap((keyid) => keys.get(keyid) ?? []).filter((key) => key.supported);
}

/** protocol 2.5: snapshot and timestamp come out no lower than the floor of the new root. */
function termsAboveFloor(draft: Draft, { nowMs, highestVersions }: ViewTerms): ViewTerms {
  const floor = draft.root.extension?.floor;
  if (floor === undefined) return { nowMs, highestVersions };
  const raised = new Map(highestVersions);
  for (const role of ['snapshot', 'timestamp'] as const) {
    raised.set(role, Math.max(floor[role] - 1, raised.get(role) ?? 0));
  }
  return { nowMs, highestVersions: raised };
}

/**
 * protocol 2.5: a root that takes a key of snapshot or timestamp away keeps from machines that drop what they trusted
 * all that was published before it. Where that went past the room it left, it is to be staged again; and its floor is
 * no way to use versions up.
 */
function verifyFloorRoom(draft: Draft, { highestVersions }: ViewTerms): void {
  const floor = draft.root.extension?.floor;
  const trusted = draft.base?.trusted;
  for (const role of ['snapshot', 'timestamp'] as const) {
    const now = trusted?.[role]?.signed.version ?? 0;
    const most = Math.max(now, highestVersions.get(role) ?? 0) + MAX_VERSION_JUMP;
    if ((floor?.[role] ?? 0) > most) throw invalid(`its floor for ${role} is above ${most}`, 'root');
    if (!draft.keysTakenAway || draft.replacedRoles.size === 2 || (floor?.[role] ?? 0) > now) continue;
    throw new TrustError({
      code: 'STAGED_OUTDATED',
      message: `what is staged takes keys away below ${role} version ${floor?.[role] ?? 1}, and version ${now} is published already`,
      spec: 'protocol 2.5',
      role: 'root',
      expected: `more than ${now}`,
      found: `${floor?.[role] ?? 'none'}`,
    });
  }
}

/**
 * Whose signatures a client counts: for a root the old and the new root's keys (TUF 5.3.4); for `targets` those of the
 * new root; for a delegated role those of the new `targets`.
 */
function keySetsOf(
  trusted: TrustedMetadata,
  wouldBe: TrustedMetadata,
  role: StagedRoleName,
): readonly KeySet[] {
  const root = wouldBe.root.signed;
  if (role === 'root') {
    const before = trusted.root.signed;
    return [
      { role: before.roles.root, keys: before.keys },
      { role: root.roles.root, keys: root.keys },
    ];
  }
  if (role === TARGETS) return [{ role: root.roles.targets, keys: root.keys }];
  const delegations = (wouldBe.targets() ?? trusted.targets())?.signed.delegations;
  const listed = delegatedRoleKeys(delegations, role);
  if (delegations === undefined || listed === undefined) throw invalid('nothing delegates to it', role);
  return [{ role: listed, keys: delegations.keys }];
}

function quorumOf(set: KeySet, metadata: Metadata<Root> | Metadata<Targets>): StagedQuorum {
  return { ...set, signed: signingKeys(metadata, set.role, set.keys) };
}

/** The file with its signatures, each a valid one by a key that counts, and nothing else around what is signed. */
function onlyCounting(
  role: StagedRoleName,
  staged: StagedRole,
  metadata: Metadata<Root> | Metadata<Targets>,
  sets: readonly KeySet[],
): StagedRole {
  for (const [keyid, signature] of metadata.signatures) {
    if (sets.some((set) => isCounted(set, keyid, metadata.signedBytes, signature))) continue;
    throw invalid(`its signature by ${escapeShort(keyid, 80)} is none that counts`, role);
  }
  const signatures: Signatures = metadata.signatures;
  return { ...staged, bytes: withSignatures(parseSignedJson(staged.bytes, role), signatures) };
}

function isCounted(
  { role, keys }: KeySet,
  keyid: KeyId,
  signedBytes: Uint8Array,
  signature: string,
): boolean {
  const key = keys.get(keyid);
  return role.keyids.includes(keyid) && key !== undefined && isSignedBy(key, signedBytes, signature);
}

function invalid(what: string, role?: string): TrustError {
  const of = role === undefined ? '' : `${escapeShort(role)}: `;
  return new TrustError({
    code: 'STAGED_INVALID',
    message: `what is staged cannot be signed: ${of}${what}`,
    spec: 'protocol 4.6',
    ...(role === undefined ? {} : { role }),
  });
}
