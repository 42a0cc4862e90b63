/**
 * Reading meaning into a registry's refusal (OCI distribution specification 1.1.1, "Error codes").
 *
 * The body is written by the registry: it is bounded, parsed strictly, its codes are taken only when they look
 * like codes, and at most one message is kept, escaped and cut. A body that is no error body yields no codes
 * and never an error of its own: the status stands.
 */
import type { HttpResponse } from '../http/transport.ts';
import { type RegistryCode, RegistryError } from '../lib/errors.ts';
import { escapeShort, escapeText } from '../lib/escape.ts';
import { JsonError, type JsonValue, parseStrictJson } from '../lib/strict-json.ts';

/** What a registry's error body says. */
export interface ErrorBody {
  /** At most 8, upper-case names only. */
  readonly codes: readonly string[];
  /** The first message, escaped, at most 200 characters. */
  readonly message: string | undefined;
}

const NOTHING: ErrorBody = { codes: [], message: undefined };
const CODE = /^[A-Z][A-Z0-9_]{0,63}$/;
const MAX_CODES = 8;
/** Longer error bodies are not looked at. */
const MAX_BODY_BYTES = 64 * 1024;

/** The codes and the message of an error body; nothing for a body of any other form. Never throws. */
export function parseErrorBody(body: Uint8Array): ErrorBody {
  if (body.length === 0 || body.length > MAX_BODY_BYTES) return NOTHING;
  let value: JsonValue;
  try {
    value = parseStrictJson(body, 'error body', { numbers: 'finite', prototypeNames: 'keep', maxDepth: 16 });
  } catch (error) {
    // A proxy's HTML page, or a body that was made to confuse: it says nothing.
    if (error instanceof JsonError) return NOTHING;
    throw error;
  }
  const errors = value instanceof Map ? value.get('errors') : undefined;
  if (!Array.isArray(errors)) return NOTHING;
  const codes: string[] = [];
  let message: string | undefined;
  for (const entry of errors.slice(0, MAX_CODES)) {
    if (!(entry instanceof Map)) continue;
    const code: unknown = entry.get('code');
    const text: unknown = entry.get('message');
    if (typeof code === 'string' && CODE.test(code)) codes.push(code);
    if (typeof text === 'string' && text !== '') message ??= escapeShort(text);
  }
  return { codes, message };
}

/** The codes that say so; NOT_FOUND is Harbor's own, which answers nothing else for what it does not have. */
const ABSENT: ReadonlySet<string> = new Set(['MANIFEST_UNKNOWN', 'NAME_UNKNOWN', 'NOT_FOUND']);

/**
 * Protocol 3.3: whether an answer says that the manifest or its repository does not exist. A bare 404 says
 * only that something on the way does not know the address. [A proxy's 404 would read as "not signed yet".]
 */
export function saysAbsent(response: HttpResponse): boolean {
  return response.status === 404 && parseErrorBody(response.body).codes.some((code) => ABSENT.has(code));
}

/** An address for messages: origin and path, never the query (uploads carry their state, tokens, there). */
export function shownUrl(url: URL): string {
  return escapeText(`${url.protocol}//${url.host}${url.pathname}`);
}

/**
 * The error for an answer that is not the hoped one.
 * @param doing what was being done: `reading acme/app:1.0`; printed as it is.
 */
export function registryErrorFor(response: HttpResponse, doing: string): RegistryError {
  const { codes, message } = parseErrorBody(response.body);
  const said = [codes[0], message].filter((part) => part !== undefined).join(': ');
  return new RegistryError({
    code: codeFor(response.status),
    message: `${doing}: the registry answered ${response.status}${said === '' ? '' : ` (${said})`}`,
    status: response.status,
    registryCodes: codes,
    url: shownUrl(response.url),
    ...(message === undefined ? {} : { found: message }),
  });
}

function codeFor(status: number): RegistryCode {
  switch (status) {
    case 401:
      return 'REGISTRY_UNAUTHORIZED';
    case 403:
      return 'REGISTRY_DENIED';
    case 404:
      return 'REGISTRY_NOT_FOUND';
    case 429:
      return 'REGISTRY_RATE_LIMIT';
    default:
      return status >= 500 ? 'REGISTRY_UNAVAILABLE' : 'REGISTRY_RESPONSE';
  }
}
