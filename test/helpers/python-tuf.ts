/**
 * python-tuf as a peer: made once in the cache folder by scripts/peers/python-tuf.sh.
 *
 *     const python = pythonTuf();
 *     describe.skipIf(python.skip)(python.title('python-tuf verifies it'), () => { python.run('client.py', ...) });
 *
 * Where it cannot be had the block is skipped and says so; with DTRUST_REQUIRE_PEERS=1 it fails instead.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('../../scripts/peers/python-tuf.sh', import.meta.url));
const PROGRAMS = new URL('../trust/core/python/', import.meta.url);

export interface PythonTuf {
  readonly skip: boolean;
  title(title: string): string;
  /** Runs one of test/trust/core/python and gives its standard output. */
  run(program: string, args: readonly string[], input?: string): string;
}

export function pythonTuf(): PythonTuf {
  const made = spawnSync('sh', [SCRIPT], { encoding: 'utf8', timeout: 240_000 });
  const python = made.stdout?.trim() ?? '';
  const skip = made.status !== 0 || python === '';
  if (skip && process.env.DTRUST_REQUIRE_PEERS === '1') {
    throw new Error(`python-tuf is required and cannot be had: ${made.stderr}`);
  }
  return {
    skip,
    title: (title) => (skip ? `${title} (skipped: needs python-tuf)` : title),
    run: (program, args, input = '') =>
      execFileSync(python, [fileURLToPath(new URL(program, PROGRAMS)), ...args], {
        encoding: 'utf8',
        input,
        maxBuffer: 256 * 1024 * 1024,
        env: { ...process.env, PYTHONUTF8: '1', PYTHONDONTWRITEBYTECODE: '1' },
      }),
  };
}
