/** `trust status` for people: a page for a repository, a line each for all of them, or the roles that end soon. */
import { DAY_MS } from '../lib/clock.ts';
import type { DtrustError } from '../lib/errors.ts';
import { escapeShort, escapeText } from '../lib/escape.ts';
import {
  type CollectionStatus,
  endsWithin,
  isRenewableHere,
  type RoleStatus,
  type StagedStatus,
} from '../trust/collection-status.ts';
import { renderTable } from './table.ts';

/** What was found of one repository: how it stands, or why that is not known. */
export type Row =
  | { readonly name: string; readonly status: CollectionStatus }
  | { readonly name: string; readonly error: DtrustError };

const SHORT_ID = 12;
const ANCHORS = {
  pin: 'its pin',
  'own-key': 'a root key on this machine',
  'first-use': 'its first use here',
};

/** One page for each repository. */
export function renderPages(rows: readonly Row[]): string {
  return rows.map((row) => ('error' in row ? `${problemOf(row)}\n` : renderPage(row.status))).join('\n');
}

/** One line for each repository. */
export function renderOverview(rows: readonly Row[]): string {
  const heads = ['REPOSITORY', 'ROOT', 'TIMESTAMP', 'TRUSTED BY', 'RENEWED HERE', 'ENDS FIRST'];
  const lines = rows.map((row) => {
    if ('error' in row) return [row.name, '-', '-', '-', '-', `not known: ${codeOf(row.error)}`];
    const { status } = row;
    const first = firstToEnd(status.roles);
    return [
      status.repository,
      `${status.rootVersion}`,
      `${status.timestampVersion}`,
      ANCHORS[status.anchor],
      renewedHere(status.roles),
      first === undefined ? '-' : `${escapeShort(first.name)} ${ending(first, status.nowMs)}`,
    ];
  });
  return renderTable(heads, lines);
}

/** One line for each role that ends within the time; nothing at all when none does. */
export function renderEnding(rows: readonly Row[], withinMs: number): string {
  const heads = ['REPOSITORY', 'ROLE', 'VERSION', 'EXPIRES', 'HERE', 'WHO CAN RENEW IT'];
  const lines = rows.flatMap((row) => {
    if ('error' in row) return [[row.name, '-', '-', `not known: ${codeOf(row.error)}`, '-', '-']];
    const { roles, nowMs, repository } = row.status;
    return roles
      .filter((role) => endsWithin(role, nowMs, withinMs))
      .map((role) => [
        repository,
        escapeShort(role.name),
        versionOf(role),
        ending(role, nowMs),
        here(role),
        owners(role),
      ]);
  });
  return lines.length === 0 ? '' : renderTable(heads, lines);
}

function renderPage(status: CollectionStatus): string {
  const { repository, nowMs } = status;
  const heads = ['ROLE', 'VERSION', 'EXPIRES', 'NEEDS', 'HERE', 'WHO CAN RENEW IT'];
  const lines = status.roles.map((role) => [
    escapeShort(role.name),
    versionOf(role),
    ending(role, nowMs),
    `${role.threshold} of ${role.keys.length}`,
    here(role),
    ownersWithKeys(role),
  ]);
  const facts = factsOf(status).map(([name, text]) => `  ${`${name}:`.padEnd(14)}${text}\n`);
  return `${repository}\n${facts.join('')}\n${renderTable(heads, lines)}`;
}

function factsOf(status: CollectionStatus): readonly (readonly [name: string, text: string])[] {
  const { source, collection, repository, anchor, turnSeconds, lost, refusal, staged } = status;
  return [
    ['Trust data', `${source}, tag _trust`],
    ...(collection === repository ? [] : [['Collection', escapeShort(collection)] as const]),
    ['Trusted by', ANCHORS[anchor]],
    ['Pin', pinText(status)],
    ['Signed state', `timestamp version ${status.timestampVersion}${ageText(status)}`],
    ['Turn', turnSeconds === undefined ? 'not said' : `${turnSeconds} s`],
    ...(lost === undefined ? [] : [['Lost', `${lost.message} (${lost.code})`] as const]),
    ...(refusal === undefined
      ? []
      : [['Refused', `to everybody who pulls: ${escapeText(refusal.message)} (${refusal.code})`] as const]),
    ...(staged === undefined ? [] : [['Staged', stagedText(staged, repository)] as const]),
  ];
}

