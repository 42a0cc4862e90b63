import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine/engine.ts';
import { createEngine } from '../../src/engine/engine-client.ts';
import { sshArguments } from '../../src/engine/ssh-agent.ts';
import { EngineError } from '../../src/lib/errors.ts';
import { sealAdmission } from '../../src/reference/admission.ts';
import { parseDigest } from '../../src/reference/digest.ts';
import { parseRepository, parseTag } from '../../src/reference/reference.ts';
import { type FakeEngine, startFakeEngine, writeMessages } from '../helpers/fake-engine.ts';

const DIGEST = parseDigest(`sha256:${'a'.repeat(64)}`);
const ID = `sha256:${'b'.repeat(64)}`;
const repository = parseRepository('localhost:5000/app');
const admission = sealAdmission({
  fetch: { kind: 'digest', repository, digest: DIGEST },
  why: 'verified',
  evidence: { reference: 'localhost:5000/app:1' },
});

describe('the arguments of ssh', () => {
  const OPTIONS = ['-o', 'ConnectTimeout=30', '-T'];
  it.each([
    ['ssh://box', ['--', 'box', 'docker', 'system', 'dial-stdio']],
    ['ssh://me@box:2222', ['-l', 'me', '-p', '2222', '--', 'box', 'docker', 'system', 'dial-stdio']],
    ['ssh://box/', ['--', 'box', 'docker', 'system', 'dial-stdio']],
    ['ssh://[::1]', ['--', '::1', 'docker', 'system', 'dial-stdio']],
    ['ssh://box/run/d.sock', ['--', 'box', 'docker', '--host=unix:///run/d.sock', 'system', 'dial-stdio']],
    ["ssh://box/a%20'b", ['--', 'box', 'docker', `'--host=unix:///a '\\''b'`, 'system', 'dial-stdio']],
  ])("are Docker CLI's for %s", (url, rest) => {
    expect(sshArguments(url)).toEqual([...OPTIONS, ...rest]);
  });

  it.each([
    'ssh://',
    'box',
    'ssh://me:secret@box',
    'ssh://box?x=1',
    'ssh://box#x',
    'ssh://-oProxyCommand=x',
    'ssh://-l@box',
  ])('are refused for %s', (url) => {
    expect(() => sshArguments(url)).toThrow(EngineError);
  });
});

describe('contract (Engine): an engine behind ssh', () => {
  let folder: string;
  let fake: FakeEngine;
  const engines: Engine[] = [];

  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'dts-'));
    const fixture = path.join(import.meta.dirname, 'fixtures/ssh.ts');
    fs.writeFileSync(path.join(folder, 'ssh'), `#!/bin/sh\nexec '${process.execPath}' '${fixture}' "$@"\n`, {
      mode: 0o755,
    });
  });
  afterEach(async () => {
    for (const engine of engines.splice(0)) engine.close();
    await fake.stop();
    fs.rmSync(folder, { recursive: true, force: true });
  });

  function connect(more: Record<string, string> = {}): Engine {
    const environment = {
      PATH: `${folder}:/usr/bin:/bin`,
      TEST_SSH_FOLDER: folder,
      TEST_SSH_SOCKET: fake.socketPath,
      ...more,
    };
    const engine = createEngine({ kind: 'ssh', url: 'ssh://me@box' }, { environment });
    engines.push(engine);
    return engine;
  }

  const calls = (): string[] => fs.readFileSync(path.join(folder, 'calls'), 'utf8').trim().split('\n');

  it("goes through the user's own ssh, one process for all calls", async () => {
    fake = await startFakeEngine({ remote: { [`localhost:5000/app@${DIGEST}`]: ID } });
    const engine = connect();
    expect((await engine.pull(admission)).id).toBe(ID);
    await engine.tag(`localhost:5000/app@${DIGEST}`, repository, parseTag('1'));
    expect(fake.images.get('localhost:5000/app:1')?.Id).toBe(ID);
    expect(calls()).toEqual([JSON.stringify(sshArguments('ssh://me@box'))]);
    expect(fake.requests[0]?.headers.host).toBe('docker.example.com');
  });

  it('says what ssh said when there is no connection', async () => {
    fake = await startFakeEngine();
    const error: unknown = await connect({ TEST_SSH_FAILS: 'Host key verification failed.\r\n' })
      .info()
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(EngineError);
    expect((error as EngineError).code).toBe('ENGINE_UNREACHABLE');
    expect((error as EngineError).message).toContain('Host key verification failed.');
    expect(fake.requests).toEqual([]);
  });

  it('says so when there is no ssh', async () => {
    fake = await startFakeEngine();
    const error: unknown = await connect({ PATH: '/nonexistent' })
      .info()
      .catch((reason: unknown) => reason);
    expect((error as EngineError).code).toBe('ENGINE_UNREACHABLE');
    expect((error as EngineError).message).toContain('ssh cannot be started');
  });

  it('ends ssh when the pull is aborted', async () => {
    const closed = Promise.withResolvers<void>();
    fake = await startFakeEngine({
      override: ({ path: asked }, response) => {
        if (!asked.startsWith('/images/create')) return false;
        response.on('close', () => closed.resolve());
        writeMessages(response, { status: 'Pulling fs layer', progressDetail: {}, id: 'abc' });
        return true;
      },
    });
    const controller = new AbortController();
    const reason = new Error('Ctrl-C');
    const progress = { show: () => controller.abort(reason) };
    const pulled = connect().pull(admission, { signal: controller.signal, progress });
    await expect(pulled).rejects.toBe(reason);
    await closed.promise;
    expect(fake.images.size).toBe(0);
  });
});
