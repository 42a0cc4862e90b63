/** `trust status --format json`: one object per repository and line, each with the same members whatever was found. */
import { DAY_MS } from '../lib/clock.ts';
import { escapeJson } from '../lib/escape.ts';
import {
  type CollectionStatus,
  isRenewableHere,
  type RoleStatus,
  type StagedStatus,
} from '../trust/collection-status.ts';
import type { Row } from './render-status.ts';

export function renderStatusJson(rows: readonly Row[]): string {
  return rows.map((row) => `${escapeJson(JSON.stringify(jsonOf(row)))}\n`).join('');
}

const NOTHING = {
  Collection: null,
  Source: null,
  TrustedBy: null,
  Pin: null,
  FirstSeen: null,
  AgeDays: null,
  TurnSeconds: null,
  Refusal: null,
  LostUpdate: null,
  Staged: null,
  Roles: [],
};

function jsonOf(row: Row): object {
  if ('error' in row) {
    const { code, message, hints } = row.error;
    return {
      Repository: row.name,
      Problem: { Code: code, Message: message, Hint: hints[0] ?? null },
      ...NOTHING,
    };
  }
  const { status } = row;
  const { firstSeenMs, nowMs, refusal, lost, staged } = status;
  return {
    Repository: status.repository,
    Problem: null,
    Collection: status.collection,
    Source: status.source,
    TrustedBy: status.anchor,
    Pin: pinJson(status),
    FirstSeen: firstSeenMs === undefined ? null : instant(firstSeenMs),
    AgeDays: firstSeenMs === undefined ? null : Math.floor((nowMs - firstSeenMs) / DAY_MS),
    TurnSeconds: status.turnSeconds ?? null,
    Refusal: refusal === undefined ? null : { Code: refusal.code, Message: refusal.message },
    LostUpdate: lost === undefined ? null : { Code: lost.code, Message: lost.message },
    Staged: staged === undefined ? null : stagedJson(staged),
    Roles: status.roles.map((role) => roleJson(role, nowMs)),
  };
}

function stagedJson(staged: StagedStatus) {
  if (staged.kind === 'waiting') return { ID: staged.id, Missing: staged.missing, Problem: null };
  const { code, message } = staged.refusal;
  return { ID: null, Missing: [], Problem: { Code: code, Message: message } };
}

function pinJson({ pin }: CollectionStatus) {
  if (pin === undefined) return null;
  const { keyIds, threshold, rootVersion, timestampVersion } = pin.pin;
  return {
    Keys: keyIds,
    Threshold: threshold,
    RootVersion: rootVersion,
    TimestampVersion: timestampVersion,
    Older: pin.older,
  };
}

function roleJson(role: RoleStatus, nowMs: number) {
  const { name, version, expiresAtMs, threshold, keys } = role;
  return {
    Name: name,
    Version: version ?? null,
    Expires: expiresAtMs === undefined ? null : instant(expiresAtMs),
    ExpiresInDays: expiresAtMs === undefined ? null : Math.floor((expiresAtMs - nowMs) / DAY_MS),
    Expired: expiresAtMs === undefined ? null : expiresAtMs <= nowMs,
    Threshold: threshold,
    Keys: keys.map(({ id, owner, here }) => ({ ID: id, Owner: owner, Here: here })),
    RenewableHere: isRenewableHere(role),
  };
}

function instant(ms: number): string {
  return new Date(ms).toISOString();
}
