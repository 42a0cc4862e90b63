/**
 * The journal's file: written, and read back with every field checked. Damage is said (MEMORY_DAMAGED), because
 * an empty journal would let versions be used again that were already written.
 */
import type { JsonObject, JsonValue } from '../lib/strict-json.ts';
import { isJsonArray, isJsonObject } from '../lib/strict-json.ts';
import type { JournalChange, JournalEntry, JournalRecord } from './journal.ts';
import { frameBody, memoryDamaged, unframeBody } from './memory-frame.ts';

export function renderRecord(record: JournalRecord): Uint8Array {
  const { collection, entries, highest } = record;
  return frameBody(JSON.stringify({ collection, highest: Object.fromEntries(highest), entries }));
}

/** @throws LocalStateError MEMORY_DAMAGED, MEMORY_NEWER */
export function parseRecord(bytes: Uint8Array, path: string, collection: string): JournalRecord {
  const body = unframeBody(bytes, path);
  const fail = (what: string) => memoryDamaged(path, `is damaged: ${what}`);
  const entries = body.get('entries');
  const highest = body.get('highest');
  if (body.get('collection') !== collection) throw fail('of another collection');
  if (!isJsonArray(entries) || !isJsonObject(highest)) throw fail('no journal');
  const versions = new Map<string, number>();
  for (const [role, version] of highest) {
    if (!isVersion(version)) throw fail('a version that is none');
    versions.set(role, version);
  }
  return {
    collection,
    highest: versions,
    entries: entries.map((value) => {
      const entry = isJsonObject(value) ? entryOf(value) : undefined;
      if (entry === undefined) throw fail('an entry that is none');
      return entry;
    }),
  };
}

function entryOf(json: JsonObject): JournalEntry | undefined {
  const timestampSha256 = json.get('timestampSha256');
  const timestampVersion = json.get('timestampVersion');
  const atMs = json.get('atMs');
  const confirmed = json.get('confirmed');
  const changes = json.get('changes');
  if (typeof timestampSha256 !== 'string' || !/^[0-9a-f]{64}$/.test(timestampSha256)) return undefined;
  if (!isVersion(timestampVersion) || typeof atMs !== 'number' || typeof confirmed !== 'boolean') {
    return undefined;
  }
  if (!isJsonArray(changes)) return undefined;
  const parsed = changes.map((change) => (isJsonObject(change) ? changeOf(change) : undefined));
  if (parsed.includes(undefined)) return undefined;
  return {
    timestampSha256,
    timestampVersion,
    atMs,
    confirmed,
    changes: parsed.filter((change) => change !== undefined),
  };
}

function changeOf(json: JsonObject): JournalChange | undefined {
  const [kind, path, what, role] = ['kind', 'path', 'what', 'role'].map((name) => json.get(name));
  if (kind === 'other') return typeof what === 'string' ? { kind, what } : undefined;
  if (typeof path !== 'string') return undefined;
  if (kind === 'remove') return { kind, path };
  const lengthBytes = json.get('lengthBytes');
  const sha256 = json.get('sha256');
  const mediaType = json.get('mediaType');
  if (kind !== 'put' || typeof sha256 !== 'string' || typeof mediaType !== 'string') return undefined;
  if (typeof lengthBytes !== 'number' || lengthBytes < 0) return undefined;
  return { kind, path, lengthBytes, sha256, mediaType, ...(typeof role === 'string' ? { role } : {}) };
}

function isVersion(value: JsonValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 1;
}
