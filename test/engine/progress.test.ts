import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { renderSize } from '../../src/engine/human-size.ts';
import { type EngineMessage, readMessages } from '../../src/engine/messages.ts';
import { createProgress, quietProgress, renderProgress } from '../../src/engine/progress.ts';
import { type FakeEngine, startFakeEngine, writeMessages } from '../helpers/fake-engine.ts';
import { dockerCli, needPeers } from '../helpers/peers.ts';

const run = promisify(execFile);

const downloading = (id: string, current: number, total: number, more: object = {}): object => ({
  status: 'Downloading',
  id,
  progressDetail: { current, total, ...more },
  progress: 'what older clients print',
});

/** A pull with everything engines send: several layers side by side, a second image, odd numbers. */
const STREAM: readonly object[] = [
  { status: 'Pulling from library/x', id: '1' },
  { status: 'Pulling fs layer', progressDetail: {}, id: 'aaaaaaaaaaaa' },
  { status: 'Pulling fs layer', progressDetail: {}, id: 'bbbbbbbbbbbb' },
  { status: 'Already exists', progressDetail: {}, id: 'cccccccccccc' },
  downloading('aaaaaaaaaaaa', 98, 98),
  downloading('bbbbbbbbbbbb', 539_612, 53_961_236),
  downloading('bbbbbbbbbbbb', 1_536_000, 53_961_236),
  downloading('bbbbbbbbbbbb', 53_000_000, 53_961_236),
  { status: 'Verifying Checksum', progressDetail: {}, id: 'aaaaaaaaaaaa' },
  { status: 'Download complete', progressDetail: { hidecounts: true }, id: 'aaaaaaaaaaaa' },
  downloading('aaaaaaaaaaaa', 3, 7, { units: 's' }),
  downloading('aaaaaaaaaaaa', 9, 7, { units: 's' }),
  downloading('aaaaaaaaaaaa', 5, 0, { units: 's' }),
  downloading('aaaaaaaaaaaa', 2048, 16),
  downloading('aaaaaaaaaaaa', 999_960, 0),
  downloading('aaaaaaaaaaaa', 1, 2, { hidecounts: true }),
  { status: 'Pull complete', progressDetail: {}, id: 'bbbbbbbbbbbb' },
  { status: `Digest: sha256:${'a'.repeat(64)}` },
  { status: 'Status: Downloaded newer image for x:1' },
  { status: 'Waiting', progressDetail: {}, id: 'dddddddddddd' },
  downloading('bbbbbbbbbbbb', 10, 20),
  { status: 'The end', id: 'eeee' },
];

async function* linesOf(messages: readonly object[]): AsyncGenerator<string> {
  for (const message of messages) yield `${JSON.stringify(message)}\r\n`;
}

async function shown(isTerminal: boolean, columns = 80, messages = STREAM): Promise<string> {
  let text = '';
  const progress = createProgress({
    write: (more) => {
      text += more;
    },
    isTerminal,
    columns: () => columns,
    now: () => 0,
  });
  for await (const message of readMessages(linesOf(messages))) progress.show(message);
  return text;
}

describe('the display of a pull', () => {
  it('into a pipe is lines without numbers', async () => {
    expect(await shown(false)).toBe(
      [
        '1: Pulling from library/x',
        'aaaaaaaaaaaa: Pulling fs layer',
        'bbbbbbbbbbbb: Pulling fs layer',
        'cccccccccccc: Already exists',
        'aaaaaaaaaaaa: Verifying Checksum',
        'aaaaaaaaaaaa: Download complete',
        'bbbbbbbbbbbb: Pull complete',
        `Digest: sha256:${'a'.repeat(64)}`,
        'Status: Downloaded newer image for x:1',
        'dddddddddddd: Waiting',
        'eeee: The end',
        '',
      ].join('\n'),
    );
  });

  it('on a terminal goes up to the line of the layer and back', async () => {
    const text = await shown(true, 80, STREAM.slice(1, 5));
    expect(text).toBe(
      '\n\u001b[1A\u001b[2K\raaaaaaaaaaaa: Pulling fs layer \r\u001b[1B' +
        '\n\u001b[1A\u001b[2K\rbbbbbbbbbbbb: Pulling fs layer \r\u001b[1B' +
        '\n\u001b[1A\u001b[2K\rcccccccccccc: Already exists \r\u001b[1B' +
        '\u001b[3A\u001b[2K\raaaaaaaaaaaa: Downloading      98B/98B\r\u001b[3B',
    );
  });

  it('shows nothing for -q, and nothing of what is meant for programs', async () => {
    expect(quietProgress.show({ status: 'Pulling' })).toBeUndefined();
    expect(await shown(false, 80, [{ progressDetail: {}, aux: { Tag: '1' } }])).toBe('');
  });

  it('shows what others wrote without its control characters', async () => {
    const text = await shown(true, 80, [{ status: 'a\u001b[2Kb\u202e', id: 'x\r' }]);
    expect(text).toBe('x\\u000d: a\\u001b[2Kb\\u202e\n');
  });
});

