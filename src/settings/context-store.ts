/**
 * Docker's context store: `<config>/contexts/meta/<sha256 of the name>/meta.json`, and TLS files under
 * `<config>/contexts/tls/<same>/docker/`. Read only; `docker context` writes it.
 */
import { createHash } from 'node:crypto';
import path from 'node:path';
import { LocalStateError } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';
import type { EngineTls } from './contexts.ts';
import { pair } from './engine-tls.ts';
import { type ReadableFiles, readFileIfPresent } from './local-files.ts';

export type ContextFiles = ReadableFiles;

export interface StoredContext {
  /** Address of the engine; '' is the default socket. */
  readonly host: string;
  readonly tls: EngineTls | undefined;
}

// Docker's rule for context names; what does not meet it cannot have been stored.
const CONTEXT_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$/;

/**
 * The engine of a stored context.
 * @throws LocalStateError CONTEXT_INVALID, FILE_UNREADABLE
 */
export function loadContext(fs: ContextFiles, configDirectory: string, name: string): StoredContext {
  if (!CONTEXT_NAME.test(name)) throw invalid(name, 'no context can have this name');
  const id = createHash('sha256').update(name, 'utf8').digest('hex');
  const store = path.join(configDirectory, 'contexts');
  const bytes = readFileIfPresent(fs, path.join(store, 'meta', id, 'meta.json'));
  if (bytes === undefined) {
    throw new LocalStateError({
      code: 'CONTEXT_INVALID',
      message: `context ${escapeText(name)} does not exist`,
      hints: ['docker context ls shows the contexts there are; docker context use default goes back'],
    });
  }
  const endpoint = parseEndpoint(bytes.toString('utf8'), name);
  return { host: endpoint.host, tls: storedTls(fs, path.join(store, 'tls', id, 'docker'), endpoint, name) };
}

interface Endpoint {
  readonly host: string;
  readonly skipTlsVerify: boolean;
}

function parseEndpoint(text: string, name: string): Endpoint {
  let meta: unknown;
  try {
    meta = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw invalid(name, 'its meta.json is not JSON', error);
  }
  // The folder is named by a hash; the name inside must be the one that was asked for.
  if (member(meta, 'Name') !== name) throw invalid(name, 'its meta.json names another context');
  const endpoint = member(member(meta, 'Endpoints'), 'docker');
  if (endpoint === undefined) throw invalid(name, 'it has no docker endpoint');
  const host = member(endpoint, 'Host') ?? '';
  const skip = member(endpoint, 'SkipTLSVerify') ?? false;
  if (typeof host !== 'string' || typeof skip !== 'boolean')
    throw invalid(name, 'its docker endpoint is not valid');
  return { host, skipTlsVerify: skip };
}

/** TLS is used where the store holds files for it, or where verification is switched off by name. */
function storedTls(
  fs: ContextFiles,
  folder: string,
  endpoint: Endpoint,
  name: string,
): EngineTls | undefined {
  const read = (file: string) => readFileIfPresent(fs, path.join(folder, file))?.toString('utf8');
  const files = { ca: read('ca.pem'), cert: read('cert.pem'), key: read('key.pem') };
  const none = files.ca === undefined && files.cert === undefined && files.key === undefined;
  if (none && !endpoint.skipTlsVerify) return undefined;
  return pair({ ...files, verify: !endpoint.skipTlsVerify }, `context ${name}`);
}

function member(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Record<string, unknown>)[name];
}

function invalid(name: string, why: string, cause?: unknown): LocalStateError {
  return new LocalStateError({
    code: 'CONTEXT_INVALID',
    message: `context ${escapeText(name)} cannot be used: ${why}`,
    ...(cause === undefined ? {} : { cause }),
  });
}
