import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hasCode, UsageError } from '../../src/lib/errors.ts';
import type { Digest } from '../../src/reference/digest.ts';
import type { Tag } from '../../src/reference/reference.ts';
import {
  assertNotTrustTag,
  dockerSpelling,
  isLoopbackHost,
  isTag,
  parseReference,
  parseRepository,
  parseTag,
  referenceTo,
  TRUST_TAG,
  targetPath,
  withDefaultTag,
} from '../../src/reference/reference.ts';
import { anyReference, repositoryName } from './arbitraries.ts';

const HEX = 'a'.repeat(64);
const DIGEST = `sha256:${HEX}`;
const longPath = (length: number): string => 'a'.repeat(length);

function refusal(action: () => unknown): UsageError {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return error as UsageError;
  }
  throw new Error('nothing was refused');
}

describe('references docker accepts', () => {
  test.each<[text: string, canonical: string, familiar: string]>([
    ['nginx', 'docker.io/library/nginx:latest', 'nginx'],
    ['nginx:1.0', 'docker.io/library/nginx:1.0', 'nginx:1.0'],
    ['library/nginx', 'docker.io/library/nginx:latest', 'nginx'],
    ['docker.io/nginx', 'docker.io/library/nginx:latest', 'nginx'],
    ['docker.io/library/nginx:1', 'docker.io/library/nginx:1', 'nginx:1'],
    ['index.docker.io/nginx', 'docker.io/library/nginx:latest', 'nginx'],
    ['index.docker.io/acme/app', 'docker.io/acme/app:latest', 'acme/app'],
    [
      'registry-1.docker.io/acme/app',
      'registry-1.docker.io/acme/app:latest',
      'registry-1.docker.io/acme/app',
    ],
    ['registry-1.docker.io/nginx', 'registry-1.docker.io/nginx:latest', 'registry-1.docker.io/nginx'],
    ['acme/app', 'docker.io/acme/app:latest', 'acme/app'],
    ['acme/app/part', 'docker.io/acme/app/part:latest', 'acme/app/part'],
    ['library/a/b', 'docker.io/library/a/b:latest', 'library/a/b'],
    ['ghcr.io/acme/app', 'ghcr.io/acme/app:latest', 'ghcr.io/acme/app'],
    ['ghcr.io/app', 'ghcr.io/app:latest', 'ghcr.io/app'],
    ['localhost/app', 'localhost/app:latest', 'localhost/app'],
    ['localhost:5000/app', 'localhost:5000/app:latest', 'localhost:5000/app'],
    ['localhost', 'docker.io/library/localhost:latest', 'localhost'],
    ['host:5000', 'docker.io/library/host:5000', 'host:5000'],
    ['host:5000/app', 'host:5000/app:latest', 'host:5000/app'],
    ['127.0.0.1:5000/app', '127.0.0.1:5000/app:latest', '127.0.0.1:5000/app'],
    ['[::1]:5000/app', '[::1]:5000/app:latest', '[::1]:5000/app'],
    ['[2001:db8::1]/app', '[2001:db8::1]/app:latest', '[2001:db8::1]/app'],
    ['a-b.c/d', 'a-b.c/d:latest', 'a-b.c/d'],
    ['a__b/c.d/e-f/g---h', 'docker.io/a__b/c.d/e-f/g---h:latest', 'a__b/c.d/e-f/g---h'],
    ['nginx:_x', 'docker.io/library/nginx:_x', 'nginx:_x'],
    ['nginx:A.b-C_1', 'docker.io/library/nginx:A.b-C_1', 'nginx:A.b-C_1'],
    [`nginx:${'t'.repeat(128)}`, `docker.io/library/nginx:${'t'.repeat(128)}`, `nginx:${'t'.repeat(128)}`],
    [`nginx@${DIGEST}`, `docker.io/library/nginx@${DIGEST}`, `nginx@${DIGEST}`],
    [`nginx:1.0@${DIGEST}`, `docker.io/library/nginx:1.0@${DIGEST}`, `nginx:1.0@${DIGEST}`],
    [`a@sha512:${HEX}${HEX}`, `docker.io/library/a@sha512:${HEX}${HEX}`, `a@sha512:${HEX}${HEX}`],
    [`library/${HEX}`, `docker.io/library/${HEX}:latest`, `docker.io/library/${HEX}`],
    [`a/${HEX}`, `docker.io/a/${HEX}:latest`, `a/${HEX}`],
    [`x.io/${longPath(255)}`, `x.io/${longPath(255)}:latest`, `x.io/${longPath(255)}`],
    [longPath(247), `docker.io/library/${longPath(247)}:latest`, longPath(247)],
    // Docker shortens these to names of other registries; dtrust keeps them whole.
    ['docker.io/a.b/c', 'docker.io/a.b/c:latest', 'docker.io/a.b/c'],
    ['docker.io/localhost/c', 'docker.io/localhost/c:latest', 'docker.io/localhost/c'],
  ])('%s', (text, canonical, familiar) => {
    const reference = parseReference(text);
    expect(reference).toMatchObject({ given: text, canonical, familiar });
    expect(Object.isFrozen(reference)).toBe(true);
  });

  test('fills in no tag unasked', () => {
    expect(parseReference('nginx').tag).toBeUndefined();
    expect(parseReference(`nginx@${DIGEST}`)).toMatchObject({ digest: DIGEST });
    expect(withDefaultTag(parseReference('docker.io/nginx'))).toMatchObject({
      tag: 'latest',
      given: 'docker.io/nginx',
      familiar: 'nginx:latest',
      canonical: 'docker.io/library/nginx:latest',
    });
    expect(withDefaultTag(parseReference('nginx:1')).tag).toBe('1');
    expect(() => withDefaultTag(parseReference(`nginx@${DIGEST}`))).toThrow('no default tag');
  });
});

