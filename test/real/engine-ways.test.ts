/** The same engine reached by ssh, by TCP with TLS, and through a context that the real docker made. */
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Authority,
  dockerCli,
  imageArchive,
  makeAuthority,
  needPeers,
  type RunningEngine,
  type RunningRegistry,
  sha256,
  startEngine,
  startRegistry,
  textImage,
} from '../helpers/peers.ts';
import { imagesOf, layersOf } from './engine-view.ts';
import { type Machine, OWNER_ENV, runProgram, Workshop } from './machines.ts';

const needed = await needPeers('engine 26.1', 'registry', 'openssl', 'docker 26.1');

const SSH = fileURLToPath(new URL('../engine/fixtures/ssh.ts', import.meta.url));

describe.skipIf(needed.skip)(needed.title('the ways to a real engine'), () => {
  let workshop: Workshop;
  let authority: Authority;
  let engine: RunningEngine;
  let registry: RunningRegistry;
  let owner: Machine;
  let name: string;
  const built = textImage('reached');

  beforeAll(async () => {
    workshop = await Workshop.open();
    authority = makeAuthority();
    const { key, cert } = authority.issue(['127.0.0.1']);
    [engine, registry] = await Promise.all([
      startEngine({ version: '26.1', tcp: { key, cert, ca: authority.ca } }),
      startRegistry(),
    ]);
    owner = workshop.machine({ engine: engine.host, env: OWNER_ENV });
    name = `${registry.host}/ways/app`;
    await engine.load(imageArchive(built, [`${name}:1.0`]));
    expect(await owner.run('push', `${name}:1.0`)).toMatchObject({ status: 0 });
  });
  afterAll(async () => {
    await Promise.all([engine.stop(), registry.stop()]);
    workshop.remove();
  });

  /** A client's certificate and the authority, as DOCKER_CERT_PATH wants them. */
  function certFolder(machine: Machine, by: Authority, trusting: Authority): string {
    const folder = path.join(machine.home, 'certs');
    fs.mkdirSync(folder, { recursive: true });
    const { key, cert } = by.issue(['client']);
    for (const [file, text] of Object.entries({ 'key.pem': key, 'cert.pem': cert, 'ca.pem': trusting.ca })) {
      fs.writeFileSync(path.join(folder, file), text, { mode: 0o600 });
    }
    return folder;
  }

  async function expectPulled(machine: Machine, ...globals: readonly string[]): Promise<void> {
    await engine.clear();
    await machine.pinFrom(owner, name);
    expect(await machine.run(...globals, 'pull', `${name}:1.0`)).toMatchObject({
      status: 0,
      code: undefined,
    });
    expect(await layersOf(engine, `${name}:1.0`)).toEqual([sha256(built.layer)]);
  }

  it('contract (Engine): ssh:// runs the program ssh, as docker does', async () => {
    const bin = path.join(workshop.folder, 'ssh-bin');
    fs.mkdirSync(bin);
    fs.writeFileSync(path.join(bin, 'ssh'), `#!/bin/sh\nexec '${process.execPath}' '${SSH}' "$@"\n`, {
      mode: 0o755,
    });
    const machine = workshop.machine({
      engine: 'ssh://builder@far.example:2222',
      env: { PATH: `${bin}:/usr/bin:/bin`, TEST_SSH_FOLDER: bin, TEST_SSH_SOCKET: engine.socketPath },
    });
    await expectPulled(machine);
    const calls = fs.readFileSync(path.join(bin, 'calls'), 'utf8').trim().split('\n');
    const [first] = calls.map((line) => JSON.parse(line) as string[]);
    expect(first?.slice(-8)).toEqual(
      ['-l', 'builder', '-p', '2222', '--', 'far.example', 'docker', 'system', 'dial-stdio'].slice(-8),
    );
    await engine.clear();
    const failing = await machine.runWith(
      { TEST_SSH_FAILS: 'Host key verification failed.\n' },
      'pull',
      `${name}:1.0`,
    );
    expect(failing).toMatchObject({ status: 1, code: 'ENGINE_UNREACHABLE' });
    expect(failing.stderr).toContain('Host key verification failed.');
    expect(await imagesOf(engine)).toEqual([]);
  });

  it('TCP with TLS by DOCKER_TLS_VERIFY and DOCKER_CERT_PATH, and by flags', async () => {
    const machine = workshop.machine({ engine: `tcp://127.0.0.1:${engine.tcpPort}` });
    const folder = certFolder(machine, authority, authority);
    const files = ['ca', 'cert', 'key'].map(
      (file) => `--tls${file === 'ca' ? 'cacert' : file}=${folder}/${file}.pem`,
    );
    await expectPulled(machine, '--tlsverify', ...files);
    await engine.clear();
    const env = { DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: folder };
    expect(await machine.runWith(env, 'pull', `${name}:1.0`)).toMatchObject({ status: 0, code: undefined });
    expect(await layersOf(engine, `${name}:1.0`)).toEqual([sha256(built.layer)]);
  });

  it('refuses an engine whose certificate another authority issued, also with NODE_TLS_REJECT_UNAUTHORIZED=0', async () => {
    const machine = workshop.machine({ engine: `tcp://127.0.0.1:${engine.tcpPort}` });
    const folder = certFolder(machine, authority, makeAuthority('another authority'));
    await machine.pinFrom(owner, name);
    await engine.clear();
    const env = { DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: folder, NODE_TLS_REJECT_UNAUTHORIZED: '0' };
    const pulled = await machine.runWith(env, 'pull', `${name}:1.0`);
    expect(pulled).toMatchObject({ status: 1, code: 'ENGINE_TLS' });
    expect(await imagesOf(engine)).toEqual([]);
  });

  it('a context made by the real docker: by flag, by variable, and as the current one', async () => {
    const machine = workshop.machine();
    const folder = certFolder(machine, authority, authority);
    const docker = await dockerCli('26.1');
    const endpoint = ['ca', 'cert', 'key'].map((file) => `${file}=${folder}/${file}.pem`).join(',');
    const create = ['context', 'create', 'far', '--docker'];
    const host = `host=tcp://127.0.0.1:${engine.tcpPort}`;
    const env = { ...machine.env, ...docker.env };
    expect(await runProgram(docker.path, [...create, `${host},${endpoint}`], env)).toMatchObject({
      status: 0,
    });
    expect(
      await runProgram(docker.path, ['context', 'create', 'near', '--docker', `host=${engine.host}`], env),
    ).toMatchObject({ status: 0 });
    await expectPulled(machine, '--context', 'far');
    await engine.clear();
    expect(await machine.runWith({ DOCKER_CONTEXT: 'near' }, 'pull', `${name}:1.0`)).toMatchObject({
      status: 0,
    });
    expect(await layersOf(engine, `${name}:1.0`)).toEqual([sha256(built.layer)]);
    await engine.clear();
    expect(await runProgram(docker.path, ['context', 'use', 'far'], env)).toMatchObject({ status: 0 });
    expect(await machine.run('pull', `${name}:1.0`)).toMatchObject({ status: 0, code: undefined });
    expect(await layersOf(engine, `${name}:1.0`)).toEqual([sha256(built.layer)]);
    const missing = await machine.run('--context', 'nowhere', 'pull', `${name}:1.0`);
    expect(missing).toMatchObject({ status: 1, code: 'CONTEXT_INVALID' });
  });

  it('--config and -H on the command line, before the command', async () => {
    const machine = workshop.machine();
    await machine.pinFrom(owner, name);
    const config = machine.config;
    const bare = workshop.machine({ engine: 'unix:///nowhere.sock', env: { DOCKER_CONFIG: '/nowhere' } });
    await engine.clear();
    const before = await bare.run('--config', config, '-H', engine.host, 'pull', `${name}:1.0`);
    expect(before).toMatchObject({ status: 0, code: undefined });
    expect(await layersOf(engine, `${name}:1.0`)).toEqual([sha256(built.layer)]);
    // As docker: its global flags stand before the command.
    const after = await bare.run('pull', `--config=${config}`, `${name}:1.0`);
    expect(after).toMatchObject({ status: 125, stdout: '' });
    expect(after.stderr).toContain('unknown flag: --config');
  });
});
