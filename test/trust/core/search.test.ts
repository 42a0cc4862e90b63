import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { TrustError } from '../../../src/lib/errors.ts';
import { listTargets } from '../../../src/trust/core/list.ts';
import type { RoleName } from '../../../src/trust/core/metadata.ts';
import { isNamed, repositoryOf } from '../../../src/trust/core/names.ts';
import {
  runSearch,
  type SearchOptions,
  type SearchResult,
  searchTarget,
  verifyFound,
} from '../../../src/trust/core/search.ts';
import { RepositorySimulator } from '../../helpers/repository-simulator.ts';
import { labelledSimKey } from '../../helpers/sim-keys.ts';
import { throwsCode } from '../../helpers/throws-code.ts';

const APP = 'docker.io/acme/app';
const ALL = [...'0123456789abcdef'];
const RELEASES = { name: 'targets/releases', path_hash_prefixes: ALL, terminating: true };

/** A repository whose `targets` role delegates to `targets/releases`, which holds everything below it. */
function released(): RepositorySimulator {
  const made = new RepositorySimulator();
  made.delegate(RELEASES);
  return made;
}

function search(made: RepositorySimulator, path: string, options?: SearchOptions) {
  if (made.states.length === 0) made.publish();
  const trusted = made.verify();
  made.requests.length = 0;
  const result = runSearch(searchTarget(trusted, path, options), (request) => made.fetch(request.fileName));
  return { result, requests: [...made.requests] };
}

const roleOf = (result: SearchResult): string => {
  if (result.kind === 'found') return result.target.role;
  return result.kind === 'not-released' ? `not released by ${result.role}` : result.kind;
};

