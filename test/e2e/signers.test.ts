/** `trust signer add | remove | list`, and what signers do then: protocol 2.2 to 2.6, on machines of their own. */
import { generateKeyPairSync } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Machine, openStage, refused, type Stage } from './harness.ts';

let stage: Stage;

/** One owner and two developers for all repositories: keys are slow to make. */
let owner: Machine;
const developers = new Map<string, Machine>();

/** A repository whose tag 1.0 the owner has signed. */
async function signed(repository: string): Promise<void> {
  await pushed(owner, repository, '1.0');
}

/** Pushes an image with this text under a tag, and returns its digest. */
async function pushed(machine: Machine, repository: string, tag: string, text = tag): Promise<string> {
  const image = stage.image(repository, tag, `${repository} ${text}`);
  stage.local(repository, tag, image);
  await machine.succeed(['push', `${stage.name(repository)}:${tag}`]);
  return image.digest;
}

/** Gives a machine, by default a new one, the pin of the owner's repository. */
async function pinned(repository: string, machine = stage.machine()): Promise<Machine> {
  const { stdout } = await owner.succeed(['trust', 'pin', 'export', stage.name(repository)]);
  await machine.succeed(stdout.trim().split(' ').slice(1));
  return machine;
}

/** A pinned machine with a key pair; the public half is at `<home>/<name>.pub`. */
async function developer(repository: string, name: string): Promise<Machine> {
  const known = developers.get(name);
  const machine = known ?? stage.machine();
  developers.set(name, machine);
  if (known === undefined) await machine.succeed(['trust', 'key', 'generate', name]);
  return await pinned(repository, machine);
}

const publicHalf = (machine: Machine, name: string) => path.join(machine.home, `${name}.pub`);

const add = (machine: Machine, name: string, repository: string, ...more: string[]) =>
  owner.succeed([
    ...['trust', 'signer', 'add', '--key', publicHalf(machine, name)],
    ...[...more, name, stage.name(repository)],
  ]);

async function inspected(machine: Machine, repository: string): Promise<Record<string, unknown>> {
  const { stdout } = await machine.succeed(['trust', 'inspect', '--format', 'json', stage.name(repository)]);
  return JSON.parse(stdout)[0] as Record<string, unknown>;
}

async function listed(machine: Machine, repository: string): Promise<Record<string, unknown>[]> {
  const { stdout } = await machine.succeed([
    ...['trust', 'signer', 'list', '--format', 'json'],
    stage.name(repository),
  ]);
  return JSON.parse(stdout) as Record<string, unknown>[];
}

function trustTag(repository: string): string | undefined {
  return stage.registry.repository(repository).tags.get('_trust' as never);
}

beforeAll(async () => {
  stage = await openStage();
  owner = stage.machine({ env: { DTRUST_INIT: '1' } });
});
vi.setConfig({ testTimeout: 120_000 });
afterEach(() => stage.calm());
afterAll(() => stage.close());

