import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { ENVIRONMENT_VARIABLES, helperEnvironment, readEnvironment } from '../../src/settings/environment.ts';

const SOURCES = path.resolve(import.meta.dirname, '../../src');

function sources(): { file: string; text: string }[] {
  return readdirSync(SOURCES, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => ({
      file: file.replaceAll(path.sep, '/'),
      text: withoutComments(path.join(SOURCES, file)),
    }));
}

function withoutComments(file: string): string {
  return readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, '');
}

// A name in capitals, or a proxy's in small letters, taken from something called env.
const ACCESS = /\b\w*env(?:ironment)?\w*\??(?:\.|\.?\[\s*['"`])(?:[A-Z][A-Z0-9_]+|[a-z]+_proxy)\b/gi;
const DESTRUCTURED = /\{[^{}]*\b[A-Z][A-Z0-9_]{2,}\b[^{}]*\}\s*=\s*[\w.]*env\w*/gi;

function environmentReads(text: string): string[] {
  const accesses = (text.match(ACCESS) ?? []).filter((read) =>
    /(?:[A-Z][A-Z0-9_]+|[a-z]+_proxy)$/.test(read),
  );
  const destructured = (text.match(DESTRUCTURED) ?? []).filter((read) => /\b[A-Z][A-Z0-9_]{2,}\b/.test(read));
  return [...accesses, ...destructured];
}

describe('contract (Packages and start-up): the environment', () => {
  it('is read by name in one file and nowhere else', () => {
    const reads = sources()
      .filter(({ file }) => file !== 'settings/environment.ts')
      .flatMap(({ file, text }) => environmentReads(text).map((read) => `${file}: ${read}`));
    expect(reads).toEqual([]);
  });

  it.each([
    'process.env.HOME',
    "env['DOCKER_HOST']",
    'rawEnvironment.PATH',
    'options.env?.CI',
    'env.http_proxy',
    'const { HOME, PATH } = process.env;',
  ])('(the search for reads finds %s)', (text) => {
    expect(environmentReads(text)).toHaveLength(1);
  });

  it.each([
    'env.dockerHost',
    'environment.proxy',
    'options.env',
    '{ env: { PATH: x } }',
    'const { home } = env;',
  ])('(and leaves %s alone)', (text) => {
    expect(environmentReads(text)).toEqual([]);
  });

  it('is taken from the process in main.ts, and where main.ts hands the process to', () => {
    const takers = sources()
      .filter(({ text }) => /\bprocess\s*(?:\.|\[['"`])\s*env\b/.test(text))
      .map(({ file }) => file);
    expect(takers.toSorted()).toEqual(['commands/run-command.ts', 'main.ts']);
  });

  it('is known by name: every variable that environment.ts reads is in its list, and is read', () => {
    const text = withoutComments(path.join(SOURCES, 'settings/environment.ts'));
    const list = Object.keys(ENVIRONMENT_VARIABLES);
    const read = new Set(
      [...text.matchAll(/get\('([A-Za-z_]+)'\)|raw\.([A-Z_]+)/g)].map((match) => match[1] ?? match[2]),
    );
    expect([...read].toSorted()).toEqual(list.toSorted());
  });
});

describe('readEnvironment', () => {
  it('takes nothing for set when nothing is', () => {
    const environment = readEnvironment({});
    expect(environment.dockerHost).toBeUndefined();
    expect(environment.dockerTls).toBe(false);
    expect(environment.nodeTrustChanged).toBe(false);
    expect(environment.proxy).toEqual({ httpProxy: undefined, httpsProxy: undefined, noProxy: undefined });
    expect(Object.isFrozen(environment)).toBe(true);
  });

  it('takes empty for unset, but for DOCKER_CONTENT_TRUST', () => {
    const environment = readEnvironment({ DOCKER_HOST: '', DOCKER_TLS_VERIFY: '', DOCKER_CONTENT_TRUST: '' });
    expect(environment.dockerHost).toBeUndefined();
    expect(environment.dockerTlsVerify).toBe(false);
    expect(environment.contentTrust).toBe('');
    expect(readEnvironment({}).contentTrust).toBeUndefined();
  });

  it('takes any text in DOCKER_TLS and DOCKER_TLS_VERIFY for yes, as Docker does', () => {
    expect(readEnvironment({ DOCKER_TLS: '0', DOCKER_TLS_VERIFY: 'no' })).toMatchObject({
      dockerTls: true,
      dockerTlsVerify: true,
    });
  });

  it('contract (Network): reads proxies in both cases, upper case first', () => {
    expect(readEnvironment({ http_proxy: 'a', https_proxy: 'b', no_proxy: 'c' }).proxy).toEqual({
      httpProxy: 'a',
      httpsProxy: 'b',
      noProxy: 'c',
    });
    expect(
      readEnvironment({ HTTPS_PROXY: 'B', https_proxy: 'b', NO_PROXY: 'C', no_proxy: 'c' }).proxy,
    ).toMatchObject({
      httpsProxy: 'B',
      noProxy: 'C',
    });
  });

  it('does not take HTTP_PROXY under CGI, where a caller chooses it', () => {
    const raw = { HTTP_PROXY: 'http://evil.example', REQUEST_METHOD: 'GET' };
    expect(readEnvironment(raw).proxy.httpProxy).toBeUndefined();
    expect(readEnvironment({ ...raw, http_proxy: 'own' }).proxy.httpProxy).toBe('own');
  });

  it('knows when the list of authorities of Node may have been changed', () => {
    for (const name of ['NODE_EXTRA_CA_CERTS', 'NODE_USE_SYSTEM_CA', 'NODE_OPTIONS']) {
      expect(readEnvironment({ [name]: 'x' }).nodeTrustChanged).toBe(true);
    }
  });
});

describe('contract (Keys): the environment of credential helpers and ssh', () => {
  it('has neither the key nor the passphrases, in whatever case they were set', () => {
    const raw = {
      PATH: '/bin',
      DTRUST_KEY: 'x',
      dtrust_key: 'x',
      Docker_Content_Trust_Root_Passphrase: 'x',
      DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: 'x',
      DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE_FILE: '/run/secret',
    };
    expect(helperEnvironment(raw)).toEqual({
      PATH: '/bin',
      DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE_FILE: '/run/secret',
    });
  });
});