function stagedText(staged: StagedStatus, repository: string): string {
  if (staged.kind === 'refused') {
    const { message, code } = staged.refusal;
    return `something that nobody can publish: ${escapeText(message)} (${code})`;
  }
  const missing = staged.missing.length === 0 ? 'nothing' : staged.missing.join('; ');
  return `${staged.id}, missing: ${missing}; look at it with: dtrust trust cosign --show ${repository}`;
}

function pinText({ pin, rootVersion, timestampVersion, repository }: CollectionStatus): string {
  if (pin === undefined) return 'none';
  const text = `root version ${pin.pin.rootVersion}, timestamp version ${pin.pin.timestampVersion}`;
  if (!pin.older) return text;
  return (
    `${text}; the repository is at ${rootVersion} and ${timestampVersion}, ` +
    `raise it with what this prints: dtrust trust pin export ${repository}`
  );
}

function ageText({ firstSeenMs, nowMs }: CollectionStatus): string {
  if (firstSeenMs === undefined) return '';
  const days = Math.floor((nowMs - firstSeenMs) / DAY_MS);
  return days < 1 ? ', first seen here today' : `, first seen here ${inDays(days)} ago`;
}

/** `2027-11-26 (in 364 days)` */
function ending({ version, expiresAtMs }: RoleStatus, nowMs: number): string {
  if (expiresAtMs === undefined) return version === undefined ? 'nothing signed yet' : 'could not be read';
  const date = new Date(expiresAtMs).toISOString().slice(0, 10);
  const leftMs = expiresAtMs - nowMs;
  const days = Math.floor(Math.abs(leftMs) / DAY_MS);
  const length = days === 0 ? 'less than a day' : inDays(days);
  return leftMs <= 0 ? `${date} (EXPIRED ${length} ago)` : `${date} (in ${length})`;
}

function inDays(days: number): string {
  return days === 1 ? '1 day' : `${days} days`;
}

function firstToEnd(roles: readonly RoleStatus[]): RoleStatus | undefined {
  const order = (role: RoleStatus) => role.expiresAtMs ?? Number.POSITIVE_INFINITY;
  return [...roles].sort((left, right) => order(left) - order(right))[0];
}

function versionOf({ version }: RoleStatus): string {
  return version === undefined ? '-' : `${version}`;
}

function here(role: RoleStatus): string {
  const count = role.keys.filter((key) => key.here).length;
  return isRenewableHere(role) ? 'yes' : count === 0 ? 'no' : `${count} of ${role.threshold}`;
}

function renewedHere(roles: readonly RoleStatus[]): string {
  const renewable = roles.filter(isRenewableHere).map(({ name }) => escapeShort(name));
  if (renewable.length === roles.length) return 'all';
  return renewable.length === 0 ? 'nothing' : renewable.join(', ');
}

function owners({ keys }: RoleStatus): string {
  return [...new Set(keys.map(({ owner }) => escapeShort(owner)))].join(', ');
}

function ownersWithKeys({ keys }: RoleStatus): string {
  return keys.map(({ owner, id }) => `${escapeShort(owner)} ${id.slice(0, SHORT_ID)}`).join(', ');
}

function problemOf(row: { readonly name: string; readonly error: DtrustError }): string {
  return `${row.name}\n  not known: ${codeOf(row.error)}`;
}

function codeOf({ message, code }: DtrustError): string {
  return `${escapeText(message)} (${code})`;
}
