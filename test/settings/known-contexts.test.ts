/** Contexts word for word as other programs write them, and the sockets they lead to. */
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { realFileSystem } from '../../src/lib/file-system.ts';
import { type EngineEndpoint, resolveEngineEndpoint } from '../../src/settings/contexts.ts';
import { loadDockerConfig } from '../../src/settings/docker-config.ts';
import { readEnvironment } from '../../src/settings/environment.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'dtrust-contexts-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** The engine after `docker context use NAME` of a context with this meta.json. */
function engineOf(meta: { readonly Name: string }, raw: Record<string, string> = {}): EngineEndpoint {
  const id = createHash('sha256').update(meta.Name).digest('hex');
  mkdirSync(path.join(folder, 'contexts', 'meta', id), { recursive: true });
  writeFileSync(path.join(folder, 'contexts', 'meta', id, 'meta.json'), JSON.stringify(meta));
  writeFileSync(path.join(folder, 'config.json'), JSON.stringify({ currentContext: meta.Name }));
  const config = loadDockerConfig(realFileSystem, folder);
  const env = readEnvironment(raw);
  return resolveEngineEndpoint({ env, flags: {}, config, fs: realFileSystem, platform: 'linux' });
}

const endpoints = (host: string) => ({ docker: { Host: host, SkipTLSVerify: false } });

describe('contract (Engine): contexts as others write them', () => {
  test('the rootless installer’s', () => {
    const host = 'unix:///run/user/1000/docker.sock';
    const meta = { Name: 'rootless', Metadata: { Description: 'Rootless mode' }, Endpoints: endpoints(host) };
    expect(engineOf(meta)).toMatchObject({ kind: 'unix', path: '/run/user/1000/docker.sock' });
  });

  test('Docker Desktop’s', () => {
    const host = 'unix:///Users/me/.docker/run/docker.sock';
    const meta = {
      Name: 'desktop-linux',
      Metadata: { Description: 'Docker Desktop', otel: { OTEL_EXPORTER_OTLP_ENDPOINT: 'unix:///x' } },
      Endpoints: endpoints(host),
    };
    expect(engineOf(meta)).toMatchObject({ kind: 'unix', path: '/Users/me/.docker/run/docker.sock' });
  });

  test('Colima’s', () => {
    const host = 'unix:///Users/me/.colima/default/docker.sock';
    const meta = { Name: 'colima', Metadata: { Description: 'colima' }, Endpoints: endpoints(host) };
    expect(engineOf(meta)).toMatchObject({ kind: 'unix', path: '/Users/me/.colima/default/docker.sock' });
  });

  test('and Podman’s socket, named by DOCKER_HOST, wins over them', () => {
    const raw = { DOCKER_HOST: 'unix:///run/user/1000/podman/podman.sock' };
    const meta = { Name: 'colima', Metadata: {}, Endpoints: endpoints('unix:///c.sock') };
    expect(engineOf(meta, raw)).toMatchObject({ kind: 'unix', path: '/run/user/1000/podman/podman.sock' });
  });
});
