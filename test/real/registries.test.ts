/** Registries that ask for a password, and registries behind TLS, with the real engine. */
import fs from 'node:fs';
import net, { type AddressInfo } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type Authority,
  dockerCli,
  imageArchive,
  KNOWN_USER,
  makeAuthority,
  needPeers,
  outerAddress,
  type RunningEngine,
  type RunningRegistry,
  sha256,
  startEngine,
  startRegistry,
  textImage,
} from '../helpers/peers.ts';
import { imagesOf, layersOf } from './engine-view.ts';
import { type Machine, OWNER_ENV, runProgram, Workshop } from './machines.ts';
import { servedManifest, signedTags } from './registry-view.ts';
import { type Relay, startRelay } from './relay.ts';

const withPassword = await needPeers('engine 26.1', 'registry', 'docker 26.1');

describe.skipIf(withPassword.skip)(withPassword.title('a real registry that asks for a password'), () => {
  let workshop: Workshop;
  let engine: RunningEngine;
  let relay: Relay;
  let registry: RunningRegistry;
  let owner: Machine;
  let name: string;
  const { username, password } = KNOWN_USER;
  const built = textImage('behind a password');

  const auths = (secret: string): object => ({
    auths: { [registry.host]: { auth: Buffer.from(`${username}:${secret}`).toString('base64') } },
  });

  beforeAll(async () => {
    [workshop, engine, registry] = await Promise.all([
      Workshop.open(),
      startEngine({ version: '26.1' }),
      startRegistry({ auth: KNOWN_USER.htpasswd }),
    ]);
    relay = await startRelay({ socketPath: engine.socketPath });
    name = `${registry.host}/locked/app`;
    owner = workshop.machine({ engine: engine.host, env: OWNER_ENV });
    owner.writeConfig(auths(password));
    await engine.load(imageArchive(built, [`${name}:1.0`]));
    expect(await owner.run('push', `${name}:1.0`)).toMatchObject({ status: 0, code: undefined });
    await engine.clear();
    relay.forget();
  });
  afterAll(async () => {
    await relay.stop();
    await Promise.all([engine.stop(), registry.stop()]);
    workshop.remove();
  });

  it('signs and pulls with auths of config.json', async () => {
    const served = await servedManifest(registry, 'locked/app', '1.0');
    expect(await signedTags(registry, 'locked/app')).toEqual({ '1.0': served?.digest });
    expect(await owner.run('pull', `${name}:1.0`)).toMatchObject({ status: 0, code: undefined });
    expect(await layersOf(engine, `${name}:1.0`)).toEqual([sha256(built.layer)]);
    await engine.clear();
  });

  it('pulls with what the real docker login has stored', async () => {
    const machine = workshop.machine({ engine: engine.host });
    await machine.pinFrom(owner, name);
    const docker = await dockerCli('26.1');
    const login = ['login', '-u', username, '--password-stdin', registry.host];
    const env = { ...machine.env, ...docker.env };
    expect(await runProgram(docker.path, login, env, password)).toMatchObject({ status: 0 });
    expect(await machine.run('pull', `${name}:1.0`)).toMatchObject({ status: 0, code: undefined });
    expect(await layersOf(engine, `${name}:1.0`)).toEqual([sha256(built.layer)]);
    await engine.clear();
  });

  it('pulls with what a credential helper answers, which is a real program', async () => {
    const bin = path.join(workshop.folder, 'helper-bin');
    fs.mkdirSync(bin);
    const answer = JSON.stringify({ ServerURL: registry.host, Username: username, Secret: password });
    const script = `#!/bin/sh\n[ "$1" = get ] && [ "$(cat)" = '${registry.host}' ] && echo '${answer}'\n`;
    fs.writeFileSync(path.join(bin, 'docker-credential-test'), script, { mode: 0o755 });
    const machine = workshop.machine({ engine: engine.host, env: { PATH: `${bin}:/usr/bin:/bin` } });
    machine.writeConfig({ credHelpers: { [registry.host]: 'test' } });
    await machine.pinFrom(owner, name);
    expect(await machine.run('pull', `${name}:1.0`)).toMatchObject({ status: 0, code: undefined });
    expect(await layersOf(engine, `${name}:1.0`)).toEqual([sha256(built.layer)]);
    await engine.clear();
  });

  it('refuses without credentials and with wrong ones, which stand in no message', async () => {
    for (const config of [{}, auths('wrong horse')]) {
      const machine = workshop.machine({ engine: `tcp://${relay.address}` });
      machine.writeConfig(config);
      await machine.pinFrom(owner, name);
      const pulled = await machine.runWith({ DTRUST_DEBUG: '1' }, 'pull', `${name}:1.0`);
      expect(pulled).toMatchObject({ status: 1, stdout: '' });
      expect(pulled.stderr).toContain('(REGISTRY_UNAUTHORIZED)');
      expect(pulled.stderr).not.toMatch(/wrong horse|d3Jvbm|ZHRydXN0O/);
      const pushed = await machine.run('push', `${name}:1.0`);
      expect(pushed.status).toBe(1);
    }
    expect(relay.changing()).toEqual([]);
    expect(await imagesOf(engine)).toEqual([]);
  });
});

