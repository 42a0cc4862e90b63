/**
 * Checks and refusals of single steps of the client workflow, for `TrustedMetadata`, which says when each is due.
 */
import { TrustError } from '../../lib/errors.ts';
import { escapeShort } from '../../lib/escape.ts';
import { verifyNotOlder } from './checks.ts';
import { RELEASES, TARGETS } from './delegations.ts';
import type { Metadata, Root, RootExtension, Snapshot, Targets, Timestamp } from './metadata.ts';
import { verifyThreshold } from './role-keys.ts';

export function verifyRootSignatures(file: Metadata<Root>, by: Metadata<Root>, spec: string): void {
  verifyThreshold(file, by.signed.roles.root, by.signed.keys, {
    code: 'ROOT_THRESHOLD',
    spec,
    role: 'root',
    by: `root version ${by.signed.version}`,
  });
}

const OWN_ROLLBACK = { code: 'TIMESTAMP_ROLLBACK', role: 'timestamp' } as const;
const ITS_SNAPSHOT_ROLLBACK = { code: 'SNAPSHOT_ROLLBACK', role: 'snapshot' } as const;

export function verifyNoTimestampOlder(newTimestamp: Timestamp, prior: Timestamp): void {
  // TUF 5.4.3.1 (rollback): not older than the one trusted before.
  verifyNotOlder(newTimestamp.version, prior.version, 'trusted', { ...OWN_ROLLBACK, spec: '5.4.3.1' });
  // TUF 5.4.3.2 (rollback): nor is the snapshot it names.
  const least = prior.snapshot.version;
  const check = { ...ITS_SNAPSHOT_ROLLBACK, spec: '5.4.3.2' };
  verifyNotOlder(newTimestamp.snapshot.version, least, 'trusted', check);
}

/**
 * protocol 2.5: a root that takes keys away says below what nothing counts. It holds where nothing is remembered, and
 * for what is remembered as well.
 */
export function verifyFloor(timestamp: Timestamp, { floor }: RootExtension): void {
  if (floor === undefined) return;
  const spec = 'protocol 2.5';
  const than = "the root's least";
  verifyNotOlder(timestamp.version, floor.timestamp, than, { ...OWN_ROLLBACK, spec });
  verifyNotOlder(timestamp.snapshot.version, floor.snapshot, than, { ...ITS_SNAPSHOT_ROLLBACK, spec });
}

export function verifyNoRoleOlder(newSnapshot: Snapshot, prior: Snapshot): void {
  for (const [name, before] of prior.meta) {
    const role = name.replace(/\.json$/, '');
    const now = newSnapshot.meta.get(name);
    if (now === undefined) throw roleRemoved(role);
    verifyNotOlder(now.version, before.version, 'trusted', {
      code: 'SNAPSHOT_ROLLBACK',
      spec: '5.5.5',
      role,
    });
  }
}

/** Protocol 2.3: with a released role, an entry in `targets` would be found before anything released. */
export function verifyUnambiguous(targets: Targets): void {
  if (targets.targets.size === 0 || targets.delegations?.roles.has(RELEASES) !== true) return;
  throw new TrustError({
    code: 'COLLECTION_AMBIGUOUS',
    message: `targets metadata has ${targets.targets.size} entries beside the role ${RELEASES}`,
    attack: 'mix-and-match',
    spec: 'protocol 2.3',
    role: TARGETS,
  });
}

function roleRemoved(role: string): TrustError {
  return new TrustError({
    code: 'SNAPSHOT_ROLE_REMOVED',
    message: `the snapshot no longer lists the role ${escapeShort(role)}`,
    attack: 'rollback',
    spec: '5.5.5',
    role,
  });
}

export function tooManyRoots(most: number): TrustError {
  return new TrustError({
    code: 'ROOT_CHAIN',
    message: `more than ${most} root versions after the one that is known`,
    attack: 'endless data',
    spec: '5.3.3',
    role: 'root',
    hints: ['Start from a newer root: add a pin that names one.'],
  });
}

export function noConsistentSnapshot(): TrustError {
  return new TrustError({
    code: 'METADATA_SHAPE',
    message: 'root metadata does not ask for consistent snapshots',
    spec: '5.3.12',
    role: 'root',
  });
}
