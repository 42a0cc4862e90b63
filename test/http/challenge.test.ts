import { describe, expect, it } from 'vitest';
import { type Challenge, parseChallenges } from '../../src/http/challenge.ts';
import { RegistryError } from '../../src/lib/errors.ts';

function shown(challenges: readonly Challenge[]): unknown[] {
  return challenges.map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);
}

describe('RFC 7235: a WWW-Authenticate header', () => {
  it.each([
    [
      'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/nginx:pull,push"',
      [
        [
          'bearer',
          {
            realm: 'https://auth.docker.io/token',
            service: 'registry.docker.io',
            scope: 'repository:library/nginx:pull,push',
          },
        ],
      ],
    ],
    ['Basic realm="Registry Realm"', [['basic', { realm: 'Registry Realm' }]]],
    ['BASIC Realm=x', [['basic', { realm: 'x' }]]],
    ['Basic realm="a", charset="UTF-8"', [['basic', { realm: 'a', charset: 'UTF-8' }]]],
    ['Basic  realm = "a" , charset = "b"', [['basic', { realm: 'a', charset: 'b' }]]],
    ['Basic realm="a \\"quoted\\" \\\\ b"', [['basic', { realm: 'a "quoted" \\ b' }]]],
    ['Negotiate', [['negotiate', {}]]],
    ['Negotiate YWJjZA==', [['negotiate', {}]]],
    [
      'Negotiate YWJj=, Basic realm="a", Bearer realm="b",service="c"',
      [
        ['negotiate', {}],
        ['basic', { realm: 'a' }],
        ['bearer', { realm: 'b', service: 'c' }],
      ],
    ],
    [
      'Negotiate, Basic realm=""',
      [
        ['negotiate', {}],
        ['basic', { realm: '' }],
      ],
    ],
    [', , Basic realm="a",, ', [['basic', { realm: 'a' }]]],
    // By the grammar a token68, not a parameter: a challenge without a realm.
    ['Bearer realm=', [['bearer', {}]]],
    ['', []],
  ])('accepts %j', (header, expected) => {
    expect(shown(parseChallenges(header))).toEqual(expected);
  });

  it('keeps what is quoted inside its quotes: an injected realm is text', () => {
    const [challenge] = parseChallenges(
      'Bearer service="x, Bearer realm=\\"https://evil.example\\"",realm="https://good.example"',
    );
    expect(challenge?.parameters.get('realm')).toBe('https://good.example');
  });

  it.each([
    'Bearer realm="https://a.example',
    'Bearer realm=https://a.example/token',
    'Bearer realm="a" service="b"',
    'Bearer realm="a",realm="b"',
    'Bearer realm="a",Realm="b"',
    'Bearer realm="a"x',
    'Bearer realm="a\u0000"',
    'Bearer realm="a\r\nX: y"',
    'Bearer "a"',
    '="a"',
    'realm="a"',
    'Bearer realm="a"; service="b"',
    `Bearer realm="${'a'.repeat(9000)}"`,
    'A, B, C, D, E, F, G, H, I',
  ])('refuses %j', (header) => {
    expect(() => parseChallenges(header)).toThrow(RegistryError);
    expect(() => parseChallenges(header)).toThrow(expect.objectContaining({ code: 'REGISTRY_RESPONSE' }));
  });

  it('reads the longest header it takes in no time, whatever is in it', () => {
    for (const piece of ['\\"', 'a=', '" ', ',', 'a ', '= ']) {
      const started = performance.now();
      const header = `Bearer realm="${piece.repeat(4000)}`.slice(0, 8192);
      expect(() => parseChallenges(header)).toThrow(RegistryError);
      expect(performance.now() - started).toBeLessThan(1000);
    }
  });
});
