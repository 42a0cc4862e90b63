/**
 * Walks over all targets roles of a collection, where a search walks over those of one path.
 *
 * A generator like the search: it yields the role it needs and is given that role's bytes.
 */
import { TrustError } from '../lib/errors.ts';
import { binCount, binName, type Delegations, RELEASES, TARGETS } from './core/delegations.ts';
import { type Metadata, metadataFileName, type RoleName, type Targets } from './core/metadata.ts';
import type { Search } from './core/search.ts';
import { ROOT, type TrustedMetadata } from './core/trusted-metadata.ts';

/** As many roles as anybody has hash bins; a collection with more is not walked. */
const MAX_ROLES = 65_536;

/** The roles below a delegator that a walk goes on to. */
export type Below = (delegations: Delegations | undefined, delegator: RoleName) => readonly RoleName[];

/** Every role delegated to. */
export const delegatedBy: Below = (delegations) => rolesOf(delegations);

/** Protocol 2.2: below `targets` only the roles that release; below those, all of them. */
export const releasedBy: Below = (delegations, delegator) =>
  delegator === TARGETS ? [...releasingRoles(delegations)] : rolesOf(delegations);

/** Names of the roles of `targets` from which a yes can come: those up to `targets/releases`, or the bins. */
export function releasingRoles(
  delegations: Delegations | undefined,
  bins?: readonly { readonly name: RoleName }[],
): ReadonlySet<RoleName> {
  if (delegations?.succinct !== undefined) {
    return new Set(bins?.map(({ name }) => name) ?? rolesOf(delegations));
  }
  const names = rolesOf(delegations);
  return new Set(names.slice(0, names.indexOf(RELEASES) + 1));
}

function rolesOf(delegations: Delegations | undefined): readonly RoleName[] {
  if (delegations?.succinct !== undefined) {
    const { succinct } = delegations;
    const count = Math.min(binCount(succinct), MAX_ROLES + 1);
    return Array.from({ length: count }, (_, index) => binName(succinct, index));
  }
  return [...(delegations?.roles.keys() ?? [])];
}

/**
 * Loads `targets` and what `below` leads to, each role once, under every delegator that reaches it.
 *
 * @throws TrustError as `TrustedMetadata.updateDelegatedTargets`, and METADATA_TOO_LARGE for too many roles.
 */
export function* walkRoles(trusted: TrustedMetadata, below: Below): Search<readonly Metadata<Targets>[]> {
  const loaded = new Map<RoleName, Metadata<Targets>>();
  const waiting: { readonly role: RoleName; readonly delegator: RoleName }[] = [
    { role: TARGETS, delegator: ROOT },
  ];
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const { role, delegator } = next;
    const metadata = yield* load(trusted, role, delegator);
    if (loaded.has(role)) {
      continue;
    }
    loaded.set(role, metadata);
    waiting.push(
      ...below(metadata.signed.delegations, role).map((name) => ({ role: name, delegator: role })),
    );
    if (loaded.size + waiting.length > MAX_ROLES) {
      throw tooMany();
    }
  }
  return [...loaded.values()];
}

function* load(trusted: TrustedMetadata, role: RoleName, delegator: RoleName): Search<Metadata<Targets>> {
  const present = trusted.roleUnder(role, delegator);
  if (present !== undefined) {
    return present;
  }
  const file = trusted.roleFile(role);
  const bytes = yield {
    role,
    delegator,
    file,
    fileName: metadataFileName(role, file.version),
    optional: false,
  };
  if (bytes === undefined) {
    throw new RangeError('a role that is not optional has bytes');
  }
  return trusted.updateDelegatedTargets(bytes, role, delegator);
}

function tooMany(): TrustError {
  return new TrustError({
    code: 'METADATA_TOO_LARGE',
    message: `the collection has more than ${MAX_ROLES} roles`,
    attack: 'endless data',
    spec: '5.6.7.1',
  });
}