describe('a developer comes and goes', () => {
  it('protocol 2.3, 2.4, 2.6: is added, pushes by himself, is removed, and pushes no more', async () => {
    await signed('story');
    const name = stage.name('story');
    const consumer = await pinned('story');
    await consumer.succeed(['pull', '-q', `${name}:1.0`]);
    const alice = await developer('story', 'alice');

    const image = stage.image('story', '2.0', 'by alice');
    stage.local('story', '2.0', image);
    const before = await refused(alice, ['push', `${name}:2.0`], {
      code: 'KEY_MISSING',
      mayChange: /trust\/dtrust\//,
    });
    expect(before.stderr).toMatch(/accepted: the repository key \([0-9a-f]{64}\)/);
    expect(before.stderr).toContain(
      'hint: To become a signer, make a key and hand NAME.pub to the owner: dtrust trust key generate NAME\n',
    );
    expect(before.stderr).toContain(
      `hint: The owner then lists it: dtrust trust signer add --key NAME.pub NAME ${name}\n`,
    );

    const added = await add(alice, 'alice', 'story');
    expect(added.stdout).toBe(
      `Adding signer "alice" to ${name}...\nSuccessfully added signer: alice to ${name}\n`,
    );
    expect(added.stderr).toMatch(
      new RegExp(
        `pin for machines without memory: dtrust trust pin add ${name} [0-9a-f]{64} .*--root-version 2`,
      ),
    );

    const byOwner = trustTag('story');

    await alice.succeed(['push', `${name}:2.0`]);
    const pulled = await consumer.succeed(['pull', `${name}:2.0`]);
    expect(pulled.stdout).toContain(`@${image.digest}`);
    const seen = await inspected(consumer, 'story');
    expect(seen.SignedTags).toMatchObject([
      { SignedTag: '1.0', Signers: ['Repo Admin'] },
      { SignedTag: '2.0', Signers: ['alice'] },
    ]);
    expect(seen.Signers).toMatchObject([{ Name: 'alice' }]);
    expect(await listed(consumer, 'story')).toMatchObject([
      { Name: 'alice', Paths: null, SignedLast: [`${name}:2.0`] },
    ]);
    const withAlice = trustTag('story');

    await refused(owner, ['trust', 'signer', 'remove', 'alice', name], {
      code: 'PROMPT_UNAVAILABLE',
      stdout: /^Removing signer/,
      mayChange: /trust\/dtrust\//,
    });
    expect(trustTag('story')).toBe(withAlice);
    const removed = await owner.succeed(['trust', 'signer', 'remove', '--force', 'alice', name]);
    expect(removed.stdout).toBe(
      `Removing signer "alice" from ${name}...\nSuccessfully removed alice from ${name}\n`,
    );
    expect(removed.stderr).toContain('--root-version 3');

    stage.local('story', '3.0', stage.image('story', '3.0', 'too late'));
    await refused(alice, ['push', `${name}:3.0`], { code: 'KEY_MISSING', mayChange: /trust\/dtrust\// });
    await consumer.succeed(['pull', '-q', `${name}:2.0`]);
    expect((await inspected(consumer, 'story')).SignedTags).toMatchObject([
      { SignedTag: '1.0', Signers: ['Repo Admin'] },
      { SignedTag: '2.0', Signers: ['Repo Admin'] },
    ]);
    expect(await listed(consumer, 'story')).toEqual([]);

    stage.registry.repository('story').tags.set('_trust', withAlice as never);
    await refused(consumer, ['pull', `${name}:2.0`], { code: 'TIMESTAMP_THRESHOLD' });
    stage.registry.repository('story').tags.set('_trust', byOwner as never);
    await refused(consumer, ['pull', `${name}:2.0`], { code: 'TIMESTAMP_ROLLBACK' });
    const fresh = stage.machine();
    const pin = /dtrust (trust pin add .*)\n/.exec(removed.stderr)?.[1] ?? '';
    await fresh.succeed(pin.split(' '));
    await refused(fresh, ['pull', `${name}:2.0`], { code: 'ROOT_BELOW_PIN', mayChange: /./ });
  });

  it('protocol 2.5: who slept through it all keeps his floor and verifies at the end', async () => {
    await signed('slept');
    const name = stage.name('slept');
    const consumer = await pinned('slept');
    await consumer.succeed(['pull', '-q', `${name}:1.0`]);
    const alice = await developer('slept', 'alice');
    const bob = await developer('slept', 'bob');
    await add(alice, 'alice', 'slept');
    await add(bob, 'bob', 'slept');
    await pushed(alice, 'slept', '2.0');
    const digest = await pushed(bob, 'slept', '2.0', 'by bob');
    await owner.succeed(['trust', 'signer', 'remove', 'alice', name]);
    expect((await consumer.succeed(['pull', `${name}:2.0`])).stdout).toContain(`@${digest}`);
    expect((await listed(consumer, 'slept')).map(({ Name }) => Name)).toEqual(['bob']);
    await pushed(bob, 'slept', '3.0');
    await consumer.succeed(['pull', '-q', `${name}:3.0`]);
  });

  it('protocol 2.6: without the root key targets and releases change at once, with a warning', async () => {
    await signed('rootless');
    const name = stage.name('rootless');
    const alice = await developer('rootless', 'alice');
    await add(alice, 'alice', 'rootless');
    const deputy = stage.machine({ like: owner });
    const keys = path.join(deputy.config, 'trust', 'private');
    for (const file of fs.readdirSync(keys)) {
      if (fs.readFileSync(path.join(keys, file), 'utf8').includes('role: root'))
        fs.rmSync(path.join(keys, file));
    }
    await deputy.succeed(['trust', 'pin', 'add', ...(await pinArguments('rootless'))]);
    const bob = await developer('rootless', 'bob');
    await refused(deputy, ['trust', 'signer', 'add', '--key', publicHalf(bob, 'bob'), 'bob', name], {
      code: 'KEY_ROOT_MISSING',
      stdout: /^Adding signer/,
      mayChange: /trust\/dtrust\//,
    });
    const { stderr } = await deputy.succeed(['trust', 'signer', 'remove', 'alice', name]);
    expect(stderr).toContain('warning: alice can still sign snapshot and timestamp');
    stage.local('rootless', '2.0', stage.image('rootless', '2.0', 'x'));
    await refused(alice, ['push', `${name}:2.0`], { code: 'KEY_MISSING', mayChange: /trust\/dtrust\// });
  });
});

async function pinArguments(repository: string): Promise<readonly string[]> {
  const { stdout } = await owner.succeed(['trust', 'pin', 'export', stage.name(repository)]);
  return stdout.trim().split(' ').slice(4);
}

describe('a signer limited to some tags', () => {
  it('protocol 2.2, 2.3: signs these in his own role, and nothing else', async () => {
    await signed('limited');
    const name = stage.name('limited');
    const consumer = await pinned('limited');
    const dev = await developer('limited', 'dev');
    const { stderr } = await add(dev, 'dev', 'limited', '--path', 'dev-*');
    expect(stderr).toContain(`warning: nothing that is signed now matches ${name}:dev-*\n`);
    const digest = await pushed(dev, 'limited', 'dev-1');
    expect((await consumer.succeed(['pull', `${name}:dev-1`])).stdout).toContain(`@${digest}`);
    expect(await listed(consumer, 'limited')).toMatchObject([
      { Name: 'dev', Paths: [`${name}:dev-*`], SignedLast: [`${name}:dev-1`] },
    ]);

    stage.local('limited', '2.0', stage.image('limited', '2.0', 'not his'));
    const run = await refused(dev, ['push', `${name}:2.0`], {
      code: 'KEY_NOT_LISTED',
      mayChange: /trust\/dtrust\//,
    });
    expect(run.stderr).toContain(
      `the key here is that of dev, for ${name}:dev-* only; accepted: the repository key`,
    );

    const alice = await developer('limited', 'alice');
    await add(alice, 'alice', 'limited');
    const held = await refused(alice, ['trust', 'sign', `${name}:dev-1@${digest}`], {
      code: 'TAG_HELD_BY_ROLE',
      mayChange: /trust\/dtrust\//,
    });
    expect(held.stderr).toMatch(/stands in the role targets\/dev already.*accepted: dev \(/);

    await owner.succeed(['trust', 'signer', 'remove', '--force', 'dev', name]);
    expect((await consumer.succeed(['pull', `${name}:dev-1`])).stdout).toContain(`@${digest}`);
    await pushed(alice, 'limited', 'dev-1', 'again');
  });

  it('says how many signed tags stay out of his reach, and refuses a pattern no tag can match', async () => {
    await signed('patterns');
    const dev = await developer('patterns', 'dev');
    for (const pattern of ['', 'dev/*', 'docker.io/acme/other:dev-*', 'dev *', '-x']) {
      await refused(
        owner,
        [
          'trust',
          'signer',
          'add',
          '--key',
          publicHalf(dev, 'dev'),
          `--path=${pattern}`,
          'dev',
          stage.name('patterns'),
        ],
        { code: 'USAGE', stdout: /./, mayChange: /trust\/dtrust\// },
      );
    }
    const { stderr } = await add(dev, 'dev', 'patterns', '--path', `${stage.name('patterns')}:1.*`);
    expect(stderr).toContain('1 signed tags match');
    stage.local('patterns', '1.0', stage.image('patterns', '1.0', 'other'));
    await refused(dev, ['push', `${stage.name('patterns')}:1.0`], {
      code: 'TAG_HELD_BY_ROLE',
      mayChange: /trust\/dtrust\//,
    });
  });
});

describe('names, keys and key files', () => {
  it('adds a second key of a signer when the first one is named as well, and refuses a name that is taken', async () => {
    await signed('second');
    const name = stage.name('second');
    const alice = await developer('second', 'alice');
    const other = await pinned('second');
    await other.succeed(['trust', 'key', 'generate', 'alice']);
    await add(alice, 'alice', 'second');
    const taken = ['trust', 'signer', 'add', '--key', publicHalf(other, 'alice'), 'alice', name];
    const options = { stdout: /^Adding signer/, mayChange: /trust\/dtrust\// };
    await refused(owner, taken, { code: 'KEY_EXISTS', ...options });
    await add(other, 'alice', 'second', '--key', publicHalf(alice, 'alice'));
    expect((await listed(owner, 'second')).map(({ Keys }) => Keys)).toMatchObject([{ length: 2 }]);
    await pushed(other, 'second', '2.0');
    await pushed(alice, 'second', '3.0');
    await refused(owner, ['trust', 'signer', 'add', '--key', publicHalf(alice, 'alice'), 'bob', name], {
      code: 'KEY_EXISTS',
      ...options,
    });
  });

  it('takes keys of openssl and of docker, and certificates are read as keys', async () => {
    await signed('foreign');
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    fs.writeFileSync(path.join(owner.home, 'docker.pub'), pem.replace('-----\n', '-----\nrole: bob\n\n'));
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey;
    fs.writeFileSync(
      path.join(owner.home, 'rsa.pub'),
      rsa.export({ type: 'pkcs1', format: 'pem' }).toString(),
    );
    await owner.succeed([
      ...['trust', 'signer', 'add', '--key', 'docker.pub', '--key', 'rsa.pub'],
      ...['bob', stage.name('foreign')],
    ]);
    expect(await listed(owner, 'foreign')).toMatchObject([{ Name: 'bob', Keys: { length: 2 } }]);
  });

  it('refuses a private key handed over by mistake without printing it, before anything is asked', async () => {
    await signed('mistake');
    const { privateKey } = generateKeyPairSync('ed25519');
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    fs.writeFileSync(path.join(owner.home, 'bob.key'), pem);
    const run = await refused(
      owner,
      ['trust', 'signer', 'add', '--key', 'bob.key', 'bob', stage.name('mistake')],
      { code: 'KEY_FILE_INVALID' },
    );
    for (const line of pem.split('\n').slice(1, -2)) expect(run.stderr).not.toContain(line);
    const cases: [string, string][] = [
      ['', 'KEY_FILE_INVALID'],
      ['-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n', 'KEY_FILE_INVALID'],
    ];
    for (const [content, code] of cases) {
      fs.writeFileSync(path.join(owner.home, 'bob.pub'), content);
      await refused(owner, ['trust', 'signer', 'add', '--key', 'bob.pub', 'bob', stage.name('mistake')], {
        code,
      });
    }
    await refused(owner, ['trust', 'signer', 'add', '--key', 'none.pub', 'bob', stage.name('mistake')], {
      code: 'FILE_UNREADABLE',
    });
    await refused(owner, ['trust', 'signer', 'add', 'bob', stage.name('mistake')], { code: 'USAGE' });
    for (const name of ['releases', 'Bob', 'root']) {
      await refused(owner, ['trust', 'signer', 'add', '--key', 'bob.pub', name, stage.name('mistake')], {
        code: 'KEY_NAME',
      });
    }
    await refused(owner, ['trust', 'signer', 'remove', 'bob', stage.name('mistake')], {
      code: 'KEY_NOT_LISTED',
      stdout: /^Removing signer/,
      mayChange: /trust\/dtrust\//,
    });
  });

  it('goes on with other repositories when one fails, and names those that failed', async () => {
    await signed('several');
    await pushed(owner, 'several-too', '1.0');
    const alice = await developer('several', 'alice');
    await add(alice, 'alice', 'several');
    const run = await owner.run([
      ...['trust', 'signer', 'add', '--key', publicHalf(alice, 'alice'), 'alice'],
      ...[stage.name('several'), stage.name('several-too')],
    ]);
    expect(run.status).toBe(1);
    expect(run.stdout).toContain(`Successfully added signer: alice to ${stage.name('several-too')}\n`);
    expect(run.stderr).toContain(`dtrust: failed to add signer alice to: ${stage.name('several')}\n`);
    expect(run.stderr).toContain('(KEY_EXISTS)\n');
    expect(await listed(owner, 'several-too')).toMatchObject([{ Name: 'alice' }]);
  });

  it('begins a repository that nobody has signed in, as docker does', async () => {
    const alice = await developer('second', 'alice');
    const { stdout, stderr } = await add(alice, 'alice', 'begun');
    expect(stdout).toContain('Successfully added signer: alice');
    expect(stderr).toContain('now vouches for');
    expect(await listed(owner, 'begun')).toMatchObject([{ Name: 'alice' }]);
  });
});
