/**
 * A repository from its first push on: what is said and written then, what the machine that holds the online key alone
 * can do, what another machine needs, and which digest `trust sign` signs.
 */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Machine, openStage, refused, type Stage } from './harness.ts';
import { beginRepository, type Owner, pinArguments } from './owner.ts';

const REPO = 'acme/app';

let stage: Stage;
let name: string;
let begun: Owner;
let owner: Machine;

beforeAll(async () => {
  stage = await openStage();
  name = stage.name(REPO);
  begun = await beginRepository(stage, REPO);
});
afterAll(() => stage.close());
beforeEach(() => {
  stage.calm();
  owner = stage.machine({ like: begun.machine });
});

const filesOf = (machine: Machine): readonly string[] =>
  fs
    .readdirSync(machine.config, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => path.relative(machine.config, path.join(entry.parentPath, entry.name)));

const versionsIn = async (machine: Machine): Promise<Readonly<Record<string, number>>> => {
  const { stdout } = await machine.succeed(['trust', 'inspect', '--format', 'json', name]);
  const [{ Roles }] = JSON.parse(stdout) as [{ Roles: readonly { Name: string; Version: number }[] }];
  return Object.fromEntries(Roles.map(({ Name, Version }) => [Name, Version]));
};

describe('protocol 4.4: the first push says', () => {
  test('which root key it made, where it lies, that it wants a backup, and the line that pins it', () => {
    const { stderr, stdout } = begun.first;
    const [, keyId = ''] = /Root key ([0-9a-f]{64})/.exec(stderr) ?? [];
    expect(keyId).not.toBe('');
    const [, file = ''] = /Root key file: (\S+)/.exec(stderr) ?? [];
    expect(fs.readFileSync(file, 'utf8')).toContain('role: root');
    expect(stderr).toMatch(/Back your keys up now.*: dtrust trust key backup FILE/);
    expect(pinArguments(stderr)).toEqual(expect.arrayContaining(['pin', 'add', name, keyId]));
    expect(stdout).toContain(`Successfully signed ${name}:1.0\n`);
  });

  test('none of it again at the second push', async () => {
    stage.local(REPO, '2.0', stage.image(REPO, '2.0'));
    const run = await owner.succeed(['push', `${name}:2.0`]);
    expect(run.stderr).not.toMatch(/Root key|Back your keys up/);
  });
});

describe('protocol 4.4: a push into a pinned repository', () => {
  test('begins nothing where its trust data is gone, whoever asks; trust init does, with the pinned root key', async () => {
    stage.local('acme/lost', '1.0', stage.image('acme/lost', '1.0'));
    const lost = stage.name('acme/lost');
    const [, , , , keyId = ''] = pinArguments(begun.first.stderr);
    await owner.succeed(['trust', 'pin', 'add', lost, keyId]);
    const env = { DTRUST_INIT: '1' };
    await refused(owner, ['push', `${lost}:1.0`], { code: 'TRUST_DATA_GONE', env });
    const run = await owner.succeed(['trust', 'init', lost], env);
    expect(run.stdout).toContain(`Finished initializing "${lost}"`);
    await owner.succeed(['push', `${lost}:1.0`]);
  });

  test('trust init with another root key than the pinned one is ROOT_PIN, and writes nothing', async () => {
    const other = stage.name('acme/pinned');
    await owner.succeed(['trust', 'pin', 'add', other, 'a'.repeat(64)]);
    await refused(owner, ['trust', 'init', other], { code: 'ROOT_PIN', env: { DTRUST_INIT: '1' } });
  });

  test('trust init where there is trust data is refused', async () => {
    await refused(owner, ['trust', 'init', name], {
      code: 'PUBLISH_CONFLICT',
      env: { DTRUST_INIT: '1' },
      mayChange: /last-check|memory/,
    });
  });
});

describe('protocol 4.5: a machine with neither pin nor root key', () => {
  test('is refused before the upload; with the pin that the owner exports it is let in', async () => {
    const stranger = stage.machine();
    stage.local(REPO, '3.0', stage.image(REPO, '3.0'));
    await refused(stranger, ['push', `${name}:3.0`], { code: 'FIRST_USE_REFUSED' });
    const exported = await owner.succeed(['trust', 'pin', 'export', name]);
    await stranger.succeed(pinArguments(exported.stdout));
    await refused(stranger, ['push', `${name}:3.0`], { code: 'KEY_MISSING', mayChange: /memory/ });
  });
});

