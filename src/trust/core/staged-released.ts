/**
 * What a staged state releases, as a client would find it (protocol 4.6): a change of delegations can release an entry
 * that a signer wrote long ago where no search came, or hide one, without any entry being changed.
 */
import { TrustError } from '../../lib/errors.ts';
import { TARGETS } from './delegations.ts';
import { listTargets } from './list.ts';
import { metadataFileName, type RoleName } from './metadata.ts';
import { runSearch, type TargetFound } from './search.ts';
import type { StagedChange } from './staged-changes.ts';
import type { StagedView } from './staged-view.ts';
import type { TrustedMetadata } from './trusted-metadata.ts';

/**
 * The tags that a search finds otherwise than before, and that no change of an entry among `changes` says so of; or that
 * this cannot be told.
 */
export function releasedChanges(
  { current, wouldBe, roles }: StagedView,
  changes: readonly StagedChange[],
): readonly StagedChange[] {
  const staged = roles.map(({ role, staged: { version, bytes } }) => {
    return [metadataFileName(role as RoleName, version), bytes] as const;
  });
  const files = new Map([...current.files, ...staged]);
  const [before, after] = [listed(current.trusted, files), listed(wouldBe, files)];
  const failed = [before, after].find((each) => typeof each === 'string');
  if (typeof before === 'string' || typeof after === 'string') {
    return [{ kind: 'unlisted', role: TARGETS, why: failed as string }];
  }
  const said = new Set(changes.flatMap((change) => (change.kind === 'target' ? [nameOf(change)] : [])));
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((path) => {
    const [was, is] = [before.get(path), after.get(path)];
    const [role, gone] = [is?.role ?? was?.role, is === undefined];
    if (role === undefined || said.has(nameOf({ role, path, gone }))) return [];
    // [Revoked where it stood, and released in the same moment from where nobody looked for it.]
    const isRevoked = was !== undefined && said.has(nameOf({ role: was.role, path, gone: true }));
    if (isSame(was, is) && !isRevoked) return [];
    return [{ kind: 'released', role, path, ...(was && { before: was }), ...(is && { after: is }) }];
  });
}

/**
 * What is released, or why that cannot be told: a signer can delegate further to a role that is not there, and must not
 * keep others from signing his removal.
 */
function listed(
  trusted: TrustedMetadata,
  files: ReadonlyMap<string, Uint8Array>,
): ReadonlyMap<string, TargetFound> | string {
  try {
    const found = runSearch(listTargets(trusted), ({ fileName }) => files.get(fileName));
    return new Map(found.map((target) => [target.path, target]));
  } catch (error) {
    if (!(error instanceof TrustError)) throw error;
    return error.message;
  }
}

function isSame(was: TargetFound | undefined, is: TargetFound | undefined): boolean {
  if (was === undefined || is === undefined) return was === is;
  return was.sha256 === is.sha256 && was.lengthBytes === is.lengthBytes && was.mediaType === is.mediaType;
}

function nameOf(change: { role: string; path: string; gone?: boolean; after?: unknown }): string {
  return `${change.role}\n${change.path}\n${change.gone ?? change.after === undefined}`;
}
