/** The three forms of `trust inspect`: Docker's JSON, dtrust's JSON on a line, and a page for people. */
import { escapeJson, escapeShort } from '../lib/escape.ts';
import type { Inspected, InspectedKeys } from './inspect-collection.ts';
import { renderTable } from './table.ts';

/** As `docker trust inspect` printed it: the same members in the same order, four spaces deep. */
export function renderDockerJson(inspected: readonly Inspected[]): string {
  return `${escapeJson(JSON.stringify(inspected.map(dockerForm), null, 4))}\n`;
}

/** The same with collection, thresholds, roles, versions and expiry beside it. */
export function renderJsonLine(inspected: readonly Inspected[]): string {
  const extended = inspected.map((each) => ({
    ...dockerForm(each),
    Repository: each.repository,
    Collection: each.collection,
    Targets: each.tags.map(({ tag, digest, role, mediaType, lengthBytes }) => ({
      Tag: tag,
      Digest: `sha256:${digest}`,
      Role: role,
      MediaType: mediaType,
      Length: lengthBytes,
    })),
    Thresholds: [each.root, each.targets, each.online, ...each.signers].map(({ name, threshold }) => ({
      Name: name,
      Threshold: threshold,
    })),
    OnlineKeys: keyList(each.online),
    Roles: each.roles.map(({ name, version, expires }) => ({
      Name: name,
      Version: version,
      Expires: expires,
    })),
  }));
  return `${escapeJson(JSON.stringify(extended))}\n`;
}

function dockerForm({ given, tags, signers, root, targets }: Inspected) {
  return {
    Name: given,
    SignedTags: tags.map(({ tag, digest, signers: names }) => ({
      SignedTag: tag,
      Digest: digest,
      Signers: names,
    })),
    Signers: byNameDescending(signers).map((each) => ({ Name: each.name, Keys: keyList(each) })),
    AdministrativeKeys: [root, targets].map((each) => ({ Name: each.name, Keys: keyList(each) })),
  };
}

function keyList({ keyIds }: InspectedKeys): { ID: string }[] {
  return keyIds.map((id) => ({ ID: id }));
}

function byNameDescending(keys: readonly InspectedKeys[]): readonly InspectedKeys[] {
  return [...keys].sort((left, right) => (left.name < right.name ? 1 : -1));
}

const SHORT_ID = 12;

/** As `docker trust inspect --pretty`, with versions and expiry at the end. */
export function renderPretty(each: Inspected): string {
  const given = escapeShort(each.given);
  const parts = [
    each.tags.length === 0
      ? `\nNo signatures for ${given}\n\n`
      : `\nSignatures for ${given}\n\n${tagTable(each)}`,
  ];
  if (each.signers.length > 0) {
    const rows = each.signers.map(({ name, keyIds }) => [
      escapeShort(name),
      keyIds.map((id) => id.slice(0, SHORT_ID)).join(', '),
    ]);
    parts.push(`\nList of signers and their keys for ${given}\n\n${renderTable(['SIGNER', 'KEYS'], rows)}`);
  }
  parts.push(`\nAdministrative keys for ${given}\n\n`);
  parts.push(
    `  Repository Key:\t${each.targets.keyIds.join(', ')}\n  Root Key:\t${each.root.keyIds.join(', ')}\n`,
  );
  const rows = each.roles.map(({ name, version, expires }) => [escapeShort(name), `${version}`, expires]);
  parts.push(
    `\nTrust data of ${escapeShort(each.collection)}\n\n${renderTable(['ROLE', 'VERSION', 'EXPIRES'], rows)}`,
  );
  return parts.join('');
}

function tagTable({ tags }: Inspected): string {
  const rows = tags.map(({ tag, digest, signers }) => [tag, digest, signerNames(signers)]);
  return renderTable(['SIGNED TAG', 'DIGEST', 'SIGNERS'], rows);
}

function signerNames(signers: readonly string[]): string {
  return signers.map((name) => (name === 'Repo Admin' ? '(Repo Admin)' : escapeShort(name))).join(', ');
}
