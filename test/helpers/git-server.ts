/** Repositories of the test's own, served by `git daemon` on loopback: one process for each connection, no port guessed. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import net, { type AddressInfo } from 'node:net';
import path from 'node:path';

export interface GitServer {
  /** `git://127.0.0.1:41234` */
  readonly origin: string;
  /** Puts these files into a repository, as the one commit of a branch; HEAD stays with the first branch. */
  commit(repository: string, branch: string, files: Readonly<Record<string, string>>): void;
  close(): Promise<void>;
}

const IDENTITY = {
  GIT_AUTHOR_NAME: 'test',
  GIT_AUTHOR_EMAIL: 'test@example.org',
  GIT_COMMITTER_NAME: 'test',
  GIT_COMMITTER_EMAIL: 'test@example.org',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_SYSTEM: '/dev/null',
};

export async function startGitServer(folder: string): Promise<GitServer> {
  fs.mkdirSync(folder, { recursive: true });
  const env = { PATH: process.env.PATH, HOME: folder, ...IDENTITY };
  const children = new Set<ChildProcess>();
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    const daemon = ['daemon', '--inetd', '--export-all', `--base-path=${folder}`, folder];
    const child = spawn('git', daemon, { env, stdio: ['pipe', 'pipe', 'ignore'] });
    children.add(child);
    sockets.add(socket);
    child.once('close', () => children.delete(child));
    socket.once('close', () => sockets.delete(socket));
    // A client that has what it wants hangs up.
    socket.on('error', () => child.kill());
    child.stdin.on('error', () => socket.destroy());
    socket.pipe(child.stdin);
    child.stdout.pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const run = (cwd: string, ...args: readonly string[]) =>
    execFileSync('git', args, { cwd, env, stdio: 'pipe' });
  return {
    origin: `git://127.0.0.1:${(server.address() as AddressInfo).port}`,
    commit(repository, branch, files) {
      const bare = path.join(folder, repository);
      if (!fs.existsSync(bare)) run(folder, 'init', '-q', '--bare', '-b', branch, bare);
      const work = fs.mkdtempSync(path.join(folder, 'work-'));
      run(work, 'init', '-q', '-b', branch);
      for (const [name, text] of Object.entries(files)) {
        fs.mkdirSync(path.dirname(path.join(work, name)), { recursive: true });
        fs.writeFileSync(path.join(work, name), text);
      }
      run(work, 'add', '-A');
      run(work, 'commit', '-q', '-m', 'files');
      run(work, 'push', '-q', '--force', bare, `HEAD:refs/heads/${branch}`);
      fs.rmSync(work, { recursive: true });
    },
    close() {
      for (const socket of sockets) socket.destroy();
      for (const child of children) child.kill();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