describe('protocol 1.3: one spelling for one registry', () => {
  test.each([
    ['GHCR.IO/acme/app', 'ghcr.io/acme/app'],
    ['Ghcr.io:443/acme/app', 'ghcr.io/acme/app'],
    ['ghcr.io:0443/acme/app', 'ghcr.io/acme/app'],
    ['ghcr.io:05000/acme/app', 'ghcr.io:5000/acme/app'],
    ['ghcr.io:80/acme/app', 'ghcr.io:80/acme/app'],
    ['Docker.IO/nginx', 'docker.io/library/nginx'],
    ['docker.io:443/nginx', 'docker.io/library/nginx'],
    ['INDEX.docker.io:443/acme/app', 'docker.io/acme/app'],
    ['docker.io:5000/nginx', 'docker.io:5000/nginx'],
    ['LOCALHOST:5000/app', 'localhost:5000/app'],
    ['Localhost/app', 'localhost/app'],
    ['localhost:443/app', 'localhost/app'],
    ['[2001:DB8:0:0:0:0:0:1]:443/app', '[2001:db8::1]/app'],
    ['[0:0:0:0:0:0:0:1]:5000/app', '[::1]:5000/app'],
    ['[2001:db8:0:1:1:1:1:1]/app', '[2001:db8:0:1:1:1:1:1]/app'],
    ['[2001:0:0:1:0:0:0:1]/app', '[2001:0:0:1::1]/app'],
    ['[2001:db8:0:0:1:0:0:1]/app', '[2001:db8::1:0:0:1]/app'],
    // Without its port or its upper case, such a name would be a path of Docker Hub.
    ['box:443/app', 'box:443/app'],
    ['BOX/app', 'box:443/app'],
    ['Box:443/app', 'box:443/app'],
    ['Box:5000/app', 'box:5000/app'],
  ])('protocol 1.3: %s is %s', (text, repository) => {
    expect(parseRepository(text).canonical).toBe(repository);
  });

  test('protocol 1.3: a registry of one label never becomes a path of Docker Hub', () => {
    expect(parseRepository('box/app').canonical).toBe('docker.io/box/app');
    expect(parseRepository('box:443/app').canonical).not.toBe(parseRepository('box/app').canonical);
    expect(parseRepository('BOX/app').canonical).not.toBe(parseRepository('box/app').canonical);
  });

  test.each([
    'localhost',
    'localhost:5000',
    'LOCALHOST',
    '127.0.0.1',
    '127.8.9.10:80',
    '[::1]',
    '[::1]:5000',
  ])('%s is this machine', (host) => expect(isLoopbackHost(host)).toBe(true));

  test.each(['[::ffff:7f00:1]:5000', '[::ffff:7f12:3456]'])('%s is this machine too', (host) => {
    expect(isLoopbackHost(host)).toBe(true);
  });

  test.each([
    'ghcr.io',
    'localhost.evil.io',
    'xlocalhost',
    '127.0.0.1.evil.io',
    '128.0.0.1',
    '[::2]',
    '10.0.0.1',
  ])('%s is not this machine', (host) => expect(isLoopbackHost(host)).toBe(false));

  test.each(['[::ffff:8000:1]', '127.0.0.01', '[::1', ''])('%j is not this machine either', (host) => {
    expect(isLoopbackHost(host)).toBe(false);
  });
});

