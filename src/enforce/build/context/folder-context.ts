/**
 * A folder as a build context, read as docker's command line reads it: in the order of names, less what `.dockerignore`
 * keeps out, links as links, everything owned by root. No link is followed, so nothing outside the folder is sent.
 */
import fs from 'node:fs';
import path from 'node:path';
import { UsageError } from '../../../lib/errors.ts';
import { escapeShort } from '../../../lib/escape.ts';
import { hasErrno, isSystemError } from '../../../lib/fs-error.ts';
import type { BuildContext, ContextMember, DockerfileSource, OpenedMember } from './build-context.ts';
import { type Above, IGNORE_FILE, IgnoreRules, readIgnoreLines } from './ignore.ts';
import type { TarHeader, TarType } from './tar-header.ts';

const CHUNK_BYTES = 256 * 1024;

/**
 * The context of a folder, whose Dockerfile is known already.
 * @throws UsageError BUILD_CONTEXT_INVALID
 */
export function folderContext(folder: string, dockerfile: DockerfileSource): BuildContext {
  const root = fs.realpathSync(folder);
  const ignoreFile = readIgnoreFile(root);
  const rules = new IgnoreRules(ignoreFile === undefined ? [] : readIgnoreLines(ignoreFile));
  const walk = new Walk(root, rules);
  walk.into('', undefined);
  return { dockerfile, members: walk.members, ignoreFile, notes: walk.notes, close: () => undefined };
}

class Walk {
  readonly members: ContextMember[] = [];
  readonly notes: string[] = [];
  readonly #root: string;
  readonly #rules: IgnoreRules;
  /** The first name of each file that has several. */
  readonly #seen = new Map<string, string>();

  constructor(root: string, rules: IgnoreRules) {
    this.#root = root;
    this.#rules = rules;
  }