describe('the search', () => {
  it('TUF 5.6.7: answers from targets before anything delegated, without a request', () => {
    const made = new RepositorySimulator();
    made.putTarget(`${APP}:1.0`, { bytes: Buffer.from('manifest') });
    const { result, requests } = search(made, `${APP}:1.0`);
    expect(result).toEqual({
      kind: 'found',
      target: {
        path: `${APP}:1.0`,
        lengthBytes: 8,
        sha256: `sha256:${createHash('sha256').update('manifest').digest('hex')}`,
        mediaType: 'application/vnd.oci.image.index.v1+json',
        role: 'targets',
        custom: new Map([['mediaType', 'application/vnd.oci.image.index.v1+json']]),
      },
    });
    expect(requests).toEqual([]);
  });

  it('TUF 5.6.7: finds by the exact path alone', () => {
    const made = new RepositorySimulator();
    made.putTarget(`${APP}:1.0`);
    for (const path of [
      `${APP}:1.0 `,
      `${APP}:1.0.0`,
      `${APP}:1`,
      `${APP}:latest`,
      APP,
      '',
      `${APP}:`,
      'x',
    ]) {
      expect(search(made, path).result.kind).toMatch(/^not-/);
    }
  });

  it('TUF 5.6.7.1: visits a role once, so a circle of delegations ends', () => {
    const made = released();
    made.delegate({ name: 'a', paths: ['docker.io/acme/*'] }, 'targets/releases');
    made.delegate({ name: 'b', paths: ['docker.io/acme/*'] }, 'a');
    made.delegate({ name: 'a', paths: ['docker.io/acme/*'] }, 'b');
    made.delegate({ name: 'targets/releases', paths: ['docker.io/acme/*'] }, 'b');
    const { result, requests } = search(made, `${APP}:1.0`);
    expect([roleOf(result), requests]).toEqual([
      'not-signed',
      ['1.targets%2Freleases.json', '1.a.json', '1.b.json'],
    ]);
  });

  it('TUF 5.6.7.1: ends at 32 roles, or at the number given, and says so', () => {
    const made = released();
    let from = 'targets/releases';
    for (let index = 0; index < 40; index += 1) {
      made.delegate({ name: `chain ${index}`, paths: ['docker.io/acme/*'] }, from);
      from = `chain ${index}`;
    }
    made.putTarget(`${APP}:deep`, {}, 'chain 39');
    const { result, requests } = search(made, `${APP}:deep`);
    expect(result).toEqual({ kind: 'not-signed', stoppedAt: 32 });
    expect(requests).toHaveLength(31);
    const error = throwsCode(() => verifyFound(result, `${APP}:deep`), TrustError, 'TARGET_NOT_SIGNED');
    expect(error.message).toBe('docker.io/acme/app:deep is not signed: the search ended after 32 roles');
    expect(roleOf(search(made, `${APP}:deep`, { maxRoles: 42 }).result)).toBe('chain 39');
    expect(search(made, `${APP}:deep`, { maxRoles: 41 }).result.kind).toBe('not-signed');
  });

  it('TUF 5.6.7.2: goes depth first, in the order of appearance', () => {
    const made = released();
    for (const [name, from] of [
      ['a', 'targets/releases'],
      ['aa', 'a'],
      ['ab', 'a'],
      ['b', 'targets/releases'],
      ['ba', 'b'],
    ] as const) {
      made.delegate({ name, paths: ['docker.io/acme/*'] }, from);
    }
    made.putTarget(`${APP}:1.0`, {}, 'ba').putTarget(`${APP}:2.0`, {}, 'ab').putTarget(`${APP}:2.0`, {}, 'b');
    const { result, requests } = search(made, `${APP}:1.0`);
    expect([roleOf(result), requests]).toEqual([
      'ba',
      ['1.targets%2Freleases.json', '1.a.json', '1.aa.json', '1.ab.json', '1.b.json', '1.ba.json'],
    ]);
    expect(roleOf(search(made, `${APP}:2.0`).result)).toBe('ab');
  });

  it('TUF 5.6.7.2: descends only where the path is trusted, all the way down', () => {
    const made = released();
    made.delegate({ name: 'a', paths: [`${APP}:dev-*`] }, 'targets/releases');
    made.delegate({ name: 'b', paths: ['*/*/*'] }, 'a');
    made.putTarget(`${APP}:1.0`, {}, 'a').putTarget(`${APP}:1.0`, {}, 'b').putTarget(`${APP}:dev-1`, {}, 'b');
    const stable = search(made, `${APP}:1.0`);
    expect([roleOf(stable.result), stable.requests]).toEqual(['not-signed', ['1.targets%2Freleases.json']]);
    expect(roleOf(search(made, `${APP}:dev-1`).result)).toBe('b');
  });

  it('TUF 5.6.7.2: takes paths by their hash prefix', () => {
    const hash = createHash('sha256').update(`${APP}:1.0`).digest('hex');
    const made = released();
    made.delegate(
      { name: 'other', path_hash_prefixes: [hash.slice(0, 3) === '000' ? '001' : '000'] },
      'targets/releases',
    );
    made.delegate({ name: 'mine', path_hash_prefixes: [hash.slice(0, 5)] }, 'targets/releases');
    made.putTarget(`${APP}:1.0`, {}, 'other').putTarget(`${APP}:1.0`, {}, 'mine');
    expect(roleOf(search(made, `${APP}:1.0`).result)).toBe('mine');
  });

  it('TUF 5.6.7.2.1: a terminating delegation ends the search', () => {
    const made = released();
    made.delegate({ name: 'a', paths: ['docker.io/acme/*'], terminating: true }, 'targets/releases');
    made.delegate({ name: 'b', paths: ['docker.io/acme/*'] }, 'targets/releases');
    made.putTarget(`${APP}:1.0`, {}, 'b');
    expect(roleOf(search(made, `${APP}:1.0`).result)).toBe('not-signed');
  });

  it('TUF 5.6.7.2.1: one that does not take the path ends nothing', () => {
    const made = released();
    made.delegate({ name: 'a', paths: ['docker.io/other/*'], terminating: true }, 'targets/releases');
    made.delegate({ name: 'b', paths: ['docker.io/acme/*'] }, 'targets/releases');
    made.putTarget(`${APP}:1.0`, {}, 'b');
    expect(roleOf(search(made, `${APP}:1.0`).result)).toBe('b');
  });

  it('TUF 5.6.7.2.2: another one does not end it', () => {
    const made = released();
    made.delegate({ name: 'a', paths: ['docker.io/acme/*'] }, 'targets/releases');
    made.delegate({ name: 'b', paths: ['docker.io/acme/*'] }, 'targets/releases');
    made.putTarget(`${APP}:1.0`, {}, 'b');
    expect(roleOf(search(made, `${APP}:1.0`).result)).toBe('b');
  });

  it.each(['missing', 'unsigned', 'wrong key', 'expired', 'one byte changed', 'not JSON'] as const)(
    'TUF 5.6.7: a role that cannot be had or trusted ends the search, and no later one answers: %s',
    (corruption) => {
      const made = released();
      made.delegate({ name: 'a', paths: ['docker.io/acme/*'] }, 'targets/releases');
      made.delegate({ name: 'b', paths: ['docker.io/acme/*'] }, 'targets/releases');
      made.putTarget(`${APP}:1.0`, {}, 'b');
      made.publish();
      made.corrupt('a', corruption);
      const codes = {
        missing: 'ROLE_MISSING',
        expired: 'ROLE_EXPIRED',
        'one byte changed': 'TARGETS_HASH',
        'not JSON': 'METADATA_JSON',
      };
      const code = (codes as Record<string, string>)[corruption] ?? 'TARGETS_THRESHOLD';
      expect(throwsCode(() => search(made, `${APP}:1.0`), TrustError, code).role).toBe('a');
    },
  );

  it('TUF 5.7.1: refuses an entry without a sha256', () => {
    const made = new RepositorySimulator();
    made
      .role('targets')
      .targets.set(`${APP}:1.0`, { length: 1, hashes: { sha512: 'x' }, custom: { mediaType: 'x' } });
    const error = throwsCode(() => search(made, `${APP}:1.0`), TrustError, 'TARGET_HASH_MISSING');
    expect(error).toMatchObject({ spec: '5.7.1', role: 'targets' });
  });

  it('protocol 1.1: refuses an entry without a media type', () => {
    const made = new RepositorySimulator();
    made.putTarget(`${APP}:1.0`, { custom: {} });
    throwsCode(() => search(made, `${APP}:1.0`), TrustError, 'TARGET_MEDIA_TYPE');
  });

  it('TUF 5.7.2: says that a target is not signed', () => {
    const made = new RepositorySimulator();
    const { result } = search(made, `${APP}:1.0`);
    expect(
      throwsCode(() => verifyFound(result, `${APP}:1.0`), TrustError, 'TARGET_NOT_SIGNED'),
    ).toMatchObject({
      spec: '5.7.2',
      reference: `${APP}:1.0`,
    });
  });
});