describe('references that are refused', () => {
  test.each([
    ['', 'nothing'],
    [HEX, '64 hexadecimal digits'],
    ['Nginx', 'upper case'],
    ['nginX:1', 'upper case'],
    ['acme/App', 'upper case'],
    ['ghcr.io/Acme/app', 'upper case'],
    ['nginx:', 'an empty tag'],
    ['nginx:-x', 'a tag beginning with -'],
    ['nginx:.x', 'a tag beginning with .'],
    [`nginx:${'t'.repeat(129)}`, 'a tag of 129 characters'],
    ['nginx:a:b', 'two tags'],
    ['nginx@', 'an empty digest'],
    ['nginx@sha256:', 'an empty digest'],
    [`nginx@sha256:${HEX}a`, 'a digest of 65 digits'],
    [`nginx@sha256:${HEX.slice(1)}`, 'a digest of 63 digits'],
    [`nginx@sha256:${HEX.toUpperCase()}`, 'a digest in upper case'],
    [`nginx@SHA256:${HEX}`, 'an algorithm in upper case'],
    [`nginx@md5:${HEX.slice(0, 32)}`, 'an unknown algorithm'],
    [`nginx@${DIGEST}:x`, 'a tag behind the digest'],
    [`nginx@${DIGEST}@${DIGEST}`, 'two digests'],
    [`@${DIGEST}`, 'no name'],
    [':x', 'no name'],
    ['/nginx', 'an empty first part'],
    ['nginx/', 'an empty last part'],
    ['a//b', 'an empty part'],
    ['ghcr.io/', 'no path'],
    ['ghcr.io//app', 'an empty part'],
    ['.a/b', 'a part beginning with .'],
    ['a-/b', 'a part ending in -'],
    ['-a', 'a part beginning with -'],
    ['a..b/c', 'two dots'],
    ['a___b', 'three underscores'],
    ['a._b', 'two separators'],
    ['a b', 'a space'],
    [' nginx', 'a space before'],
    ['nginx\n', 'a line break behind'],
    ['nginx:1\n', 'a line break behind the tag'],
    ['nginx\0', 'a NUL'],
    ['ngïnx', 'a letter beyond ASCII'],
    ['İ/app', 'an upper-case letter beyond ASCII'],
    ['https://ghcr.io/acme/app', 'a scheme'],
    ['user@ghcr.io/app', 'a user'],
    ['foo_bar.com/app', 'a host with an underscore'],
    ['-x.io/app', 'a host beginning with -'],
    ['x-.io/app', 'a label ending in -'],
    ['x.io./app', 'a host with a final dot'],
    ['.x.io/app', 'a host beginning with a dot'],
    ['x.io:/app', 'a host with an empty port'],
    ['x.io:a/app', 'a port of letters'],
    ['x.io:0/app', 'port 0'],
    ['x.io:65536/app', 'a port above 65535'],
    [`x.io:${'9'.repeat(400)}/app`, 'an endless port'],
    ['::1/app', 'IPv6 without brackets'],
    ['[::1/app', 'half a bracket'],
    ['[::1%eth0]/app', 'a zone'],
    ['[:::]/app', 'no IPv6 address'],
    ['[1:2:3:4:5:6:7:8:9]/app', 'too long an IPv6 address'],
    ['[::ffff:1.2.3.4]/app', 'IPv6 with dots'],
    ['[]/app', 'an empty address'],
    [`x.io/${longPath(256)}`, 'a path of 256 characters'],
    [longPath(248), 'a path of 256 characters with library/'],
    [`${'a.'.repeat(130)}io/app`, 'a host of more than 255 characters'],
    ['a'.repeat(100_000), 'an endless name'],
    [`a${'-'.repeat(900)}`, 'a name that ends in 900 dashes'],
  ])('%j: %s', (text) => {
    expect(refusal(() => parseReference(text))).toMatchObject({ code: 'REFERENCE_INVALID' });
  });

  test("says what docker says where there is docker's own word", () => {
    expect(refusal(() => parseReference('acme/App:1')).message).toBe(
      'invalid reference format: repository name (acme/App) must be lowercase',
    );
    expect(refusal(() => parseReference(HEX)).message).toBe(
      `invalid repository name (${HEX}), cannot specify 64-byte hexadecimal strings`,
    );
    expect(refusal(() => parseReference('a b')).message).toBe('invalid reference format');
  });

  test('shows what was typed with nothing that a terminal obeys', () => {
    expect(refusal(() => parseReference('a\u001b[2J\u202e')).found).toBe('a\\u001b[2J\\u202e');
    expect(refusal(() => parseReference('a/B\u001b[2J')).message).toContain('(a/B\\u001b[2J)');
  });

  test('a repository has neither tag nor digest', () => {
    expect(parseRepository('ghcr.io/acme/app')).toMatchObject({ host: 'ghcr.io', path: 'acme/app' });
    for (const text of ['nginx:1', `nginx@${DIGEST}`, 'Nginx', '']) {
      expect(
        hasCode(
          refusal(() => parseRepository(text)),
          'REFERENCE_INVALID',
        ),
      ).toBe(true);
    }
  });

  test('a tag is a tag', () => {
    expect(parseTag('1.0-rc_1')).toBe('1.0-rc_1');
    expect(isTag('t'.repeat(128))).toBe(true);
    for (const text of ['', '-x', '.x', 'a/b', 'a:b', 'a@b', 'a b', 'a\n', 'é', 't'.repeat(129)]) {
      expect(isTag(text), text).toBe(false);
      expect(
        hasCode(
          refusal(() => parseTag(text)),
          'REFERENCE_INVALID',
        ),
      ).toBe(true);
    }
  });
});

