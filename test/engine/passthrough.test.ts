/**
 * Docker's part is played by cat under the name docker: its arguments are the files in /proc that tell how it was
 * started, and what it prints is the answer. Each call is made twice, by the name docker and through dtrust, by
 * the same shell with the same environment, and the bytes are compared.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { enforcedEnvironment } from '../../src/engine/run-docker.ts';

const FIXTURE = path.join(import.meta.dirname, 'fixtures/pass-on.ts');

interface Ended {
  readonly stdout: Buffer;
  readonly stderr: string;
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}

describe.skipIf(process.platform !== 'linux')('contract (Passing on): a passed-on call', () => {
  let folder: string;

  beforeAll(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'dtx-'));
    fs.mkdirSync(path.join(folder, 'bin'));
    const cat = execFileSync('sh', ['-c', 'command -v cat'], { encoding: 'utf8' }).trim();
    fs.copyFileSync(fs.realpathSync(cat), path.join(folder, 'bin/docker'));
    // So that both ways have one environment: `dtrust` is found on PATH too.
    fs.writeFileSync(
      path.join(folder, 'bin/dtrust'),
      `#!/bin/sh\nexec '${process.execPath}' '${FIXTURE}' "$@"\n`,
      {
        mode: 0o755,
      },
    );
  });
  afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

  const environment = (more: Record<string, string> = {}): Record<string, string> => ({
    PATH: `${folder}/bin:/usr/bin:/bin`,
    HOME: folder,
    ...more,
  });

  /** Runs a shell script in which $C is the command under test. */
  function shell(command: 'docker' | 'dtrust', script: string, env = environment()): Ended {
    // dtrust itself is started by exec of node: the shell's own variable must not stand in the environment.
    const start = command === 'docker' ? 'docker' : `'${process.execPath}' '${FIXTURE}'`;
    const { stdout, stderr, status, signal } = spawnSync('sh', ['-c', script.replaceAll('$C', start)], {
      env,
      cwd: folder,
      input: 'from stdin\n',
    });
    return { stdout, stderr: stderr.toString(), status, signal };
  }

  function same(script: string, env?: Record<string, string>): Ended {
    const direct = shell('docker', script, env);
    const passed = shell('dtrust', script, env);
    expect(passed).toEqual(direct);
    return passed;
  }

  it('has the same argument bytes, empty ones, line ends and characters outside ASCII among them', () => {
    const { stdout } = same(`exec $C -- /proc/self/cmdline '' 'a
b' 'ünï' '日本' '--x=\\\\' '*' '$HOME'`);
    expect(stdout.toString()).toContain('docker\0--\0/proc/self/cmdline\0\0a\nb\0ünï\0日本\0');
  });

  it('has the same environment bytes', () => {
    const more = { EMPTY: '', 'odd-name': 'x', LINES: 'a\nb\n', DOCKER_CONTENT_TRUST: '1', NODE_OPTIONS: '' };
    const { stdout } = same('exec $C /proc/self/environ', environment(more));
    expect(stdout.toString()).toContain('DOCKER_CONTENT_TRUST=1\0');
    expect(stdout.toString()).not.toContain('DTRUST_DEPTH');
  });

  it('keeps arguments that are not UTF-8', () => {
    const script = `exec $C /proc/self/cmdline "$(printf 'a\\377b')" plain "$(printf '\\303(\\n_')"`;
    const direct = shell('docker', script);
    const passed = shell('dtrust', script);
    const behindName = (bytes: Buffer): Buffer => bytes.subarray(bytes.indexOf(0));
    expect(behindName(passed.stdout)).toEqual(behindName(direct.stdout));
    expect(passed.stdout.includes(Buffer.from([0x61, 0xff, 0x62, 0]))).toBe(true);
    expect(passed.status).toBe(direct.status);
  });

  it('keeps variables that are not UTF-8, and all others with them', () => {
    const script = `BAD="$(printf 'x\\377\\n\\nz')"; END="$(printf '\\376\\n\\n.')"; export BAD END; exec $C /proc/self/environ`;
    const env = environment({ 'odd-name': 'kept', LC_ALL: 'POSIX', QUOTES: `'"$(no)\`` });
    const entries = (bytes: Buffer): string[] => bytes.toString('latin1').split('\0').filter(Boolean).sort();
    const direct = entries(shell('docker', script, env).stdout);
    expect(entries(shell('dtrust', script, env).stdout)).toEqual(direct);
    expect(direct).toContain('BAD=x\xff\n\nz');
  });

  it('has the same standard streams, none of them non-blocking', () => {
    const files = '/proc/self/fdinfo/0 /proc/self/fdinfo/1 /proc/self/fdinfo/2';
    const { stdout } = same(`printf x | $C ${files} 2>/dev/null | grep ^flags`);
    const flags = [...stdout.toString().matchAll(/^flags:\s+(\d+)$/gm)].map((match) =>
      Number.parseInt(match[1]!, 8),
    );
    expect(flags).toHaveLength(3);
    expect(flags.every((each) => (each & 0o4000) === 0)).toBe(true);
  });

  it('has the same working folder, umask and priority, and blocks the same signals', () => {
    fs.writeFileSync(path.join(folder, 'here'), 'read from the working folder\n');
    expect(same('exec $C here').stdout.toString()).toBe('read from the working folder\n');
    const read = (command: 'docker' | 'dtrust'): string[] =>
      shell(command, 'umask 027; exec $C /proc/self/status')
        .stdout.toString()
        .split('\n')
        .filter((line) => /^(Umask|SigBlk|SigCgt|Uid|Gid|NoNewPrivs):/.test(line));
    expect(read('dtrust')).toEqual(read('docker'));
    const ignored = (command: 'docker' | 'dtrust'): bigint =>
      BigInt(
        `0x${/^SigIgn:\s+([0-9a-f]+)$/m.exec(shell(command, 'exec $C /proc/self/status').stdout.toString())?.[1]}`,
      );
    // Node ignores these two before any script runs; Go programs set both themselves.
    const pipeAndFileSize = (1n << 12n) | (1n << 24n);
    expect(ignored('dtrust') & ~pipeAndFileSize).toBe(ignored('docker') & ~pipeAndFileSize);
  });

  it('reads standard input, and ends with the same status', () => {
    expect(same('exec $C').stdout.toString()).toBe('from stdin\n');
    expect(same('exec $C /nonexistent').status).toBe(1);
  });

  it('is docker under the same process ID, and dies by the signal that ends it', async () => {
    const child = spawn(process.execPath, [FIXTURE, '/proc/self/stat', '-'], {
      env: environment(),
      cwd: folder,
    });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    expect(line.toString()).toMatch(new RegExp(`^${child.pid} \\(docker\\)`));
    child.kill('SIGTERM');
    const [status, signal] = await once(child, 'exit');
    expect([status, signal]).toEqual([null, 'SIGTERM']);
  });

  it('keeps files that the caller opened for it', () => {
    fs.writeFileSync(path.join(folder, 'opened'), 'through number 3\n');
    expect(same('exec $C /dev/fd/3 3<opened').stdout.toString()).toBe('through number 3\n');
    expect(shell('dtrust', 'exec $C /dev/fd/900').status).toBe(1);
  });

  it('keeps the bytes of everything that dtrust did not change', () => {
    const env = environment({ TEST_ENFORCED: '1', DOCKER_CONTENT_TRUST: '1' });
    const script = `BAD="$(printf 'x\\377')"; export BAD; exec $C --disable-content-trust /proc/self/environ`;
    const entries = shell('dtrust', script, env).stdout.toString('latin1').split('\0');
    expect(entries).toEqual(
      expect.arrayContaining(['BAD=x\xff', 'DOCKER_CONTENT_TRUST=0', `HOME=${folder}`]),
    );
    expect(entries).not.toContain('DOCKER_CONTENT_TRUST=1');
    const damaged = `exec $C --disable-content-trust "$(printf 'a\\377')"`;
    const direct = shell('docker', damaged.replace('--disable-content-trust ', ''), env).stderr;
    expect(shell('dtrust', damaged, env).stderr).toContain(direct.slice('docker: '.length));
  });

  describe('without execve', () => {
    const env = (): Record<string, string> => environment({ TEST_NO_EXECVE: '1' });

    it('has the same arguments, environment, streams and status', () => {
      expect(same('exec $C /proc/self/cmdline ünï', env()).status).toBe(1);
      same('exec $C /proc/self/environ', env());
      same('printf x | $C /proc/self/fdinfo/0 /proc/self/fdinfo/1 2>/dev/null | grep ^flags', env());
      expect(same('exec $C', env()).stdout.toString()).toBe('from stdin\n');
    });

    it.each(['SIGTERM', 'SIGHUP'] as const)('hands %s on and dies by it when docker does', async (name) => {
      const child = spawn(process.execPath, [FIXTURE, '/proc/self/stat', '-'], { env: env(), cwd: folder });
      const [line] = (await once(child.stdout, 'data')) as [Buffer];
      const inner = Number.parseInt(line.toString(), 10);
      expect(inner).not.toBe(child.pid);
      child.kill(name);
      const [status, signal] = await once(child, 'exit');
      expect([status, signal]).toEqual([null, name]);
      expect(fs.existsSync(`/proc/${inner}`)).toBe(false);
    });

    it('does not end before docker on a signal of the terminal', async () => {
      const child = spawn(process.execPath, [FIXTURE, '/proc/self/stat', '-'], { env: env(), cwd: folder });
      await once(child.stdout, 'data');
      child.kill('SIGINT');
      child.stdin.end('still there\n');
      const [rest] = (await once(child.stdout, 'data')) as [Buffer];
      const [status] = await once(child, 'exit');
      expect([rest.toString(), status]).toEqual(['still there\n', 0]);
    });

    it('refuses arguments that are not UTF-8: nothing is left to restore them', () => {
      const ended = shell('dtrust', `exec $C "$(printf 'a\\377b')"`, env());
      expect(ended.status).toBe(99);
      expect(ended.stderr).toContain('ARG_ENCODING');
      expect(ended.stdout.length).toBe(0);
    });
  });

  it.each([
    ['a script whose interpreter is missing', '#!/nonexistent/sh\n', 99],
    // The C library then tries it as a script of the shell's.
    ['a native program that is cut short', '\x7fELF', 127],
  ])('says that docker cannot be started instead of dying in execve: %s', (_, content, status) => {
    const broken = path.join(folder, 'broken');
    fs.writeFileSync(broken, content, { mode: 0o755, encoding: 'latin1' });
    const ended = shell('dtrust', 'exec $C ps', environment({ DTRUST_DOCKER: broken }));
    expect([ended.status, ended.signal]).toEqual([status, null]);
    expect(ended.stderr).toMatch(/DOCKER_NOT_FOUND|not found/);
  });

  it('stops a wrapper that calls dtrust again and again', () => {
    const loop = path.join(folder, 'loop');
    fs.writeFileSync(loop, `#!/bin/sh\nexec '${process.execPath}' '${FIXTURE}' "$@"\n`, { mode: 0o755 });
    const ended = shell('dtrust', 'exec $C ps', environment({ DTRUST_DOCKER: loop }));
    expect(ended.status).toBe(99);
    expect(ended.stderr).toContain('DOCKER_LOOP');
  });

  it('runs a wrapper that is a script, with nothing but the depth added to its environment', () => {
    const wrapper = path.join(folder, 'wrapper');
    fs.writeFileSync(wrapper, '#!/bin/sh\nexec docker /proc/self/environ\n', { mode: 0o755 });
    const env = environment({ DTRUST_DOCKER: wrapper });
    const entries = shell('dtrust', 'exec $C ps', env).stdout.toString().split('\0');
    expect(entries).toContain('DTRUST_DEPTH=1');
    expect(entries).toContain(`HOME=${folder}`);
  });
});

describe('an enforced command', () => {
  it('contract (Passing on): runs with DOCKER_CONTENT_TRUST=0 and nothing else changed', () => {
    const env = { PATH: '/bin', DOCKER_CONTENT_TRUST: '1', DOCKER_HOST: 'unix:///x' };
    expect(enforcedEnvironment(env)).toEqual({ ...env, DOCKER_CONTENT_TRUST: '0' });
    expect(env.DOCKER_CONTENT_TRUST).toBe('1');
  });
});
