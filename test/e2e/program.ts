/**
 * The program under test: `bin/dtrust.js` beside a `dist/` that was built from the sources as they are now.
 *
 * `npm test` builds first, and then the project's own `dist/` is taken. Where sources are newer (one file of tests
 * run by hand), a build of its own is made once per state of the sources and kept under node_modules/.cache.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { build, projectRoot } from '../../scripts/build.ts';

const KEEP_MS = 3_600_000;

/** The Node that dtrust runs on, by its path: PATH of the child is the test's. */
export const NODE = fs.realpathSync(path.join(projectRoot, 'node_modules', '.bin', 'node'));

/** Path of a bin/dtrust.js whose build is up to date. */
export async function currentProgram(): Promise<string> {
  const sources = sourceFiles();
  const built = fs.statSync(path.join(projectRoot, 'dist', 'meta.json'), { throwIfNoEntry: false });
  const newest = Math.max(...sources.map((file) => fs.statSync(file).mtimeMs));
  if (built !== undefined && built.mtimeMs > newest) return path.join(projectRoot, 'bin', 'dtrust.js');
  return await buildApart(sources);
}

function sourceFiles(): readonly string[] {
  const folders = ['src', 'bin', path.join('scripts', 'build')];
  const files = folders.flatMap((folder) =>
    fs
      .readdirSync(path.join(projectRoot, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.join(entry.parentPath, entry.name)),
  );
  return [...files, path.join(projectRoot, 'scripts', 'build.ts')].sort();
}

async function buildApart(sources: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const file of sources) hash.update(`${file}\0`).update(fs.readFileSync(file));
  const cache = path.join(projectRoot, 'node_modules', '.cache', 'dtrust-e2e');
  const place = path.join(cache, hash.digest('hex').slice(0, 16));
  const program = path.join(place, 'bin', 'dtrust.js');
  if (fs.existsSync(program)) return program;
  fs.mkdirSync(cache, { recursive: true });
  removeOld(cache);
  const part = fs.mkdtempSync(path.join(cache, 'part-'));
  await build({ outdir: path.join(part, 'dist') });
  fs.cpSync(path.join(projectRoot, 'bin'), path.join(part, 'bin'), { recursive: true });
  fs.writeFileSync(path.join(part, 'package.json'), '{"type":"module"}');
  try {
    fs.renameSync(part, place);
  } catch (error) {
    // Another file of tests has built the same in the meantime.
    if (!['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    fs.rmSync(part, { recursive: true, force: true });
  }
  return program;
}

function removeOld(cache: string): void {
  for (const name of fs.readdirSync(cache)) {
    const entry = path.join(cache, name);
    const stat = fs.statSync(entry, { throwIfNoEntry: false });
    if (stat !== undefined && Date.now() - stat.mtimeMs > KEEP_MS) {
      fs.rmSync(entry, { recursive: true, force: true });
    }
  }
}
