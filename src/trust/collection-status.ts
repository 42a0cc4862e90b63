/**
 * How a verified collection stands: its roles with version, expiry, threshold and keys, and what this machine knows of
 * it. Plain values; whether an image may be used is nothing that can be read from them.
 */
import type { TrustError } from '../lib/errors.ts';
import type { VerifiedCollection } from './collection.ts';
import { delegatedRoleKeys, RELEASES, TARGETS } from './core/delegations.ts';
import { type KeyId, type PublicKey, tufKeyId } from './core/keys.ts';
import type { RoleName, TopLevelRole } from './core/metadata.ts';
import type { Pin } from './core/pin.ts';
import type { RoleKeys } from './core/role-keys.ts';
import type { TrustedMetadata } from './core/trusted-metadata.ts';
import type { Anchor } from './memory.ts';
import { keysListed, ownerOf } from './signers.ts';

export interface StatusKey {
  readonly id: KeyId;
  /** `alice`, `the root key`; chosen by whoever signed the collection. */
  readonly owner: string;
  /** Whether its private half is on this machine. */
  readonly here: boolean;
}

export interface RoleStatus {
  readonly name: string;
  /** Undefined for a signer who has signed nothing yet. */
  readonly version: number | undefined;
  /** Undefined also for a role that could not be read. */
  readonly expiresAtMs: number | undefined;
  readonly threshold: number;
  readonly keys: readonly StatusKey[];
}

/** What waits for signatures (protocol 4.6), or why what stands there is refused. */
export type StagedStatus =
  | { readonly kind: 'waiting'; readonly id: string; readonly missing: readonly string[] }
  | { readonly kind: 'refused'; readonly refusal: TrustError };

export interface CollectionStatus {
  /** Canonical. */
  readonly repository: string;
  readonly collection: string;
  /** `registry ghcr.io/acme/app` */
  readonly source: string;
  /** What the first root was trusted by. */
  readonly anchor: Anchor;
  readonly pin: { readonly pin: Pin; readonly older: boolean } | undefined;
  readonly rootVersion: number;
  readonly timestampVersion: number;
  /** When this timestamp was first seen here; it does not say when it was signed. */
  readonly firstSeenMs: number | undefined;
  readonly turnSeconds: number | undefined;
  /** A publish from this machine that the state does not contain (protocol 4.3). */
  readonly lost: TrustError | undefined;
  /** Why a client refuses this state: something in it has expired. */
  readonly refusal: TrustError | undefined;
  /** Undefined: nothing is staged. */
  readonly staged: StagedStatus | undefined;
  readonly roles: readonly RoleStatus[];
  readonly nowMs: number;
}

/** What is known here beside the collection itself. */
export interface StatusFacts {
  readonly source: string;
  readonly pin: Pin | undefined;
  readonly firstSeenMs: number | undefined;
  readonly lost: TrustError | undefined;
  readonly refusal: TrustError | undefined;
  readonly staged: StagedStatus | undefined;
  readonly nowMs: number;
  readonly isHere: (key: PublicKey) => boolean;
}

/** Whether the keys on this machine reach the role's threshold. */
export function isRenewableHere({ keys, threshold }: RoleStatus): boolean {
  return keys.filter(({ here }) => here).length >= threshold;
}

/** Whether the role has ended, or ends within this time. */
export function endsWithin({ expiresAtMs }: RoleStatus, nowMs: number, withinMs: number): boolean {
  return expiresAtMs !== undefined && expiresAtMs - nowMs <= withinMs;
}

/** The status of a collection whose roles have been loaded (`loadAll`). */
export function collectionStatus(collection: VerifiedCollection, facts: StatusFacts): CollectionStatus {
  const { trusted, repository, anchor } = collection;
  const { isHere, pin, ...rest } = facts;
  const rootVersion = trusted.root.signed.version;
  const timestampVersion = trusted.timestamp?.signed.version ?? 0;
  const older =
    pin !== undefined && (pin.rootVersion < rootVersion || pin.timestampVersion < timestampVersion);
  return {
    ...rest,
    repository: repository.canonical,
    collection: collection.collection,
    anchor,
    pin: pin === undefined ? undefined : { pin, older },
    rootVersion,
    timestampVersion,
    turnSeconds: trusted.snapshot?.signed.extension?.turnSeconds,
    roles: rolesOf(trusted, isHere),
  };
}

function rolesOf(trusted: TrustedMetadata, isHere: (key: PublicKey) => boolean): readonly RoleStatus[] {
  const root = trusted.root.signed;
  const statusOf = (
    name: string,
    listed: RoleKeys,
    table: ReadonlyMap<KeyId, PublicKey>,
    signed: { readonly version: number; readonly expiresAtMs?: number } | undefined,
  ): RoleStatus => ({
    name,
    version: signed?.version,
    expiresAtMs: signed?.expiresAtMs,
    threshold: listed.threshold,
    keys: keysListed(listed.keyids, table).map((key) => ({
      id: tufKeyId(key),
      owner: ownerOf(trusted, key),
      here: isHere(key),
    })),
  });
  const top = (name: TopLevelRole, signed: { version: number; expiresAtMs: number } | undefined) =>
    statusOf(name, root.roles[name], root.keys, signed);
  const delegated = delegatedNames(trusted).flatMap(([name, delegator]) => {
    const delegations = trusted.targets(delegator)?.signed.delegations;
    const listed = delegatedRoleKeys(delegations, name);
    if (delegations === undefined || listed === undefined) return [];
    const signed = trusted.targets(name)?.signed ?? trusted.snapshot?.signed.meta.get(`${name}.json`);
    return [statusOf(name, listed, delegations.keys, signed && { ...signed })];
  });
  return [
    top('root', root),
    top('targets', trusted.targets()?.signed),
    ...delegated,
    top('snapshot', trusted.snapshot?.signed),
    top('timestamp', trusted.timestamp?.signed),
  ];
}

/** Each role below `targets` with the first one that delegates to it: releases, then as they are searched. */
function delegatedNames(trusted: TrustedMetadata): readonly (readonly [RoleName, RoleName])[] {
  const names = new Map<RoleName, RoleName>();
  for (const delegator of [TARGETS, ...trusted.loadedRoles]) {
    for (const name of trusted.targets(delegator)?.signed.delegations?.roles.keys() ?? []) {
      if (!names.has(name)) names.set(name, delegator);
    }
  }
  return [...names].sort(([left], [right]) => Number(right === RELEASES) - Number(left === RELEASES));
}
