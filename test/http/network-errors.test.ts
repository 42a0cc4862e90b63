import { describe, expect, it } from 'vitest';
import { isIssuerError, toNetworkError } from '../../src/http/network-errors.ts';
import { redactUrl } from '../../src/http/redact.ts';
import { LocalStateError, NetworkError } from '../../src/lib/errors.ts';

const URL_ASKED = new URL('https://registry.example/v2/a/manifests/1');

function withCode(code: string): Error {
  return Object.assign(new Error('whatever the system says'), { code });
}

describe('what the system reports, as codes', () => {
  it.each([
    ['ENOTFOUND', 'NETWORK_DNS'],
    ['EAI_AGAIN', 'NETWORK_DNS'],
    ['ECONNREFUSED', 'NETWORK_REFUSED'],
    ['EHOSTUNREACH', 'NETWORK_REFUSED'],
    ['ETIMEDOUT', 'NETWORK_TIMEOUT'],
    ['ECONNRESET', 'NETWORK_BROKEN'],
    ['UND_ERR_SOCKET', 'NETWORK_BROKEN'],
    ['HPE_INVALID_CONSTANT', 'NETWORK_BROKEN'],
    ['UND_ERR_HEADERS_OVERFLOW', 'NETWORK_TOO_LARGE'],
    ['CERT_HAS_EXPIRED', 'NETWORK_TLS'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'NETWORK_TLS'],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'NETWORK_TLS'],
    ['EPROTO', 'NETWORK_TLS'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'NETWORK_TLS'],
  ])('%s is %s', (code, expected) => {
    const error = toNetworkError(withCode(code), URL_ASKED);
    expect(error).toBeInstanceOf(NetworkError);
    expect(error).toMatchObject({ code: expected });
    expect(error.message).toContain('https://registry.example/v2/a/manifests/1');
    expect(error.message).toContain(code);
  });

  it('takes the first of several attempts for the cause', () => {
    const error = new AggregateError([withCode('ECONNREFUSED'), withCode('ENETUNREACH')], 'all failed');
    expect(toNetworkError(error, URL_ASKED)).toMatchObject({ code: 'NETWORK_REFUSED' });
  });

  it('passes an error of dtrust itself as it is', () => {
    const error = new LocalStateError({ code: 'CONFIG_INVALID', message: 'x' });
    expect(toNetworkError(error, URL_ASKED)).toBe(error);
  });

  it('does not take a bug for the network', () => {
    for (const bug of [
      new TypeError('x is not a function'),
      withCode('ERR_ASSERTION'),
      withCode('UND_ERR_INVALID_ARG'),
    ]) {
      expect(toNetworkError(bug, URL_ASKED)).toBe(bug);
    }
  });

  it('names only unknown issuers as worth another store of authorities', () => {
    expect(isIssuerError(withCode('UNABLE_TO_VERIFY_LEAF_SIGNATURE'))).toBe(true);
    expect(isIssuerError(withCode('CERT_HAS_EXPIRED'))).toBe(false);
    expect(isIssuerError(withCode('ERR_TLS_CERT_ALTNAME_INVALID'))).toBe(false);
  });
});

describe('URLs in messages', () => {
  it('show no user, password, fragment, signature or upload state', () => {
    const url = new URL(
      'https://me:secret@host:5000/v2/x?_state=abc&digest=sha256:aa&X-Amz-Signature=zz&scope=a:b#frag',
    );
    expect(redactUrl(url)).toBe(
      'https://host:5000/v2/x?_state=...&digest=sha256:aa&X-Amz-Signature=...&scope=a:b',
    );
  });
});
