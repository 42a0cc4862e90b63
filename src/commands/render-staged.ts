/** What waits for signatures, for people and as JSON. */
import { escapeJson, escapeText } from '../lib/escape.ts';
import { describeChanges, describeMissing, listedBy, missingSignatures } from '../publish/staged-words.ts';
import { tufKeyId } from '../trust/core/keys.ts';
import type { StagedView } from '../trust/core/staged-view.ts';

/** The whole: changes, signatures, what comes next. */
export function renderStaged(view: StagedView, familiar: string): string {
  return [
    ...stagedLines(view),
    ...describeMissing(view).map((line) => `Missing: ${line}`),
    view.complete
      ? `Nothing is missing but an online key of the new state; to publish it: dtrust trust cosign ${familiar}`
      : `To look at it and sign it, where one of these keys is: dtrust trust cosign ${familiar}`,
  ]
    .map((line) => `${line}\n`)
    .join('');
}

/** What a cosigner is shown before he is asked: all that changes. */
export function stagedLines(view: StagedView): readonly string[] {
  const { state, roles, id } = view;
  const versions = roles.map(
    ({ role, staged }) => `${escapeText(role)} ${staged.replaces?.version ?? 'new'} -> ${staged.version}`,
  );
  return [
    `Staged for ${escapeText(state.collection)}: ${id}`,
    `  versions: ${versions.join(', ')}`,
    ...describeChanges(view).map((line) => `  ${line}`),
  ];
}

export function renderStagedJson(view: StagedView): string {
  const missing = missingSignatures(view);
  const shown = {
    Collection: view.state.collection,
    Digest: view.id,
    Complete: view.complete,
    Roles: view.roles.map((each) => ({
      Name: each.role,
      Version: each.staged.version,
      Replaces: each.staged.replaces?.version ?? null,
      Quorums: each.quorums.map((set, at) => ({
        ListedBy: listedBy(each, at),
        Threshold: set.role.threshold,
        Signed: set.signed.map((key) => ({ ID: tufKeyId(key) })),
      })),
    })),
    Missing: missing.map(({ role, by, count, accepted }) => ({
      Role: role,
      ListedBy: by,
      Count: count,
      Accepted: accepted,
    })),
    Changes: describeChanges(view),
  };
  return `${escapeJson(JSON.stringify(shown))}\n`;
}
