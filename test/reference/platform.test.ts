import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { UsageError } from '../../src/lib/errors.ts';
import {
  formatPlatform,
  matchesPlatform,
  normalizePlatform,
  parsePlatform,
  platformOfNode,
  runnablePlatforms,
} from '../../src/reference/platform.ts';
import { OFFERS, PLATFORM_TEXTS } from './platform-texts.ts';

const here = { os: 'linux', architecture: 'amd64' };

describe('platforms', () => {
  test.each([
    ['linux/amd64', 'linux/amd64'],
    ['Linux/AMD64', 'linux/amd64'],
    ['linux/x86_64', 'linux/amd64'],
    ['linux/x86-64', 'linux/amd64'],
    ['linux/amd64/v1', 'linux/amd64'],
    ['linux/amd64/v3', 'linux/amd64/v3'],
    ['linux/i386', 'linux/386'],
    ['linux/aarch64', 'linux/arm64'],
    ['linux/arm64/v8', 'linux/arm64/v8'],
    ['linux/arm64/8', 'linux/arm64/v8'],
    ['linux/armhf', 'linux/arm'],
    ['linux/armel', 'linux/arm/v6'],
    ['linux/arm', 'linux/arm'],
    ['linux/arm/7', 'linux/arm/v7'],
    ['linux/arm/v6', 'linux/arm/v6'],
    ['macos/arm64', 'darwin/arm64'],
    ['windows(10.0.17763)/amd64', 'windows(10.0.17763)/amd64'],
    ['linux', 'linux/amd64'],
    ['windows', 'windows/amd64'],
    ['arm64', 'linux/arm64'],
    ['aarch64', 'linux/arm64'],
    ['armhf', 'linux/arm'],
    ['riscv64', 'linux/riscv64'],
    ['weird/odd', 'weird/odd'],
  ])('%s is %s', (text, expected) => {
    const parsed = parsePlatform(text, here);
    expect(formatPlatform(parsed)).toBe(expected);
    expect(parsePlatform(expected, here)).toEqual(parsed);
    expect(Object.isFrozen(parsed)).toBe(true);
  });

  test.each([
    '',
    '/',
    'linux/',
    '/amd64',
    'linux/amd64/',
    'a/b/c/d',
    'linux/amd64/v1/',
    'nope',
    '*',
    'linux/*',
  ])('refuses %j', (text) => {
    expect(() => parsePlatform(text, here)).toThrow(UsageError);
    expect(() => parsePlatform(text, here)).toThrow(expect.objectContaining({ code: 'PLATFORM_INVALID' }));
  });

  test.each([
    'li nux/amd64',
    'linux/amd 64',
    'linux(a b)/amd64',
    'linux/a\n',
    'linux(1',
    'é/amd64',
    'toString',
  ])('refuses %j as well', (text) =>
    expect(() => parsePlatform(text, here)).toThrow(expect.objectContaining({ code: 'PLATFORM_INVALID' })),
  );

  test("this machine's platform fills in the missing half, in Go's names", () => {
    expect(platformOfNode('linux', 'x64')).toEqual(here);
    expect(platformOfNode('win32', 'ia32')).toEqual({ os: 'windows', architecture: '386' });
    expect(platformOfNode('darwin', 'arm64')).toEqual({ os: 'darwin', architecture: 'arm64' });
    expect(parsePlatform('linux', { os: 'linux', architecture: 'arm', variant: 'v6' })).toEqual({
      os: 'linux',
      architecture: 'arm',
      variant: 'v6',
    });
    expect(parsePlatform('linux').os).toBe('linux');
  });
});

describe('matching', () => {
  test.each<[string, string, boolean]>([
    ['linux/amd64', 'linux/amd64', true],
    ['linux/arm64', 'linux/arm64/v8', true],
    ['linux/arm', 'linux/arm/v7', true],
    ['linux/arm/v7', 'linux/arm/v6', false],
    ['linux/amd64', 'linux/386', false],
    ['linux/amd64', 'windows/amd64', false],
    ['linux/amd64', 'linux/amd64/v2', false],
    ['windows/amd64', 'windows(10.0)/amd64', true],
    ['windows(10.0)/amd64', 'windows(10.1)/amd64', false],
    ['windows(10.0)/amd64', 'windows/amd64', false],
  ])('%s and an image for %s: %s', (wanted, offered, expected) => {
    expect(matchesPlatform(parsePlatform(wanted), parsePlatform(offered))).toBe(expected);
  });

  test.each([
    ['linux/amd64', 'linux/amd64 linux/386'],
    ['linux/amd64/v3', 'linux/amd64/v3 linux/amd64/v2 linux/amd64/v1 linux/386'],
    ['linux/arm/v7', 'linux/arm/v7 linux/arm/v6 linux/arm/v5'],
    ['linux/arm64', 'linux/arm64 linux/arm/v8 linux/arm/v7 linux/arm/v6 linux/arm/v5'],
    ['linux/s390x', 'linux/s390x'],
    ['linux/arm/v5', 'linux/arm/v5'],
  ])('%s runs %s', (text, expected) => {
    expect(runnablePlatforms(parsePlatform(text)).map(formatPlatform).join(' ')).toBe(expected);
  });

  test('bounds what a hostile variant can make it list', () => {
    const many = runnablePlatforms({ os: 'linux', architecture: 'amd64', variant: 'v999999999' });
    expect(many.length).toBeLessThan(110);
  });

  test('normal forms are their own normal forms, and every platform matches itself', () => {
    fc.assert(
      fc.property(fc.constantFrom(...PLATFORM_TEXTS, ...OFFERS), (text) => {
        const parsed = parsePlatform(text, here);
        const normal = normalizePlatform(parsed);
        expect(normalizePlatform(normal)).toEqual(normal);
        expect(matchesPlatform(parsed, normal)).toBe(true);
        expect(runnablePlatforms(parsed).some((each) => matchesPlatform(each, parsed))).toBe(true);
      }),
    );
  });
});
