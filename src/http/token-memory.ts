/**
 * What a registry asked for when it was last asked: with it a token is fetched before the first request instead
 * of after a 401. It is a hint, checked again on each use by the rules for a challenge that comes over the wire.
 */
import { isDeepStrictEqual } from 'node:util';
import { writeFileAtomic } from '../lib/atomic-write.ts';
import { hasCode } from '../lib/errors.ts';
import type { FileSystem } from '../lib/file-system.ts';
import { type OwnFormat, upgraded } from '../lib/own-format.ts';
import { readFileIfPresent } from '../settings/local-files.ts';

export type RememberedChallenge =
  | { readonly scheme: 'basic' }
  | { readonly scheme: 'bearer'; readonly realm: string; readonly service: string | undefined };

/** Under `https://HOST`: a registry on this machine that speaks TLS, which is tried there after plain http. */
type Entry = RememberedChallenge | { readonly scheme: 'tls' };

/** Keyed by the registry's normalised host, so that one registry's realm can never serve for another's. */
export interface TokenMemory {
  get(host: string): RememberedChallenge | undefined;
  set(host: string, challenge: RememberedChallenge | undefined): void;
  /** Whether this loopback registry was last found to speak TLS: what is tried first, and nothing else. */
  speaksTls(host: string): boolean;
  noteTls(host: string, speaks: boolean): void;
}

interface Store {
  get(key: string): Entry | undefined;
  set(key: string, entry: Entry | undefined): void;
}

const tlsKey = (host: string): string => `https://${host}`;

function over({ get, set }: Store): TokenMemory {
  return {
    get(host) {
      const entry = get(host);
      return entry?.scheme === 'tls' ? undefined : entry;
    },
    set,
    speaksTls: (host) => get(tlsKey(host))?.scheme === 'tls',
    noteTls: (host, speaks) => set(tlsKey(host), speaks ? { scheme: 'tls' } : undefined),
  };
}

/** A memory as long as the process. */
export function createTokenMemory(entries: Iterable<[string, Entry]> = []): TokenMemory {
  const remembered = new Map(entries);
  return over({
    get: (key) => remembered.get(key),
    set(key, entry) {
      if (entry === undefined) remembered.delete(key);
      else remembered.set(key, entry);
    },
  });
}

const MAX_REMEMBERED = 256;

/** JSON for a file; at most the newest entries. */
export function renderTokenMemory(entries: ReadonlyMap<string, Entry>): string {
  const registries = Object.fromEntries([...entries].slice(-MAX_REMEMBERED));
  return `${JSON.stringify({ format: FORMAT.format, registries })}\n`;
}

/** Format 0, of the first versions, was the entries alone. */
const FORMAT: OwnFormat<object> = { format: 1, steps: new Map([[0, (registries) => ({ registries })]]) };

/**
 * Entries of such a file. Whatever is not one is left out: the file saves a request and decides nothing.
 *
 * @throws LocalStateError MEMORY_NEWER
 */
export function parseTokenMemory(text: string, path: string): Map<string, Entry> {
  const entries = new Map<string, Entry>();
  const file = parseObject(text);
  // A registry's entry is an object, also that of one called `format`.
  const format = 'format' in file && typeof file.format === 'number' ? file.format : 0;
  const { registries } = (upgraded(file, format, FORMAT, path) ?? {}) as { readonly registries?: unknown };
  if (typeof registries !== 'object' || registries === null) return entries;
  for (const [host, value] of Object.entries(registries)) {
    const challenge = parseRemembered(value);
    if (challenge !== undefined) entries.set(host, challenge);
  }
  return entries;
}

function parseObject(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : {};
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

function parseRemembered(value: unknown): Entry | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { scheme, realm, service } = value as Record<string, unknown>;
  if (scheme === 'basic' || scheme === 'tls') return { scheme };
  if (scheme !== 'bearer' || typeof realm !== 'string') return undefined;
  if (service !== undefined && typeof service !== 'string') return undefined;
  return { scheme, realm, service };
}

/**
 * A memory in a file, read at the first use and written when something changed. A file that cannot be written
 * (a read-only home, a full disk) costs the next command one request and nothing else.
 */
export function createFileTokenMemory(fs: FileSystem, path: string): TokenMemory {
  let entries: Map<string, Entry> | undefined;
  const load = () => {
    entries ??= parseTokenMemory(readFileIfPresent(fs, path)?.toString('utf8') ?? '{}', path);
    return entries;
  };
  return over({
    get: (key) => load().get(key),
    set(key, entry) {
      const known = load();
      if (isDeepStrictEqual(known.get(key), entry)) return;
      known.delete(key);
      if (entry !== undefined) known.set(key, entry);
      try {
        writeFileAtomic(fs, path, Buffer.from(renderTokenMemory(known), 'utf8'), 0o600, false);
      } catch (error) {
        if (!hasCode(error, 'DISK_FULL', 'FILE_UNWRITABLE')) throw error;
      }
    },
  });
}
