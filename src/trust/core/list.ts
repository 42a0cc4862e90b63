/**
 * All targets of a collection that a search would find: what `trust inspect` shows and `push -a` compares with.
 *
 * First every role that may release is loaded, then each path listed anywhere among them is searched for, so that an
 * entry which another role shadows, or whose role is not trusted for its path, is not listed.
 */
import { TrustError } from '../../lib/errors.ts';
import { binCount, binName, RELEASES, TARGETS } from './delegations.ts';
import { metadataFileName, type RoleName, type Targets } from './metadata.ts';
import { type Optional, runSearch, type Search, searchTarget, type TargetFound } from './search.ts';
import { ROOT, type TrustedMetadata } from './trusted-metadata.ts';

export interface ListOptions {
  /** Roles loaded at most; one more is refused, never left out silently. Default 4,096. */
  readonly maxRoles?: number;
  /**
   * What becomes of roles below the releasing ones that cannot be had: 'needed', the default, refuses the list;
   * 'passed-over' leaves out what a search would come to them for. Never for "what may be used".
   */
  readonly below?: 'needed' | 'passed-over';
  /** With 'passed-over': another role that need not be had. */
  readonly leaving?: RoleName;
}

const MAX_LISTED_ROLES = 4_096;

/**
 * Lists what is released, sorted by path. A generator as `searchTarget`: it yields the roles it needs.
 *
 * @throws TrustError as `searchTarget`, and METADATA_TOO_LARGE when there are more roles than `maxRoles`.
 */
export function* listTargets(
  trusted: TrustedMetadata,
  options: ListOptions = {},
): Search<readonly TargetFound[]> {
  const { maxRoles = MAX_LISTED_ROLES, below: ofBelow = 'needed', leaving } = options;
  const paths = new Set<string>();
  const seen = new Set<RoleName>();
  const waiting: { readonly role: RoleName; readonly delegator: RoleName }[] = [
    { role: TARGETS, delegator: ROOT },
  ];
  for (const { role, delegator } of waiting) {
    if (seen.has(role)) continue;
    seen.add(role);
    const isBelow = delegator !== ROOT && delegator !== TARGETS;
    const isPassed = ofBelow === 'passed-over' && (isBelow || role === leaving);
    const targets = yield* isPassed ? loadOrPass(trusted, role, delegator) : load(trusted, role, delegator);
    if (targets === undefined) continue;
    for (const path of targets.targets.keys()) paths.add(path);
    for (const below of releasingBelow(targets, role)) {
      // One number in the metadata stands for up to 2^32 bins: counted before they are listed.
      if (waiting.length >= maxRoles) throw tooManyRoles(maxRoles);
      waiting.push({ role: below, delegator: role });
    }
  }
  return findAll(trusted, paths, maxRoles, ofBelow === 'passed-over');
}

function* loadOrPass(
  trusted: TrustedMetadata,
  role: RoleName,
  delegator: RoleName,
): Search<Targets | undefined> {
  try {
    return yield* load(trusted, role, delegator, 'absent');
  } catch (error) {
    if (error instanceof TrustError) return undefined;
    throw error;
  }
}

function* load(
  trusted: TrustedMetadata,
  role: RoleName,
  delegator: RoleName,
  optional: Optional = 'no',
): Search<Targets> {
  const loaded = trusted.roleUnder(role, delegator);
  if (loaded !== undefined) return loaded.signed;
  const file = trusted.roleFile(role);
  const fileName = metadataFileName(role, file.version);
  const bytes = yield { role, delegator, file, fileName, optional };
  if (bytes !== undefined) return trusted.updateDelegatedTargets(bytes, role, delegator).signed;
  throw new TrustError({
    code: 'ROLE_MISSING',
    message: 'a role that releases targets is not to be had',
    attack: 'mix-and-match',
    spec: '5.6.1',
    role,
  });
}

/** Protocol 2.2: below `targets`, bins or what comes no later than `targets/releases`; further down, everything. */
function* releasingBelow(targets: Targets, role: RoleName): Generator<RoleName> {
  const delegations = targets.delegations;
  if (delegations === undefined) return;
  if (delegations.succinct !== undefined) {
    for (let index = 0; index < binCount(delegations.succinct); index += 1) {
      yield binName(delegations.succinct, index);
    }
    return;
  }
  const names = [...delegations.roles.keys()];
  yield* role === TARGETS ? names.slice(0, names.indexOf(RELEASES) + 1) : names;
}

function findAll(
  trusted: TrustedMetadata,
  paths: ReadonlySet<string>,
  maxRoles: number,
  mayLeaveOut: boolean,
): readonly TargetFound[] {
  return [...paths].sort().flatMap((path) => {
    try {
      const search = searchTarget(trusted, path, { maxRoles, explain: false });
      const result = runSearch(search, () => undefined);
      return result.kind === 'found' ? [result.target] : [];
    } catch (error) {
      if (mayLeaveOut && error instanceof TrustError) return [];
      throw error;
    }
  });
}

function tooManyRoles(most: number): TrustError {
  return new TrustError({
    code: 'METADATA_TOO_LARGE',
    message: `the collection has more than ${most} roles, which are not listed`,
    attack: 'endless data',
    spec: '5.6.7.1',
    role: TARGETS,
  });
}
