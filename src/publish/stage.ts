/**
 * The other end of publishing (docs/specification.md, rule 4.6): what this machine cannot sign alone is kept in the
 * registry, signed with the keys that are here, for others to look at and sign.
 */
import { hasCode, TrustError } from '../lib/errors.ts';
import type { VerifiedCollection } from '../trust/collection.ts';
import type { Edit } from '../trust/core/editor.ts';
import { type StagedState, stagedId, stageEdits } from '../trust/core/staged.ts';
import {
  holdsSignatures,
  mergeStaged,
  type StagedView,
  signStaged,
  viewStaged,
} from '../trust/core/staged-view.ts';
import type { StagedRecord } from '../trust/staged-record.ts';
import type { StagedStore } from '../trust/staged-store.ts';
import type { Prepared, PublishTools, Staging } from './prepare.ts';
import { Staged } from './staged.ts';

type Existing = Prepared & { readonly kind: 'existing' };

/** @param report says that it is staged, and what is missing */
export function createStaging(store: StagedStore, report: (view: StagedView) => void): Staging {
  return {
    rehearse: async (tools, prepared, edits) => {
      await stageable(tools, prepared, edits);
    },
    stage: async (tools, prepared, edits) => {
      const { view, warnings } = await stageable(tools, prepared, edits);
      for (const line of warnings) tools.say(`warning: ${line}`);
      await putStaged(tools, store, view, (id) => {
        if (id !== undefined) throw pending(tools.repository.familiar, id);
      });
      report(view);
      throw new Staged('staged');
    },
  };
}

async function stageable(
  { clock }: PublishTools,
  { collection, signers }: Existing,
  edits: readonly Edit[],
): Promise<{ readonly view: StagedView; readonly warnings: readonly string[] }> {
  const current = { trusted: collection.trusted, files: await collection.loadAll() };
  const terms = { nowMs: clock.now(), highestVersions: collection.highest };
  const { state, warnings } = await stageEdits(current, edits, { ...terms, signers });
  const unchecked = await viewStaged(current, state, terms);
  // A key that the change itself lists anew signs as well: the new root's, of a root.
  return { view: await viewStaged(current, await signStaged(unchecked, signers), terms), warnings };
}

/**
 * Puts a state there with its signatures and those that are there already, and returns what then stands there.
 *
 * @param mayReplace refuses where something else waits, by its ID; undefined: nothing that could be published
 * @throws TrustError PUBLISH_CONFLICT, and what `mayReplace` throws; RegistryError TRUST_TAG_IMMUTABLE and others; NetworkError
 */
export async function putStaged(
  { clock, random, signal }: PublishTools,
  store: StagedStore,
  view: StagedView,
  mayReplace: (id: string | undefined) => void,
): Promise<StagedView> {
  let last = view;
  const lookAt = (state: StagedState) =>
    viewStaged(view.current, state, { nowMs: clock.now(), highestVersions: new Map() });
  await store.write({
    build: async (found) => {
      const there = await waiting(found, lookAt);
      if (there?.id !== view.id) mayReplace(there?.id);
      last = there?.id === view.id ? await lookAt(mergeStaged(there, view)) : view;
      return { kind: 'waiting', state: last.state };
    },
    holds: async (found) => {
      const there = await waiting(found, lookAt);
      return there?.id === view.id && holdsSignatures(there, view);
    },
    ...turnOf(view.current),
    clock,
    random,
    signal,
  });
  return last;
}

/** Takes back what is staged, whatever it is; false: nothing was, so far as can be read. Throws as `putStaged`. */
export async function discardStaged(
  { clock, random, signal }: PublishTools,
  store: StagedStore,
  { trusted, collection }: VerifiedCollection,
): Promise<boolean> {
  let isThere = false;
  await store.write({
    build: async (found) => {
      isThere ||= found !== undefined && found.kind !== 'discarded';
      return { kind: 'discarded', collection };
    },
    holds: async ({ kind }) => kind === 'discarded',
    ...turnOf({ trusted }),
    clock,
    random,
    signal,
  });
  return isThere;
}

function turnOf({ trusted }: Pick<VerifiedCollection, 'trusted'>): { readonly turnSeconds?: number } {
  const turnSeconds = trusted.snapshot?.signed.extension?.turnSeconds;
  return turnSeconds === undefined ? {} : { turnSeconds };
}

/** What waits there and could still be published; anything else may be written over. */
async function waiting(
  found: StagedRecord | undefined,
  lookAt: (state: StagedState) => Promise<StagedView>,
): Promise<StagedView | undefined> {
  if (found?.kind !== 'waiting') return undefined;
  try {
    return await lookAt(found.state);
  } catch (error) {
    if (!(error instanceof TrustError)) throw error;
    return undefined;
  }
}

function pending(familiar: string, id: string): TrustError {
  return new TrustError({
    code: 'STAGED_PENDING',
    message: `another change of ${familiar} waits for signatures, ${id}: one at a time`,
    spec: 'protocol 4.6',
    found: id,
    hints: [
      `Look at it and sign it: dtrust trust cosign ${familiar}`,
      `Or take it back first: dtrust trust stage --discard ${familiar}`,
    ],
  });
}

/** The ID of what stands under the tag; undefined where nothing waits there, or nothing that can be read. */
export function idOf(record: StagedRecord | undefined): string | undefined {
  if (record?.kind !== 'waiting') return undefined;
  try {
    return stagedId(record.state);
  } catch (error) {
    if (!hasCode(error, 'METADATA_JSON', 'METADATA_SHAPE')) throw error;
    return undefined;
  }
}
