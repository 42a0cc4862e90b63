/**
 * A staged state (protocol 4.6): the roles that a change writes anew, signed by fewer keys than they take, for others
 * to sign. Snapshot and timestamp are not part of it; whoever publishes it makes them.
 *
 * Here it is made from edits, told apart from others by its ID, and signed. Nothing in this file decides whether a
 * staged state is any good: staged-view.ts does.
 */

import { TrustError } from '../../lib/errors.ts';
import type { JsonObject, JsonValue } from '../../lib/strict-json.ts';
import { canonicalJson, serialiseJson } from './canonical-json.ts';
import { Draft } from './draft.ts';
import { applyEdits } from './editor.ts';
import type { CurrentState, Edit, EditOptions } from './edits.ts';
import type { KeyId } from './keys.ts';
import { MAX_VERSION_JUMP } from './limits.ts';
import { parseSignedJson, type RoleName } from './metadata.ts';
import type { Signer } from './signer.ts';
import type { TrustedMetadata } from './trusted-metadata.ts';
import { type KeySet, sha256Hex, signersFor, writeChanged } from './write-state.ts';

/** `root`, `targets` or a role that `targets` delegates to. */
export type StagedRoleName = RoleName | 'root';

/** The file that a staged role takes the place of. */
export interface Replaced {
  readonly version: number;
  /** Of its bytes, hex. */
  readonly sha256: string;
}

export interface StagedRole {
  readonly version: number;
  /** The file, with the signatures that it has so far. */
  readonly bytes: Uint8Array;
  /** Absent where the role is new. */
  readonly replaces?: Replaced;
}

export interface StagedState {
  readonly collection: string;
  readonly roles: ReadonlyMap<StagedRoleName, StagedRole>;
}

/** Signatures of one file by key ID, hex. */
export type Signatures = ReadonlyMap<KeyId, string>;

/**
 * The roles that these edits change, signed by those of their keys that are here.
 *
 * @throws KeyError, TrustError as `editCollection`, but for missing keys; TrustError VERSION_JUMP for a recovery from
 * versions that were used up
 */
export async function stageEdits(
  current: CurrentState,
  edits: readonly Edit[],
  options: Omit<EditOptions, 'partly'>,
): Promise<{ readonly state: StagedState; readonly warnings: readonly string[] }> {
  const draft = new Draft(current);
  const terms = { ...options, partly: true };
  applyEdits(draft, edits, terms);
  verifyNoneRanAway(draft);
  const roles = new Map<StagedRoleName, StagedRole>();
  for (const [role, { version, bytes }] of await writeChanged(draft, terms)) {
    const replaces = fileReplaced(current.trusted, role);
    roles.set(role, { version, bytes, ...(replaces && { replaces }) });
  }
  const collection = current.trusted.collection;
  return { state: { collection, roles }, warnings: draft.warnings };
}

/**
 * protocol 2.5: after versions were used up, the state that a recovery is built on is refused by every other machine,
 * and what it forgets is said in the snapshot, which is not staged.
 */
function verifyNoneRanAway({ base, goodVersions, forgotten }: Draft): void {
  const timestamp = base?.trusted.timestamp?.signed;
  if (timestamp === undefined || goodVersions === undefined) return;
  const most = (role: string) => (goodVersions.get(role) ?? 0) + MAX_VERSION_JUMP;
  const isFine = timestamp.version <= most('timestamp') && timestamp.snapshot.version <= most('snapshot');
  if (isFine && forgotten.size === 0) return;
  throw new TrustError({
    code: 'VERSION_JUMP',
    message: `a recovery from versions that were used up cannot be signed in turn: other machines refuse timestamp version ${timestamp.version}`,
    attack: 'fast-forward',
    spec: 'protocol 4.6',
    role: 'timestamp',
    expected: `at most ${most('timestamp')}`,
    found: `${timestamp.version}`,
    hints: [
      'Bring enough root keys to one machine: dtrust trust key load FILE, then dtrust trust rotate --recover',
    ],
  });
}

/** The current file of a role; undefined where there is none. */
export function fileReplaced(trusted: TrustedMetadata, role: StagedRoleName): Replaced | undefined {
  if (role === 'root') {
    return { version: trusted.root.signed.version, sha256: sha256Hex(trusted.root.bytes) };
  }
  const listed = trusted.snapshot?.signed.meta.get(`${role}.json`);
  return listed && { version: listed.version, sha256: listed.sha256 };
}

/**
 * Names what is to be signed, and what it takes the place of; signatures have no part in it, so it stays the same while
 * they are added. `sha256:` and 64 hex digits.
 */
export function stagedId({ collection, roles }: StagedState): string {
  const listed = [...roles].map(([role, { bytes, replaces }]): [string, JsonValue] => [
    role,
    new Map<string, JsonValue>([
      ['signed', sha256Hex(canonicalJson(parseSignedJson(bytes, role)))],
      ...(replaces === undefined ? [] : [['replaces', new Map(Object.entries(replaces))] as const]),
    ]),
  ]);
  const named = new Map<string, JsonValue>([
    ['collection', collection],
    ['roles', new Map(listed)],
  ]);
  return `sha256:${sha256Hex(canonicalJson(named))}`;
}

/** The file of a role with exactly these signatures. */
export function withSignatures(signed: JsonObject, signatures: Signatures): Uint8Array {
  const listed = [...signatures].map(
    ([keyid, sig]) =>
      new Map<string, JsonValue>([
        ['keyid', keyid],
        ['sig', sig],
      ]),
  );
  return serialiseJson(
    new Map<string, JsonValue>([
      ['signatures', listed],
      ['signed', signed],
    ]),
  );
}

/** The signatures that these signers add to a file: by keys that one of the sets lists, where they are not there yet. */
export async function signStagedFile(
  signed: JsonObject,
  present: Signatures,
  sets: readonly KeySet[],
  signers: readonly Signer[],
): Promise<Signatures> {
  const bytes = canonicalJson(signed);
  const added = new Map<KeyId, string>();
  for (const { key, signer } of sets.flatMap((set) => signersFor(set, signers))) {
    if (present.has(key.keyid) || added.has(key.keyid)) continue;
    added.set(key.keyid, Buffer.from(await signer.sign(bytes)).toString('hex'));
  }
  return added;
}
