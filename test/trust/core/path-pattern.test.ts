import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isPathMatch, withoutClasses } from '../../../src/trust/core/path-pattern.ts';

describe('path patterns', () => {
  it.each<[string, string, boolean]>([
    ['a/b', 'a/b', true],
    ['a/b', 'a/*', true],
    ['a/b/c', 'a/*', false],
    ['a/b', '*', false],
    ['a', '*', true],
    ['', '*', true],
    ['', '', true],
    ['a', '', false],
    ['docker.io/acme/app:dev-1', 'docker.io/acme/app:dev-*', true],
    ['docker.io/acme/app:dev-', 'docker.io/acme/app:dev-*', true],
    ['docker.io/acme/app:1.0', 'docker.io/acme/app:dev-*', false],
    ['docker.io/acme/app:dev-1', 'docker.io/*/app:*', true],
    ['docker.io/acme/x/app:dev-1', 'docker.io/*/app:*', false],
    ['a/b', 'a?b', false],
    ['ab', 'a?', true],
    ['a', 'a?', false],
    ['a😀b', 'a?b', true],
    ['axbxc', 'a*b*c', true],
    ['axbx', 'a*b*c', false],
    ['a+b', 'a+b', true],
    ['aab', 'a+b', false],
    ['a.b', 'a.b', true],
    ['axb', 'a.b', false],
    ['1.5', '1.[0-9]', true],
    ['1.x', '1.[0-9]', false],
    ['1.x', '1.[!0-9]', true],
    ['a]', 'a[]]', true],
    ['a-', 'a[b-]', true],
    ['a[b', 'a[b', true],
    ['[', '[', true],
    ['a/c', 'a[/]c', false],
    ['A', 'a', false],
    ['a{b,c}', 'a{b,c}', true],
    ['ab', 'a{b,c}', false],
    ['{1..2}', '{1..2}', true],
    ['!a', '!a', true],
    ['b', '!a', false],
    ['#a', '#a', true],
    ['.a', '*', true],
    ['a/..', 'a/*', true],
  ])('%s against %s: %s', (path, pattern, matches) => {
    expect(isPathMatch(path, pattern)).toBe(matches);
  });

  it('agrees with a regular expression made of the pattern', () => {
    const piece = fc.constantFrom('a', 'b', '*', '?', '/', '.', '-');
    const word = fc.array(piece, { maxLength: 10 }).map((pieces) => pieces.join(''));
    fc.assert(
      fc.property(
        word.map((text) => text.replace(/[*?]/g, 'c')),
        word,
        (path, pattern) => {
          const source = pattern.replace(/[.-]/g, '\\$&').replace(/\*/g, '[^/]*').replace(/\?/g, '[^/]');
          expect(isPathMatch(path, pattern)).toBe(new RegExp(`^${source}$`).test(path));
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('lets brackets stand for themselves when they are meant so', () => {
    expect(isPathMatch('[::1]:5000/app:dev-1', '[::1]:5000/app:dev-*')).toBe(false);
    expect(isPathMatch('[::1]:5000/app:dev-1', withoutClasses('[::1]:5000/app:dev-*'))).toBe(true);
    expect(isPathMatch(':/app:dev-1', withoutClasses('[::1]/app:dev-*'))).toBe(false);
  });

  it('answers at once for a pattern made to be slow', () => {
    expect(isPathMatch('a'.repeat(5_000), `${'a*'.repeat(300)}b`)).toBe(false);
  });
});
