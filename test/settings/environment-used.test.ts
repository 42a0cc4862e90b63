import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { ENVIRONMENT_VARIABLES, readEnvironment } from '../../src/settings/environment.ts';

const root = path.join(import.meta.dirname, '..', '..');
const read = (...names: string[]): string => readFileSync(path.join(root, ...names), 'utf8');

/** Every other source, without its comments. */
const sources = readdirSync(path.join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && path.basename(file) !== 'environment.ts')
  .map((file) => read('src', file).replace(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, ''))
  .join('\n');

/** Fields for what is to come, by the variable that the README calls reserved. */
const RESERVED = {
  contentTrustServer: 'DOCKER_CONTENT_TRUST_SERVER',
} as const;

describe('contract (Packages and start-up): the environment that is read is used', () => {
  test('the README names those variables as reserved that do nothing yet, and no others', () => {
    const [line = ''] =
      /^.*(?:is|are) reserved: (?:its feature comes|their features come) later.*$/m.exec(read('README.md')) ??
      [];
    const named = [...line.matchAll(/`([A-Z_]+)`/g)].map(([, name]) => name);
    expect(named.toSorted()).toEqual(Object.values(RESERVED).toSorted());
    expect(named.filter((name) => !(name ?? '' in ENVIRONMENT_VARIABLES))).toEqual([]);
  });

  // The start looks for its cache before anything is loaded.
  const fields = Object.keys(readEnvironment({})).filter((field) => field !== 'xdgCacheHome');

  test.each(fields)('%s', (field) => {
    const used = new RegExp(`\\b(?:env|environment)\\??\\.${field}\\b|[{,]\\s*${field}\\b|['"]${field}['"]`);
    expect(used.test(sources)).toBe(!(field in RESERVED));
  });

  test('xdgCacheHome, by the start', () => {
    expect(read('bin', 'dtrust.js')).toContain('XDG_CACHE_HOME');
  });
});