describe('protocol 2.7: trust refresh', () => {
  test('with the online key alone renews snapshot and timestamp, and nothing else', async () => {
    const job = stage.machine();
    const keys = path.join('trust', 'private');
    fs.mkdirSync(path.join(job.config, keys), { recursive: true, mode: 0o700 });
    for (const file of fs.readdirSync(path.join(owner.config, keys))) {
      const text = fs.readFileSync(path.join(owner.config, keys, file), 'utf8');
      if (text.includes('role: snapshot')) {
        fs.writeFileSync(path.join(job.config, keys, file), text, { mode: 0o600 });
      }
    }
    const exported = await owner.succeed(['trust', 'pin', 'export', name]);
    await job.succeed(pinArguments(exported.stdout));
    const before = await versionsIn(job);
    const run = await job.succeed(['trust', 'refresh', name]);
    expect(run.stdout).toMatch(/^Refreshed \S+, good until \d{4}-/);
    const after = await versionsIn(job);
    expect(after).toEqual({
      ...before,
      snapshot: (before.snapshot ?? 0) + 1,
      timestamp: (before.timestamp ?? 0) + 1,
    });
    await refused(job, ['trust', 'revoke', `${name}:1.0`], { code: 'KEY_MISSING', mayChange: /last-check/ });
    const all = await job.succeed(['trust', 'refresh', '--all']);
    expect(all.stdout.match(/^Refreshed \S+/gm)).toEqual([`Refreshed ${name},`]);
    expect((await versionsIn(job)).timestamp).toBe((after.timestamp ?? 0) + 1);
  });
});

describe('protocol 5.2: trust sign of an image that is not here', () => {
  test('without anybody to ask is DIGEST_UNCONFIRMED: the tag alone does not say which bytes are meant', async () => {
    const { digest } = stage.image(REPO, '4.0');
    const run = await refused(owner, ['trust', 'sign', `${name}:4.0`], { code: 'DIGEST_UNCONFIRMED' });
    expect(run.stderr).toContain(`dtrust trust sign ${name}:4.0@sha256:DIGEST`);
    expect(run.error.found).toContain(digest);
  });

  test('signs the digest that is named, whatever the tag has become, and pushes nothing', async () => {
    const meant = stage.image(REPO, '5.0', 'meant');
    stage.image(REPO, '5.0', 'of somebody else');
    stage.mark();
    await owner.succeed(['trust', 'sign', `${name}:5.0@${meant.digest}`]);
    expect(stage.engineChanges()).toEqual([]);
    const { stdout } = await owner.succeed(['pull', `${name}:5.0`]);
    expect(stdout).toContain(`@${meant.digest}`);
  });

  test('of a digest that the registry does not have is DIGEST_UNCONFIRMED', async () => {
    const absent = `sha256:${'0'.repeat(64)}`;
    await refused(owner, ['trust', 'sign', `${name}:6.0@${absent}`], { code: 'DIGEST_UNCONFIRMED' });
  });
});

describe('contract (Disk): every file that', () => {
  /** Paths of docs/files.md as patterns: `<id>` stands for hexadecimal digits, a folder for what is in it. */
  function documented(): readonly RegExp[] {
    const text = fs.readFileSync(path.join(import.meta.dirname, '..', '..', 'docs', 'files.md'), 'utf8');
    const table = [...text.matchAll(/^\| `(trust\/[^`]+)` \|/gm)].map(([, each = '']) => each);
    const memory = [
      ...text.matchAll(/^ {4}(?: {2})?(memory\/\S+\.json|memory\.json|<\S[^>]*>\.json|last-check) /gm),
    ];
    expect(memory).toHaveLength(4);
    const inMemory = memory.map(([, each = '']) =>
      each.startsWith('memory/') ? `trust/dtrust/${each}` : `trust/dtrust/memory/<id>/${each}`,
    );
    const paths = [...table.filter((each) => each !== 'trust/dtrust/memory/'), ...inMemory];
    return paths.map((each) => {
      const pattern = each.replaceAll('.', '\\.').replace(/<[^>]*>/g, '[0-9a-f]{64}');
      return new RegExp(`^${pattern}${each.endsWith('/') ? '[^/]+' : ''}$`);
    });
  }

  test('first push, pull and pin leave behind is named in docs/files.md, and is for its owner alone', async () => {
    await owner.succeed(['pull', '-q', `${name}:1.0`]);
    const exported = await owner.succeed(['trust', 'pin', 'export', name]);
    await owner.succeed(pinArguments(exported.stdout));
    const patterns = documented();
    const written = filesOf(owner).filter((file) => file !== 'config.json');
    expect(written.filter((file) => !patterns.some((pattern) => pattern.test(file)))).toEqual([]);
    for (const part of ['trust/private/', 'keys/', 'pins.json', 'memory.json', 'last-check', 'journal/']) {
      expect(
        written.filter((file) => file.includes(part)),
        part,
      ).not.toEqual([]);
    }
    const loose = owner.content().filter((line) => /\.docker\/trust\/.* (?!600 |700 )\d+ /.test(line));
    expect(loose).toEqual([]);
  });

  test('is needed: without a home that can be written to push and key commands refuse, with nothing uploaded', async () => {
    const env = { DTRUST_INIT: '1', DOCKER_CONFIG: undefined, HOME: '/sys/no-home' };
    stage.local('acme/homeless', '1.0', stage.image('acme/homeless', '1.0'));
    const push = ['push', `${stage.name('acme/homeless')}:1.0`];
    await refused(stage.machine(), push, { code: 'MEMORY_UNWRITABLE', env });
    await refused(stage.machine(), ['trust', 'key', 'generate', 'alice'], {
      code: 'FILE_UNWRITABLE',
      env,
      stdout: /^Generating key for alice\.\.\.\n$/,
    });
  });
});
