/** What of a user's own source policy stands beside dtrust's. */
import { describe, expect, test } from 'vitest';
import { parseUserPolicy } from '../../../src/enforce/build/user-policy.ts';
import { UsageError } from '../../../src/lib/errors.ts';
import { throwsCode } from '../../helpers/throws-code.ts';

const parse = (value: unknown) =>
  parseUserPolicy(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)), 'policy.json');
const convert = (from: string, to: string, more: object = {}) => ({
  action: 'CONVERT',
  selector: { identifier: from, ...more },
  updates: { identifier: to },
});

describe("design 3: a user's policy", () => {
  test('is taken apart: conversions, denials, and how many allowances are dropped', () => {
    const deny = { action: 'DENY', selector: { identifier: 'docker-image://x/*' } };
    const constraint = [{ key: 'k', value: 'v', condition: 'EQUAL' }];
    const kept = convert('https://a/x', 'https://b/x', { match_type: 'EXACT', constraints: constraint });
    const allow = { action: 'ALLOW', selector: { identifier: 'docker-image://*' } };
    expect(parse({ version: 1, rules: [allow, kept, deny, { selector: allow.selector }] })).toEqual({
      converts: [kept],
      denies: [deny],
      dropped: 2,
    });
  });

  test('without rules is no policy', () => {
    expect(parse({})).toEqual({ converts: [], denies: [], dropped: 0 });
  });

  test.each([
    convert('docker-image://docker.io/library/a:1', 'docker-image://mirror.example/a:1'),
    convert('docker-image://docker.io/*', 'docker-image://mirror.example/$1', { matchType: 'WILDCARD' }),
    convert('^docker-image://(.*)$', 'docker-image://mirror.example/$1', { matchType: 'REGEX' }),
    convert('https://a/*', 'https://b/*'),
    convert('git://a/*', 'https://b/*'),
    {
      action: 'CONVERT',
      selector: { identifier: 'https://a/x' },
      updates: { attrs: { 'http.checksum': `sha256:${'a'.repeat(64)}` } },
    },
  ])('may convert %j', (rule) => {
    expect(parse({ rules: [rule] }).converts).toEqual([rule]);
  });

  test.each([
    convert('docker-image://docker.io/library/a:1', 'https://evil.example/rootfs'),
    convert('docker-image://*', 'git://evil.example/x.git'),
    convert('docker-image://*', 'local://context'),
    convert('docker-image://*', 'oci-layout://x@sha256:0'),
    convert('docker-image://*', 'docker-image+blob://x@sha256:0'),
    convert('*', 'https://evil.example/rootfs'),
    convert('https://.*|docker-image://.*', 'https://evil.example/rootfs', { matchType: 'REGEX' }),
    convert('https://.*|docker-image://.*', 'https://evil.example/rootfs', { match_type: 'REGEX' }),
    convert('https://a', 'https://b', { matchType: 2 }),
  ])('may not put something in the place of an image: %j', (rule) => {
    throwsCode(() => parse({ rules: [rule] }), UsageError, 'USAGE');
  });

  test.each<[string, unknown]>([
    ['no JSON', '{'],
    ['no object', []],
    ['another member', { rules: [], extra: 1 }],
    ['rules that are no list', { rules: {} }],
    ['a rule that is none', { rules: [1] }],
    ['an action of another spelling', { rules: [{ action: 'deny', selector: { identifier: 'x' } }] }],
    ['an action by its number', { rules: [{ action: 1, selector: { identifier: 'x' } }] }],
    [
      'a member of another case, which Go would take',
      { rules: [{ Action: 'DENY', selector: { identifier: 'x' } }] },
    ],
    ['one member twice', '{"rules":[],"rules":[]}'],
    ['no selector', { rules: [{ action: 'DENY' }] }],
    ['a selector without a name', { rules: [{ action: 'DENY', selector: {} }] }],
    ['a target that is no text', { rules: [{ ...convert('a', 'b'), updates: { identifier: 1 } }] }],
  ])('is refused whole with %s', (_, value) => {
    const { hints } = throwsCode(() => parse(value), UsageError, 'USAGE');
    expect(hints.join()).toContain('EXPERIMENTAL_BUILDKIT_SOURCE_POLICY');
  });
});
