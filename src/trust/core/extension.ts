/**
 * `x-dtrust`: what dtrust adds to the `signed` part of root and snapshot metadata. Other TUF clients keep it as an
 * unknown member; it is under the same signatures as the rest.
 */
import type { JsonObject, JsonValue } from '../../lib/strict-json.ts';
import { HISTORY_LENGTH, MAX_TURN_SECONDS, MIN_TURN_SECONDS } from './limits.ts';
import type { Shape } from './shape.ts';

export const EXTENSION = 'x-dtrust';

/** Protocol 7.4: the Notary v1 root this collection goes on from. */
export interface MigratedFrom {
  readonly gun: string;
  readonly version: number;
  /** sha256 of that Notary root.json, hex. */
  readonly sha256: string;
}

/** Protocol 1.2, 2.5, 7.4. */
export interface RootExtension {
  /** The canonical repository the collection was made for. */
  readonly collection: string;
  /** The repositories it may speak for: canonical names, or patterns with `*` and `?` inside path segments. */
  readonly names: readonly string[];
  /** The least versions that count once trusted timestamp and snapshot were dropped. */
  readonly floor?: { readonly timestamp: number; readonly snapshot: number };
  readonly migratedFrom?: MigratedFrom;
}

/** Protocol 4.1, 4.2. */
export interface SnapshotExtension {
  readonly turnSeconds: number;
  /** sha256, hex, of the timestamps before the one that names this snapshot, oldest first. */
  readonly history: readonly string[];
}

/** @throws TrustError METADATA_SHAPE. */
export function parseRootExtension(signed: JsonObject, shape: Shape): RootExtension | undefined {
  const json = shape.optionalObject(signed.get(EXTENSION), EXTENSION);
  if (json === undefined) return undefined;
  const collection = shape.string(json.get('collection'), 'x-dtrust.collection');
  if (collection === '') shape.fail('x-dtrust.collection', 'the name of a repository');
  const names = json.has('names') ? shape.distinctStrings(json.get('names'), 'x-dtrust.names') : [collection];
  const floor = shape.optionalObject(json.get('floor'), 'x-dtrust.floor');
  const migrated = shape.optionalObject(json.get('migrated-from'), 'x-dtrust.migrated-from');
  return Object.freeze({
    collection,
    names: Object.freeze(names),
    ...(floor && {
      floor: Object.freeze({
        timestamp: shape.integer(floor.get('timestamp'), 'x-dtrust.floor.timestamp', 1),
        snapshot: shape.integer(floor.get('snapshot'), 'x-dtrust.floor.snapshot', 1),
      }),
    }),
    ...(migrated && { migratedFrom: parseMigratedFrom(migrated, shape) }),
  });
}

function parseMigratedFrom(json: JsonObject, shape: Shape): MigratedFrom {
  return Object.freeze({
    gun: shape.string(json.get('gun'), 'x-dtrust.migrated-from.gun'),
    version: shape.integer(json.get('version'), 'x-dtrust.migrated-from.version', 1),
    sha256: shape.hex(json.get('sha256'), 'x-dtrust.migrated-from.sha256', 64),
  });
}

/** @throws TrustError METADATA_SHAPE. */
export function parseSnapshotExtension(signed: JsonObject, shape: Shape): SnapshotExtension | undefined {
  const json = shape.optionalObject(signed.get(EXTENSION), EXTENSION);
  if (json === undefined) return undefined;
  const turnSeconds = shape.integer(json.get('turn'), 'x-dtrust.turn', MIN_TURN_SECONDS);
  // Publishers wait out a turn: a signed turn of a year would be a way to stop them.
  if (turnSeconds > MAX_TURN_SECONDS) shape.fail('x-dtrust.turn', `at most ${MAX_TURN_SECONDS}`);
  const history = shape.array(json.get('history'), 'x-dtrust.history');
  if (history.length > HISTORY_LENGTH) shape.fail('x-dtrust.history', `at most ${HISTORY_LENGTH} long`);
  return Object.freeze({
    turnSeconds,
    history: Object.freeze(history.map((item) => shape.hex(item, 'an item of x-dtrust.history', 64))),
  });
}

/** The members of `x-dtrust` in a root, for writing; `other` holds what was there and is not understood. */
export function rootExtensionJson(extension: RootExtension, other: JsonObject = new Map()): JsonObject {
  const json = new Map<string, JsonValue>(other);
  json.set('collection', extension.collection);
  json.set('names', extension.names);
  json.delete('floor');
  if (extension.floor) json.set('floor', new Map(Object.entries(extension.floor)));
  if (extension.migratedFrom) {
    json.set('migrated-from', new Map<string, JsonValue>(Object.entries(extension.migratedFrom)));
  }
  return json;
}

/** The members of `x-dtrust` in a snapshot, for writing. */
export function snapshotExtensionJson(
  extension: SnapshotExtension & { readonly rootSha256?: string },
  other: JsonObject = new Map(),
): JsonObject {
  const json = new Map<string, JsonValue>(other);
  json.set('turn', extension.turnSeconds);
  json.set('history', extension.history);
  // Protocol 4.2: the snapshot lists every file of a publish but its root; nothing is decided by this.
  if (extension.rootSha256 !== undefined) json.set('root', extension.rootSha256);
  return json;
}
