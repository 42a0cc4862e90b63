import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LocalStateError } from '../../src/lib/errors.ts';
import { realFileSystem } from '../../src/lib/file-system.ts';
import { createHelperRunner } from '../../src/settings/credential-helper.ts';
import {
  credentialsFor,
  type RunHelper,
  registryAuthHeader,
  withAuthVariable,
} from '../../src/settings/credentials.ts';
import { parseDockerConfig } from '../../src/settings/docker-config.ts';

const base64 = (text: string) => Buffer.from(text, 'utf8').toString('base64');
const noHelper: RunHelper = () => Promise.reject(new Error('no helper is asked'));

function config(value: object) {
  return parseDockerConfig(JSON.stringify(value), '/d', '/d/config.json');
}

describe('credentials in auths', () => {
  const auths = {
    'ghcr.io': { auth: base64('me:pw') },
    'https://index.docker.io/v1/': { auth: base64('hub:pw') },
    'https://legacy.example/v1/': { auth: base64('old:pw') },
    'http://plain.example:5000': { auth: base64('plain:pw') },
    'UPPER.example:443': { auth: base64('upper:pw') },
    'tokens.example': { auth: base64('x:'), identitytoken: 'id' },
    'registry.example': { registrytoken: 'reg' },
    'empty.example': {},
  };

  it.each([
    ['ghcr.io', { kind: 'basic', username: 'me', password: 'pw' }],
    ['docker.io', { kind: 'basic', username: 'hub', password: 'pw' }],
    ['legacy.example', { kind: 'basic', username: 'old', password: 'pw' }],
    ['plain.example:5000', { kind: 'basic', username: 'plain', password: 'pw' }],
    ['upper.example', { kind: 'basic', username: 'upper', password: 'pw' }],
    ['tokens.example', { kind: 'identityToken', token: 'id' }],
    ['registry.example', { kind: 'registryToken', token: 'reg' }],
    ['empty.example', { kind: 'anonymous' }],
    ['other.example', { kind: 'anonymous' }],
    // Docker Hub's old name: references never hold it any more, and Docker answers the same.
    ['index.docker.io', { kind: 'basic', username: 'hub', password: 'pw' }],
    ['plain.example', { kind: 'anonymous' }],
    ['ghcr.io.evil.example', { kind: 'anonymous' }],
    ['evilghcr.io', { kind: 'anonymous' }],
    ['ghcr.io:5000', { kind: 'anonymous' }],
  ])('for %s are exactly its own', async (host, expected) => {
    expect(await credentialsFor(host, config({ auths }), noHelper)).toEqual(expected);
  });
});

describe('which helper is asked', () => {
  async function asked(host: string, value: object): Promise<string[]> {
    const calls: string[] = [];
    await credentialsFor(host, config(value), async (name, server) => {
      calls.push(`${name} ${server}`);
      return undefined;
    });
    return calls;
  }

  it("the registry's own, else the one for all, with Docker Hub's old address", async () => {
    const value = {
      credsStore: 'desktop',
      credHelpers: { 'a.example': 'ecr-login', 'https://b.example/v1/': 'gcr' },
    };
    expect(await asked('a.example', value)).toEqual(['ecr-login a.example']);
    expect(await asked('b.example', value)).toEqual(['gcr b.example']);
    expect(await asked('docker.io', value)).toEqual(['desktop https://index.docker.io/v1/']);
  });

  it('takes what a helper answers, an identity token by its user name', async () => {
    const value = config({ credsStore: 'x', auths: { 'a.example': { auth: base64('file:pw') } } });
    const answers = (username: string) =>
      credentialsFor('a.example', value, async () => ({ username, secret: 's' }));
    expect(await answers('me')).toEqual({ kind: 'basic', username: 'me', password: 's' });
    expect(await answers('<token>')).toEqual({ kind: 'identityToken', token: 's' });
    expect(await credentialsFor('a.example', value, async () => undefined)).toEqual({ kind: 'anonymous' });
  });

  it('asks none for a registry that DOCKER_AUTH_CONFIG names', async () => {
    const own = config({ credsStore: 'desktop', auths: { 'b.example': { auth: base64('file:pw') } } });
    const variable = JSON.stringify({ auths: { 'a.example': { auth: base64('env:pw') } } });
    const merged = withAuthVariable(own, variable);
    expect(await credentialsFor('a.example', merged, noHelper)).toMatchObject({ username: 'env' });
    await expect(credentialsFor('b.example', merged, noHelper)).rejects.toThrow('no helper is asked');
    expect(withAuthVariable(own, undefined)).toBe(own);
    expect(() => withAuthVariable(own, '{')).toThrow(/^DOCKER_AUTH_CONFIG/);
  });
});

