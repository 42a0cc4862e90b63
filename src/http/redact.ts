/**
 * URLs for messages and logs: scheme, host and path, and of the query only what the protocol itself puts there.
 * Everything else in a query may be a signature or a token (a blob's redirect, an upload's state).
 */
import { escapeText } from '../lib/escape.ts';

const SHOWN_PARAMETERS = new Set(['digest', 'from', 'last', 'mount', 'n', 'scope', 'service']);

/** The URL without user, password, fragment and unknown query values; safe to print. */
export function redactUrl(url: URL): string {
  const query = [...url.searchParams].map(
    ([name, value]) => `${name}=${SHOWN_PARAMETERS.has(name) ? value : '...'}`,
  );
  const text = `${url.protocol}//${url.host}${url.pathname}${query.length === 0 ? '' : `?${query.join('&')}`}`;
  return escapeText(text);
}
