/**
 * What docker's own parsers say: the Go program in test/peers/go-reference, built once into the cache folder.
 *
 * Without Go, or without the Go module proxy on the first run, the tests that need it are skipped; with
 * DTRUST_REQUIRE_PEERS=1 they fail.
 */
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { cacheFolder } from '../../scripts/peers/debian.ts';

export interface Question {
  readonly kind: 'reference' | 'platform';
  readonly text: string;
  /** Platforms, between spaces: which of them does the platform asked about run? */
  readonly offers?: string;
}

export interface Answer {
  readonly error?: string;
  readonly domain?: string;
  readonly path?: string;
  readonly tag?: string;
  readonly digest?: string;
  readonly full?: string;
  readonly familiar?: string;
  readonly platform?: string;
  readonly runs?: string;
}

const SOURCE = path.join(import.meta.dirname, '..', 'peers', 'go-reference');
const FILES = ['go.mod', 'go.sum', 'main.go'];

/** The program, or why there is none. */
export function buildOracle(): { readonly program: string } | { readonly missing: string } {
  const hash = createHash('sha256');
  for (const file of FILES) hash.update(readFileSync(path.join(SOURCE, file)));
  const name = `go-reference-${hash.digest('hex').slice(0, 16)}`;
  const program = path.join(cacheFolder(), name);
  if (existsSync(program)) return { program };
  mkdirSync(cacheFolder(), { recursive: true });
  const folder = mkdtempSync(path.join(cacheFolder(), 'go-build-'));
  try {
    for (const file of FILES) cpSync(path.join(SOURCE, file), path.join(folder, file));
    execFileSync('go', ['build', '-o', 'oracle', '.'], { cwd: folder, stdio: 'pipe', timeout: 200_000 });
    renameSync(path.join(folder, 'oracle'), program);
    return { program };
  } catch (error) {
    if (process.env.DTRUST_REQUIRE_PEERS === '1') throw error;
    return { missing: 'Go and its module proxy' };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** One answer for each question, in order. */
export function ask(program: string, questions: readonly Question[]): Promise<readonly Answer[]> {
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
