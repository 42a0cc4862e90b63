/** What the README states as a fact and the code can be asked about. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { classify } from '../src/cli/classify.ts';
import { ENVIRONMENT_VARIABLES } from '../src/settings/environment.ts';

const root = path.join(import.meta.dirname, '..');
const readme = readFileSync(path.join(root, 'README.md'), 'utf8');

/** Rows of the environment table: the names of a row, and what it says. */
function environmentRows(): readonly (readonly [string, string])[] {
  const table = readme.slice(readme.indexOf('\n## Environment'), readme.indexOf('\n## Threat model'));
  return [...table.matchAll(/^\| (`[^|]+`) \| ([^|]+) \|$/gm)].flatMap(([, names = '', text = '']) =>
    [...names.matchAll(/`([^`]+)`/g)].map(([, name = '']) => [name, text] as const),
  );
}

describe('the README', () => {
  test('lists every environment variable that is read, in the words of the list, and no other', () => {
    expect(Object.fromEntries(environmentRows())).toEqual(ENVIRONMENT_VARIABLES);
  });

  test('names only commands of dtrust that exist', () => {
    const rows = [...readme.matchAll(/^\| `dtrust (trust [a-z]+)([^`]*)` \|/gm)];
    expect(rows.length).toBeGreaterThan(5);
    const paths = rows.flatMap(([, command = '', rest = '']) => {
      const verbs = /^( [a-z]+(, [a-z]+)+)/.exec(rest)?.[1]?.split(',') ?? [''];
      return verbs.map((verb) => [...command.split(' '), ...verb.trim().split(' ').filter(Boolean)]);
    });
    const unknown = paths.filter((each) => classify(each).class !== 'enforced');
    expect(unknown.map((each) => each.join(' '))).toEqual([]);
  });

  test('names only error codes that exist', () => {
    const errors = readFileSync(path.join(root, 'src', 'lib', 'errors.ts'), 'utf8');
    const known = new Set([...errors.matchAll(/'([A-Z][A-Z_]+)'/g)].map(([, code]) => code));
    const named = [...readme.matchAll(/(?:`|\()([A-Z]+_[A-Z_]+)(?:`|\))/g)].map(([, code = '']) => code);
    const codes = named.filter((code) => !(code in ENVIRONMENT_VARIABLES));
    expect(codes.length).toBeGreaterThan(2);
    expect(codes.filter((code) => !known.has(code))).toEqual([]);
  });

  test.each([
    'README.md',
    'docs/builds.md',
    'docs/ci.md',
    'docs/specification.md',
    'docs/adr/README.md',
    'SECURITY.md',
    'CHANGELOG.md',
  ])('no link in %s leads nowhere', (name) => {
    const text = readFileSync(path.join(root, name), 'utf8');
    const links = [...text.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)].map(([, target = '']) => target);
    const files = links.filter((target) => !/^https?:/.test(target));
    const folder = path.dirname(path.join(root, name));
    expect(files.filter((target) => !existsSync(path.join(folder, target)))).toEqual([]);
  });
});
