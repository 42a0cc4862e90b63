/** Limits that the protocol asks the README to name. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

const readme = readFileSync(path.join(import.meta.dirname, '..', 'README.md'), 'utf8');
const limits = readme.slice(readme.indexOf('\n## Threat model'), readme.indexOf('\n## More'));

/** The one item of the list that says this. */
function item(about: RegExp): string {
  const items = limits.split(/\n(?=- )/).map((each) => each.replace(/\s+/g, ' '));
  const found = items.filter((each) => about.test(each));
  expect(found, String(about)).toHaveLength(1);
  return found[0] ?? '';
}

test('protocol 2.4: the README says that a signer’s key counts for the freshness of the whole repository', () => {
  expect(item(/signer/)).toMatch(/snapshot and timestamp.*freshness of the whole/);
});

test('protocol 2.7: the README shows the refresh as a scheduled job', () => {
  expect(readme).toMatch(/schedule:.*\n(?:.*\n){0,3}.*dtrust trust refresh/);
});

test('protocol 3.4: the README names pull --all-tags, clean-up rules, immutable tags and replication', () => {
  expect(item(/docker pull --all-tags/)).toContain('stops at it');
  const rules = item(/clean up a registry/);
  expect(rules).toMatch(/spare `_trust`/);
  expect(rules).toMatch(/immutable must exempt it.*TRUST_TAG_IMMUTABLE.*ECR.*Harbor/);
  expect(rules).toMatch(/Replication/);
});

test('protocol 4.2: the README says what several publishers can rely on, and what not', () => {
  expect(item(/Two publishers/)).toMatch(/Foreign programs.*noticed, not prevented/);
});
