/**
 * What comes on stdin as a build context: an archive, compressed or not, or the text of a Dockerfile that needs none.
 *
 * The engine looks for the Dockerfile by unpacking, so an archive can hold it under several spellings, as a link, or
 * twice, and two readers can find two of them. Exactly one regular member may be it; and what the engine then reads is
 * the Dockerfile that was parsed here, under a name of its own (context-archive.ts).
 */
import { UsageError } from '../../../lib/errors.ts';
import { escapeShort } from '../../../lib/escape.ts';
import {
  type BuildContext,
  type ContextMember,
  DEFAULT_DOCKERFILE,
  MOST_DOCKERFILE_BYTES,
} from './build-context.ts';
import { compressionOf, unpacked } from './decompress.ts';
import { IGNORE_FILE } from './ignore.ts';
import { type Spool, spoolStream } from './spool.ts';
import { BLOCK } from './tar-header.ts';
import { beginsTar, contextPath, type ReadAt, readTar, type TarMember } from './tar-reader.ts';

const CHUNK_BYTES = 256 * 1024;

export interface ArchiveOptions {
  /** Where a file without a name can be kept. */
  readonly temporaryFolder: string;
  /** For `bzip2` and `xz`. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** `-f`, a path in the archive. */
  readonly file: string | undefined;
  /** The most that it may be, unpacked; no limit for what the user hands over himself. */
  readonly mostBytes?: number;
}

/**
 * The context on a stream.
 * @throws UsageError BUILD_CONTEXT_INVALID; LocalStateError DISK_FULL, FILE_UNWRITABLE
 */
export async function streamContext(
  stream: AsyncIterable<Uint8Array>,
  options: ArchiveOptions,
): Promise<BuildContext> {
  const { head, whole } = await peek(stream);
  const compression = compressionOf(head);
  if (compression === undefined && !beginsTar(head)) return await dockerfileOnly(whole, options.file);
  const content = compression === undefined ? whole : unpacked(whole, compression, options.environment);
  const spool = await spoolStream(content, options.temporaryFolder, options.mostBytes);
  try {
    return archiveContext(spool, options.file);
  } catch (error) {
    spool.close();
    throw error;
  }
}

/** The beginning of a stream, and all of it. */
async function peek(
  stream: AsyncIterable<Uint8Array>,
): Promise<{ readonly head: Buffer; readonly whole: AsyncIterable<Uint8Array> }> {
  const chunks = stream[Symbol.asyncIterator]();
  const first: Uint8Array[] = [];
  for (let length = 0; length < BLOCK; ) {
    const { value, done } = await chunks.next();
    if (done === true) break;
    first.push(value);
    length += value.length;
  }
  const head = Buffer.concat(first);
  async function* whole(): AsyncGenerator<Uint8Array, void> {
    yield head;
    for (;;) {
      const { value, done } = await chunks.next();
      if (done === true) return;
      yield value;
    }
  }
  return { head, whole: whole() };
}

/** A Dockerfile alone: its context holds that file and nothing else. */
async function dockerfileOnly(
  stream: AsyncIterable<Uint8Array>,
  file: string | undefined,
): Promise<BuildContext> {
  if (file !== undefined) {
    throw new UsageError({
      code: 'USAGE',
      message: 'ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles',
    });
  }
  const bytes = await dockerfileText(stream);
  return {
    dockerfile: { bytes, name: DEFAULT_DOCKERFILE },
    members: [],
    ignoreFile: undefined,
    notes: [],
    close: () => undefined,
  };
}

/**
 * The text of a Dockerfile, to the end of a stream.
 * @throws UsageError BUILD_CONTEXT_INVALID
 */
export async function dockerfileText(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > MOST_DOCKERFILE_BYTES)
      throw invalid(`the Dockerfile on stdin is larger than ${MOST_DOCKERFILE_BYTES} bytes`);
  }
  return Buffer.concat(chunks);
}

