/** What keeps a rotation from being made leaves everything as it was; and one root key for several repositories (2.8). */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tufKeyId } from '../../src/trust/core/keys.ts';
import { contentOf } from '../helpers/temporary-folder.ts';
import { type Begun, type CommandWorld, openWorld } from './command-world.ts';

const INIT = { DTRUST_INIT: '1' };

let world: CommandWorld;
let home: string;
let begun: Begun;

beforeAll(async () => {
  world = await openWorld();
  home = world.home();
  begun = await world.begin(home, 'acme/app');
  await world.open(begun, home);
});
afterAll(() => world.close());

/** What a refusal must leave alone: keys, what is said of them, pins and journal. */
const kept = (folder: string) => contentOf(folder).filter((line) => !/trust\/dtrust\/memory/.test(line));

describe('protocol 2.8: which key is in a file that somebody has sent', () => {
  test('is said by every command that would list it, before anything is asked for or published', async () => {
    const sender = world.home();
    const { key, pub } = await world.keyPair(sender, 'dave');
    const wrong = { DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: 'another passphrase' };
    const commands = [
      ['threshold', '--add-key', pub, 'root', '1'],
      ['rotate', 'root', '--key', pub],
      ['rotate', 'signer', '--key', pub, 'dave'],
      ['rotate', '--recover', '--signer', `dave=${pub}`],
      ['signer', 'add', '--key', pub, 'dave'],
      ['init', '--second-root-key', pub],
    ];
    const tag = world.tag('acme/app');
    for (const args of commands) {
      const run = await world.run(world.home(home), ['trust', ...args, begun.name], { env: wrong });
      expect(run.error, args.join(' ')).toBeDefined();
      const line = `dtrust: the key in ${pub} is ${tufKeyId(key.publicKey)}; its owner sees his with: dtrust trust key list\n`;
      expect(run.err, args.join(' ')).toContain(line);
    }
    expect(world.tag('acme/app')).toBe(tag);
    // What its owner compares it with.
    expect((await world.succeed(sender, ['trust', 'key', 'list', '--format', 'json'])).out).toContain(
      tufKeyId(key.publicKey),
    );
  });
});

describe('protocol 2.8: a rotation that cannot be made', () => {
  test.each([
    [
      'with a wrong passphrase',
      'KEY_PASSPHRASE',
      { DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: 'another passphrase' },
    ],
    ['without a passphrase', 'KEY_PASSPHRASE_MISSING', { DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: '' }],
  ])('%s is %s, for each key, and no new key is left behind', async (_, code, env) => {
    for (const args of [['root'], ['targets'], ['online'], ['--recover']]) {
      const folder = world.home(home);
      const [before, tag] = [kept(folder), world.tag('acme/app')];
      const run = await world.run(folder, ['trust', 'rotate', ...args, begun.name], {
        env: { ...INIT, ...env },
      });
      expect(run.error, args.join()).toMatchObject({ code });
      expect(kept(folder)).toEqual(before);
      expect(world.tag('acme/app')).toBe(tag);
    }
  });

  test('without the root key, or with that of another repository, names whose is accepted and where to run it', async () => {
    for (const other of [false, true]) {
      const folder = world.home(home);
      for (const file of world.keyFiles(folder, 'root')) fs.rmSync(file);
      if (other) await world.keyPair(folder, 'root');
      const pin = ['trust', 'pin', 'add', begun.name, begun.pin.keyIds.join()];
      await world.succeed(folder, pin);
      const before = kept(folder);
      for (const args of [['root'], ['targets'], ['online'], ['--recover']]) {
        const run = await world.run(folder, ['trust', 'rotate', ...args, begun.name], { env: INIT });
        const error = run.error as { code: string; expected: string; hints: readonly string[] };
        expect(error, args.join()).toMatchObject({ code: 'KEY_ROOT_MISSING' });
        expect(error.expected).toContain(tufKeyId(begun.root.publicKey));
        expect(error.hints.join('\n')).toMatch(/where (such a|that) key is/);
        expect(kept(folder)).toEqual(before);
      }
    }
  });

  test('with a key file that is damaged says so, and not that the key is missing', async () => {
    const folder = world.home(home);
    const [file = ''] = world.keyFiles(folder, 'root');
    fs.writeFileSync(file, 'no key');
    await world.succeed(folder, ['trust', 'pin', 'add', begun.name, begun.pin.keyIds.join()]);
    const run = await world.run(folder, ['trust', 'rotate', 'online', begun.name], { env: INIT });
    expect(run.error).toMatchObject({ code: 'KEY_FILE_INVALID' });
  });

  test.each([
    [['root'], 'USAGE'],
    [['root', '--all', 'acme/app'], 'USAGE'],
    [['targets'], 'USAGE'],
    [['nothing', 'acme/app'], 'USAGE'],
    [['--signer', 'a=b', 'acme/app'], 'USAGE'],
  ])('typed as %j is %s', async (args, code) => {
    expect((await world.run(home, ['trust', 'rotate', ...args])).error).toMatchObject({ code });
  });

  test('where there is no trust data is NO_TRUST_DATA', async () => {
    for (const args of [['root'], ['online'], ['--recover']]) {
      const run = await world.run(world.home(home), ['trust', 'rotate', ...args, world.name('no/data')], {
        env: INIT,
      });
      expect(run.error).toMatchObject({ code: 'NO_TRUST_DATA' });
    }
  });

  test('what is known of own keys and is damaged is MEMORY_DAMAGED, and no other key is made', async () => {
    const folder = world.home(home);
    const file = path.join(folder, 'trust', 'dtrust', 'current-keys.json');
    fs.writeFileSync(file, '{}', { mode: 0o600 });
    for (const verb of ['root', 'targets', 'online']) {
      const run = await world.run(folder, ['trust', 'rotate', verb, begun.name], { env: INIT });
      expect(run.error).toMatchObject({ code: 'MEMORY_DAMAGED' });
    }
    expect(world.keyFiles(folder, 'root')).toHaveLength(1);
    fs.writeFileSync(file, '{"format":99}', { mode: 0o600 });
    const newer = await world.run(folder, ['trust', 'rotate', 'root', begun.name], { env: INIT });
    expect(newer.error).toMatchObject({ code: 'MEMORY_NEWER' });
  });
});