  into(folder: string, above: Above): void {
    for (const name of this.#names(folder)) {
      const relative = folder === '' ? name : `${folder}/${name}`;
      // It is sent in the form that the engine is to read.
      if (relative === IGNORE_FILE) continue;
      const stat = this.#stat(relative);
      const { ignored, matched } = this.#rules.on(relative, above);
      if (!ignored) this.#add(relative, stat);
      if (stat.isDirectory() && (!ignored || this.#rules.mayKeepIn(relative))) this.into(relative, matched);
    }
  }

  #names(folder: string): readonly string[] {
    const raw = guarded(folder, () => fs.readdirSync(path.join(this.#root, folder), { encoding: 'buffer' }));
    return raw.sort(Buffer.compare).map((bytes) => {
      const name = bytes.toString('utf8');
      if (Buffer.from(name).equals(bytes)) return name;
      const shown = escapeShort(path.posix.join(folder, bytes.toString('latin1')));
      throw invalid(`the name of ${shown} is not UTF-8`);
    });
  }

  #stat(relative: string): fs.Stats {
    return guarded(relative, () => fs.lstatSync(path.join(this.#root, relative)));
  }

  #add(relative: string, stat: fs.Stats): void {
    const type = typeOf(stat);
    if (type === undefined) {
      this.notes.push(`${escapeShort(relative)} is a socket and is left out of the build context`);
      return;
    }
    const first = stat.nlink > 1 && type === 'file' ? this.#firstName(relative, stat) : relative;
    if (first !== relative) {
      this.members.push({ header: { ...headerOf(relative, 'link', stat), linkTo: first } });
      return;
    }
    const full = path.join(this.#root, relative);
    const header = headerOf(relative, type, stat);
    if (type === 'file') {
      guarded(relative, () => fs.accessSync(full, fs.constants.R_OK));
      this.members.push({ header, open: () => openFile(full, relative) });
    } else if (type === 'symlink') {
      this.members.push({ header: { ...header, linkTo: linkText(full, relative) } });
    } else {
      const device = type === 'character' || type === 'block' ? { device: deviceOf(stat) } : {};
      this.members.push({ header: { ...header, ...device } });
    }
  }

  #firstName(relative: string, { dev, ino }: fs.Stats): string {
    const key = `${dev}:${ino}`;
    const first = this.#seen.get(key) ?? relative;
    this.#seen.set(key, first);
    return first;
  }
}

/** A socket has no place in an archive. */
function typeOf(stat: fs.Stats): TarType | undefined {
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'directory';
  if (stat.isSymbolicLink()) return 'symlink';
  if (stat.isFIFO()) return 'fifo';
  if (stat.isCharacterDevice()) return 'character';
  return stat.isBlockDevice() ? 'block' : undefined;
}

function headerOf(relative: string, type: TarType, stat: fs.Stats): TarHeader {
  return {
    path: relative,
    type,
    mode: stat.mode & 0o7777,
    mtime: Math.floor(stat.mtimeMs / 1000),
    size: type === 'file' ? stat.size : 0,
  };
}

function linkText(full: string, relative: string): string {
  const bytes = guarded(relative, () => fs.readlinkSync(full, { encoding: 'buffer' }));
  const text = bytes.toString('utf8');
  if (!Buffer.from(text).equals(bytes)) throw invalid(`what ${escapeShort(relative)} links to is not UTF-8`);
  return text;
}

/** Linux's coding of device numbers. */
function deviceOf({ rdev }: fs.Stats): { major: number; minor: number } {
  const number = BigInt(rdev);
  return {
    major: Number(((number >> 8n) & 0xfffn) | ((number >> 32n) & ~0xfffn)),
    minor: Number((number & 0xffn) | ((number >> 12n) & 0xffffff00n)),
  };
}

/** A link that has taken the file's place since is not followed, and a pipe does not keep us waiting. */
function openFile(full: string, relative: string): OpenedMember {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
  const fd = guarded(relative, () => fs.openSync(full, O_RDONLY | (O_NOFOLLOW ?? 0) | (O_NONBLOCK ?? 0)));
  const stat = fs.fstatSync(fd);
  if (!stat.isFile()) {
    fs.closeSync(fd);
    throw invalid(`${escapeShort(relative)} is no file any more`);
  }
  return { header: headerOf(relative, 'file', stat), chunks: () => chunksOf(fd, stat.size, relative) };
}

async function* chunksOf(fd: number, size: number, relative: string): AsyncGenerator<Uint8Array, void> {
  try {
    for (let left = size; left > 0; ) {
      const chunk = Buffer.allocUnsafe(Math.min(left, CHUNK_BYTES));
      const read = fs.readSync(fd, chunk, 0, chunk.length, null);
      if (read === 0) throw invalid(`${escapeShort(relative)} became shorter while it was read`);
      left -= read;
      yield chunk.subarray(0, read);
    }
  } finally {
    fs.closeSync(fd);
  }
}

/** Its content goes to the engine, so it must lie in the context, wherever a link leads. */
function readIgnoreFile(root: string): Uint8Array | undefined {
  const full = path.join(root, IGNORE_FILE);
  try {
    const real = fs.realpathSync(full);
    if (!real.startsWith(root === path.sep ? root : root + path.sep))
      throw invalid(`${IGNORE_FILE} leads outside`);
    return fs.readFileSync(real);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined;
    if (!(error instanceof Error && isSystemError(error))) throw error;
    throw invalid(`error reading ${IGNORE_FILE}: ${error.message}`, error);
  }
}

function guarded<T>(relative: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!isSystemError(error)) throw error;
    const denied = hasErrno(error, 'EACCES') || hasErrno(error, 'EPERM');
    const what = denied ? 'no permission to read from' : "can't stat";
    throw invalid(`error checking context: ${what} '${escapeShort(relative)}'`, error);
  }
}

function invalid(message: string, cause?: unknown): UsageError {
  return new UsageError({ code: 'BUILD_CONTEXT_INVALID', message, cause });
}