describe('protocol 2.2: who may say yes', () => {
  it('targets/releases, for every name', () => {
    const made = released();
    made.putTarget(`${APP}:1.0`, {}, 'targets/releases').putTarget(`${APP}:v/2`, {}, 'targets/releases');
    expect(roleOf(search(made, `${APP}:1.0`).result)).toBe('targets/releases');
  });

  it('a restricted role before it, for its own paths', () => {
    const made = new RepositorySimulator();
    made.delegate({ name: 'targets/dev', paths: [`${APP}:dev-*`] });
    made.delegate(RELEASES);
    made.putTarget(`${APP}:dev-1`, {}, 'targets/dev').putTarget(`${APP}:1.0`, {}, 'targets/dev');
    expect(roleOf(search(made, `${APP}:dev-1`).result)).toBe('targets/dev');
    expect(roleOf(search(made, `${APP}:1.0`).result)).toBe('not-signed');
  });

  it('no role behind it: signed there is not released', () => {
    const made = released();
    made.delegate({ name: 'targets/alice', path_hash_prefixes: ALL });
    made.putTarget(`${APP}:1.0`, {}, 'targets/alice');
    const { result } = search(made, `${APP}:1.0`);
    expect(roleOf(result)).toBe('not released by targets/alice');
    const error = throwsCode(() => verifyFound(result, `${APP}:1.0`), TrustError, 'TARGET_NOT_RELEASED');
    expect(error).toMatchObject({ spec: 'protocol 2.2', role: 'targets/alice' });
    expect(search(made, `${APP}:1.0`, { explain: false }).result.kind).toBe('not-signed');
  });

  it('no role behind it, also when the released role does not terminate', () => {
    const made = new RepositorySimulator();
    made.delegate({ ...RELEASES, terminating: false });
    made.delegate({ name: 'targets/alice', path_hash_prefixes: ALL });
    made.putTarget(`${APP}:1.0`, {}, 'targets/alice');
    expect(roleOf(search(made, `${APP}:1.0`).result)).toBe('not released by targets/alice');
  });

  it('no named role at all where there is no targets/releases', () => {
    const made = new RepositorySimulator();
    made.delegate({ name: 'targets/alice', paths: ['*/*/*'] });
    made.putTarget(`${APP}:1.0`, {}, 'targets/alice');
    expect(roleOf(search(made, `${APP}:1.0`).result)).toBe('not released by targets/alice');
  });

  it.each(['missing', 'wrong key', 'expired', 'one byte changed'] as const)(
    'what is wrong with a role behind it changes no answer: %s',
    (corruption) => {
      const made = released();
      made.delegate({ name: 'targets/alice', path_hash_prefixes: ALL });
      made.putTarget(`${APP}:1.0`, {}, 'targets/alice');
      made.publish();
      made.corrupt('targets/alice', corruption);
      expect(search(made, `${APP}:1.0`).result).toEqual({ kind: 'not-signed' });
    },
  );
});

