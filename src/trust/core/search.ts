/**
 * TUF 1.0.34, 5.6.7: the pre-order, depth-first search for the role that answers for a target, and the answer.
 *
 * Pure: the search is a generator that yields the role it needs next and is given that role's bytes. It verifies them
 * through `TrustedMetadata`; roles that are loaded cost nothing, except that a role reached through another delegator
 * is verified again under that one's keys.
 *
 * Protocol 2.2 narrows who may say yes: `targets` itself, its hash bins, and what it delegates up to and including
 * `targets/releases`. Roles behind that are looked into only to tell "signed, not released" from "not signed", never
 * for an answer. Protocol 1.2: paths outside the collection's names do not exist.
 */

import { TrustError } from '../../lib/errors.ts';
import { escapeShort } from '../../lib/escape.ts';
import type { JsonObject } from '../../lib/strict-json.ts';
import { type Delegation, delegationsFor, RELEASES, TARGETS } from './delegations.ts';
import { MAX_SEARCHED_ROLES } from './limits.ts';
import { type Metadata, type MetaFile, metadataFileName, type RoleName, type Targets } from './metadata.ts';
import { isNamed } from './names.ts';
import { ROOT, type TrustedMetadata } from './trusted-metadata.ts';

/** The one form in which a target leaves the core. */
export interface TargetFound {
  readonly path: string;
  readonly lengthBytes: number;
  /** `sha256:` and 64 lower-case hex digits, as a digest is written. */
  readonly sha256: string;
  readonly mediaType: string;
  /** The role that answered. */
  readonly role: RoleName;
  readonly custom: JsonObject;
}

/**
 * What may be wrong with a role for it to be passed over: nothing; that it is not there; also that it cannot be reached,
 * where only a better explanation depends on it.
 */
export type Optional = 'no' | 'absent' | 'unreachable';

/** A role the search needs; answered with its bytes, or with undefined where it may be passed over. */
export interface RoleRequest {
  readonly role: RoleName;
  readonly delegator: RoleName;
  readonly file: MetaFile;
  /** Name under consistent snapshots: `9.targets%2Freleases.json`. */
  readonly fileName: string;
  /** Only a better explanation depends on it. */
  readonly optional: Optional;
}

export type SearchResult =
  | { readonly kind: 'found'; readonly target: TargetFound }
  /** `stoppedAt`: the search ended at its cap, having visited this many roles. */
  | { readonly kind: 'not-signed'; readonly stoppedAt?: number }
  | { readonly kind: 'not-named' }
  | { readonly kind: 'not-released'; readonly role: RoleName };

export interface SearchOptions {
  /** Roles visited at most, `targets` included; default 32. */
  readonly maxRoles?: number;
  /** Whether roles that are not released are asked for, to explain a no; default true. */
  readonly explain?: boolean;
}

export type Search<Result> = Generator<RoleRequest, Result, Uint8Array | undefined>;

/**
 * Searches for the target at this path; the state machine must hold a snapshot.
 *
 * @throws TrustError as `TrustedMetadata.updateDelegatedTargets` for a role that is refused, TARGET_HASH_MISSING and
 * TARGET_MEDIA_TYPE for an entry that cannot be used.
 */
export function* searchTarget(
  trusted: TrustedMetadata,
  path: string,
  options: SearchOptions = {},
): Search<SearchResult> {
  if (!isNamed(path, trusted.names)) return { kind: 'not-named' };
  const maxRoles = options.maxRoles ?? MAX_SEARCHED_ROLES;
  const walk = new Walk(trusted, path, maxRoles);
  const found = yield* walk.released();
  if (found !== undefined) return { kind: 'found', target: found };
  if (walk.stopped) return { kind: 'not-signed', stoppedAt: maxRoles };
  const role = options.explain === false ? undefined : yield* walk.unreleased();
  return role === undefined ? { kind: 'not-signed' } : { kind: 'not-released', role };
}

/**
 * The target, or the refusal that the result stands for.
 *
 * @throws TrustError TARGET_NOT_SIGNED, TARGET_NOT_RELEASED.
 */
export function verifyFound(result: SearchResult, path: string): TargetFound {
  if (result.kind === 'found') return result.target;
  const shown = escapeShort(path);
  if (result.kind === 'not-released') {
    throw new TrustError({
      code: 'TARGET_NOT_RELEASED',
      message: `${shown} is signed by ${escapeShort(result.role)} but not released`,
      spec: 'protocol 2.2',
      role: result.role,
      reference: path,
    });
  }
  throw new TrustError({
    code: 'TARGET_NOT_SIGNED',
    message: `${shown} is not signed${explanation(result)}`,
    spec: result.kind === 'not-named' ? 'protocol 1.2' : '5.7.2',
    reference: path,
  });
}

function explanation(result: SearchResult): string {
  if (result.kind === 'not-named') return ': this collection does not speak for that repository';
  if (result.kind !== 'not-signed' || result.stoppedAt === undefined) return '';
  return `: the search ended after ${result.stoppedAt} roles`;
}

/** Runs a search over roles that are all loaded or given here by file name; undefined stands for "cannot be had". */
export function runSearch<Result>(
  search: Search<Result>,
  bytesOf: (request: RoleRequest) => Uint8Array | undefined,
): Result {
  for (let step = search.next(); ; ) {
    if (step.done === true) return step.value;
    step = search.next(bytesOf(step.value));
  }
}

class Walk {
  readonly #trusted: TrustedMetadata;
  readonly #path: string;
  readonly #maxRoles: number;
  readonly #visited = new Set<RoleName>();
  /** Whether the cap ended the search. */
  stopped = false;

