/**
 * What the editor keeps when it writes a state and a client does not look at as a whole, for a staged one (protocol 4.6),
 * which anybody may have written: a cosigner would be shown a tag that nobody can pull, one that hides another, or a
 * change of keys that leaves a released role with no signatures that count.
 */
import { TrustError } from '../../lib/errors.ts';
import { escapeShort } from '../../lib/escape.ts';
import { delegationsFor, RELEASES, TARGETS } from './delegations.ts';
import type { CurrentState } from './edits.ts';
import { metadataFileName, type RoleName, type TargetFile, type Targets } from './metadata.ts';
import { isNamed } from './names.ts';
import { verifyThreshold } from './role-keys.ts';
import type { StagedRoleName } from './staged.ts';
import type { TrustedMetadata } from './trusted-metadata.ts';

/**
 * Each entry that is new or another than before.
 *
 * @throws TrustError COLLECTION_MISMATCH, TARGET_HASH_MISSING, TARGET_MEDIA_TYPE, TAG_HELD_BY_ROLE
 */
export function verifyStagedEntries(
  trusted: TrustedMetadata,
  wouldBe: TrustedMetadata,
  staged: readonly StagedRoleName[],
): void {
  for (const role of staged) {
    if (role === 'root') continue;
    const before = trusted.targets(role)?.signed.targets;
    for (const [path, entry] of wouldBe.targets(role)?.signed.targets ?? []) {
      if (isSame(before?.get(path), entry)) continue;
      verifyEntry(path, entry, wouldBe.names, role);
      verifyOneHolder(trusted, wouldBe, role, path);
    }
  }
}

/** Loads the roles of the current state that are delegated to and at hand, as the editor does when it touches one. */
export function loadReleasing({ trusted, files }: CurrentState): void {
  for (const role of trusted.targets()?.signed.delegations?.roles.keys() ?? []) {
    const listed = trusted.snapshot?.signed.meta.get(`${role}.json`);
    const bytes = listed && files.get(metadataFileName(role, listed.version));
    if (trusted.targets(role) !== undefined || bytes === undefined) continue;
    try {
      trusted.updateDelegatedTargets(bytes, role, TARGETS);
    } catch (error) {
      // A signer who came back has a role that his new key did not sign: it decides nothing (protocol 2.2).
      if (!(error instanceof TrustError)) throw error;
    }
  }
}

/**
 * What is not staged still counts under the keys that are: `targets`, and every role that releases.
 *
 * @throws TrustError TARGETS_THRESHOLD, ROLE_MISSING
 */
export function verifyRestStands(
  trusted: TrustedMetadata,
  wouldBe: TrustedMetadata,
  staged: { has(role: RoleName): boolean },
): void {
  const targets = wouldBe.targets();
  if (targets === undefined) return;
  const root = wouldBe.root.signed;
  const context = { code: 'TARGETS_THRESHOLD', spec: 'protocol 4.6' } as const;
  if (!staged.has(TARGETS)) {
    verifyThreshold(targets, root.roles.targets, root.keys, {
      ...context,
      role: TARGETS,
      by: 'the staged root',
    });
  }
  const delegations = targets.signed.delegations;
  const names = [...(delegations?.roles.keys() ?? [])];
  for (const role of names.slice(0, names.indexOf(RELEASES) + 1)) {
    if (staged.has(role)) continue;
    const loaded = trusted.targets(role);
    const listed = delegations?.roles.get(role);
    if (loaded === undefined || listed === undefined) throw notStaged(role);
    const by = 'the staged targets';
    verifyThreshold(loaded, listed, delegations?.keys ?? new Map(), { ...context, role, by });
  }
}

function notStaged(role: RoleName): TrustError {
  return new TrustError({
    code: 'ROLE_MISSING',
    message: `what is staged delegates to ${escapeShort(role)}, which is neither there nor staged`,
    spec: 'protocol 4.6',
    role,
  });
}

function isSame(before: TargetFile | undefined, now: TargetFile): boolean {
  return (
    before !== undefined &&
    before.sha256 === now.sha256 &&
    before.lengthBytes === now.lengthBytes &&
    before.mediaType === now.mediaType
  );
}

function verifyEntry(path: string, entry: TargetFile, names: readonly string[], role: RoleName): void {
  const of = { role, reference: path };
  const shown = escapeShort(path);
  if (!isNamed(path, names)) {
    throw new TrustError({
      ...of,
      code: 'COLLECTION_MISMATCH',
      message: `this collection does not speak for ${shown}`,
      spec: 'protocol 1.2',
      expected: escapeShort(names.join(', ')),
      found: shown,
    });
  }
  if (entry.sha256 === undefined) {
    const message = `the entry for ${shown} has no sha256`;
    throw new TrustError({ ...of, code: 'TARGET_HASH_MISSING', message, spec: 'protocol 1.1' });
  }
  if (entry.mediaType !== undefined) return;
  const message = `the entry for ${shown} has no media type`;
  throw new TrustError({ ...of, code: 'TARGET_MEDIA_TYPE', message, spec: 'protocol 1.1' });
}

/** Protocol 2.3: a tag stands in one released role. [A role before `targets/releases` takes a released tag over.] */
function verifyOneHolder(
  trusted: TrustedMetadata,
  wouldBe: TrustedMetadata,
  role: RoleName,
  path: string,
): void {
  const targets = wouldBe.targets() ?? trusted.targets();
  const releasing = releasingRoles(targets?.signed, path);
  if (!releasing.includes(role)) return;
  const holder = releasing.find((other) => {
    const loaded = wouldBe.targets(other) ?? trusted.targets(other);
    return other !== role && loaded?.signed.targets.has(path) === true;
  });
  if (holder === undefined) return;
  throw new TrustError({
    code: 'TAG_HELD_BY_ROLE',
    message: `${escapeShort(path)} stands in the role ${escapeShort(holder)} already`,
    spec: 'protocol 2.3',
    role: holder,
    reference: path,
  });
}

function releasingRoles(targets: Targets | undefined, path: string): readonly RoleName[] {
  const delegations = targets?.delegations;
  if (delegations?.roles.has(RELEASES) !== true) return [TARGETS];
  const names = [...delegations.roles.keys()];
  const last = names.indexOf(RELEASES);
  return delegationsFor(delegations, path)
    .map(({ name }) => name)
    .filter((name) => names.indexOf(name) <= last);
}
