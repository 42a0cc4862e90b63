/**
 * TUF 1.0.34 metadata, parsed once into frozen values (section 4 of the specification).
 *
 * What is parsed here has the right shape and nothing more: no signature, version, hash or date has been compared
 * with anything. Names that others chose live in Maps. The bytes are kept, because they are what is hashed and what
 * is stored; unknown members stay in them and under the signatures, and the editor carries them on.
 */

import { TrustError } from '../../lib/errors.ts';
import { escapeShort } from '../../lib/escape.ts';
import { JsonError, type JsonObject, type JsonValue, parseStrictJson } from '../../lib/strict-json.ts';
import { canonicalJson } from './canonical-json.ts';
import { type Delegations, parseDelegations, type RoleName, type TopLevelRole } from './delegations.ts';
import {
  parseRootExtension,
  parseSnapshotExtension,
  type RootExtension,
  type SnapshotExtension,
} from './extension.ts';
import type { KeyId, PublicKey } from './keys.ts';
import { MAX_ROOT_BYTES, MAX_SNAPSHOT_BYTES, MAX_TARGETS_BYTES, MAX_TIMESTAMP_BYTES } from './limits.ts';
import { parseKeys, parseRoleKeys, type RoleKeys } from './role-keys.ts';
import { Shape } from './shape.ts';

export type { DelegatedRole, Delegations, RoleName, SuccinctRoles, TopLevelRole } from './delegations.ts';
export type { MigratedFrom, RootExtension, SnapshotExtension } from './extension.ts';
export type { KeyId, PublicKey } from './keys.ts';
export type { RoleKeys } from './role-keys.ts';

/** The version dtrust writes; any 1.x is read, as the specification asks. */
export const SPEC_VERSION = '1.0.34';

export interface Signed {
  readonly specVersion: string;
  readonly version: number;
  readonly expiresAtMs: number;
}

export interface Root extends Signed {
  readonly consistentSnapshot: boolean;
  readonly keys: ReadonlyMap<KeyId, PublicKey>;
  readonly roles: Readonly<Record<TopLevelRole, RoleKeys>>;
  readonly extension: RootExtension | undefined;
}

/** One metadata file as timestamp or snapshot names it; protocol 1.4 makes length and sha256 mandatory. */
export interface MetaFile {
  readonly version: number;
  readonly lengthBytes: number;
  /** Hex. */
  readonly sha256: string;
  readonly sha512?: string;
}

export interface Timestamp extends Signed {
  readonly snapshot: MetaFile;
}

export interface Snapshot extends Signed {
  /** By file name without version: `targets.json`, `targets/releases.json`. */
  readonly meta: ReadonlyMap<string, MetaFile>;
  readonly extension: SnapshotExtension | undefined;
}

export interface TargetFile {
  readonly lengthBytes: number;
  /** Hex; undefined when only other algorithms are listed. */
  readonly sha256: string | undefined;
  readonly mediaType: string | undefined;
  readonly custom: JsonObject | undefined;
}

export interface Targets extends Signed {
  readonly targets: ReadonlyMap<string, TargetFile>;
  readonly delegations: Delegations | undefined;
}

/** One metadata file. */
export interface Metadata<T extends Signed> {
  /** The file as it came: what hashes are of, and what is kept. */
  readonly bytes: Uint8Array;
  /** Canonical JSON of `signed`: what signatures are over. */
  readonly signedBytes: Uint8Array;
  /** Hex by listed key ID. */
  readonly signatures: ReadonlyMap<KeyId, string>;
  readonly signed: T;
}

/** @throws TrustError METADATA_TOO_LARGE, METADATA_JSON, METADATA_SHAPE. */
export function parseRoot(bytes: Uint8Array): Metadata<Root> {
  return parseMetadata(bytes, 'root', 'root', MAX_ROOT_BYTES, rootFromJson);
}

/** The `signed` part of a root, also one the editor is still writing. @throws TrustError METADATA_SHAPE. */
export function readRoot(signed: JsonObject): Root {
  const shape = new Shape('root');
  return rootFromJson(signed, parseCommon(signed, shape), shape);
}