describe('names in trust data', () => {
  test('protocol 1.1: the target path is the canonical reference', () => {
    const { repository } = parseReference('acme/app');
    expect(targetPath(repository, '1.0' as Tag)).toBe('docker.io/acme/app:1.0');
    expect(referenceTo(repository, { tag: '1.0' as Tag }).canonical).toBe('docker.io/acme/app:1.0');
  });

  test('protocol 3.4: `_trust` is refused as an image tag, in every spelling of the repository', () => {
    for (const text of [
      `nginx:${TRUST_TAG}`,
      'nginx:_trust-staged',
      'GHCR.IO/a/b:_trust',
      `x.io/a:_trust@${DIGEST}`,
    ]) {
      const error = refusal(() => assertNotTrustTag(parseReference(text)));
      expect(error).toMatchObject({ code: 'TAG_RESERVED', reference: parseReference(text).canonical });
    }
    const fine = parseReference('nginx:_trusty');
    expect(assertNotTrustTag(fine)).toBe(fine);
  });
});

describe('properties', () => {
  test('canonical forms parse back to themselves', () => {
    fc.assert(
      fc.property(anyReference, (text) => {
        const once = parseReference(text);
        const twice = parseReference(once.canonical);
        expect(twice.canonical).toBe(once.canonical);
        expect(twice.repository).toEqual(once.repository);
        expect(twice.digest).toBe(once.digest);
      }),
      { numRuns: 2_000 },
    );
  });

  test('familiar forms parse back to the same reference', () => {
    fc.assert(
      fc.property(anyReference, (text) => {
        const { familiar, canonical, tag, digest, repository } = parseReference(text);
        expect(parseReference(familiar)).toMatchObject({ canonical, familiar, repository });
        expect(parseReference(familiar).tag).toBe(tag);
        expect(parseReference(familiar).digest).toBe(digest);
        expect(parseRepository(repository.familiar)).toEqual(repository);
        expect(parseRepository(repository.canonical)).toEqual(repository);
      }),
      { numRuns: 2_000 },
    );
  });

  test('protocol 1.3: upper case, the default port and the old name of Docker Hub change nothing', () => {
    fc.assert(
      fc.property(anyReference, (text) => {
        const { repository } = parseReference(text);
        const { host, path } = repository;
        const spellings = [`${host.toUpperCase()}/${path}`];
        if (!/:[0-9]+$/.test(host)) spellings.push(`${host}:443/${path}`, `${host}:00443/${path}`);
        if (host === 'docker.io') spellings.push(`index.docker.io/${path}`);
        for (const spelling of spellings) expect(parseRepository(spelling)).toEqual(repository);
      }),
      { numRuns: 1_000 },
    );
  });

  test('protocol 1.3: no two repositories share a canonical form', () => {
    fc.assert(
      fc.property(repositoryName, repositoryName, (a, b) => {
        const [one, other] = [parseRepository(a), parseRepository(b)];
        const same = one.host === other.host && one.path === other.path;
        expect(one.canonical === other.canonical).toBe(same);
        expect(one.familiar === other.familiar).toBe(same);
      }),
      { numRuns: 2_000 },
    );
  });

  test('any text is parsed or refused with a code', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^[a-zA-Z0-9._:/@[\]-]*$/)),
        (text) => {
          try {
            const reference = parseReference(text);
            expect(reference.given).toBe(text);
            expect(parseReference(reference.canonical).repository).toEqual(reference.repository);
          } catch (error) {
            expect(hasCode(error, 'REFERENCE_INVALID')).toBe(true);
          }
        },
      ),
      { numRuns: 3_000 },
    );
  });

  test('a reference is what its parts say', () => {
    const repository = parseRepository('ghcr.io/acme/app');
    const made = referenceTo(repository, { tag: '1' as Tag, digest: DIGEST as Digest });
    expect(made).toEqual(parseReference(`ghcr.io/acme/app:1@${DIGEST}`));
  });
});

describe("docker's own spelling", () => {
  test.each([
    ['nginx', 'docker.io/library/nginx:latest'],
    ['index.docker.io/nginx:1', 'docker.io/library/nginx:1'],
    ['docker.io/acme/app', 'docker.io/acme/app:latest'],
    ['ghcr.io:443/acme/app', 'ghcr.io:443/acme/app:latest'],
    ['GHCR.io/acme/app:1', 'GHCR.io/acme/app:1'],
    ['localhost:05000/app', 'localhost:05000/app:latest'],
    [`Host:443/app@${DIGEST}`, `Host:443/app@${DIGEST}`],
  ])('of %s is %s', (text, spelled) => {
    expect(dockerSpelling(withName(text))).toBe(spelled);
  });

  test('is the canonical name for a reference that nobody typed', () => {
    const { repository } = parseReference('GHCR.io:443/acme/app:1');
    expect(dockerSpelling(referenceTo(repository, { tag: 'x' as Tag }))).toBe('ghcr.io/acme/app:x');
  });

  function withName(text: string) {
    const reference = parseReference(text);
    return reference.digest === undefined ? withDefaultTag(reference) : reference;
  }
});
