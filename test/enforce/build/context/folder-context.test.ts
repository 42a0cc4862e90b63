/** A folder as a build context: beside the archive that the real docker makes of it, and what is refused. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { contextArchive } from '../../../../src/enforce/build/context/context-archive.ts';
import {
  contextFolder,
  dockerfileOfFolder,
  dockerfileWithin,
} from '../../../../src/enforce/build/context/dockerfile-path.ts';
import { folderContext } from '../../../../src/enforce/build/context/folder-context.ts';
import { readTar } from '../../../../src/enforce/build/context/tar-reader.ts';
import { UsageError } from '../../../../src/lib/errors.ts';
import { type FakeEngine, startFakeEngine, writeMessages } from '../../../helpers/fake-engine.ts';
import { dockerCli, needPeers } from '../../../helpers/peers.ts';
import { temporaryFolder } from '../../../helpers/temporary-folder.ts';
import { rejectsCode, throwsCode } from '../../../helpers/throws-code.ts';
import { runProgram } from '../../../real/machines.ts';
import { fill, gather, readAtOf } from './archives.ts';

const DOCKERFILE = { bytes: Buffer.from('FROM scratch\n'), name: 'Dockerfile' };

/** Every member of an archive, with what its content is. */
const membersOf = (bytes: Buffer) =>
  readTar(readAtOf(bytes)).map(({ offset, spelled: _, ...header }) => ({
    ...header,
    content: bytes.toString('latin1', offset, offset + header.size),
  }));

const oursOf = async (folder: string) =>
  membersOf(await gather(contextArchive(folderContext(folder, DOCKERFILE), 'FROM scratch\n', 0).chunks()));
/** What dtrust adds, and the one file that both have in a form of their own. */
const without = (members: readonly { readonly path: string }[]) =>
  members.filter(({ path: each }) => each !== '.dockerignore' && !each.startsWith('.dockerfile.'));

/** A folder with one of everything. */
async function everything(ignore: string): Promise<string> {
  const folder = fill(temporaryFolder(), {
    Dockerfile: 'FROM scratch\n',
    'a.txt': 'hello',
    'b/c/d.log': 'log',
    'b/c/keep.log': 'keep',
    'b/e': '',
    'b-c/x': 'between b and b/ in the order of bytes',
    'b.c': 'so does this',
    'empty/': '',
    'node_modules/m/index.js': 'no',
    [`${'long'.repeat(30)}/${'name'.repeat(30)}`]: 'long',
    'ünï/cödé': 'names',
    'with space': ' ',
    big: 'x'.repeat(700_000),
    '.hidden/x': 'x',
  });
  fs.writeFileSync(path.join(folder, '.dockerignore'), ignore);
  fs.symlinkSync('../a.txt', path.join(folder, 'b/link'));
  fs.symlinkSync('/nowhere', path.join(folder, 'dangling'));
  fs.linkSync(path.join(folder, 'a.txt'), path.join(folder, 'z-hard'));
  fs.linkSync(path.join(folder, 'node_modules/m/index.js'), path.join(folder, 'zz-hard'));
  fs.chmodSync(path.join(folder, 'b/e'), 0o6711);
  fs.chmodSync(path.join(folder, 'empty'), 0o1777);
  fs.utimesSync(path.join(folder, 'b/e'), 1_234_567_890.9, 1_234_567_890.9);
  execFileSync('mkfifo', [path.join(folder, 'fifo')]);
  if (process.getuid?.() === 0) {
    execFileSync('mknod', [path.join(folder, 'device'), 'c', '1', '300']);
    fs.chownSync(path.join(folder, 'a.txt'), 1234, 5678);
  }
  await listen(path.join(folder, 'socket'));
  return folder;
}

async function listen(file: string): Promise<void> {
  const server = net.createServer();
  await new Promise<void>((resolve) => {
    server.listen(file, resolve);
  });
  onTestFinished(() => void server.close());
}

const needed = await needPeers('docker 26.1');
describe.skipIf(needed.skip)(needed.title('the same archive as docker makes'), () => {
  let engine: FakeEngine;
  let docker: string;
  let sent: Buffer;
  beforeAll(async () => {
    docker = (await dockerCli('26.1')).path;
    engine = await startFakeEngine({
      override: async (request, response) => {
        if (!request.path.startsWith('/build')) return false;
        sent = await request.body;
        writeMessages(response, { stream: 'x' });
        response.end();
        return true;
      },
    });
  });
  afterAll(() => engine.stop());
  const theirsOf = async (folder: string) => {
    const env = {
      DOCKER_HOST: engine.host,
      DOCKER_CONFIG: temporaryFolder(),
      DOCKER_BUILDKIT: '0',
      PATH: '/usr/bin:/bin',
    };
    expect(await runProgram(docker, ['build', folder], env)).toMatchObject({ status: 0 });
    return membersOf(sent);
  };

  test.each([
    ['of all there is', ''],
    ['less what is ignored', '# all logs but one\n*.log\n**/*.log\n!**/keep.log\nnode_modules\n/b.c\n'],
    ['with folders whose exceptions are in them', 'b\n!b/c/keep.log\n.hidden\nempty'],
    ['of nothing but exceptions', '*\n!a.txt\n!Dockerfile\n!ünï\n!b*/x'],
    ['with patterns that leave the folder', '../x\n/\n.\n./a.txt\nb/../big'],
  ])('%s', async (_, ignore) => {
    const folder = await everything(ignore);
    const theirs = without(await theirsOf(folder));
    expect(theirs.length).toBeGreaterThan(3);
    expect(without(await oursOf(folder))).toEqual(theirs);
  });

  test('but for a Dockerfile that is ignored: docker sends it, and the engine takes it away', async () => {
    const folder = await everything('Dockerfile\n');
    const theirs = without(await theirsOf(folder)).filter(({ path: each }) => each !== 'Dockerfile');
    expect(without(await oursOf(folder))).toEqual(theirs);
  });
});

