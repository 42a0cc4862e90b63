/** A collection whose root takes two keys of three, on three machines, and states staged on it. */
import type { JsonObject, JsonValue } from '../../../src/lib/strict-json.ts';
import { serialiseJson } from '../../../src/trust/core/canonical-json.ts';
import type { Edit, NewState } from '../../../src/trust/core/editor.ts';
import { parseSignedJson } from '../../../src/trust/core/metadata.ts';
import type { Signer } from '../../../src/trust/core/signer.ts';
import {
  type StagedRoleName,
  type StagedState,
  stageEdits,
  withSignatures,
} from '../../../src/trust/core/staged.ts';
import { type StagedView, viewStaged } from '../../../src/trust/core/staged-view.ts';
import { labelledSimKey, simSigner } from '../../helpers/sim-keys.ts';
import { create, edit, NOW, ONLINE_KEY, online, repository, root, TARGETS_KEY } from './editor-world.ts';

export const SECOND_KEY = labelledSimKey('second root');
export const THIRD_KEY = labelledSimKey('third root');
export const ALICE_KEY = labelledSimKey('alice');
export const STRANGER_KEY = labelledSimKey('stranger');
export const second = simSigner(SECOND_KEY);
export const third = simSigner(THIRD_KEY);
export const alice = simSigner(ALICE_KEY);

export const addAlice: Edit = { kind: 'addSigner', name: 'alice', keys: [ALICE_KEY.publicKey] };
export const newOnline: readonly Edit[] = (['snapshot', 'timestamp'] as const).map((role) => ({
  kind: 'rotateKeys',
  role,
  keys: [TARGETS_KEY.publicKey],
}));

export function begun(threshold = 2): Promise<NewState> {
  return create({ rootKeys: [root, second, third], rootThreshold: threshold });
}

export async function staged(
  state: NewState,
  edits: readonly Edit[],
  signers: readonly Signer[],
): Promise<StagedState> {
  return (await stageEdits(state, edits, { signers, nowMs: NOW })).state;
}

export function view(current: NewState, state: StagedState): Promise<StagedView> {
  return viewStaged(current, state, { nowMs: NOW, highestVersions: new Map() });
}

/** A refresh, or any other publish that comes in between. */
export function another(state: NewState, edits: readonly Edit[] = []): Promise<NewState> {
  return edit(state, edits, { signers: [repository, online] });
}

/** The staged state with other content in one role, signed by nobody. */
export function changed(
  state: StagedState,
  role: StagedRoleName,
  change: (json: Map<string, JsonValue>) => void,
): StagedState {
  const staged = state.roles.get(role);
  if (staged === undefined) throw new Error(`${role} is not staged`);
  const json = new Map(parseSignedJson(staged.bytes, role));
  change(json);
  const bytes = withSignatures(json, new Map());
  return withRole(state, role, { ...staged, bytes, version: Number(json.get('version')) });
}

export function withRole(
  state: StagedState,
  role: StagedRoleName,
  staged: NonNullable<ReturnType<StagedState['roles']['get']>> | undefined,
): StagedState {
  const roles = new Map(state.roles);
  if (staged === undefined) roles.delete(role);
  else roles.set(role, staged);
  return { ...state, roles };
}

/** The file with one more signature, whatever it is worth. */
export function withSignature(
  state: StagedState,
  role: StagedRoleName,
  keyid: string,
  sig: string,
): StagedState {
  const staged = state.roles.get(role);
  if (staged === undefined) throw new Error(`${role} is not staged`);
  const file = JSON.parse(Buffer.from(staged.bytes).toString()) as { signatures: object[] };
  file.signatures.push({ keyid, sig });
  return withRole(state, role, { ...staged, bytes: Buffer.from(JSON.stringify(file)) });
}

export const member = (json: JsonObject, name: string): Map<string, JsonValue> =>
  new Map(json.get(name) as JsonObject);

export { ONLINE_KEY, serialiseJson };