/** The registry at an address that is not loopback: for the engine and for dtrust a host like any other. */
async function expose(port: number): Promise<net.Server> {
  const server = net.createServer((socket) => {
    const inner = net.connect(port, '127.0.0.1');
    socket.on('error', () => inner.destroy());
    inner.on('error', () => socket.destroy());
    socket.pipe(inner).pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, outerAddress(), resolve));
  return server;
}

const withTls = await needPeers('engine 26.1', 'registry', 'openssl', 'network address');

describe.skipIf(withTls.skip)(withTls.title('a real registry behind TLS, not on loopback'), () => {
  let workshop: Workshop;
  let authority: Authority;
  let engine: RunningEngine;
  let registry: RunningRegistry;
  let relay: Relay;
  let outside: net.Server;
  let host: string;
  let name: string;
  let owner: Machine;
  const built = textImage('behind TLS');

  function trust(machine: Machine, server: string, ca: string): void {
    const folder = path.join(machine.config, 'certs.d', server);
    fs.mkdirSync(folder, { recursive: true });
    fs.writeFileSync(path.join(folder, 'ca.crt'), ca);
  }

  beforeAll(async () => {
    workshop = await Workshop.open();
    authority = makeAuthority();
    const file = path.join(workshop.folder, 'ca.pem');
    fs.writeFileSync(file, authority.ca);
    // The engine, which knows certs.d only below /etc, is given the authority as the system's.
    const before = process.env.SSL_CERT_FILE;
    process.env.SSL_CERT_FILE = file;
    engine = await startEngine({ version: '26.1' }).finally(() => {
      if (before === undefined) delete process.env.SSL_CERT_FILE;
      else process.env.SSL_CERT_FILE = before;
    });
    registry = await startRegistry({ tls: authority.issue([outerAddress()]) });
    relay = await startRelay({ socketPath: engine.socketPath });
    outside = await expose(registry.port);
    host = `${outerAddress()}:${(outside.address() as AddressInfo).port}`;
    name = `${host}/tls/app`;
    owner = workshop.machine({ engine: engine.host, env: OWNER_ENV });
    trust(owner, host, authority.ca);
    await engine.load(imageArchive(built, [`${name}:1.0`]));
    expect(await owner.run('push', `${name}:1.0`)).toMatchObject({ status: 0, code: undefined });
  });
  beforeEach(async () => {
    await engine.clear();
    relay.forget();
  });
  afterAll(async () => {
    outside.close();
    await relay.stop();
    await Promise.all([engine.stop(), registry.stop()]);
    workshop.remove();
  });

  it('is trusted by certs.d in the Docker configuration folder, or by SSL_CERT_FILE', async () => {
    expect(Object.keys(await signedTags(registry, 'tls/app'))).toEqual(['1.0']);
    expect(await owner.run('pull', `${name}:1.0`)).toMatchObject({ status: 0, code: undefined });
    expect(await layersOf(engine, `${name}:1.0`)).toEqual([sha256(built.layer)]);
    await engine.clear();
    const machine = workshop.machine({
      engine: engine.host,
      env: { SSL_CERT_FILE: path.join(workshop.folder, 'ca.pem') },
    });
    await machine.pinFrom(owner, name);
    expect(await machine.run('pull', `${name}:1.0`)).toMatchObject({ status: 0, code: undefined });
    expect(await layersOf(engine, `${name}:1.0`)).toEqual([sha256(built.layer)]);
  });

  it('contract (Network): another authority, or none, is refused, also with NODE_TLS_REJECT_UNAUTHORIZED=0', async () => {
    for (const ca of [undefined, makeAuthority('another authority').ca]) {
      const machine = workshop.machine({ engine: `tcp://${relay.address}` });
      if (ca !== undefined) trust(machine, host, ca);
      await machine.pinFrom(owner, name);
      const pulled = await machine.runWith({ NODE_TLS_REJECT_UNAUTHORIZED: '0' }, 'pull', `${name}:1.0`);
      expect(pulled).toMatchObject({ status: 1, stdout: '', code: 'NETWORK_TLS' });
    }
    expect(relay.changing()).toEqual([]);
    expect(await imagesOf(engine)).toEqual([]);
  });

  it('a certificate for another name is refused', async () => {
    const misnamed = await startRegistry({ tls: authority.issue(['registry.example']) });
    const server = await expose(misnamed.port);
    const other = `${outerAddress()}:${(server.address() as AddressInfo).port}`;
    const machine = workshop.machine({ engine: `tcp://${relay.address}` });
    trust(machine, other, authority.ca);
    const pulled = await machine.run('pull', `${other}/tls/app:1.0`);
    server.close();
    await misnamed.stop();
    expect(pulled).toMatchObject({ status: 1, stdout: '', code: 'NETWORK_TLS' });
    expect(relay.changing()).toEqual([]);
  });
});

