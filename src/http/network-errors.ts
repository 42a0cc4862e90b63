/**
 * What Node, OpenSSL and undici report, as the few things that a user can act on: no such name, nobody listens,
 * the connection broke, no answer in time, the certificate is not acceptable.
 */
import { DtrustError, type NetworkCode, NetworkError } from '../lib/errors.ts';
import { redactUrl } from './redact.ts';

const DNS = new Set(['ENOTFOUND', 'EAI_AGAIN', 'EAI_FAIL', 'EAI_NONAME', 'EAI_NODATA']);
const REFUSED = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'EHOSTDOWN',
  'ENETDOWN',
]);

/** OpenSSL's verdicts that name the issuer: another store of authorities may know it. */
const ISSUER = new Set([
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'CERT_UNTRUSTED',
]);
const CERTIFICATE =
  /^(?:ERR_TLS_|ERR_SSL_|ERR_OSSL_|CERT_|CRL_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED|HOSTNAME_MISMATCH|EE_KEY_TOO_SMALL|CA_MD_TOO_WEAK|EPROTO)/;

/** The `code` of a system, OpenSSL or undici error; of several attempts, the first one's. */
export function errorCode(error: unknown): string {
  if (error instanceof AggregateError) {
    const [first]: readonly unknown[] = error.errors;
    return errorCode(first);
  }
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/** Whether a certificate was refused only because its issuer is not known. */
export function isIssuerError(error: unknown): boolean {
  return ISSUER.has(errorCode(error));
}

function networkCode(code: string): NetworkCode {
  if (DNS.has(code)) return 'NETWORK_DNS';
  if (REFUSED.has(code)) return 'NETWORK_REFUSED';
  if (code === 'ETIMEDOUT') return 'NETWORK_TIMEOUT';
  if (code === 'UND_ERR_HEADERS_OVERFLOW') return 'NETWORK_TOO_LARGE';
  return CERTIFICATE.test(code) ? 'NETWORK_TLS' : 'NETWORK_BROKEN';
}

const SAYS: Readonly<Record<NetworkCode, string>> = {
  NETWORK_DNS: 'the name cannot be resolved',
  NETWORK_REFUSED: 'nobody answers there',
  NETWORK_BROKEN: 'the connection broke before the answer was complete',
  NETWORK_TIMEOUT: 'no answer in time',
  NETWORK_TLS: 'no trusted TLS connection',
  NETWORK_PROXY: 'the proxy does not let through',
  NETWORK_TOO_LARGE: 'the answer is larger than it may be',
};

/** Whether an error says that this program is wrong, not the network: to be shown with its stack. */
function isBug(error: unknown): error is Error {
  if (error instanceof RangeError || error instanceof ReferenceError || error instanceof TypeError)
    return true;
  return ['ERR_ASSERTION', 'UND_ERR_INVALID_ARG'].includes(errorCode(error));
}

/** The NetworkError for a failed exchange with `url`; a DtrustError, or a bug, passes as it is. */
export function toNetworkError(error: unknown, url: URL): Error {
  if (error instanceof DtrustError || isBug(error)) return error;
  const detail = errorCode(error);
  const code = networkCode(detail);
  return networkError(code, url, { detail, cause: error });
}

export interface NetworkErrorExtras {
  /** A code of Node or OpenSSL, or a few words of our own. */
  readonly detail?: string;
  readonly hints?: readonly string[];
  readonly cause?: unknown;
}

/** A NetworkError that names where the exchange went. */
export function networkError(code: NetworkCode, url: URL, extras: NetworkErrorExtras = {}): NetworkError {
  const detail = extras.detail ? ` (${extras.detail})` : '';
  const hints = extras.hints ?? (code === 'NETWORK_TLS' ? tlsHints(extras.detail ?? '', url) : []);
  return new NetworkError({
    code,
    message: `${redactUrl(url)}: ${SAYS[code]}${detail}`,
    hints,
    ...(extras.cause === undefined ? {} : { cause: extras.cause }),
  });
}

function tlsHints(detail: string, url: URL): readonly string[] {
  if (ISSUER.has(detail))
    return [`put the authority's certificate at /etc/docker/certs.d/${url.host}/ca.crt`];
  if (detail === 'CERT_HAS_EXPIRED') return ['the certificate has expired, or this machine has a wrong date'];
  if (detail === 'CERT_NOT_YET_VALID') return ['this machine may have a wrong date'];
  return [];
}