describe('numbers', () => {
  it.each([
    [0, '0B'],
    [98, '98B'],
    [999, '999B'],
    [1000, '1kB'],
    [1536, '1.536kB'],
    [2048, '2.048kB'],
    [539_612, '539.6kB'],
    [999_960, '1000kB'],
    [53_961_236, '53.96MB'],
    [1_234_567_890, '1.235GB'],
    [5e12, '5TB'],
  ])('%d bytes are %s', (bytes, text) => {
    expect(renderSize(bytes)).toBe(text);
  });

  const wide = { columns: () => 200, now: () => 10_000 };
  const detail = { current: 25, total: 100, hideCounts: false, startSeconds: 0 };

  it('have a bar where there is room', () => {
    expect(renderProgress(detail, wide)).toBe(`[${'='.repeat(12)}>${' '.repeat(38)}]      25B/100B`);
    expect(renderProgress(detail, { ...wide, columns: () => 110 })).toBe('     25B/100B');
    expect(renderProgress({ ...detail, current: 300 }, wide)).toBe(`[${'='.repeat(50)}>]     300B`);
  });

  it('show the time left when the engine says when it began', () => {
    const at = (startSeconds: number, total = 100) =>
      renderProgress({ ...detail, startSeconds, total }, { ...wide, columns: () => 80 });
    expect(at(5)).toBe('     25B/100B 15s');
    expect(at(5, 100_000)).toBe('     25B/100kB 5h33m15s');
    expect(at(5, 1000)).toBe('     25B/1kB 3m15s');
  });
});

describe('the stream of messages', () => {
  async function all(...chunks: (Uint8Array | string)[]): Promise<EngineMessage[]> {
    async function* stream() {
      yield* chunks;
    }
    return await Array.fromAsync(readMessages(stream()));
  }

  it('is read across chunks that cut lines and characters', async () => {
    const bytes = Buffer.from('{"status":"größer"}\r\n{"status":"b"}\n\n{"status":"c"}');
    const cut = bytes.indexOf(0xc3) + 1;
    const messages = await all(bytes.subarray(0, cut), bytes.subarray(cut, cut + 9), bytes.subarray(cut + 9));
    expect(messages.map((each) => each.status)).toEqual(['größer', 'b', 'c']);
  });

  it.each([
    ['{"error":"no"}', 'no'],
    ['{"errorDetail":{"code":401,"message":"denied"},"error":"old"}', 'denied'],
    ['{"errorDetail":{}}', 'the engine reported an error'],
    ['{"error":""}', 'the engine reported an error'],
  ])('ends with the error in %s', async (line, message) => {
    await expect(all('{"status":"a"}\n', line)).rejects.toMatchObject({ code: 'ENGINE_ERROR', message });
  });

  it('is refused when a line never ends', async () => {
    await expect(all('x'.repeat(5 * 1024 * 1024))).rejects.toMatchObject({ code: 'ENGINE_BROKEN' });
  });
});

for (const version of ['26.1', '28'] as const) {
  const needed = await needPeers(`docker ${version}`);

  describe.skipIf(needed.skip)(
    needed.title(`the display of Docker CLI ${version} for the same stream`),
    () => {
      let engine: FakeEngine;
      let docker: string;
      let folder: string;

      beforeAll(async () => {
        folder = fs.mkdtempSync(path.join(os.tmpdir(), 'dtd-'));
        docker = (await dockerCli(version)).path;
        engine = await startFakeEngine({
          override: ({ path: asked }, response) => {
            if (!asked.startsWith('/images/create')) return false;
            writeMessages(response, ...STREAM);
            response.end();
            return true;
          },
        });
      });
      afterAll(async () => {
        await engine.stop();
        fs.rmSync(folder, { recursive: true, force: true });
      });

      const env = (): NodeJS.ProcessEnv => ({
        PATH: '/usr/bin:/bin',
        HOME: folder,
        DOCKER_HOST: engine.host,
        TERM: 'xterm',
      });
      const LAST = 'docker.io/library/x:1\n';

      it('is the same into a pipe', async () => {
        const { stdout } = await run(docker, ['pull', 'x:1'], { env: env() });
        expect((await shown(false)) + LAST).toBe(stdout);
      });

      it.each([80, 110, 111, 200])('is the same on a terminal of %d columns', async (columns) => {
        const command = `stty cols ${columns}; exec '${docker}' pull x:1`;
        const { stdout } = await run('script', ['-qec', command, '/dev/null'], { env: env() });
        expect((await shown(true, columns)) + LAST).toBe(stdout.replaceAll('\r\n', '\n'));
      });
    },
  );
}
