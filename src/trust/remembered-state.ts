/**
 * Verifies again what this machine remembers, before it counts for anything.
 *
 * The bytes were accepted once; since then a disk may have failed, the clock has gone on, and a pin may have been
 * added. The first is MEMORY_DAMAGED and never "nothing remembered". The second is kept as a refusal, which holds
 * when the source has nothing newer. The third has to be met by a root of the remembered chain.
 */
import { TrustError } from '../lib/errors.ts';
import type { OpenOptions } from './collection.ts';
import { TARGETS } from './core/delegations.ts';
import { metadataFileName, parseRoot } from './core/metadata.ts';
import { meetsPin, type Pin, verifyPin } from './core/pin.ts';
import { TrustedMetadata } from './core/trusted-metadata.ts';
import type { Remembered } from './memory.ts';
import { memoryDamaged } from './memory-frame.ts';
import { rootVersionOf } from './memory-record.ts';

export interface KnownState {
  readonly rootBytes: Uint8Array;
  readonly timestampBytes: Uint8Array;
  readonly snapshotBytes: Uint8Array;
  /** As far as it could be verified. */
  readonly trusted: TrustedMetadata;
  /** Why this state cannot be used although it is undamaged: it expired, or a pin asks for a newer one. */
  readonly refusal?: TrustError;
}

/** What time, a pin, or a newer root's floor can do to a state that was accepted. */
const OUTDATED: ReadonlySet<string> = new Set([
  'ROLE_EXPIRED',
  'ROOT_BELOW_PIN',
  'TIMESTAMP_ROLLBACK',
  'SNAPSHOT_ROLLBACK',
]);

/**
 * Everything a later verification needs is read here, before the source is waited for.
 *
 * @throws LocalStateError MEMORY_DAMAGED; TrustError ROOT_PIN; MemoryMoved
 */
export function verifyRemembered(
  remembered: Remembered,
  options: Pick<OpenOptions, 'startTimeMs' | 'expiry'>,
  pin: Pin | undefined,
): KnownState {
  const rootBytes = remembered.read(metadataFileName('root', remembered.rootVersion));
  const snapshotName = [...remembered.files.keys()].find((name) => /^\d+\.snapshot\.json$/.test(name));
  const snapshotBytes = remembered.read(snapshotName ?? 'snapshot.json');
  const timestampBytes = remembered.read('timestamp.json');
  const known = { rootBytes, timestampBytes, snapshotBytes };
  const trusted = undamaged(
    remembered,
    () =>
      new TrustedMetadata(rootBytes, {
        startTimeMs: options.startTimeMs,
        collection: remembered.collection,
        ...(pin === undefined ? {} : { pinVersions: pin }),
        ...(options.expiry === undefined ? {} : { expiry: options.expiry }),
      }),
  );
  if (pin !== undefined) {
    verifyRememberedPin(remembered, rootBytes, pin);
  }
  try {
    trusted.finishRoot();
    trusted.updateTimestamp(timestampBytes);
    trusted.updateSnapshot(snapshotBytes);
    const { version } = trusted.roleFile(TARGETS);
    trusted.updateTargets(remembered.readUnhashed(metadataFileName('targets', version)));
    return { ...known, trusted };
  } catch (error) {
    if (error instanceof TrustError && OUTDATED.has(error.code)) {
      return { ...known, trusted, refusal: error };
    }
    throw error instanceof TrustError ? damaged(remembered, error) : error;
  }
}

/**
 * Protocol 6.1: a root of the remembered chain, from the pinned version on, meets the pin. The chain was verified link
 * by link when it was remembered, so a pin on any of its roots is a pin on what it led to; but an older root may list
 * keys that were taken away before the pinned version, and says nothing about who wrote that one.
 *
 * Where the newest root known is older than the pin, nothing can meet it yet: the state is refused as too old, and
 * whatever follows has to come by a root that meets it (verify-state.ts).
 *
 * @throws TrustError ROOT_PIN; LocalStateError MEMORY_DAMAGED
 */
function verifyRememberedPin(remembered: Remembered, newest: Uint8Array, pin: Pin): void {
  if (remembered.rootVersion < pin.rootVersion) {
    return;
  }
  const older = [...remembered.files.keys()]
    .filter((name) => {
      const version = rootVersionOf(name) ?? 0;
      return version >= pin.rootVersion && version < remembered.rootVersion;
    })
    .sort((left, right) => (rootVersionOf(right) ?? 0) - (rootVersionOf(left) ?? 0));
  const known = undamaged(remembered, () => parseRoot(newest));
  if (meetsPin(known, pin)) {
    return;
  }
  const met = older.some((name) => {
    const bytes = remembered.read(name);
    return meetsPin(
      undamaged(remembered, () => parseRoot(bytes)),
      pin,
    );
  });
  if (!met) {
    verifyPin(known, pin);
  }
}

function undamaged<T>(remembered: Remembered, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof TrustError ? damaged(remembered, error) : error;
  }
}

function damaged(remembered: Remembered, cause: TrustError): Error {
  return memoryDamaged(remembered.folder, `of ${remembered.collection} no longer verifies`, cause);
}
