import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LocalStateError, UsageError } from '../../src/lib/errors.ts';
import { realFileSystem } from '../../src/lib/file-system.ts';
import { contextName, type EngineFlags, resolveEngineEndpoint } from '../../src/settings/contexts.ts';
import { readEnvironment } from '../../src/settings/environment.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'dtrust-contexts-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

interface Given {
  readonly raw?: Record<string, string>;
  readonly flags?: EngineFlags;
  readonly currentContext?: string;
  readonly platform?: NodeJS.Platform;
}

function resolve({ raw = {}, flags = {}, currentContext, platform = 'linux' }: Given) {
  const config = { directory: folder, currentContext };
  return resolveEngineEndpoint({ env: readEnvironment(raw), flags, config, fs: realFileSystem, platform });
}

/** Writes a context as `docker context create` does. */
function store(name: string, meta: unknown, tls: Record<string, string> = {}): void {
  const id = createHash('sha256').update(name).digest('hex');
  mkdirSync(path.join(folder, 'contexts/meta', id), { recursive: true });
  const text = typeof meta === 'string' ? meta : JSON.stringify(meta);
  writeFileSync(path.join(folder, 'contexts/meta', id, 'meta.json'), text);
  mkdirSync(path.join(folder, 'contexts/tls', id, 'docker'), { recursive: true });
  for (const [file, content] of Object.entries(tls)) {
    writeFileSync(path.join(folder, 'contexts/tls', id, 'docker', file), content);
  }
}

function meta(name: string, docker: object): object {
  return { Name: name, Metadata: { Description: 'x' }, Endpoints: { docker } };
}

describe('contract (Engine): which engine is decided once, as docker decides it', () => {
  it.each<[string, Given, string]>([
    ['nothing', {}, 'default'],
    ['currentContext', { currentContext: 'c' }, 'c'],
    ['DOCKER_CONTEXT before currentContext', { currentContext: 'c', raw: { DOCKER_CONTEXT: 'e' } }, 'e'],
    [
      'DOCKER_HOST before DOCKER_CONTEXT',
      { raw: { DOCKER_CONTEXT: 'e', DOCKER_HOST: 'unix:///x' } },
      'default',
    ],
    [
      '-H before everything in the environment',
      { currentContext: 'c', flags: { hosts: ['unix:///x'] } },
      'default',
    ],
    ['--context before DOCKER_HOST', { raw: { DOCKER_HOST: 'unix:///x' }, flags: { context: 'f' } }, 'f'],
    ['an empty DOCKER_HOST for none', { raw: { DOCKER_HOST: '', DOCKER_CONTEXT: 'e' } }, 'e'],
  ])('takes %s', (_name, { raw = {}, flags = {}, currentContext }, expected) => {
    expect(
      contextName({ env: readEnvironment(raw), flags, config: { directory: folder, currentContext } }),
    ).toBe(expected);
  });

  it('refuses --context with -H, and two -H', () => {
    for (const flags of [{ context: 'a', hosts: ['unix:///x'] }, { hosts: ['unix:///x', 'unix:///y'] }]) {
      expect(() => resolve({ flags })).toThrow(UsageError);
      expect(() => resolve({ flags })).toThrow(expect.objectContaining({ code: 'USAGE' }));
    }
  });

  it.each([
    ['', { kind: 'unix', path: '/var/run/docker.sock' }],
    ['unix:///run/user/1000/docker.sock', { kind: 'unix', path: '/run/user/1000/docker.sock' }],
    ['unix://', { kind: 'unix', path: '/var/run/docker.sock' }],
    ['tcp://engine.example:1234', { kind: 'tcp', host: 'engine.example', port: 1234 }],
    ['tcp://engine.example', { kind: 'tcp', host: 'engine.example', port: 2375 }],
    ['tcp://:1234', { kind: 'tcp', host: 'localhost', port: 1234 }],
    ['tcp://[::1]:1234/base/', { kind: 'tcp', host: '::1', port: 1234, basePath: '/base' }],
    ['10.0.0.1:1234', { kind: 'tcp', host: '10.0.0.1', port: 1234 }],
    [' unix:///x ', { kind: 'unix', path: '/x' }],
    ['npipe:////./pipe/other', { kind: 'npipe', path: '//./pipe/other' }],
    ['ssh://me@engine.example:22', { kind: 'ssh', url: 'ssh://me@engine.example:22' }],
  ])('reads DOCKER_HOST %j', (text, expected) => {
    expect(resolve({ raw: { DOCKER_HOST: text } })).toEqual(expected);
  });

  it('has its default socket by platform', () => {
    expect(resolve({ platform: 'win32' })).toEqual({ kind: 'npipe', path: '//./pipe/docker_engine' });
  });

  it.each([
    'http://engine.example',
    'tcp://engine.example:0',
    'tcp://engine.example:70000',
    'tcp://engine.example:x',
    'tcp://a b:1',
    'tcp://me@engine.example:1',
    'fd://',
    'ssh://-oProxyCommand=evil',
    'ssh://-oProxyCommand=evil@host',
    'ssh://me:password@host',
    'ssh://',
  ])('refuses DOCKER_HOST %j', (text) => {
    expect(() => resolve({ raw: { DOCKER_HOST: text } })).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });
});