describe('what is sent', () => {
  test('is what a file holds when it is sent; a link that has taken its place is not followed', async () => {
    const folder = fill(temporaryFolder(), { a: 'before', b: 'x' });
    const context = folderContext(folder, DOCKERFILE);
    fs.writeFileSync(path.join(folder, 'a'), 'after, and longer');
    expect(membersOf(await gather(contextArchive(context, '', 0).chunks()))[0]).toMatchObject({
      path: 'a',
      content: 'after, and longer',
    });
    fs.rmSync(path.join(folder, 'b'));
    fs.symlinkSync('/etc/passwd', path.join(folder, 'b'));
    await rejectsCode(gather(contextArchive(context, '', 0).chunks()), UsageError, 'BUILD_CONTEXT_INVALID');
  });

  test('names a socket, which it cannot hold', async () => {
    const folder = fill(temporaryFolder(), { a: '' });
    await listen(path.join(folder, 's'));
    expect(folderContext(folder, DOCKERFILE).notes).toEqual([
      's is a socket and is left out of the build context',
    ]);
  });

  test('has the Dockerfile last, under a name that nothing else has', async () => {
    const folder = fill(temporaryFolder(), { '.dockerignore': 'x' });
    const { dockerfileName } = contextArchive(folderContext(folder, DOCKERFILE), 'FROM a', 0);
    for (const taken of [dockerfileName, dockerfileName.toUpperCase(), `${dockerfileName}/x`]) {
      const other = fill(temporaryFolder(), { [taken]: 'FROM evil' });
      const archive = contextArchive(folderContext(other, DOCKERFILE), 'FROM a', 0);
      expect(archive.dockerfileName).not.toBe(dockerfileName);
      const last = membersOf(await gather(archive.chunks())).at(-1);
      expect(last).toMatchObject({
        path: archive.dockerfileName,
        type: 'file',
        content: 'FROM a',
        mode: 0o600,
      });
    }
  });
});

describe('refused', () => {
  const refuses = (work: () => unknown) => throwsCode(work, UsageError, 'BUILD_CONTEXT_INVALID');

  test('a .dockerignore that leads out of the context, or is a folder', () => {
    const folder = fill(temporaryFolder(), { a: '' });
    fs.symlinkSync('/etc/passwd', path.join(folder, '.dockerignore'));
    refuses(() => folderContext(folder, DOCKERFILE));
    refuses(() => folderContext(fill(temporaryFolder(), { '.dockerignore/': '' }), DOCKERFILE));
  });

  test('a name, and what a link says, that is not UTF-8', () => {
    const [named, linked] = [temporaryFolder(), temporaryFolder()];
    fs.writeFileSync(Buffer.from(`${named}/\xff`, 'latin1'), '');
    fs.symlinkSync(Buffer.from('\xff', 'latin1'), path.join(linked, 'a'));
    for (const folder of [named, linked]) refuses(() => folderContext(folder, DOCKERFILE));
  });

  test('a context that is a file, and a Dockerfile that is a folder, a pipe or nothing', () => {
    const folder = fill(temporaryFolder(), { file: '', 'Dockerfile/': '' });
    execFileSync('mkfifo', [path.join(folder, 'pipe')]);
    refuses(() => contextFolder(path.join(folder, 'file')));
    refuses(() => contextFolder(path.join(folder, 'nothing')));
    refuses(() => dockerfileOfFolder(folder, undefined));
    refuses(() => dockerfileOfFolder(folder, path.join(folder, 'pipe')));
    refuses(() => dockerfileOfFolder(folder, path.join(folder, 'nothing')));
  });

  test('a Dockerfile outside a folder that somebody else filled', () => {
    const outside = fill(temporaryFolder(), { Dockerfile: 'FROM secret' });
    const folder = fill(temporaryFolder(), { 'sub/Dockerfile': 'FROM a' });
    fs.symlinkSync(path.join(outside, 'Dockerfile'), path.join(folder, 'Dockerfile'));
    refuses(() => dockerfileWithin(folder, undefined));
    refuses(() => dockerfileWithin(folder, path.join(outside, 'Dockerfile')));
    refuses(() => dockerfileWithin(folder, '../../etc/passwd'));
    expect(dockerfileWithin(folder, 'sub/Dockerfile')).toMatchObject({ name: 'sub/Dockerfile' });
    expect(dockerfileOfFolder(folder, undefined).bytes.toString()).toBe('FROM secret');
  });

  test('dockerfile is found where there is no Dockerfile', () => {
    const folder = fill(temporaryFolder(), { dockerfile: 'FROM lower' });
    expect(dockerfileOfFolder(folder, undefined)).toMatchObject({ name: 'dockerfile' });
  });
});
