/** `dtrust pull` and `dtrust push` with an engine that is not there, does not want to, or goes away in between. */
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { sendJson, writeMessages } from '../helpers/fake-engine.ts';
import { RepositorySimulator } from '../helpers/repository-simulator.ts';
import { assertNoSecret, type Machine, openStage, refused, type Stage } from './harness.ts';
import { closedPort } from './wire-faults.ts';

const REPO = 'acme/app';

let stage: Stage;
let warm: Machine;
let pull: readonly string[];

beforeAll(async () => {
  stage = await openStage();
  const collection = stage.name(REPO);
  const sim = new RepositorySimulator({ collection, nowMs: Date.now() });
  sim.putTarget(`${collection}:1.0`, stage.image(REPO, '1.0')).publish();
  await stage.publish(REPO, sim.files());
  warm = stage.machine().pin(REPO, sim.pin());
  pull = ['pull', `${collection}:1.0`];
  await warm.succeed(pull);
});
afterAll(() => stage.close());
beforeEach(() => stage.calm());

/** The trust data was checked, and good: that is noted. */
const mayChange = /last-check/;
const begun = /^Pull \(1 of 1\): \S+\n/;

describe('an engine that cannot be reached', () => {
  test('on a socket that is not there is ENGINE_UNREACHABLE', async () => {
    const run = await refused(warm, pull, {
      code: 'ENGINE_UNREACHABLE',
      env: { DOCKER_HOST: 'unix:///nowhere/docker.sock' },
      mayChange: /trust/,
    });
    expect(run.stderr).toContain('Is the docker daemon running?');
  });

  test('on a socket that nobody listens on is ENGINE_UNREACHABLE', async () => {
    const socket = path.join(stage.folder, 'stale.sock');
    const server = net.createServer();
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    // Closing removes the file, so it is put aside and back.
    fs.linkSync(socket, `${socket}.kept`);
    await new Promise((resolve) => server.close(resolve));
    await refused(warm, pull, {
      code: 'ENGINE_UNREACHABLE',
      env: { DOCKER_HOST: `unix://${socket}.kept` },
      mayChange: /trust/,
    });
  });

  test('on a closed port is ENGINE_UNREACHABLE', async () => {
    const env = { DOCKER_HOST: `tcp://127.0.0.1:${await closedPort()}` };
    await refused(warm, pull, { code: 'ENGINE_UNREACHABLE', env, mayChange: /trust/ });
    await refused(warm, ['push', ...pull.slice(1)], { code: 'ENGINE_UNREACHABLE', env });
  });

  test('does not hide that the trust data is refused', async () => {
    const args = ['pull', `${stage.name('acme/unsigned')}:1.0`];
    await refused(warm, args, { code: 'NO_TRUST_DATA', env: { DOCKER_HOST: 'unix:///nowhere/docker.sock' } });
  });
});

describe('an engine that does not want to', () => {
  test('answering 403 is ENGINE_REFUSED', async () => {
    stage.override((_request, response) => {
      sendJson(response, 403, { message: 'authorization denied by plugin' });
      return true;
    });
    const run = await refused(warm, pull, { code: 'ENGINE_REFUSED', mayChange });
    expect(run.stderr).toContain('authorization denied by plugin');
  });

  test('answering 500 to a pull is ENGINE_ERROR, and nothing is tagged', async () => {
    stage.override((request, response) => {
      if (request.method !== 'POST') return false;
      sendJson(response, 500, { message: 'no space left on device \u001b[31m' });
      return true;
    });
    const run = await refused(warm, pull, {
      code: 'ENGINE_ERROR',
      mayChange,
      stdout: begun,
      engine: ['POST /images/create'],
    });
    expect(run.stderr).toContain('no space left on device');
    expect(run.stderr).not.toContain('\u001b');
  });

  test('that ends its own messages with an error is ENGINE_ERROR, and nothing is tagged', async () => {
    stage.override((request, response) => {
      if (request.method !== 'POST') return false;
      writeMessages(
        response,
        { status: 'Pulling' },
        { error: 'toomanyrequests', errorDetail: { message: 'toomanyrequests' } },
      );
      response.end();
      return true;
    });
    const run = await refused(warm, pull, {
      code: 'ENGINE_ERROR',
      mayChange,
      stdout: begun,
      engine: ['POST /images/create'],
    });
    expect(run.stderr).toContain('toomanyrequests');
  });
});

describe('an engine that goes away in mid-pull', () => {
  test('by dropping the connection is ENGINE_BROKEN, and nothing is tagged', async () => {
    stage.override((request, response) => {
      if (request.method !== 'POST') return false;
      writeMessages(response, { status: 'Pulling from acme/app' });
      setTimeout(() => response.destroy(), 50);
      return true;
    });
    await refused(warm, pull, {
      code: 'ENGINE_BROKEN',
      mayChange,
      stdout: begun,
      engine: ['POST /images/create'],
    });
    expect(stage.engine.images.size).toBe(0);
  });

  test('by ending without the image is ENGINE_BROKEN, and nothing is tagged', async () => {
    stage.override((request, response) => {
      if (request.method !== 'POST') return false;
      writeMessages(response, { status: 'Status: Downloaded newer image' });
      response.end();
      return true;
    });
    await refused(warm, pull, {
      code: 'ENGINE_BROKEN',
      mayChange,
      stdout: begun,
      engine: ['POST /images/create'],
    });
  });

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)(
    '%s ends the pull with status %i, without a tag and without an error',
    async (signal, status) => {
      let pulling: () => void = () => undefined;
      const started = new Promise<void>((resolve) => {
        pulling = resolve;
      });
      stage.override((request, response) => {
        if (request.method !== 'POST') return false;
        writeMessages(response, { status: 'Pulling from acme/app' });
        pulling();
        return true;
      });
      stage.mark();
      const running = warm.start(pull);
      await started;
      running.child.kill(signal);
      const run = await running.done;
      expect(run.status).toBe(status);
      expect(run.signal).toBeNull();
      expect(run.stdout).not.toContain(`${stage.name(REPO)}:1.0\n`);
      expect(run.stderr).not.toContain('internal error');
      expect(stage.engineChanges()).toEqual(['POST /images/create']);
      expect(stage.engine.images.size).toBe(0);
      assertNoSecret(run);
    },
  );
});

test('after all this the same machine pulls as if nothing had been', async () => {
  const run = await warm.succeed(pull);
  expect(run.stdout.trimEnd().split('\n').at(-1)).toBe(`${stage.name(REPO)}:1.0`);
  expect(stage.engine.images.has(`${stage.name(REPO)}:1.0`)).toBe(true);
});
