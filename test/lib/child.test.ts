import { describe, expect, it } from 'vitest';
import { ChildError, type ChildOptions, runChild } from '../../src/lib/child.ts';

/** Another node, so that the program is there on every system. */
const node = (script: string, more: Partial<ChildOptions> = {}): ReturnType<typeof runChild> =>
  runChild({
    file: process.execPath,
    args: ['-e', script],
    env: { PATH: '/usr/bin:/bin' },
    timeoutMs: 20_000,
    maxOutputBytes: 1_000,
    ...more,
  });

async function reasonOf(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(ChildError);
  return (error as ChildError).reason;
}

describe('running a program to its end', () => {
  it('gives it the input and returns what it says and its status', async () => {
    const script = 'process.stdin.pipe(process.stdout); process.stderr.write("aside"); process.exitCode = 3';
    const result = await node(script, { stdin: 'text in' });
    expect([result.stdout.toString(), result.stderr.toString(), result.status]).toEqual([
      'text in',
      'aside',
      3,
    ]);
  });

  it('gives it exactly the environment it is handed', async () => {
    const result = await node('console.log(JSON.stringify(process.env))', { env: { ONLY: 'this' } });
    expect(JSON.parse(result.stdout.toString())).toEqual({ ONLY: 'this' });
  });

  it('returns the signal that ended it', async () => {
    expect((await node('process.kill(process.pid, "SIGKILL")')).signal).toBe('SIGKILL');
  });

  it('does not mind a program that never reads its input', async () => {
    const result = await node('process.exit(0)', { stdin: 'x'.repeat(1_000_000) });
    expect(result.status).toBe(0);
  });

  it('ends one that says too much, on either stream', async () => {
    expect(await reasonOf(node('console.log("x".repeat(2000)); setInterval(() => 0, 1000)'))).toBe('output');
    expect(await reasonOf(node('console.error("x".repeat(2000)); setInterval(() => 0, 1000)'))).toBe(
      'output',
    );
  });

  it('ends one that takes too long', async () => {
    expect(await reasonOf(node('setInterval(() => 0, 1000)', { timeoutMs: 50 }))).toBe('timeout');
  });

  it('ends one when the caller is stopped, and starts none after that', async () => {
    const stop = new AbortController();
    const script = 'setInterval(() => 0, 1000)';
    const run = node(script, { signal: stop.signal });
    stop.abort();
    expect(await reasonOf(run)).toBe('stopped');
    expect(await reasonOf(node(script, { signal: stop.signal }))).toBe('stopped');
  });

  it('runs in the folder it is told', async () => {
    const { stdout } = await node('console.log(process.cwd())', { cwd: '/' });
    expect(stdout.toString()).toBe('/\n');
  });

  it('says when there is none', async () => {
    expect(await reasonOf(node('', { file: '/nonexistent/program' }))).toBe('start');
  });
});
