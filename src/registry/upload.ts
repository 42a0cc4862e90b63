/**
 * Where the bytes of an upload go (OCI distribution specification 1.1.1, "Pushing a blob monolithically").
 *
 * The registry names the address in `Location`: relative or absolute, with a query that must be kept. It is
 * chosen by the registry, so: the registry's own origin, or another one over https, to which the transport
 * sends no credentials (registries that take uploads through a storage host). Anything else is refused.
 */
import type { HttpResponse } from '../http/transport.ts';
import { RegistryError } from '../lib/errors.ts';
import type { Digest } from '../reference/digest.ts';
import { shownUrl } from './error-body.ts';

/**
 * The address for the PUT that ends an upload with these bytes.
 *
 * @param response the answer to the POST that opened it; its `url` is the registry's own origin
 * @throws RegistryError REGISTRY_RESPONSE without a usable Location, REGISTRY_REDIRECT for one that leads
 *   elsewhere without https
 */
export function uploadTarget(response: HttpResponse, digest: Digest, doing: string): URL {
  const location = response.headers.get('location');
  const url = location === undefined ? null : URL.parse(location, response.url.href);
  if (url === null || url.username !== '' || url.password !== '') {
    throw new RegistryError({
      code: 'REGISTRY_RESPONSE',
      message: `${doing}: the registry opened an upload without a usable Location`,
      status: response.status,
      url: shownUrl(response.url),
    });
  }
  if (url.origin !== response.url.origin && url.protocol !== 'https:') {
    throw new RegistryError({
      code: 'REGISTRY_REDIRECT',
      message: `${doing}: the registry sends the upload to another origin that is not https`,
      status: response.status,
      url: shownUrl(url),
      expected: response.url.origin,
      found: shownUrl(url),
    });
  }
  url.hash = '';
  // Appended by hand: URLSearchParams would re-encode the registry's own state, which some sign.
  url.search = `${url.search === '' ? '?' : `${url.search}&`}digest=${encodeURIComponent(digest)}`;
  return url;
}