describe('credential helpers as programs', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'dtrust-helper-'));
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  function program(name: string, script: string): void {
    const file = path.join(folder, `docker-credential-${name}`);
    writeFileSync(file, `#!/bin/sh\n${script}\n`);
    chmodSync(file, 0o755);
  }

  function runner(searchPath = folder, timeoutMs = 10_000): RunHelper {
    return createHelperRunner({
      fs: realFileSystem,
      env: { path: searchPath, pathExtensions: undefined },
      rawEnvironment: { PATH: process.env.PATH, MARK: 'handed on', LOG: path.join(folder, 'log') },
      platform: 'linux',
      timeoutMs,
    });
  }

  it('get the server on stdin and answer in JSON, and are asked once', async () => {
    program(
      'good',
      'read -r server; echo "$1 $server $MARK" >> "$LOG"; echo \'{"ServerURL":"x","Username":"me","Secret":"s\u00fc"}\'',
    );
    const run = runner();
    expect(await run('good', 'a.example')).toEqual({ username: 'me', secret: 'sü' });
    expect(await run('good', 'a.example')).toEqual({ username: 'me', secret: 'sü' });
    expect(readFileSync(path.join(folder, 'log'), 'utf8')).toBe('get a.example handed on\n');
  });

  it('hold nothing when they say so', async () => {
    program('empty', 'echo "credentials not found in native keychain"; exit 1');
    expect(await runner()('empty', 'a.example')).toBeUndefined();
  });

  it.each([
    ['fails', 'echo "secret words"; echo "secret words" >&2; exit 3', 'exit status 3'],
    ['is killed', 'kill -9 $$', 'SIGKILL'],
    ['prints no JSON', 'echo secret words', 'not JSON'],
    ['prints a list', 'echo \'["secret words"]\'', 'no Username and Secret'],
    ['prints no object', 'echo null', 'no JSON object'],
    ['prints no secret', 'echo \'{"Username":"secret words"}\'', 'no Username and Secret'],
    [
      'prints a secret that is a number',
      'echo \'{"Username":"secret words","Secret":5}\'',
      'no Username and Secret',
    ],
    ['prints too much', 'yes "secret words" 2>/dev/null | head -c 400000', 'printed too much'],
  ])('that %s is an error that shows nothing of what it printed', async (_name, script, why) => {
    program('bad', script);
    const error = await runner()('bad', 'a.example').catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(LocalStateError);
    expect(error).toMatchObject({ code: 'CREDENTIAL_HELPER' });
    expect((error as Error).message).toContain('docker-credential-bad');
    expect((error as Error).message).toContain(why);
    expect(JSON.stringify([(error as Error).message, String((error as Error).cause)])).not.toContain(
      'secret words',
    );
  });

  it('that does not answer is stopped', async () => {
    program('slow', 'exec sleep 100');
    const error = await runner(folder, 200)('slow', 'a.example').catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'CREDENTIAL_HELPER' });
    expect((error as Error).message).toContain('does not answer');
  });

  it('is not found through an empty or relative entry of PATH, nor where it cannot run, nor as a folder', async () => {
    program('local', 'echo \'{"Username":"u","Secret":"s"}\'');
    const relative = path.relative(process.cwd(), folder);
    for (const searchPath of ['', ':', '.', relative]) {
      await expect(runner(searchPath)('local', 'a.example')).rejects.toMatchObject({
        code: 'CREDENTIAL_HELPER',
      });
    }
    chmodSync(path.join(folder, 'docker-credential-local'), 0o644);
    mkdirSync(path.join(folder, 'docker-credential-folder'));
    for (const name of ['local', 'folder', 'absent']) {
      await expect(runner()(name, 'a.example')).rejects.toThrow('is not on PATH');
    }
  });

  it.each(['../evil', '/bin/sh', '', '-x', '.', 'a b', 'a;b'])(
    'with the name %j is refused',
    async (name) => {
      await expect(runner()(name, 'a.example')).rejects.toMatchObject({ code: 'CREDENTIAL_HELPER' });
    },
  );
});

describe("the engine's X-Registry-Auth", () => {
  it.each([
    [{ kind: 'anonymous' }, 'a.example', { serveraddress: 'a.example' }],
    [
      { kind: 'basic', username: 'u', password: 'p?>' },
      'docker.io',
      { username: 'u', password: 'p?>', serveraddress: 'https://index.docker.io/v1/' },
    ],
    [{ kind: 'identityToken', token: 't' }, 'a.example', { identitytoken: 't', serveraddress: 'a.example' }],
    [{ kind: 'registryToken', token: 't' }, 'a.example', { registrytoken: 't', serveraddress: 'a.example' }],
  ] as const)('of %j', (credentials, host, expected) => {
    const header = registryAuthHeader(credentials, host);
    expect(header).toMatch(/^[A-Za-z0-9_-]+$/);
    expect(JSON.parse(Buffer.from(header, 'base64url').toString('utf8'))).toEqual(expected);
  });
});