describe('protocol 1.2: names', () => {
  it('ignores targets of repositories the collection does not speak for', () => {
    const made = new RepositorySimulator();
    made.putTarget('docker.io/library/nginx:latest').putTarget(`${APP}x:1.0`).putTarget(`${APP}/sub:1.0`);
    for (const path of ['docker.io/library/nginx:latest', `${APP}x:1.0`, `${APP}/sub:1.0`]) {
      const { result } = search(made, path);
      expect(result).toEqual({ kind: 'not-named' });
      expect(throwsCode(() => verifyFound(result, path), TrustError, 'TARGET_NOT_SIGNED').spec).toBe(
        'protocol 1.2',
      );
    }
  });

  it('speaks for patterns when the root says so', () => {
    const made = new RepositorySimulator({ names: ['docker.io/acme/*'] });
    made.putTarget('docker.io/acme/other:1.0').putTarget('docker.io/evil/other:1.0');
    expect(roleOf(search(made, 'docker.io/acme/other:1.0').result)).toBe('targets');
    expect(roleOf(search(made, 'docker.io/evil/other:1.0').result)).toBe('not-named');
  });

  it.each<[string, string | undefined]>([
    ['docker.io/acme/app:1.0', 'docker.io/acme/app'],
    ['localhost:5000/app:1', 'localhost:5000/app'],
    ['localhost:5000/app', undefined],
    ['[::1]:5000/app:1', '[::1]:5000/app'],
    [':x', undefined],
    ['', undefined],
  ])('the repository of %s is %s', (path, repository) => {
    expect(repositoryOf(path)).toBe(repository);
    expect(isNamed(path, [repository ?? 'none'])).toBe(repository !== undefined);
  });
});

