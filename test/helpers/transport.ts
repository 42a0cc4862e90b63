/** A transport for tests: no proxies, no certificates, a manual clock, unless a test says otherwise. */

import { createTransport, type TransportOptions } from '../../src/http/create-transport.ts';
import type { ClosableTransport, HttpRequest } from '../../src/http/transport.ts';
import { realFileSystem } from '../../src/lib/file-system.ts';
import { NO_CERTIFICATES, type ServerCertificates } from '../../src/settings/certs.ts';
import { ManualClock } from './manual-clock.ts';

export interface TestTransport extends ClosableTransport {
  readonly clock: ManualClock;
  [Symbol.asyncDispose](): Promise<void>;
}

export function createTestTransport(
  overrides: Partial<Omit<TransportOptions, 'clock'>> & { readonly certificates?: ServerCertificates } = {},
): TestTransport {
  const clock = new ManualClock();
  const { certificates = NO_CERTIFICATES, ...options } = overrides;
  const transport = createTransport({
    tls: {
      certificatesFor: () => certificates,
      env: { sslCertFile: undefined, sslCertDir: undefined, nodeTrustChanged: false },
      fs: realFileSystem,
    },
    proxyFor: () => undefined,
    userAgent: 'dtrust-test',
    random: () => 0.5,
    ...options,
    clock,
  });
  return { ...transport, clock, [Symbol.asyncDispose]: () => transport.close() };
}

export function get(url: string, extra: Partial<HttpRequest> = {}): HttpRequest {
  return { method: 'GET', url: new URL(url), maxBytes: 1000, ...extra };
}
