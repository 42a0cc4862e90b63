/**
 * Digests: names of bytes, `sha256:<64 lower-case hex digits>`.
 *
 * A Digest is always well formed for its algorithm (OCI image specification 1.1, "Digests"), so it can go into a
 * path or a URL as it is. sha384 and sha512 parse because docker takes them in a reference; trust data names
 * sha256 only, and whoever needs that asks `isSha256`.
 */
import { createHash } from 'node:crypto';
import { UsageError } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';

declare const digestBrand: unique symbol;
export type Digest = string & { readonly [digestBrand]: true };

/** Hex digits per algorithm; an algorithm that is not here names nothing. */
const HEX_LENGTH: ReadonlyMap<string, number> = new Map([
  ['sha256', 64],
  ['sha384', 96],
  ['sha512', 128],
]);

const FORM = /^([a-z0-9]+):([a-f0-9]+)$/;

/** Whether the text is a digest of a known algorithm; never throws. */
export function isDigest(text: string): text is Digest {
  const match = FORM.exec(text);
  // OCI image specification 1.1, "Digests": upper-case hex is no digest, so one content has one name.
  return match !== null && HEX_LENGTH.get(match[1] ?? '') === match[2]?.length;
}

/** Whether the text is a sha256 digest, the only kind that trust data can name. */
export function isSha256(text: string): text is Digest {
  return text.startsWith('sha256:') && isDigest(text);
}

/**
 * The digest a text spells.
 * @throws UsageError REFERENCE_INVALID
 */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text;
  throw new UsageError({
    code: 'REFERENCE_INVALID',
    message: `invalid digest: ${escapeText(text.slice(0, 200))}`,
    expected: 'sha256: and 64 lower-case hexadecimal digits',
  });
}

/** The sha256 digest of bytes. */
export function digestOf(bytes: Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest;
}

/** The hexadecimal part, without the algorithm. */
export function digestHex(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1);
}

/** `sha256`, `sha384` or `sha512`. */
export function digestAlgorithm(digest: Digest): string {
  return digest.slice(0, digest.indexOf(':'));
}
