/** How a builder is tried, and which endings count. The texts are those of real builders. */
import { describe, expect, test } from 'vitest';
import { admitAllowed, admitLocal } from '../../../src/enforce/admit.ts';
import { allowance, denials, isAsDemanded, tellingLine } from '../../../src/enforce/build/canary.ts';
import type { Digest } from '../../../src/reference/digest.ts';
import { parseReference, withDefaultTag } from '../../../src/reference/reference.ts';
import { decide } from './policy-model.ts';

const GOOD = `sha256:${'a'.repeat(64)}` as Digest;
const reference = withDefaultTag(parseReference('alpine:3'));
const image = { reference, admission: admitAllowed(reference.repository, reference.tag, GOOD, undefined) };

const denied = (source: string) =>
  `ERROR: failed to solve: x: could not resolve image due to policy: source "${source}" denied by policy: source denied by policy\n`;

describe('design 3: what a builder must refuse', () => {
  test('a base by tag, a base by digest and a front end, each by a name of this call alone', () => {
    const first = denials('one');
    expect(first.map(({ dockerfile }) => dockerfile.split('\n')[0])).toEqual([
      'FROM dtrust.invalid/canary:one',
      'FROM scratch',
      '# syntax=dtrust.invalid/canary-front-end:one',
    ]);
    const sources = [...first, ...denials('two')].map(({ source }) => source);
    expect(new Set(sources).size).toBe(6);
  });

  test('a policy in the sense of BuildKit denies each of them', () => {
    for (const { rules, source = '' } of denials('n')) expect(decide(rules, source)).toBeUndefined();
  });

  test.each(denials('n'))('$source: counts when it failed by the policy, in its words', (solve) => {
    const { source = '' } = solve;
    expect(isAsDemanded(solve, { status: 1, output: denied(source) })).toBe(true);
  });

  test.each<[string, number | null, (source: string) => string]>([
    ['passed', 0, denied],
    [
      'failed to find the host: the policy was ignored',
      1,
      () => 'ERROR: lookup dtrust.invalid: no such host',
    ],
    ['was denied another source', 1, (source) => denied(`${source}x`)],
    ['printed the words without a source', 1, () => 'source denied by policy'],
    ['ended without a word', null, () => ''],
    ['knew no such flag', 125, () => 'unknown flag: --output'],
  ])('a trial that %s does not count', (_, status, output) => {
    for (const solve of denials('n')) {
      expect(isAsDemanded(solve, { status, output: output(solve.source ?? '') })).toBe(false);
    }
  });
});

describe('design 3: what a builder must let pass', () => {
  test('an admitted image, by a made-up name that only the conversion leads away from', () => {
    const { rules, dockerfile } = allowance({ ...image, platform: 'linux/arm64' }, 'n');
    expect(dockerfile).toBe('FROM --platform=linux/arm64 dtrust.invalid/canary:n\n');
    expect(decide(rules, 'docker-image://dtrust.invalid/canary:n')).toBe(
      `docker-image://docker.io/library/alpine:3@${GOOD}`,
    );
    expect(decide(rules, 'docker-image://docker.io/library/alpine:3')).toBeUndefined();
  });

  test('an image of the engine by its name for this build', () => {
    const { rules } = allowance({ reference, admission: admitLocal(GOOD, 'app:1') }, 'n');
    expect(decide(rules, 'docker-image://dtrust.invalid/canary:n')).toBe(
      `docker-image://dtrust.invalid/local:${'a'.repeat(64)}-n`,
    );
  });

  test('only an end without an error counts', () => {
    const solve = allowance(image, 'n');
    expect(isAsDemanded(solve, { status: 0, output: '' })).toBe(true);
    expect(isAsDemanded(solve, { status: 1, output: denied('docker-image://dtrust.invalid/canary:n') })).toBe(
      false,
    );
    expect(isAsDemanded(solve, { status: null, output: '' })).toBe(false);
  });
});

test.each([
  ['#1 x\nERROR: failed to solve: why\n\n', 'ERROR: failed to solve: why'],
  ['unknown flag: --output\n', 'unknown flag: --output'],
  ['\n', 'nothing'],
])('of %j the line that tells is %j', (output, line) => expect(tellingLine(output)).toBe(line));
