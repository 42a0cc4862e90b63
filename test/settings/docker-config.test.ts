import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LocalStateError } from '../../src/lib/errors.ts';
import { realFileSystem } from '../../src/lib/file-system.ts';
import { configDirectory, loadDockerConfig, parseDockerConfig } from '../../src/settings/docker-config.ts';

const base64 = (text: string) => Buffer.from(text, 'utf8').toString('base64');

function parse(value: unknown) {
  return parseDockerConfig(typeof value === 'string' ? value : JSON.stringify(value), '/d', '/d/config.json');
}

describe("Docker's config.json", () => {
  it('gives credentials with auth decoded, colons kept in the password', () => {
    const { auths } = parse({
      auths: {
        'ghcr.io': { auth: base64('me:pass:word') },
        'https://index.docker.io/v1/': { auth: base64('hub:ü\0'), email: 'x' },
        'a.example': { identitytoken: 'id', auth: base64('<token>:') },
        'b.example': { registrytoken: 'reg' },
        'c.example': { username: 'u', password: 'p' },
        'd.example': {},
      },
    });
    expect(auths.get('ghcr.io')).toMatchObject({ username: 'me', password: 'pass:word' });
    expect(auths.get('https://index.docker.io/v1/')).toMatchObject({ username: 'hub', password: 'ü' });
    expect(auths.get('a.example')).toMatchObject({ identityToken: 'id' });
    expect(auths.get('b.example')).toMatchObject({ registryToken: 'reg' });
    expect(auths.get('c.example')).toMatchObject({ username: 'u', password: 'p' });
    expect(auths.get('d.example')).toMatchObject({ username: '', password: '' });
  });

  it('gives everything else that dtrust uses', () => {
    const config = parse({
      credsStore: 'desktop',
      credHelpers: { 'a.example': 'ecr-login' },
      HttpHeaders: { 'X-Meta-Team': 'a' },
      currentContext: 'colima',
      aliases: { builder: 'buildx' },
      plugins: { '-x-cli-hints': { enabled: 'true', n: 1 } },
      features: { hooks: 'true', buildkit: true },
      cliPluginsExtraDirs: ['/usr/lib/plugins'],
      proxies: { default: { httpProxy: 'http://p' } },
      detachKeys: 'ctrl-e,e',
      unknown: { anything: [1, 2] },
    });
    expect(config).toMatchObject({ credsStore: 'desktop', currentContext: 'colima', detachKeys: 'ctrl-e,e' });
    expect(config.credHelpers.get('a.example')).toBe('ecr-login');
    expect(config.httpHeaders.get('X-Meta-Team')).toBe('a');
    expect(config.aliases.get('builder')).toBe('buildx');
    expect(config.features).toEqual(
      new Map([
        ['hooks', 'true'],
        ['buildkit', 'true'],
      ]),
    );
    expect(config.plugins.get('-x-cli-hints')).toEqual(new Map([['enabled', 'true']]));
    expect(config.proxies.get('default')?.get('httpProxy')).toBe('http://p');
    expect(config.cliPluginsExtraDirs).toEqual(['/usr/lib/plugins']);
  });

  it('reads members in any case, the exact one first, as Go does', () => {
    expect(parse({ CredsStore: 'a', httpheaders: { x: 'y' } })).toMatchObject({ credsStore: 'a' });
    expect(parse({ CREDSSTORE: 'other', credsStore: 'exact' }).credsStore).toBe('exact');
  });

  it('keeps names like __proto__ as names', () => {
    const { auths, credHelpers } = parse(
      '{"auths":{"__proto__":{"username":"u"}},"credHelpers":{"constructor":"x"}}',
    );
    expect(auths.get('__proto__')?.username).toBe('u');
    expect(credHelpers.get('constructor')).toBe('x');
    expect(credHelpers.get('toString')).toBeUndefined();
  });

  it.each([
    ['no JSON', '{"auths": {"ghcr.io": {"auth": "c2VjcmV0OnNlY3JldA=="'],
    ['a list', '[]'],
    ['auths that are text', { auths: 'c2VjcmV0' }],
    ['an entry that is text', { auths: { 'ghcr.io': 'c2VjcmV0' } }],
    ['auth that is a number', { auths: { 'ghcr.io': { auth: 5 } } }],
    ['auth that is not base64', { auths: { 'ghcr.io': { auth: 'c2VjcmV0!' } } }],
    ['auth without padding', { auths: { 'ghcr.io': { auth: 'c2VjcmV0OmE' } } }],
    ['auth without a colon', { auths: { 'ghcr.io': { auth: base64('secret') } } }],
    ['credsStore that is an object', { credsStore: {} }],
    ['helpers that are lists', { credHelpers: { a: [] } }],
    ['a context that is a number', { currentContext: 1 }],
  ])('refuses %s, and shows nothing of the file', (_name, value) => {
    const refused = () => parse(value);
    expect(refused).toThrow(LocalStateError);
    expect(refused).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
    expect(refused).toThrow(/^\/d\/config\.json cannot be used(?!.*(?:secret|c2VjcmV0))/);
    expect(refused).not.toThrow(expect.objectContaining({ cause: expect.anything() }));
  });
});

describe('the folder of the configuration', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'dtrust-config-'));
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  it('is --config, else DOCKER_CONFIG, else .docker at home', () => {
    expect(configDirectory({ dockerConfig: '/b', home: '/h' }, '/a')).toBe('/a');
    expect(configDirectory({ dockerConfig: '/b', home: '/h' }, undefined)).toBe('/b');
    expect(configDirectory({ dockerConfig: undefined, home: '/h' }, '')).toBe('/h/.docker');
    expect(configDirectory({ dockerConfig: undefined, home: undefined }, undefined, '/root')).toBe(
      '/root/.docker',
    );
  });

  it('may be absent, or hold no or an empty config.json', () => {
    expect(loadDockerConfig(realFileSystem, path.join(folder, 'absent')).auths.size).toBe(0);
    expect(loadDockerConfig(realFileSystem, folder).credsStore).toBeUndefined();
    writeFileSync(path.join(folder, 'config.json'), '');
    expect(loadDockerConfig(realFileSystem, folder).credsStore).toBeUndefined();
  });

  it('is refused when config.json cannot be read', () => {
    mkdirSync(path.join(folder, 'config.json'));
    expect(() => loadDockerConfig(realFileSystem, folder)).toThrow(
      expect.objectContaining({ code: 'FILE_UNREADABLE' }),
    );
  });
});
