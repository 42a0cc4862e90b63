/**
 * A file from the web that a build names, fetched to be read here once: by the rules of TLS, proxies, redirects and time
 * limits that registries are asked by. Nobody's credentials go with it: no login, no certificate of the user's, and not
 * what stands in the address itself.
 */
import assert from 'node:assert';
import { type OpenSpool, openSpool, type Spool } from '../enforce/build/context/spool.ts';
import { redactUrl } from '../http/redact.ts';
import type { ClosableTransport } from '../http/transport.ts';
import { hasCode, UsageError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { NO_CERTIFICATES } from '../settings/certs.ts';
import { proxyFor } from '../settings/proxies.ts';
import { type Context, note } from './context.ts';
import { USER_AGENT } from './version.ts';

export interface WebFile extends Spool {
  /** The address as it can be shown. */
  readonly shown: string;
}

/**
 * Fetches it into a file without a name. Whoever is done with it closes it.
 * @throws UsageError BUILD_CONTEXT_INVALID; NetworkError, every code; LocalStateError DISK_FULL, FILE_UNWRITABLE
 */
export async function fetchWeb(context: Context, address: string, mostBytes: number): Promise<WebFile> {
  if (!URL.canParse(address)) throw invalid(`${escapeShort(address)} is no URL`);
  const url = new URL(address);
  const shown = redactUrl(url);
  // A name and a password in the address are the builder's to use, if anybody's.
  url.username = '';
  url.password = '';
  const { temporaryFolder } = context;
  assert(temporaryFolder !== undefined, 'a build has a temporary folder');
  const spool = openSpool(temporaryFolder);
  const transport = await createWebTransport(context);
  try {
    const status = await getInto(transport, { url, mostBytes, spool, signal: context.signal });
    if (status < 200 || status > 299) throw invalid(`${shown} answers with status ${status}`);
    return { ...spool.whole(), shown };
  } catch (error) {
    spool.close();
    throw error;
  } finally {
    await transport.close();
  }
}

interface Getting {
  readonly url: URL;
  readonly mostBytes: number;
  readonly spool: OpenSpool;
  readonly signal: AbortSignal;
}

async function getInto(
  transport: ClosableTransport,
  { url, mostBytes, spool, signal }: Getting,
): Promise<number> {
  try {
    const request = { method: 'GET', url, maxBytes: mostBytes, into: spool, signal } as const;
    return (await transport.send(request)).status;
  } catch (error) {
    // A redirect that is not followed, or a compressed answer: said of registries elsewhere.
    if (!hasCode(error, 'REGISTRY_REDIRECT', 'REGISTRY_RESPONSE')) throw error;
    throw invalid(error.message, error);
  }
}

async function createWebTransport(context: Context): Promise<ClosableTransport> {
  const [{ createTransport }, { timeoutsFrom }] = await Promise.all([
    import('../http/create-transport.ts'),
    import('../http/timeouts.ts'),
  ]);
  const { env, fs, clock, random } = context;
  return createTransport({
    tls: { certificatesFor: () => NO_CERTIFICATES, env, fs },
    proxyFor: (url) => proxyFor(url, env.proxy),
    clock,
    random,
    userAgent: USER_AGENT,
    timeouts: timeoutsFrom(env.timeout),
    ...(env.debug === undefined ? {} : { log: (line: string) => note(context, `debug: ${line}`) }),
  });
}

function invalid(message: string, cause?: unknown): UsageError {
  return new UsageError({
    code: 'BUILD_CONTEXT_INVALID',
    message: `unable to prepare context: ${message}`,
    hints: ['Fetch it yourself (`curl -fsSLO URL`), and build from what you have.'],
    cause,
  });
}
