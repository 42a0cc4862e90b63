/**
 * Citations of TUF 1.0.34 are true and complete: every step cited in src/trust exists, every step that binds a client
 * is cited there and has a test whose title begins with it, and every error says a step or a rule that exists.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import specification from './spec/tuf-1.0.34.json' with { type: 'json' };

const root = join(import.meta.dirname, '..');

function textsBelow(folder: string): { readonly name: string; readonly text: string }[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => ({ name: join(folder, name), text: readFileSync(join(root, folder, name), 'utf8') }));
}

const sources = textsBelow('src');
const trust = sources.filter(({ name }) => name.startsWith(join('src', 'trust')));
const tests = textsBelow(join('test', 'trust'));
const steps = new Map(specification.steps.map(({ step, level }) => [step, level]));
const binding = specification.steps.filter(({ level }) => level === 'must').map(({ step }) => step);

/** Steps in comments (`TUF 5.4.2`, `5.3.3 to 5.3.7`) and in thrown errors (`spec: '5.4.2'`). */
function citations(text: string): readonly string[] {
  const inComments = [...text.matchAll(/TUF (5\.[0-9.]*[0-9])(?:(?:,| and| to) (5\.[0-9.]*[0-9]))*/g)];
  const inErrors = [...text.matchAll(/'(5\.[0-9.]*[0-9])'/g)];
  return [...inComments, ...inErrors].flatMap((match) => match[0].match(/5\.[0-9.]*[0-9]/g) ?? []);
}

const cited = trust.flatMap(({ name, text }) => citations(text).map((step) => ({ name, step })));

describe('citations of TUF 1.0.34', () => {
  it('there are citations to check', () => {
    expect(cited.length).toBeGreaterThan(50);
    expect(binding.length).toBe(38);
  });

  it('every cited step exists', () => {
    expect(cited.filter(({ step }) => !steps.has(step))).toEqual([]);
  });

  it.each(binding)('step %s is cited where trust is decided', (step) => {
    expect(cited.map((citation) => citation.step)).toContain(step);
  });

  it.each(binding)('step %s has a test whose title begins with it', (step) => {
    const title = new RegExp(`['"\`]TUF ${step.replaceAll('.', '\\.')}(?: and [^:]*)?: `);
    expect(tests.filter(({ text }) => title.test(text)).map(({ name }) => name)).not.toEqual([]);
  });

  it('no test claims a step that does not exist', () => {
    const claims = tests.flatMap(({ text }) =>
      [...text.matchAll(/['"`]TUF (5[0-9.]*[0-9])/g)].map((match) => match[1] ?? ''),
    );
    expect(claims.filter((step) => !steps.has(step))).toEqual([]);
  });
});

describe('citations of the protocol', () => {
  const document = readFileSync(join(root, 'docs', 'specification.md'), 'utf8');
  const rules = new Set([...document.matchAll(/\*\*([1-9]\.[0-9])\b/g)].map((match) => match[1]));
  const named = (text: string): string[] =>
    [...text.matchAll(/protocol ([1-9]\.[0-9])\b/gi)].map((match) => match[1] ?? '');

  it('the specification numbers its rules', () => {
    expect(rules.size).toBeGreaterThan(20);
  });

  it('every rule named in the source or in a test title is in docs/specification.md', () => {
    const missing = [...sources, ...textsBelow('test')].flatMap(({ name, text }) =>
      named(text)
        .filter((rule) => !rules.has(rule))
        .map((rule) => `${name}: ${rule}`),
    );
    expect(missing).toEqual([]);
  });
});
