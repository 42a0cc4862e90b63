/**
 * Go programs that say how docker's own code reads something: test/peers/go-*, built once into the cache folder.
 *
 * Without Go, or without the Go module proxy on the first run, the tests that need one are skipped; with
 * DTRUST_REQUIRE_PEERS=1 they fail.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { cacheFolder } from '../../scripts/peers/debian.ts';

const run = promisify(execFile);

const PEERS = path.join(import.meta.dirname, '..', 'peers');
const FILES = ['go.mod', 'go.sum', 'main.go'];
// BuildKit is a minute of compiling on a machine that does nothing else.
const BUILD_TIMEOUT_MS = 900_000;

export type GoProgram = { readonly program: string } | { readonly missing: string };

/** The program of a folder of test/peers, or why there is none. */
export async function buildGoProgram(name: string): Promise<GoProgram> {
  const source = path.join(PEERS, name);
  const hash = createHash('sha256');
  for (const file of FILES) hash.update(readFileSync(path.join(source, file)));
  const program = path.join(cacheFolder(), `${name}-${hash.digest('hex').slice(0, 16)}`);
  if (existsSync(program)) return { program };
  mkdirSync(cacheFolder(), { recursive: true });
  const folder = mkdtempSync(path.join(cacheFolder(), 'go-build-'));
  try {
    for (const file of FILES) cpSync(path.join(source, file), path.join(folder, file));
    await run('go', ['build', '-o', 'oracle', '.'], { cwd: folder, timeout: BUILD_TIMEOUT_MS });
    renameSync(path.join(folder, 'oracle'), program);
    return { program };
  } catch (error) {
    if (process.env.DTRUST_REQUIRE_PEERS === '1') throw error;
    return { missing: 'Go and its module proxy' };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** One answer for each question, in order; both are JSON, one to a line. */
export function askGoProgram<Question, Answer>(
  program: string,
  questions: readonly Question[],
): Promise<readonly Answer[]> {
  return new Promise((resolve, reject) => {
    const child = execFile(program, { maxBuffer: 1 << 28 }, (error, stdout) => {
      if (error !== null) return reject(error);
      const answers = stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Answer);
      return resolve(answers);
    });
    child.stdin?.end(questions.map((question) => `${JSON.stringify(question)}\n`).join(''));
  });
}
