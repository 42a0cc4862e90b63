/**
 * Pages of a repository's tag list (OCI distribution specification 1.1.1, "Listing tags").
 *
 * The list is what a registry says it has: no evidence, used to offer names that are then verified one by one.
 */
import type { HttpResponse } from '../http/transport.ts';
import { RegistryError } from '../lib/errors.ts';
import { JsonError, type JsonValue, parseStrictJson } from '../lib/strict-json.ts';
import { shownUrl } from './error-body.ts';

// OCI distribution 1.1.1, "Pulling manifests": the grammar of a tag.
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
// RFC 8288: `<target>; rel="next"`. One link is all that registries send here.
const NEXT_LINK = /^\s*<([^<>]*)>\s*;\s*rel="?next"?\s*$/i;

/**
 * The tags of one page. What does not follow the grammar of tags cannot be named in any command and is left out.
 * @throws RegistryError REGISTRY_RESPONSE
 */
export function parseTagPage(response: HttpResponse): readonly string[] {
  let value: JsonValue;
  try {
    value = parseStrictJson(response.body, 'tag list', { numbers: 'finite' });
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw refuse(response, 'the registry sent no tag list', error);
  }
  const tags = value instanceof Map ? value.get('tags') : undefined;
  // distribution answers null for a repository whose last tag was deleted.
  if (tags === null) return [];
  if (!Array.isArray(tags)) throw refuse(response, 'the registry sent no tag list');
  return tags.filter((tag): tag is string => typeof tag === 'string' && TAG.test(tag));
}

/**
 * The address of the next page, undefined on the last one.
 * @throws RegistryError REGISTRY_REDIRECT when it leads to another origin, REGISTRY_RESPONSE
 */
export function nextPage(response: HttpResponse): URL | undefined {
  const link = response.headers.get('link');
  if (link === undefined) return undefined;
  const target = NEXT_LINK.exec(link)?.[1];
  const url = target === undefined ? null : URL.parse(target, response.url.href);
  if (url === null) throw refuse(response, 'the registry sent a Link that is none');
  // The link is chosen by the registry and asked with credentials: its own origin only.
  if (url.origin !== response.url.origin) {
    throw new RegistryError({
      code: 'REGISTRY_REDIRECT',
      message: 'the registry sends the next page of its tag list to another origin',
      url: shownUrl(url),
      expected: response.url.origin,
      found: url.origin,
    });
  }
  return url;
}

function refuse(response: HttpResponse, message: string, cause?: unknown): RegistryError {
  return new RegistryError({
    code: 'REGISTRY_RESPONSE',
    message,
    status: response.status,
    url: shownUrl(response.url),
    cause,
  });
}
