/**
 * The one transport of a process, built once: redirects over retries over one attempt. undici, and with it most
 * of what a request costs to load, is imported by the first request.
 */
import type { Clock } from '../lib/clock.ts';
import { redactUrl } from './redact.ts';
import { withRedirects } from './redirects.ts';
import { withRetry } from './retry.ts';
import { DEFAULT_TIMEOUTS, type Timeouts } from './timeouts.ts';
import type { TlsSettings } from './tls-options.ts';
import type { ClosableTransport, HttpRequest, Transport } from './transport.ts';

export interface TransportOptions {
  readonly tls: TlsSettings;
  readonly proxyFor: (url: URL) => URL | undefined;
  readonly clock: Clock;
  readonly userAgent: string;
  readonly timeouts?: Timeouts;
  /** As Math.random, for the jitter of waits. */
  readonly random?: () => number;
  /** One line per attempt, safe to print; for DTRUST_DEBUG. */
  readonly log?: (line: string) => void;
}

/**
 * A transport for all hosts. Errors are NetworkError (any code), RegistryError REGISTRY_REDIRECT and
 * REGISTRY_RESPONSE, LocalStateError CONFIG_INVALID and FILE_UNREADABLE for certificates kept on this machine,
 * or the reason of the request's signal.
 */
export function createTransport(options: TransportOptions): ClosableTransport {
  let wire: Promise<ClosableTransport> | undefined;
  const once: Transport = async (request) => {
    wire ??= createWireOnDemand(options);
    return (await wire).send(request);
  };
  const { clock, random = Math.random, log } = options;
  const logged = log === undefined ? once : withLog(once, log, clock);
  return {
    send: withRedirects(withRetry(logged, { clock, random })),
    async close() {
      await (await wire)?.close();
    },
  };
}

async function createWireOnDemand(options: TransportOptions): Promise<ClosableTransport> {
  const [{ createWire }, { createConnect }, { createTlsOptions }] = await Promise.all([
    import('./undici-transport.ts'),
    import('./connect.ts'),
    import('./tls-options.ts'),
  ]);
  const { clock, proxyFor, userAgent, timeouts = DEFAULT_TIMEOUTS } = options;
  const connect = createConnect({ tls: createTlsOptions(options.tls), clock, connectMs: timeouts.connectMs });
  return createWire({ connect, proxyFor, clock, timeouts, userAgent });
}

function withLog(send: Transport, log: (line: string) => void, clock: Clock): Transport {
  return async (request: HttpRequest) => {
    const start = clock.monotonic();
    const line = (outcome: string) =>
      log(
        `${request.method} ${redactUrl(request.url)}: ${outcome}, ${Math.round(clock.monotonic() - start)} ms`,
      );
    try {
      const response = await send(request);
      line(`${response.status}, ${response.body.length} bytes`);
      return response;
    } catch (error) {
      line(error instanceof Error && 'code' in error ? String(error.code) : 'aborted');
      throw error;
    }
  };
}
