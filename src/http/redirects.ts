/**
 * Following redirects by hand, because where a registry points is the registry's choice, and what a request
 * carries is not for others.
 *
 * To another origin a request goes without any header but the plain ones, and with its certificate verified.
 * From https to http: never. A write is repeated at the same origin only, and only where the status keeps its
 * method (307, 308). An upload's Location is no redirect and not followed here.
 */
import { RegistryError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { redactUrl } from './redact.ts';
import type { HttpRequest, HttpResponse, Transport } from './transport.ts';

const MAX_REDIRECTS = 5;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/** Headers that say what is wanted and nothing about who wants it. Range, for a blob in parts. */
const PLAIN_HEADERS = new Set(['accept', 'range', 'user-agent']);

/**
 * A transport that follows redirects.
 * @throws RegistryError REGISTRY_REDIRECT
 */
export function withRedirects(send: Transport): Transport {
  return async (first) => {
    let request = first;
    for (let followed = 0; followed <= MAX_REDIRECTS; followed += 1) {
      const response = await send(request);
      const location = REDIRECTS.has(response.status) ? response.headers.get('location') : undefined;
      if (location === undefined) return response;
      request = redirected(request, response, location);
    }
    throw refused(request.url, `more than ${MAX_REDIRECTS} redirects`);
  };
}

function redirected(request: HttpRequest, response: HttpResponse, location: string): HttpRequest {
  const target = parseLocation(location, response.url);
  const sameOrigin = target.origin === request.url.origin;
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    if (!sameOrigin) throw refused(request.url, `a ${request.method} is sent on to ${target.origin}`);
    if (response.status !== 307 && response.status !== 308) {
      throw refused(request.url, `a ${request.method} is answered with ${response.status}`);
    }
  }
  if (sameOrigin) return { ...request, url: target };
  const { tls: _, headers, ...rest } = request;
  return { ...rest, url: target, headers: plainHeaders(headers ?? {}) };
}

/**
 * The target of a Location, relative ones resolved; https stays https, and nobody puts a user into it.
 * @throws RegistryError REGISTRY_REDIRECT
 */
export function parseLocation(location: string, base: URL): URL {
  if (!URL.canParse(location, base.href))
    throw refused(base, `the target is no URL: ${escapeShort(location)}`);
  const target = new URL(location, base);
  if (target.protocol !== 'https:' && target.protocol !== 'http:') {
    throw refused(base, `the target is neither https nor http: ${escapeShort(target.protocol)}`);
  }
  if (base.protocol === 'https:' && target.protocol === 'http:') {
    throw refused(base, `the target is plain http at ${target.host}`);
  }
  // Credentials in a Location would be sent by no one's decision but the server's.
  if (target.username !== '' || target.password !== '') throw refused(base, 'the target names a user');
  target.hash = '';
  return target;
}

function plainHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => PLAIN_HEADERS.has(name.toLowerCase())),
  );
}

function refused(url: URL, why: string): RegistryError {
  return new RegistryError({
    code: 'REGISTRY_REDIRECT',
    message: `${redactUrl(url)}: redirect refused: ${why}`,
    url: redactUrl(url),
  });
}
