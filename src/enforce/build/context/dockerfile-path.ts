/** Which file of this machine is the Dockerfile of a folder, found as docker's command line finds it. */
import fs from 'node:fs';
import path from 'node:path';
import { UsageError } from '../../../lib/errors.ts';
import { escapeShort } from '../../../lib/escape.ts';
import { isSystemError } from '../../../lib/fs-error.ts';
import { DEFAULT_DOCKERFILE, type DockerfileSource, MOST_DOCKERFILE_BYTES } from './build-context.ts';

/**
 * The folder's own path, links resolved.
 * @throws UsageError BUILD_CONTEXT_INVALID
 */
export function contextFolder(given: string): string {
  const folder = guarded('unable to evaluate symlinks in context path', () => fs.realpathSync(given));
  if (!fs.statSync(folder).isDirectory()) {
    throw invalid(`unable to prepare context: context must be a directory: ${escapeShort(folder)}`);
  }
  return folder;
}

/**
 * The Dockerfile of a folder. `-f` names a file of this machine, inside the folder or not.
 * @throws UsageError BUILD_CONTEXT_INVALID
 */
export function dockerfileOfFolder(folder: string, file: string | undefined): DockerfileSource {
  const real = resolved(file === undefined ? defaultPath(folder) : path.resolve(file));
  const relative = path.relative(folder, real);
  return { bytes: readDockerfile(real), name: isOutside(relative) ? (file ?? real) : toSlashes(relative) };
}

/**
 * The Dockerfile of a folder that somebody else filled, a repository for example: `-f` names a file in it, and no link
 * leads out of it.
 * @throws UsageError BUILD_CONTEXT_INVALID
 */
export function dockerfileWithin(folder: string, file: string | undefined): DockerfileSource {
  const real = resolved(file === undefined ? defaultPath(folder) : path.resolve(folder, file));
  const relative = path.relative(folder, real);
  if (!isOutside(relative)) return { bytes: readDockerfile(real), name: toSlashes(relative) };
  throw invalid(
    `the Dockerfile (${escapeShort(file ?? DEFAULT_DOCKERFILE)}) must be within the build context`,
  );
}

/** `dockerfile` is found too, where there is no `Dockerfile`. */
function defaultPath(folder: string): string {
  const usual = path.join(folder, DEFAULT_DOCKERFILE);
  const lower = path.join(folder, DEFAULT_DOCKERFILE.toLowerCase());
  return !exists(usual) && exists(lower) ? lower : usual;
}

const exists = (file: string): boolean => fs.lstatSync(file, { throwIfNoEntry: false }) !== undefined;

function resolved(file: string): string {
  const doing = 'unable to prepare context: unable to evaluate symlinks in Dockerfile path';
  return guarded(doing, () => fs.realpathSync(file));
}

function readDockerfile(real: string): Uint8Array {
  const fd = guarded('cannot read the Dockerfile', () =>
    fs.openSync(real, fs.constants.O_RDONLY | (fs.constants.O_NONBLOCK ?? 0)),
  );
  try {
    const stat = fs.fstatSync(fd);
    if (!stat.isFile()) throw invalid(`the Dockerfile ${escapeShort(real)} is no file`);
    if (stat.size > MOST_DOCKERFILE_BYTES) {
      throw invalid(`the Dockerfile ${escapeShort(real)} is larger than ${MOST_DOCKERFILE_BYTES} bytes`);
    }
    return fs.readFileSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

const isOutside = (relative: string): boolean =>
  relative === '..' || relative.startsWith(`..${path.sep}`) || path.isAbsolute(relative);

const toSlashes = (file: string): string => file.split(path.sep).join('/');

function guarded<T>(doing: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof Error && isSystemError(error))) throw error;
    throw invalid(`${doing}: ${escapeShort(error.message)}`, error);
  }
}

function invalid(message: string, cause?: unknown): UsageError {
  return new UsageError({ code: 'BUILD_CONTEXT_INVALID', message, cause });
}
