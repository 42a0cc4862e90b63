/**
 * Every rule of docs/specification.md and every line of the contracts with the world outside that concerns what is
 * built has a test that names it: test/spec/rules.json lists them, with the beginnings of the titles that hold them
 * and with what is not built yet. And every error code is thrown somewhere and asserted somewhere.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { titlesBelow, titlesIn } from './helpers/test-titles.ts';
import rules from './spec/rules.json' with { type: 'json' };

interface Entry {
  /** `protocol 4.2`, or `contract (Engine) explicit fields`. */
  readonly id: string;
  readonly says: string;
  /** Beginnings of titles; each begins at least one. */
  readonly tests?: readonly string[];
  /** What of it is not built yet. */
  readonly later?: string;
}

const root = path.join(import.meta.dirname, '..');
const entries: readonly Entry[] = rules.entries;
const titles = titlesBelow(import.meta.dirname);

/** `protocol 4.2` or `contract (Engine)`. */
const tagOf = (id: string): string => /^contract \([^)]+\)|^protocol [\d.]+/.exec(id)?.[0] ?? id;

/** What a title names: `protocol 1.2 and 6.2: ...` and `protocol 2.2, 2.3: ...` name two rules. */
function tagsOf(title: string): readonly string[] {
  const [, list] = /^(?:TUF [\d.]+ and )?protocol (\d(?:\.\d)?(?:(?:, | and )\d\.\d)*):/.exec(title) ?? [];
  if (list !== undefined) return list.split(/, | and /).map((rule) => `protocol ${rule}`);
  const [, section] = /^contract \(([^)]+)\)(?=:)/.exec(title) ?? [];
  if (section === undefined) return [];
  // The first word tells the sections apart: `Packages` is short for `Packages and start-up`.
  const named = rules.sections.find((each) => each.split(' ')[0] === section.split(' ')[0]);
  return [`contract (${named ?? section})`];
}

describe('the search for titles', () => {
  test.each([
    ["test('a title', () => {});", 'a title'],
    ["  it(\n    'on a line of its own',", 'on a line of its own'],
    ["describe.skipIf(os() !== 'linux')('with a condition', f)", 'with a condition'],
    ["test.each([[\"')\", f(g(1))], ['}']])('of a table: %s', f)", 'of a table: %s'],
    ["it.each([\n  1, // the table's end )\n])('after a comment', f)", 'after a comment'],
    ['it.concurrent(`in ticks`, f)', 'in ticks'],
    ["describe.skipIf(peer.skip)(peer.title('beside a peer'), f)", 'beside a peer'],
    ["test('with it\\'s quote', f)", "with it's quote"],
  ])('finds the one in %s', (text, title) => {
    expect(titlesIn(text)).toEqual([title]);
  });

  test.each(["const it = 'x';", "await test(program, 'x')", "// describe('s"])('finds none in %s', (text) => {
    expect(titlesIn(text)).toEqual([]);
  });
});

describe('rules.json', () => {
  test('lists every rule that docs/specification.md numbers, and no other', () => {
    const text = readFileSync(path.join(root, 'docs', 'specification.md'), 'utf8');
    const numbered = [...text.matchAll(/^(?:\*\*|## )(\d\.\d|8)\b/gm)].map(([, rule]) => `protocol ${rule}`);
    const listed = entries.map(({ id }) => id).filter((id) => id.startsWith('protocol'));
    expect(listed).toEqual(numbered);
  });

  test('has each entry once, under a section that there is, with tests or with what is to come', () => {
    const ids = entries.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    const contracts = ids.filter((id) => id.startsWith('contract'));
    const sections = new Set(contracts.map((id) => /\(([^)]+)\)/.exec(id)?.[1]));
    expect([...sections]).toEqual(rules.sections);
    const idle = entries.filter(({ tests, later }) => (tests ?? []).length === 0 && later === undefined);
    expect(idle).toEqual([]);
  });
});

describe('every rule and every line of the contracts', () => {
  test.each(entries.filter(({ tests }) => tests !== undefined))(
    '$id has the tests that rules.json names',
    ({ id, tests = [] }) => {
      const missing = tests.filter((beginning) => !titles.some(({ title }) => title.startsWith(beginning)));
      expect(missing).toEqual([]);
      expect(tests.flatMap(tagsOf), 'one of them names the rule itself').toContain(tagOf(id));
    },
  );

  test('no title names a rule or a section that there is not', () => {
    const known = new Set(entries.map(({ id }) => tagOf(id)));
    const wrong = titles.filter(
      ({ title }) =>
        /^(?:protocol|contract)\b/.test(title) &&
        (tagsOf(title).length === 0 || tagsOf(title).some((tag) => !known.has(tag))),
    );
    expect(wrong).toEqual([]);
  });
});

describe('error codes', () => {
  const textsBelow = (folder: string): readonly string[] =>
    readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && !file.endsWith(path.join('lib', 'errors.ts')))
      .map((file) => readFileSync(path.join(root, folder, file), 'utf8'));
  const unions = readFileSync(path.join(root, 'src', 'lib', 'errors.ts'), 'utf8');
  const codes = [...unions.matchAll(/^ {2}\| '([A-Z_]+)'/gm)].map(([, code = '']) => code);
  // The version of Node is looked at before anything of src is loaded.
  const start = readFileSync(path.join(root, 'bin', 'dtrust.js'), 'utf8');
  const sources = [...textsBelow('src'), start];
  const assertions = textsBelow('test');

  test('are all found', () => {
    expect(codes.length).toBeGreaterThan(70);
    expect(new Set(codes).size).toBe(codes.length);
  });

  test.each(codes)('%s is thrown somewhere, and asserted somewhere', (code) => {
    const thrown = sources.some((text) => text.includes(`'${code}'`) || text.includes(`(${code})`));
    const asserted = assertions.some((text) => new RegExp(`\\b${code}\\b`).test(text));
    expect({ thrown, asserted }).toEqual({ thrown: true, asserted: true });
  });
});
