/**
 * What a registry asked for when it was last asked: with it a token is fetched before the first request instead
 * of after a 401. It is a hint, checked again on each use by the rules for a challenge that comes over the wire.
 */
import { isDeepStrictEqual } from 'node:util';
import { writeFileAtomic } from '../lib/atomic-write.ts';
import { hasCode } from '../lib/errors.ts';
import type { FileSystem } from '../lib/file-system.ts';
import { readFileIfPresent } from '../settings/local-files.ts';

export type RememberedChallenge =
  | { readonly scheme: 'basic' }
  | { readonly scheme: 'bearer'; readonly realm: string; readonly service: string | undefined };

/** Keyed by the registry's normalised host, so that one registry's realm can never serve for another's. */
export interface TokenMemory {
  get(host: string): RememberedChallenge | undefined;
  set(host: string, challenge: RememberedChallenge | undefined): void;
}

/** A memory as long as the process. */
export function createTokenMemory(entries: Iterable<[string, RememberedChallenge]> = []): TokenMemory {
  const remembered = new Map(entries);
  return {
    get: (host) => remembered.get(host),
    set(host, challenge) {
      if (challenge === undefined) remembered.delete(host);
      else remembered.set(host, challenge);
    },
  };
}

const MAX_REMEMBERED = 256;

/** JSON for a file; at most the newest entries. */
export function renderTokenMemory(entries: ReadonlyMap<string, RememberedChallenge>): string {
  return `${JSON.stringify(Object.fromEntries([...entries].slice(-MAX_REMEMBERED)))}\n`;
}

/**
 * Entries of such a file. Whatever is not one is left out: the file saves a request and decides nothing.
 */
export function parseTokenMemory(text: string): Map<string, RememberedChallenge> {
  const entries = new Map<string, RememberedChallenge>();
  for (const [host, value] of Object.entries(parseObject(text))) {
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

function parseRemembered(value: unknown): RememberedChallenge | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { scheme, realm, service } = value as Record<string, unknown>;
  if (scheme === 'basic') return { scheme };
  if (scheme !== 'bearer' || typeof realm !== 'string') return undefined;
  if (service !== undefined && typeof service !== 'string') return undefined;
  return { scheme, realm, service };
}

/**
 * A memory in a file, read at the first use and written when something changed. A file that cannot be written
 * (a read-only home, a full disk) costs the next command one request and nothing else.
 */
export function createFileTokenMemory(fs: FileSystem, path: string): TokenMemory {
  let entries: Map<string, RememberedChallenge> | undefined;
  const load = () => {
    entries ??= parseTokenMemory(readFileIfPresent(fs, path)?.toString('utf8') ?? '{}');
    return entries;
  };
  return {
    get: (host) => load().get(host),
    set(host, challenge) {
      const known = load();
      if (isDeepStrictEqual(known.get(host), challenge)) return;
      known.delete(host);
      if (challenge !== undefined) known.set(host, challenge);
      try {
        writeFileAtomic(fs, path, Buffer.from(renderTokenMemory(known), 'utf8'), 0o600, false);
      } catch (error) {
        if (!hasCode(error, 'DISK_FULL', 'FILE_UNWRITABLE')) throw error;
      }
    },
  };
}