function rootFromJson(signed: JsonObject, common: Signed, shape: Shape): Root {
  const roles = shape.object(signed.get('roles'), 'roles');
  const keysOf = (role: TopLevelRole): RoleKeys =>
    Object.freeze(parseRoleKeys(shape.object(roles.get(role), `roles.${role}`), shape));
  return {
    ...common,
    consistentSnapshot: shape.boolean(signed.get('consistent_snapshot'), 'consistent_snapshot'),
    keys: parseKeys(signed.get('keys'), shape),
    roles: Object.freeze({
      root: keysOf('root'),
      timestamp: keysOf('timestamp'),
      snapshot: keysOf('snapshot'),
      targets: keysOf('targets'),
    }),
    extension: parseRootExtension(signed, shape),
  };
}

/** @throws TrustError METADATA_TOO_LARGE, METADATA_JSON, METADATA_SHAPE. */
export function parseTimestamp(bytes: Uint8Array): Metadata<Timestamp> {
  return parseMetadata(bytes, 'timestamp', 'timestamp', MAX_TIMESTAMP_BYTES, (signed, common, shape) => {
    const meta = shape.object(signed.get('meta'), 'meta');
    // The specification allows exactly one entry here; others would be names nobody checks.
    if (meta.size !== 1) shape.fail('meta', 'snapshot.json alone');
    return { ...common, snapshot: parseMetaFile(meta.get('snapshot.json'), shape) };
  });
}

/** @throws TrustError METADATA_TOO_LARGE, METADATA_JSON, METADATA_SHAPE. */
export function parseSnapshot(bytes: Uint8Array): Metadata<Snapshot> {
  return parseMetadata(bytes, 'snapshot', 'snapshot', MAX_SNAPSHOT_BYTES, (signed, common, shape) => {
    const meta = new Map<string, MetaFile>();
    for (const [name, item] of shape.object(signed.get('meta'), 'meta')) {
      meta.set(name, parseMetaFile(item, shape));
    }
    if (!meta.has('targets.json')) shape.fail('meta', 'with targets.json');
    return { ...common, meta, extension: parseSnapshotExtension(signed, shape) };
  });
}

/**
 * @param role names the file in errors: `targets` or a delegated role.
 * @throws TrustError METADATA_TOO_LARGE, METADATA_JSON, METADATA_SHAPE.
 */
export function parseTargets(bytes: Uint8Array, role: string = 'targets'): Metadata<Targets> {
  return parseMetadata(bytes, 'targets', role, MAX_TARGETS_BYTES, (signed, common, shape) => {
    const targets = new Map<string, TargetFile>();
    for (const [path, item] of shape.object(signed.get('targets'), 'targets')) {
      targets.set(path, parseTargetFile(item, shape));
    }
    const delegations = shape.optionalObject(signed.get('delegations'), 'delegations');
    return { ...common, targets, delegations: delegations && parseDelegations(delegations, shape) };
  });
}

/**
 * The JSON of a metadata file, for the editor: parsed again from the bytes, so that unknown members are carried on.
 *
 * @throws TrustError METADATA_JSON, METADATA_SHAPE.
 */
export function parseSignedJson(bytes: Uint8Array, role: string): JsonObject {
  const shape = new Shape(role);
  return shape.object(shape.object(parseJson(bytes, role), 'the file').get('signed'), 'signed');
}

type SignedParser<T> = (signed: JsonObject, common: Signed, shape: Shape) => T;

function parseMetadata<T extends Signed>(
  bytes: Uint8Array,
  type: TopLevelRole,
  role: string,
  maxBytes: number,
  parseSigned: SignedParser<T>,
): Metadata<T> {
  // Endless data: before anything is decoded.
  if (bytes.length > maxBytes) throw tooLarge(role, maxBytes, bytes.length);
  const shape = new Shape(role);
  const file = shape.object(parseJson(bytes, role), 'the file');
  const signed = shape.object(file.get('signed'), 'signed');
  // Exact per dialect: a Notary v1 file says "Targets" here and has no spec_version (protocol 7.4).
  if (signed.get('_type') !== type) shape.fail('_type', `"${type}"`);
  const common = parseCommon(signed, shape);
  const value = Object.freeze(parseSigned(signed, common, shape));
  const signatures = parseSignatures(file.get('signatures'), shape);
  return Object.freeze({ bytes, signedBytes: canonicalJson(signed), signatures, signed: value });
}