function archiveContext({ readAt, close }: Spool, file: string | undefined): BuildContext {
  const all = readTar(readAt);
  const dockerfile = theDockerfile(all, file ?? DEFAULT_DOCKERFILE);
  const ignore = ignoreFileOf(all);
  return {
    dockerfile: { bytes: readAt(dockerfile.offset, dockerfile.size), name: dockerfile.path },
    members: all.filter(({ path }) => path !== IGNORE_FILE).map((each) => memberOf(each, readAt)),
    ignoreFile: ignore === undefined ? undefined : readAt(ignore.offset, ignore.size),
    notes: [],
    close,
  };
}

/** Cases count as spellings: docker takes `dockerfile` where there is no `Dockerfile`. */
function theDockerfile(all: readonly TarMember[], wanted: string): TarMember {
  const path = contextPath(wanted);
  if (path === undefined || path === '') {
    throw invalid(`the Dockerfile (${escapeShort(wanted)}) must be within the build context`);
  }
  const folded = path.toLowerCase();
  const found = all.filter((member) => member.path.toLowerCase() === folded);
  const lower = path === DEFAULT_DOCKERFILE ? folded : path;
  const [only] = found.filter((member) => member.path === path || member.path === lower);
  if (only === undefined) throw invalid(`Cannot locate specified Dockerfile: ${escapeShort(wanted)}`);
  if (found.length > 1) {
    const names = found.map(({ spelled }) => escapeShort(spelled)).join(', ');
    throw invalid(
      `more than one member of the archive could be the Dockerfile ${escapeShort(wanted)}: ${names}`,
    );
  }
  if (only.type !== 'file') throw notRegular(only, 'the Dockerfile');
  const above = folderThatIsNone(all, path);
  if (above !== undefined) throw notRegular(above, `the folder of the Dockerfile ${escapeShort(wanted)}`);
  if (only.size <= MOST_DOCKERFILE_BYTES) return only;
  throw invalid(`the Dockerfile ${escapeShort(only.spelled)} is larger than ${MOST_DOCKERFILE_BYTES} bytes`);
}

/** A link where a folder of that path is expected makes another path of it. */
function folderThatIsNone(all: readonly TarMember[], path: string): TarMember | undefined {
  const folded = path.toLowerCase();
  return all.find(
    (member) => member.type !== 'directory' && folded.startsWith(`${member.path.toLowerCase()}/`),
  );
}

function ignoreFileOf(all: readonly TarMember[]): TarMember | undefined {
  const found = all.filter(({ path }) => path === IGNORE_FILE);
  const [only] = found;
  if (found.length > 1) throw invalid(`${IGNORE_FILE} is more than once in the archive`);
  if (only !== undefined && only.type !== 'file') throw notRegular(only, `the ${IGNORE_FILE}`);
  if (only !== undefined && only.size > MOST_DOCKERFILE_BYTES) throw invalid(`${IGNORE_FILE} is too large`);
  return only;
}

function memberOf(member: TarMember, readAt: ReadAt): ContextMember {
  if (member.type !== 'file') return { header: member };
  return { header: member, open: () => ({ header: member, chunks: () => chunksOf(member, readAt) }) };
}

async function* chunksOf({ offset, size }: TarMember, readAt: ReadAt): AsyncGenerator<Uint8Array, void> {
  for (let at = 0; at < size; at += CHUNK_BYTES) {
    yield readAt(offset + at, Math.min(CHUNK_BYTES, size - at));
  }
}

function notRegular({ spelled, type }: TarMember, what: string): UsageError {
  return invalid(
    `${what} in the archive, ${escapeShort(spelled)}, is not a regular ${what.startsWith('the folder') ? 'folder' : 'file'} (${type})`,
  );
}

function invalid(message: string): UsageError {
  return new UsageError({ code: 'BUILD_CONTEXT_INVALID', message });
}
