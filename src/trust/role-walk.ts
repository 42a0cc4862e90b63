/**
 * Walks over every targets role of a collection, released or not: what a publisher builds on and a restore needs.
 *
 * A generator like the search: it yields the role it needs and is given that role's bytes.
 */
import { TrustError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { binCount, binName, type Delegations, RELEASES, TARGETS } from './core/delegations.ts';
import { metadataFileName, type RoleName, type Targets } from './core/metadata.ts';
import type { Optional, Search } from './core/search.ts';
import { ROOT, type TrustedMetadata } from './core/trusted-metadata.ts';

/** As many roles as anybody has hash bins; a collection with more is not walked. */
const MAX_ROLES = 65_536;

/**
 * Those of the delegations of `targets` for one path from which a yes can come (protocol 2.2): bins, or the roles
 * up to and including `targets/releases`.
 */
export function releasing(
  delegations: Delegations | undefined,
  forPath: readonly { readonly name: RoleName }[],
): readonly RoleName[] {
  const candidates = forPath.map(({ name }) => name);
  if (delegations === undefined || delegations.succinct !== undefined) {
    return candidates;
  }
  const names = [...delegations.roles.keys()];
  const last = names.indexOf(RELEASES);
  return candidates.filter((name) => names.indexOf(name) <= last);
}

/**
 * Loads `targets` and everything that is delegated to, each role under every delegator that reaches it. A signer's
 * role behind `targets/releases`, or one further down, that is not there, or is refused, is passed over: it decides
 * nothing, and who was just added has signed none yet. So is that of a signer who is `leaving`.
 *
 * @throws TrustError as `TrustedMetadata.updateDelegatedTargets`, and METADATA_TOO_LARGE for too many roles.
 */
export function* walkRoles(
  trusted: TrustedMetadata,
  { leaving }: { readonly leaving?: RoleName } = {},
): Search<readonly RoleName[]> {
  const seen = new Set<RoleName>();
  const waiting: { readonly role: RoleName; readonly delegator: RoleName }[] = [
    { role: TARGETS, delegator: ROOT },
  ];
  for (const { role, delegator } of waiting) {
    const targets = yield* loadOrPass(trusted, role, delegator, leaving);
    if (targets === undefined || seen.has(role)) {
      continue;
    }
    seen.add(role);
    for (const below of rolesOf(targets.delegations)) {
      // One number in the metadata stands for up to 2^32 bins: counted before they are listed.
      if (waiting.length >= MAX_ROLES) {
        throw tooMany();
      }
      waiting.push({ role: below, delegator: role });
    }
  }
  return [...seen];
}

function* loadOrPass(
  trusted: TrustedMetadata,
  role: RoleName,
  delegator: RoleName,
  leaving: RoleName | undefined,
): Search<Targets | undefined> {
  if (role !== leaving && isNeeded(trusted, role, delegator)) return yield* load(trusted, role, delegator);
  try {
    return yield* load(trusted, role, delegator, 'absent');
  } catch (error) {
    if (error instanceof TrustError) return undefined;
    throw error;
  }
}

/**
 * Whether nothing can be built without this role: `targets`, its bins, and what it delegates to up to the released
 * role. Further down a signer wrote the delegations. [One delegates to a role that is not there, and the owner can no
 * longer publish: not even his removal.]
 */
function isNeeded(trusted: TrustedMetadata, role: RoleName, delegator: RoleName): boolean {
  if (delegator !== TARGETS) return delegator === ROOT;
  const names = [...(trusted.targets()?.signed.delegations?.roles.keys() ?? [])];
  const releases = names.indexOf(RELEASES);
  return releases === -1 || names.indexOf(role) <= releases;
}

function* rolesOf(delegations: Delegations | undefined): Generator<RoleName> {
  if (delegations?.succinct === undefined) {
    yield* delegations?.roles.keys() ?? [];
    return;
  }
  for (let index = 0; index < binCount(delegations.succinct); index++) {
    yield binName(delegations.succinct, index);
  }
}

function* load(
  trusted: TrustedMetadata,
  role: RoleName,
  delegator: RoleName,
  optional: Optional = 'no',
): Search<Targets> {
  const present = trusted.roleUnder(role, delegator);
  if (present !== undefined) {
    return present.signed;
  }
  const file = trusted.roleFile(role);
  const fileName = metadataFileName(role, file.version);
  const bytes = yield { role, delegator, file, fileName, optional };
  if (bytes === undefined) {
    throw roleMissing(role);
  }
  return trusted.updateDelegatedTargets(bytes, role, delegator).signed;
}

function roleMissing(role: RoleName): TrustError {
  return new TrustError({
    code: 'ROLE_MISSING',
    message: `the role ${escapeShort(role)} is not to be had`,
    attack: 'mix-and-match',
    spec: '5.6.1',
    role,
  });
}

function tooMany(): TrustError {
  return new TrustError({
    code: 'METADATA_TOO_LARGE',
    message: `the collection has more than ${MAX_ROLES} roles`,
    attack: 'endless data',
    spec: '5.6.7.1',
  });
}
