/**
 * Whether an error is OpenSSL's (or node:crypto's) answer to bytes it cannot use, rather than a bug. Its text may
 * quote the structure of a key and is not passed on.
 */
export function isCryptoError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && /^ERR_(?:OSSL|CRYPTO)_/.test(String(error.code));
}
