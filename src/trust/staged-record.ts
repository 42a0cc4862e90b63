/**
 * What stands under the tag `_trust-staged` (docs/specification.md, rule 4.6): the files of a staged state with
 * `staged.json`, which says what they take the place of; or the note that it was taken back.
 *
 * Reading guarantees sizes and form, nothing more: src/trust/core/staged-view.ts says what it is worth.
 */
import { TrustError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import {
  isJsonObject,
  JsonError,
  type JsonObject,
  type JsonValue,
  parseStrictJson,
} from '../lib/strict-json.ts';
import { STAGED_TAG } from '../reference/reference.ts';
import { STAGED_ARTIFACT } from '../registry/media-types.ts';
import { serialiseJson } from './core/canonical-json.ts';
import { MAX_STAGED_ROLES } from './core/limits.ts';
import { metadataFileName } from './core/metadata.ts';
import type { Replaced, StagedRole, StagedRoleName, StagedState } from './core/staged.ts';
import { isMetadataFileName, type StateForm } from './registry-state.ts';

export type StagedRecord =
  | { readonly kind: 'waiting'; readonly state: StagedState }
  | { readonly kind: 'discarded'; readonly collection: string };

export const STAGED_FILE = 'staged.json';
export const MAX_STAGED_FILE_BYTES = 64 * 1024;

export const STAGED_FORM: StateForm = {
  tag: STAGED_TAG,
  artifactType: STAGED_ARTIFACT,
  isFileName: (name) => name === STAGED_FILE || (isMetadataFileName(name) && name !== 'timestamp.json'),
  refuse: (place, found, cause) => notStaged(place, found, cause),
};

/** The files to store. */
export function renderStaged(record: StagedRecord): ReadonlyMap<string, Uint8Array> {
  if (record.kind === 'discarded') {
    const note = new Map<string, JsonValue>([
      ['collection', record.collection],
      ['discarded', true],
    ]);
    return new Map([[STAGED_FILE, serialiseJson(note)]]);
  }
  const { collection, roles } = record.state;
  const files = new Map<string, Uint8Array>();
  const listed = new Map<string, JsonValue>();
  for (const [role, { version, bytes, replaces }] of roles) {
    files.set(metadataFileName(role, version), bytes);
    const json = new Map<string, JsonValue>([['version', version]]);
    if (replaces !== undefined) json.set('replaces', new Map(Object.entries(replaces)));
    listed.set(role, json);
  }
  const note = new Map<string, JsonValue>([
    ['collection', collection],
    ['roles', listed],
  ]);
  return files.set(STAGED_FILE, serialiseJson(note));
}

/** What `staged.json` says, with the names of the files that it needs. */
export interface StagedNote {
  readonly collection: string;
  /** Undefined: taken back. */
  readonly roles?: ReadonlyMap<StagedRoleName, Omit<StagedRole, 'bytes'>>;
}

/** @throws TrustError STAGED_INVALID */
export function parseNote(bytes: Uint8Array, place: string): StagedNote {
  const json = parseJson(bytes, place);
  const fail = (what: string) => notStaged(place, `a ${STAGED_FILE} ${what}`);
  const collection = json.get('collection');
  const roles = json.get('roles');
  if (typeof collection !== 'string') throw fail('without a collection');
  if (json.get('discarded') === true && roles === undefined) return { collection };
  if (!isJsonObject(roles) || roles.size === 0) throw fail('without roles');
  if (roles.size > MAX_STAGED_ROLES) throw fail(`with more than ${MAX_STAGED_ROLES} roles`);
  const parsed = new Map<StagedRoleName, Omit<StagedRole, 'bytes'>>();
  for (const [role, value] of roles) {
    const version = isJsonObject(value) ? value.get('version') : undefined;
    const replaces = isJsonObject(value) ? value.get('replaces') : undefined;
    const replaced = replaces === undefined ? undefined : parseReplaced(replaces);
    if (!isVersion(version) || (replaces !== undefined && replaced === undefined)) {
      throw fail(`that does not say what ${escapeShort(role, 80)} takes the place of`);
    }
    parsed.set(role as StagedRoleName, { version, ...(replaced && { replaces: replaced }) });
  }
  return { collection, roles: parsed };
}

function parseJson(bytes: Uint8Array, place: string): JsonObject {
  try {
    const json = parseStrictJson(bytes, STAGED_FILE);
    if (isJsonObject(json)) return json;
    throw notStaged(place, `a ${STAGED_FILE} that is no object`);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw notStaged(place, `a ${STAGED_FILE} that is no JSON`, error);
  }
}

function parseReplaced(value: JsonValue): Replaced | undefined {
  if (!isJsonObject(value)) return undefined;
  const [version, sha256] = [value.get('version'), value.get('sha256')];
  if (!isVersion(version) || typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256)) return undefined;
  return { version, sha256 };
}

function isVersion(value: JsonValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 1;
}

/** STAGED_INVALID for what stands under the tag. */
export function notStaged(place: string, found: string, cause?: unknown): TrustError {
  return new TrustError({
    code: 'STAGED_INVALID',
    message: `${place} holds ${found}, not a state that waits for signatures`,
    spec: 'protocol 4.6',
    reference: place,
    expected: STAGED_ARTIFACT,
    found,
    cause,
    hints: ['Somebody with write access put it there; what you stage now takes its place.'],
  });
}