const insecure = await needPeers('engine 26.1', 'registry', 'network address');

describe.skipIf(insecure.skip)(
  insecure.title('a real registry that speaks plain http, not on loopback'),
  () => {
    it('contract (Network): plain http only where the engine lists the registry as insecure, and one line says so', async () => {
      const [workshop, registry] = await Promise.all([Workshop.open(), startRegistry()]);
      const outside = await expose(registry.port);
      const host = `${outerAddress()}:${(outside.address() as AddressInfo).port}`;
      const [listing, strict] = await Promise.all([
        startEngine({ version: '26.1', insecureRegistries: [host] }),
        startEngine({ version: '26.1' }),
      ]);
      try {
        const name = `${host}/plain/app`;
        const built = textImage('plain');
        for (const engine of [listing, strict]) await engine.load(imageArchive(built, [`${name}:1.0`]));
        const owner = workshop.machine({ engine: listing.host, env: OWNER_ENV });
        const pushed = await owner.run('push', `${name}:1.0`);
        expect(pushed).toMatchObject({ status: 0, code: undefined });
        expect(pushed.stderr.split('\n').filter((line) => /insecure|plain http/i.test(line))).toHaveLength(1);
        await listing.clear();
        expect(await owner.run('pull', `${name}:1.0`)).toMatchObject({ status: 0, code: undefined });
        expect(await layersOf(listing, `${name}:1.0`)).toEqual([sha256(built.layer)]);
        const refused = await owner.runWith({ DOCKER_HOST: strict.host }, 'pull', `${name}:1.0`);
        expect(refused).toMatchObject({ status: 1, stdout: '' });
        expect(refused.code).toMatch(/^NETWORK_/);
        const unsigned = await owner.runWith({ DOCKER_HOST: strict.host }, 'push', `${name}:1.0`);
        expect(unsigned).toMatchObject({ status: 1 });
      } finally {
        outside.close();
        await Promise.all([listing.stop(), strict.stop(), registry.stop()]);
        workshop.remove();
      }
    });
  },
);
