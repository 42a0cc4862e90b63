/**
 * Which keys edits take, before any key is asked for: the roles that they change, each with the keys and the threshold
 * it has once they are made. A changed root needs a threshold of the keys before and of those after (TUF 5.3.4).
 */
import { Draft } from './draft.ts';
import { applyEdits } from './editor.ts';
import type { CurrentState, Edit } from './edits.ts';
import type { PublicKey } from './keys.ts';
import { type KeySet, tableKeys } from './write-state.ts';

export interface NeededKeys {
  readonly name: string;
  readonly keys: readonly PublicKey[];
  readonly threshold: number;
}

/**
 * In the order in which a person is asked: root first, as Docker asks.
 *
 * @throws KeyError, TrustError as `editCollection`, but for missing keys
 */
export function neededKeys(
  current: CurrentState,
  edits: readonly Edit[],
  nowMs: number,
): readonly NeededKeys[] {
  const draft = new Draft(current);
  // Without keys nothing is renewed on the way.
  applyEdits(draft, edits, { signers: [], nowMs });
  const { root } = draft;
  const before = current.trusted.root.signed;
  const rootSets: readonly KeySet[] = draft.rootChanged
    ? [
        { role: before.roles.root, keys: before.keys },
        { role: root.roles.root, keys: root.keys },
      ]
    : [];
  const online = (['snapshot', 'timestamp'] as const).map((name) => ({
    name,
    set: { role: root.roles[name], keys: root.keys },
  }));
  return [
    ...rootSets.map((set) => ({ name: 'root', set })),
    ...[...draft.changed].map((role) => ({ name: role, set: draft.keysFor(role) })),
    ...online,
  ].map(({ name, set }) => ({ name, keys: tableKeys(set), threshold: set.role.threshold }));
}