  constructor(trusted: TrustedMetadata, path: string, maxRoles: number) {
    this.#trusted = trusted;
    this.#path = path;
    this.#maxRoles = maxRoles;
  }

  /** The search proper: `targets`, then what it delegates, no further than the released role. */
  *released(): Search<TargetFound | undefined> {
    const targets = yield* this.#visit(TARGETS, ROOT);
    if (targets === undefined) return undefined;
    const own = targetIn(targets, TARGETS, this.#path);
    if (own !== undefined) return own;
    const releasing = releasedDelegations(targets.signed, this.#path);
    const verdict = yield* this.#descend(releasing, TARGETS);
    return verdict === 'stop' ? undefined : verdict;
  }

  /**
   * The first role behind the released one that lists the path. What is wrong with such a role changes no answer, so
   * one that is refused is passed over.
   */
  *unreleased(): Search<RoleName | undefined> {
    const targets = this.#trusted.targets(TARGETS);
    if (targets === undefined) return undefined;
    const released = releasedDelegations(targets.signed, this.#path).map(({ name }) => name);
    for (const { name } of delegationsFor(targets.signed.delegations, this.#path)) {
      if (released.includes(name)) continue;
      const role = yield* this.#visitUnreleased(name);
      if (role?.signed.targets.has(this.#path) === true) return name;
    }
    return undefined;
  }

  *#visitUnreleased(role: RoleName): Search<Metadata<Targets> | undefined> {
    try {
      return yield* this.#visit(role, TARGETS, 'unreachable');
    } catch (error) {
      if (error instanceof TrustError) return undefined;
      throw error;
    }
  }

  /** TUF 5.6.7.2: in the order of appearance; 'stop' ends the whole search without an answer. */
  *#descend(
    delegations: readonly Delegation[],
    delegator: RoleName,
  ): Search<TargetFound | 'stop' | undefined> {
    for (const { name, terminating } of delegations) {
      // TUF 5.6.7.1: a role is visited once; a circle of delegations ends here.
      if (this.#visited.has(name)) continue;
      const role = yield* this.#visit(name, delegator);
      if (role === undefined) return 'stop';
      const own = targetIn(role, name, this.#path);
      if (own !== undefined) return own;
      const below = yield* this.#descend(delegationsFor(role.signed.delegations, this.#path), name);
      if (below !== undefined) return below;
      // TUF 5.6.7.2.1: a terminating delegation ends the search. TUF 5.6.7.2.2: otherwise the next one is tried.
      if (terminating) return 'stop';
    }
    return undefined;
  }

  /** Loads one role. Undefined at the cap (TUF 5.6.7.1), or when an optional one is not to be had. */
  *#visit(
    role: RoleName,
    delegator: RoleName,
    optional: Optional = 'no',
  ): Search<Metadata<Targets> | undefined> {
    if (this.#visited.size >= this.#maxRoles) {
      this.stopped = true;
      return undefined;
    }
    this.#visited.add(role);
    const loaded = this.#trusted.roleUnder(role, delegator);
    if (loaded !== undefined) return loaded;
    const file = this.#trusted.roleFile(role);
    const fileName = metadataFileName(role, file.version);
    const bytes = yield { role, delegator, file, fileName, optional };
    if (bytes !== undefined) return this.#trusted.updateDelegatedTargets(bytes, role, delegator);
    if (optional !== 'no') return undefined;
    throw roleUnavailable(role);
  }
}

/**
 * Protocol 2.2: of the delegations of `targets` that take this path, those that release. Bins stand for `targets`
 * itself; named roles count up to and including `targets/releases`, and not at all where there is no such role.
 */
function releasedDelegations(targets: Targets, path: string): readonly Delegation[] {
  const delegations = delegationsFor(targets.delegations, path);
  if (targets.delegations?.succinct !== undefined) return delegations;
  const names = [...(targets.delegations?.roles.keys() ?? [])];
  const last = names.indexOf(RELEASES);
  return delegations.filter(({ name }) => names.indexOf(name) <= last);
}

/** The entry of one role, in the form that may be used. */
function targetIn(role: Metadata<Targets>, name: RoleName, path: string): TargetFound | undefined {
  const entry = role.signed.targets.get(path);
  if (entry === undefined) return undefined;
  const { lengthBytes, sha256, mediaType, custom } = entry;
  if (sha256 === undefined) throw unusable('TARGET_HASH_MISSING', path, name, 'without a sha256', '5.7.1');
  // protocol 1.1: one document read as two kinds is two images; the signed kind decides.
  if (mediaType === undefined || custom === undefined) {
    throw unusable('TARGET_MEDIA_TYPE', path, name, 'without a media type', 'protocol 1.1');
  }
  return Object.freeze({ path, lengthBytes, sha256: `sha256:${sha256}`, mediaType, role: name, custom });
}

function unusable(
  code: 'TARGET_HASH_MISSING' | 'TARGET_MEDIA_TYPE',
  path: string,
  role: RoleName,
  what: string,
  spec: string,
): TrustError {
  const message = `${escapeShort(path)} is signed by ${escapeShort(role)} ${what}`;
  return new TrustError({ code, message, role, spec, reference: path });
}

/** TUF 5.6.7: a role that cannot be had ends the search; going on would let a source choose who answers. */
function roleUnavailable(role: RoleName): TrustError {
  return new TrustError({
    code: 'ROLE_MISSING',
    message: `the role ${escapeShort(role)} is not to be had`,
    attack: 'mix-and-match',
    spec: '5.6.1',
    role,
  });
}