describe('protocol 2.1, 2.8: one root key for several repositories', () => {
  const rootOf = async (each: Begun) => (await world.open(each)).trusted.root.signed.roles.root.keyids;

  test('a rotation that fails in one of them is finished with the same key', async () => {
    const owner = world.home();
    const one = await world.begin(owner, 'two/one');
    const two = await world.begin(owner, 'two/two', [], one.root);
    let broken = true;
    world.registry.switches.before = ({ method, path: to }) => {
      if (broken && method === 'PUT' && to.includes('two/two')) throw new Error('not now');
    };
    const args = ['trust', 'rotate', 'root', one.name, two.name];
    try {
      const run = await world.run(owner, args, { env: INIT });
      expect(run.error).toBeDefined();
      expect(run.err).toContain(`failed to rotate the root key of: ${two.name}\n`);
    } finally {
      delete world.registry.switches.before;
    }
    broken = false;
    const [key] = await rootOf(one);
    expect(await rootOf(two)).toEqual([tufKeyId(one.root.publicKey)]);
    const again = await world.succeed(owner, args, INIT);
    expect(again.out).toContain(`The root key of ${one.name} is ${key} already\n`);
    expect(await rootOf(one)).toEqual([key]);
    expect(await rootOf(two)).toEqual([key]);
    expect(world.keyFiles(owner, 'root')).toHaveLength(2);
    // Done: the next one is another rotation.
    await world.succeed(owner, args, INIT);
    expect(await rootOf(two)).not.toEqual([key]);
    expect(world.keyFiles(owner, 'root')).toHaveLength(3);
  });

  test('--all leaves repositories of others alone, and does not ask for them', async () => {
    const [owner, other] = [world.home(), world.home()];
    const own = await world.begin(owner, 'mine/app');
    const foreign = await world.begin(other, 'theirs/app');
    for (const each of [own, foreign]) await world.open(each, owner);
    world.registry.log.length = 0;
    await world.succeed(owner, ['trust', 'rotate', 'root', '--all'], INIT);
    expect(await rootOf(own)).not.toEqual([tufKeyId(own.root.publicKey)]);
    expect(await rootOf(foreign)).toEqual([tufKeyId(foreign.root.publicKey)]);
    expect(
      world.registry.log.filter(({ method, path: to }) => method !== 'GET' && to.includes('theirs')),
    ).toEqual([]);
    const nothing = await world.run(world.home(), ['trust', 'rotate', 'root', '--all'], { env: INIT });
    expect(nothing.error).toMatchObject({ code: 'KEY_ROOT_MISSING' });
  });
});