describe('TAP 15: succinct hash bins', () => {
  const keys = [labelledSimKey('bins')];
  const binOf = (path: string, bits: number): string => {
    const index = createHash('sha256').update(path).digest().readUInt32BE(0) >>> (32 - bits);
    return `bin-${index.toString(16).padStart((2 ** bits - 1).toString(16).length, '0')}`;
  };

  it.each([1, 3, 4, 5, 8, 10])('finds each target in its one bin of 2^%d, with one request', (bits) => {
    const made = new RepositorySimulator();
    made.role('targets').succinct = { keys, threshold: 1, bit_length: bits, name_prefix: 'bin' };
    const paths = ['1.0', '2.0', 'latest'].map((tag) => `${APP}:${tag}`);
    for (const path of paths) {
      made.role(binOf(path, bits)).keys = keys;
      made.putTarget(path, {}, binOf(path, bits));
    }
    for (const path of paths) {
      const { result, requests } = search(made, path);
      expect([roleOf(result), requests]).toEqual([binOf(path, bits), [`1.${binOf(path, bits)}.json`]]);
    }
  });

  it('ignores an entry in the wrong bin', () => {
    const made = new RepositorySimulator();
    made.role('targets').succinct = { keys, threshold: 1, bit_length: 1, name_prefix: 'bin' };
    for (const bin of ['bin-0', 'bin-1']) made.role(bin).keys = keys;
    const wrong = binOf(`${APP}:1.0`, 1) === 'bin-0' ? 'bin-1' : 'bin-0';
    made.putTarget(`${APP}:1.0`, {}, wrong);
    expect(search(made, `${APP}:1.0`).result.kind).toBe('not-signed');
    const trusted = made.verify();
    expect(runSearch(listTargets(trusted), (request) => made.fetch(request.fileName))).toEqual([]);
  });

  it('a bin that is not listed is a role that is missing', () => {
    const made = new RepositorySimulator();
    made.role('targets').succinct = { keys, threshold: 1, bit_length: 2, name_prefix: 'bin' };
    throwsCode(() => search(made, `${APP}:1.0`), TrustError, 'ROLE_MISSING');
  });

  it('lists no more roles than allowed, however many bins one number stands for', () => {
    const made = new RepositorySimulator();
    made.role('targets').succinct = { keys, threshold: 1, bit_length: 32, name_prefix: 'bin' };
    made.publish();
    const list = listTargets(made.verify());
    expect(throwsCode(() => runSearch(list, () => undefined), TrustError, 'METADATA_TOO_LARGE').attack).toBe(
      'endless data',
    );
  });
});

describe('the list of targets', () => {
  it('holds what a search would find, and nothing else', () => {
    const made = new RepositorySimulator();
    made.delegate({ name: 'targets/dev', paths: [`${APP}:dev-*`] });
    made.delegate(RELEASES);
    made.delegate({ name: 'targets/alice', path_hash_prefixes: ALL });
    made.delegate({ name: 'below', paths: [`${APP}:b*`] }, 'targets/releases');
    made.putTarget(`${APP}:dev-1`, {}, 'targets/dev').putTarget(`${APP}:1.0`, {}, 'targets/dev');
    made.putTarget(`${APP}:dev-1`, { bytes: Buffer.from('shadowed') }, 'targets/releases');
    made.putTarget(`${APP}:2.0`, {}, 'targets/releases').putTarget('docker.io/x/y:1', {}, 'targets/releases');
    made.putTarget(`${APP}:b1`, {}, 'below').putTarget(`${APP}:c1`, {}, 'below');
    made.putTarget(`${APP}:only-alice`, {}, 'targets/alice');
    made.publish();
    const trusted = made.verify();
    made.requests.length = 0;
    const listed = runSearch(listTargets(trusted), (request) => made.fetch(request.fileName));
    expect(listed.map(({ path, role }) => [path.slice(APP.length + 1), role])).toEqual([
      ['2.0', 'targets/releases'],
      ['b1', 'below'],
      ['dev-1', 'targets/dev'],
    ]);
    expect(made.requests).not.toContain('1.targets%2Falice.json');
    expect(trusted.loadedRoles).toContain('below' as RoleName);
  });

  it('refuses when a role that releases is not to be had', () => {
    const made = released();
    made.publish();
    const list = listTargets(made.verify());
    throwsCode(() => runSearch(list, () => undefined), TrustError, 'ROLE_MISSING');
  });
});
