/**
 * The Dockerfile of a build whose context, or whose Dockerfile, is at an http or https address. It is fetched here only
 * to find the images that it names. The builder fetches from the same address for itself, and may be served something
 * else: what that names is held against the source policy like everything (docs/adr/0017-source-policy.md).
 */
import assert from 'node:assert';
import { streamContext } from '../enforce/build/context/archive-context.ts';
import { type DockerfileSource, MOST_DOCKERFILE_BYTES } from '../enforce/build/context/build-context.ts';
import { compressionOf } from '../enforce/build/context/decompress.ts';
import { contentOf } from '../enforce/build/context/spool.ts';
import { BLOCK } from '../enforce/build/context/tar-header.ts';
import { beginsTar } from '../enforce/build/context/tar-reader.ts';
import { UsageError } from '../lib/errors.ts';
import { helperEnvironment } from '../settings/environment.ts';
import type { Context } from './context.ts';
import { fetchWeb, type WebFile } from './fetch-web.ts';

/** Of a context, as it comes and unpacked: far more than anybody fetches for a build. */
const MOST_CONTEXT_BYTES = 2 * 1024 ** 3;

/** Whether BuildKit fetches it with http. */
export function isWebAddress(text: string): boolean {
  return /^https?:\/\//.test(text);
}

/**
 * `-f https://...`: the text as it is there.
 * @throws as `fetchWeb`
 */
export async function webDockerfile(context: Context, address: string): Promise<DockerfileSource> {
  const file = await fetchWeb(context, address, MOST_DOCKERFILE_BYTES);
  try {
    return textOf(file);
  } finally {
    file.close();
  }
}

/**
 * The Dockerfile of a context: an archive's, `-f` naming it; or what is there is the Dockerfile, whatever `-f` says, as
 * BuildKit has it.
 * @throws as `fetchWeb`
 */
export async function dockerfileOfWebContext(
  context: Context,
  address: string,
  file: string | undefined,
): Promise<DockerfileSource> {
  const fetched = await fetchWeb(context, address, MOST_CONTEXT_BYTES);
  try {
    if (!isArchive(fetched.readAt(0, BLOCK))) return textOf(fetched);
    return await dockerfileInArchive(context, fetched, file);
  } finally {
    fetched.close();
  }
}

async function dockerfileInArchive(
  { temporaryFolder, rawEnvironment }: Context,
  fetched: WebFile,
  file: string | undefined,
): Promise<DockerfileSource> {
  assert(temporaryFolder !== undefined, 'a build has a temporary folder');
  const environment = helperEnvironment(rawEnvironment);
  const options = { temporaryFolder, environment, file, mostBytes: MOST_CONTEXT_BYTES };
  const read = await streamContext(contentOf(fetched), options);
  try {
    return read.dockerfile;
  } finally {
    read.close();
  }
}

/** BuildKit unpacks gzip, bzip2 and xz here; what is compressed in another way is text to it. */
function isArchive(head: Buffer): boolean {
  const compression = compressionOf(head);
  return (compression !== undefined && compression !== 'zstd') || beginsTar(head);
}

function textOf({ size, readAt, shown }: WebFile): DockerfileSource {
  if (size <= MOST_DOCKERFILE_BYTES) return { bytes: readAt(0, size), name: shown };
  throw new UsageError({
    code: 'BUILD_CONTEXT_INVALID',
    message: `the Dockerfile ${shown} is larger than ${MOST_DOCKERFILE_BYTES} bytes`,
  });
}
