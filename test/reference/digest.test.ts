import { describe, expect, test } from 'vitest';
import { UsageError } from '../../src/lib/errors.ts';
import {
  type Digest,
  digestAlgorithm,
  digestHex,
  digestOf,
  isDigest,
  isSha256,
  parseDigest,
} from '../../src/reference/digest.ts';

const HEX = '0123456789abcdef'.repeat(4);

describe('digests', () => {
  test.each([`sha256:${HEX}`, `sha384:${HEX}${HEX.slice(32)}`, `sha512:${HEX}${HEX}`])(
    'accepts %s',
    (text) => {
      expect(isDigest(text)).toBe(true);
      expect(parseDigest(text)).toBe(text);
      expect(isSha256(text)).toBe(text.startsWith('sha256:'));
    },
  );

  test.each([
    '',
    'sha256',
    'sha256:',
    HEX,
    `sha256:${HEX.slice(1)}`,
    `sha256:${HEX}0`,
    `sha256:${HEX.toUpperCase()}`,
    `SHA256:${HEX}`,
    `sha512:${HEX}`,
    `sha1:${HEX.slice(0, 40)}`,
    `md5:${HEX.slice(0, 32)}`,
    `sha256:${HEX.slice(1)}g`,
    ` sha256:${HEX}`,
    `sha256:${HEX}\n`,
    `sha256:${HEX}/../x`,
    `constructor:${HEX}`,
    `__proto__:${HEX}`,
    `sha256+b64:${HEX}`,
  ])('refuses %j', (text) => {
    expect(isDigest(text)).toBe(false);
    expect(isSha256(text)).toBe(false);
    expect(() => parseDigest(text)).toThrow(UsageError);
    expect(() => parseDigest(text)).toThrow(expect.objectContaining({ code: 'REFERENCE_INVALID' }));
  });

  test('is computed from bytes', () => {
    const digest = digestOf(new Uint8Array());
    expect(digest).toBe('sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    expect(isSha256(digest)).toBe(true);
    expect(digestHex(digest)).toHaveLength(64);
    expect(digestAlgorithm(`sha512:${HEX}${HEX}` as Digest)).toBe('sha512');
  });

  test('shows a text that is none without what a terminal obeys', () => {
    expect(() => parseDigest('\u001b[2J')).toThrow('\\u001b[2J');
  });
});