describe('TLS to the engine of the default context', () => {
  const raw = { DOCKER_HOST: 'tcp://engine.example:2376' };

  function files(...names: string[]): void {
    for (const name of names) writeFileSync(path.join(folder, name), `the ${name}`);
  }

  it('is off unless asked for', () => {
    files('ca.pem', 'cert.pem', 'key.pem');
    expect(resolve({ raw })).not.toHaveProperty('tls');
  });

  it('verifies with DOCKER_TLS_VERIFY, with files from the configuration or DOCKER_CERT_PATH', () => {
    files('ca.pem', 'cert.pem', 'key.pem');
    const tls = { ca: 'the ca.pem', cert: 'the cert.pem', key: 'the key.pem', verify: true };
    expect(resolve({ raw: { ...raw, DOCKER_TLS_VERIFY: '1' } })).toMatchObject({ tls });
    mkdirSync(path.join(folder, 'other'));
    writeFileSync(path.join(folder, 'other/ca.pem'), 'another');
    const other = resolve({
      raw: { ...raw, DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: path.join(folder, 'other') },
    });
    expect(other).toMatchObject({ tls: { ca: 'another', verify: true } });
    expect(other).not.toHaveProperty('tls.cert');
  });

  it('does not verify with --tls or --tlsverify=false, and then needs no authority', () => {
    for (const flags of [{ tls: true }, { tlsVerify: false }]) {
      expect(resolve({ raw, flags })).toMatchObject({ tls: { verify: false } });
    }
    expect(resolve({ raw: { ...raw, DOCKER_TLS: '1' } })).toMatchObject({ tls: { verify: false } });
  });

  it('needs the files that are named, the authority when it verifies, and whole pairs', () => {
    const cases: EngineFlags[] = [
      { tlsVerify: true },
      { tls: true, tlsCert: path.join(folder, 'absent.pem') },
    ];
    for (const flags of cases) {
      expect(() => resolve({ raw, flags })).toThrow(expect.objectContaining({ code: 'CONTEXT_INVALID' }));
    }
    files('cert.pem');
    expect(() => resolve({ raw, flags: { tls: true } })).toThrow(/both, or neither/);
  });

  it('has the TLS port when no address is given, and is not there for a socket', () => {
    files('ca.pem');
    expect(resolve({ flags: { tlsVerify: true } })).toMatchObject({
      kind: 'tcp',
      host: 'localhost',
      port: 2376,
    });
    expect(resolve({ flags: { tlsVerify: true, hosts: ['unix:///x'] } })).toEqual({
      kind: 'unix',
      path: '/x',
    });
  });
});

describe('a stored context', () => {
  it('gives its address, and ignores what the environment says about TLS', () => {
    store('rootless', meta('rootless', { Host: 'unix:///run/user/1000/docker.sock', SkipTLSVerify: false }));
    expect(resolve({ currentContext: 'rootless', raw: { DOCKER_TLS_VERIFY: '1' } })).toEqual({
      kind: 'unix',
      path: '/run/user/1000/docker.sock',
    });
  });

  it('gives its TLS files, verified unless it says otherwise', () => {
    const tls = { 'ca.pem': 'CA', 'cert.pem': 'CERT', 'key.pem': 'KEY' };
    store('remote', meta('remote', { Host: 'tcp://engine.example:2376' }), tls);
    expect(resolve({ flags: { context: 'remote' } })).toEqual({
      kind: 'tcp',
      host: 'engine.example',
      port: 2376,
      tls: { ca: 'CA', cert: 'CERT', key: 'KEY', verify: true },
    });
    store('lax', meta('lax', { Host: 'tcp://engine.example:2376', SkipTLSVerify: true }));
    expect(resolve({ flags: { context: 'lax' } })).toMatchObject({ tls: { verify: false } });
  });

  it('may be ssh, or the default socket', () => {
    store('far', meta('far', { Host: 'ssh://me@far.example' }));
    expect(resolve({ raw: { DOCKER_CONTEXT: 'far' } })).toEqual({ kind: 'ssh', url: 'ssh://me@far.example' });
    store('near', meta('near', {}));
    expect(resolve({ raw: { DOCKER_CONTEXT: 'near' } })).toEqual({
      kind: 'unix',
      path: '/var/run/docker.sock',
    });
  });

  it('that does not exist, or could not, is refused', () => {
    for (const context of ['absent', '../../etc', 'a', 'a/b', '-x', 'x\u001b[2J']) {
      expect(() => resolve({ flags: { context } })).toThrow(LocalStateError);
      expect(() => resolve({ flags: { context } })).toThrow(
        expect.objectContaining({ code: 'CONTEXT_INVALID' }),
      );
    }
  });

  it.each<[string, unknown]>([
    ['no JSON', '{'],
    ['text', '"x"'],
    ['the name of another', meta('other', { Host: 'unix:///x' })],
    ['no docker endpoint', { Name: 'broken', Endpoints: {} }],
    ['a host that is a number', meta('broken', { Host: 5 })],
    ['a switch that is text', meta('broken', { Host: 'tcp://a:1', SkipTLSVerify: 'false' })],
    ['an address of no kind', meta('broken', { Host: 'gopher://x' })],
  ])('that holds %s is refused', (_name, content) => {
    store('broken', content);
    expect(() => resolve({ flags: { context: 'broken' } })).toThrow(
      expect.objectContaining({ code: 'CONTEXT_INVALID' }),
    );
  });

  it('with half a pair of TLS files is refused', () => {
    store('half', meta('half', { Host: 'tcp://a:1' }), { 'cert.pem': 'x' });
    expect(() => resolve({ flags: { context: 'half' } })).toThrow(/both, or neither/);
  });
});