function parseJson(bytes: Uint8Array, role: string): JsonValue {
  try {
    return parseStrictJson(bytes, `${escapeShort(role)} metadata`);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new TrustError({
      code: 'METADATA_JSON',
      message: `${escapeShort(role)} metadata is not the JSON that metadata must be`,
      spec: '4',
      role,
      cause: error,
    });
  }
}

function parseCommon(signed: JsonObject, shape: Shape): Signed {
  const specVersion = shape.string(signed.get('spec_version'), 'spec_version');
  if (!/^1\.\d{1,5}(?:\.\d{1,5})?$/.test(specVersion)) shape.fail('spec_version', 'a version 1');
  return {
    specVersion,
    version: shape.integer(signed.get('version'), 'version', 1),
    expiresAtMs: shape.instant(signed.get('expires'), 'expires'),
  };
}

/** TUF 1.0.34, section 4.2: each key ID at most once, or one signature would be counted twice somewhere. */
function parseSignatures(value: JsonValue | undefined, shape: Shape): ReadonlyMap<KeyId, string> {
  const signatures = new Map<KeyId, string>();
  for (const item of shape.array(value, 'signatures')) {
    const signature = shape.object(item, 'a signature');
    const keyid = shape.string(signature.get('keyid'), 'the keyid of a signature') as KeyId;
    if (signatures.has(keyid)) shape.fail('signatures', 'free of repeated key IDs');
    signatures.set(keyid, shape.string(signature.get('sig'), 'sig'));
  }
  return signatures;
}

function parseMetaFile(value: JsonValue | undefined, shape: Shape): MetaFile {
  const json = shape.object(value, 'an entry of meta');
  const hashes = shape.object(json.get('hashes'), 'hashes');
  const sha512 = hashes.get('sha512');
  return Object.freeze({
    version: shape.integer(json.get('version'), 'the version of an entry of meta', 1),
    lengthBytes: shape.integer(json.get('length'), 'the length of an entry of meta', 0),
    sha256: shape.hex(hashes.get('sha256'), 'the sha256 of an entry of meta', 64),
    ...(sha512 !== undefined && { sha512: shape.hex(sha512, 'the sha512 of an entry of meta', 128) }),
  });
}

function parseTargetFile(value: JsonValue, shape: Shape): TargetFile {
  const json = shape.object(value, 'a target');
  const sha256 = shape.object(json.get('hashes'), 'the hashes of a target').get('sha256');
  const custom = shape.optionalObject(json.get('custom'), 'the custom member of a target');
  const mediaType = custom?.get('mediaType');
  return {
    lengthBytes: shape.integer(json.get('length'), 'the length of a target', 0),
    sha256: sha256 === undefined ? undefined : shape.hex(sha256, 'the sha256 of a target', 64),
    mediaType: typeof mediaType === 'string' && mediaType !== '' ? mediaType : undefined,
    custom,
  };
}

function tooLarge(role: string, maxBytes: number, found: number): TrustError {
  return new TrustError({
    code: 'METADATA_TOO_LARGE',
    message: `${escapeShort(role)} metadata has ${found} bytes, at most ${maxBytes} are read`,
    attack: 'endless data',
    spec: specOfSize(role),
    role,
    expected: `${maxBytes}`,
    found: `${found}`,
  });
}

function specOfSize(role: string): string {
  if (role === 'root') return '5.3.3';
  if (role === 'timestamp') return '5.4.1';
  return role === 'snapshot' ? '5.5.1' : '5.6.1';
}

/** `7.root.json`, `9.targets%2Freleases.json`, `timestamp.json`: the file's name under consistent snapshots. */
export function metadataFileName(role: RoleName | TopLevelRole, version: number): string {
  return role === 'timestamp' ? 'timestamp.json' : `${version}.${encodeRoleName(role)}.json`;
}

/** As Python's urllib.parse.quote(name, "") writes it: what other clients ask for. */
function encodeRoleName(role: string): string {
  return encodeURIComponent(role).replace(
    /[!'()*]/g,
    (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
