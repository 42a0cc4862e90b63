/** `dtrust push` and dtrust's own commands when all is well: what they print, what they leave, what others then see. */
import { createPublicKey } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { assertNoSecret, type Machine, openStage, refused, type Stage } from './harness.ts';
import { beginRepository, type Owner, pinArguments } from './owner.ts';

const REPO = 'acme/app';

let stage: Stage;
let begun: Owner;
let owner: Machine;
let name: string;

beforeAll(async () => {
  stage = await openStage();
  name = stage.name(REPO);
  begun = await beginRepository(stage, REPO);
  owner = begun.machine;
});
afterAll(() => stage.close());
beforeEach(() => stage.calm());

interface InspectedJson {
  readonly Name: string;
  readonly SignedTags: readonly { SignedTag: string; Digest: string; Signers: readonly string[] }[];
  readonly Signers: readonly unknown[];
  readonly AdministrativeKeys: readonly { Name: string; Keys: readonly { ID: string }[] }[];
}

async function signedTags(machine = owner): Promise<readonly string[]> {
  const { stdout } = await machine.succeed(['trust', 'inspect', name]);
  const [inspected] = JSON.parse(stdout) as InspectedJson[];
  return inspected?.SignedTags.map((each) => each.SignedTag) ?? [];
}

/** A machine that has nothing but the owner's pin line. */
async function consumer(): Promise<Machine> {
  const machine = stage.machine();
  await machine.succeed(pinArguments((await owner.succeed(['trust', 'pin', 'export', name])).stdout));
  return machine;
}

describe('the first push', () => {
  test('protocol 4.4: prints root key ID, key file, how to back it up, and the pin line; no secret', () => {
    const { stdout, stderr } = begun.first;
    const lines = stdout.trimEnd().split('\n');
    expect(lines.slice(-2)).toEqual([
      'Signing and pushing trust metadata',
      `Successfully signed ${name}:1.0`,
    ]);
    expect(stderr).toMatch(/Root key [0-9a-f]{64} now vouches for/);
    expect(stderr).toMatch(/Root key file: \/.*\/trust\/private\/[0-9a-f]{64}\.key/);
    expect(stderr).toContain('dtrust trust key backup FILE');
    expect(pinArguments(stderr).slice(0, 4)).toEqual(['trust', 'pin', 'add', name]);
    assertNoSecret(begun.first);
  });

  test('leaves three encrypted keys that nobody else can read, and nothing half made', () => {
    const folder = path.join(owner.config, 'trust', 'private');
    const files = fs.readdirSync(folder).map((file) => path.join(folder, file));
    expect(files).toHaveLength(3);
    for (const file of files) {
      expect(fs.statSync(file).mode & 0o777).toBe(0o600);
      expect(fs.readFileSync(file, 'utf8')).toContain('-----BEGIN ENCRYPTED PRIVATE KEY-----');
    }
    expect(fs.statSync(folder).mode & 0o777).toBe(0o700);
    const left = owner.content().filter((line) => /\.(lock|tmp|part)\b/.test(line));
    expect(left).toEqual([]);
  });

  test('is a pull for whoever has the pin, and a refusal for whoever has not', async () => {
    const machine = await consumer();
    const run = await machine.succeed(['pull', `${name}:1.0`]);
    expect(run.stdout).toContain(`Pull (1 of 1): ${name}:1.0@${begun.image.digest}`);
    await refused(stage.machine(), ['pull', `${name}:1.0`], { code: 'FIRST_USE_REFUSED' });
  });
});

describe('a later push', () => {
  test('signs what is new and keeps what is signed; -q prints the reference', async () => {
    stage.local(REPO, '2.0', stage.image(REPO, '2.0'));
    expect((await owner.succeed(['push', '-q', `${name}:2.0`])).stdout).toBe(`${name}:2.0\n`);
    expect(await signedTags()).toEqual(['1.0', '2.0']);
  });

  test('-a signs every tag in one publish', async () => {
    for (const tag of ['3.0', '3.1']) stage.local(REPO, tag, stage.image(REPO, tag));
    stage.override((request, response) => {
      if (request.method !== 'POST' || !request.path.includes('/push')) return false;
      for (const tag of ['3.0', '3.1']) {
        const { digest } = stage.image(REPO, tag);
        response.write(`${JSON.stringify({ aux: { Tag: tag, Digest: digest, Size: 1 } })}\r\n`);
      }
      response.end();
      return true;
    });
    const run = await owner.succeed(['push', '-a', name]);
    expect(run.stdout).toContain(`Successfully signed ${name}:3.0\nSuccessfully signed ${name}:3.1\n`);
    const puts = stage.registry.requests(
      ({ method, reference }) => method === 'PUT' && reference === '_trust',
    );
    expect(puts).toHaveLength(1);
    expect(await signedTags()).toEqual(expect.arrayContaining(['3.0', '3.1']));
  });

  test('protocol 4.2: success is said after two quiet reads of the tag', async () => {
    stage.local(REPO, '4.0', stage.image(REPO, '4.0'));
    await owner.succeed(['push', '-q', `${name}:4.0`]);
    const about = stage.registry.requests(({ reference }) => reference === '_trust');
    const put = about.indexOf('PUT manifests/_trust');
    expect(about.slice(0, put + 1).slice(-2)).toEqual(['HEAD manifests/_trust', 'PUT manifests/_trust']);
    expect(about.slice(put + 1).slice(0, 2)).toEqual(['HEAD manifests/_trust', 'HEAD manifests/_trust']);
  });
});

describe('trust sign', () => {
  test('protocol 5.2: signs the digest that was named, without the engine', async () => {
    const { digest } = stage.image(REPO, 'signed');
    const run = await owner.succeed(['trust', 'sign', `${name}:signed@${digest}`], {
      DOCKER_HOST: 'unix:///nowhere/docker.sock',
    });
    expect(run.stdout).toContain(`Successfully signed ${name}:signed`);
    const machine = await consumer();
    expect((await machine.succeed(['pull', `${name}:signed`])).stdout).toContain(digest);
  });

  test('signs a multi-platform index as it is', async () => {
    const child = stage.image(REPO, 'child');
    const mediaType = 'application/vnd.oci.image.index.v1+json';
    const entry = {
      mediaType: child.mediaType,
      digest: child.digest,
      size: child.bytes.length,
      platform: { os: 'linux', architecture: 'amd64' },
    };
    const index = JSON.stringify({ schemaVersion: 2, mediaType, manifests: [entry] });
    const digest = stage.registry.putManifest(REPO, 'index', index, mediaType);
    await owner.succeed(['trust', 'sign', `${name}:index@${digest}`]);
    const { stdout } = await owner.succeed(['trust', 'inspect', '--format', 'json', `${name}:index`]);
    expect(JSON.parse(stdout)[0].Targets).toEqual([
      { Tag: 'index', Digest: digest, Role: 'targets', MediaType: mediaType, Length: index.length },
    ]);
  });
});

describe('trust inspect', () => {
  test("is Docker's JSON by default", async () => {
    const { stdout } = await owner.succeed(['trust', 'inspect', `${name}:1.0`]);
    const [inspected, another] = JSON.parse(stdout) as InspectedJson[];
    expect(another).toBeUndefined();
    expect(Object.keys(inspected ?? {})).toEqual(['Name', 'SignedTags', 'Signers', 'AdministrativeKeys']);
    expect(inspected).toMatchObject({
      Name: `${name}:1.0`,
      SignedTags: [{ SignedTag: '1.0', Digest: begun.image.digest.slice(7), Signers: ['Repo Admin'] }],
      Signers: [],
    });
    expect(inspected?.AdministrativeKeys.map((each) => each.Name)).toEqual(['Root', 'Repository']);
    expect(stdout).toContain('\n    {\n        "Name"');
  });

  test('is one line with --format json, with collection, roles and versions', async () => {
    const { stdout } = await owner.succeed(['trust', 'inspect', '--format', 'json', name]);
    expect(stdout.trimEnd().split('\n')).toHaveLength(1);
    const [inspected] = JSON.parse(stdout);
    expect(inspected.Collection).toBe(name);
    expect(inspected.Roles.map((each: { Name: string }) => each.Name)).toEqual([
      'root',
      'timestamp',
      'snapshot',
      'targets',
    ]);
  });

  test('is for people with --pretty', async () => {
    const { stdout } = await owner.succeed(['trust', 'inspect', '--pretty', name]);
    expect(stdout).toContain(`Signatures for ${name}`);
    expect(stdout).toMatch(/^SIGNED TAG +DIGEST +SIGNERS$/m);
    expect(stdout).toMatch(new RegExp(`^1\\.0 +${begun.image.digest.slice(7)} +\\(Repo Admin\\)$`, 'm'));
    expect(stdout).toMatch(/Root Key:\t[0-9a-f]{64}/);
    expect(stdout).toMatch(/^timestamp +\d+ +\d{4}-/m);
  });

  test('prints nothing when one of several cannot be inspected', async () => {
    await refused(owner, ['trust', 'inspect', name, stage.name('acme/nothing')], {
      code: 'NO_TRUST_DATA',
      mayChange: /last-check/,
    });
  });
});

describe('trust revoke', () => {
  test('of a tag: who has pulled it is refused it, also when the old trust data is put back', async () => {
    stage.local(REPO, 'bad', stage.image(REPO, 'bad'));
    await owner.succeed(['push', '-q', `${name}:bad`]);
    const machine = await consumer();
    await machine.succeed(['pull', '-q', `${name}:bad`]);
    const before = stage.registry.repository(REPO).tags.get('_trust') ?? '';
    const run = await owner.succeed(['trust', 'revoke', `${name}:bad`]);
    expect(run.stdout).toBe(`Successfully deleted signature for ${name}:bad\n`);
    const after = stage.registry.repository(REPO).tags.get('_trust') ?? '';
    await refused(machine, ['pull', `${name}:bad`], { code: 'TARGET_NOT_SIGNED', mayChange: /memory/ });
    stage.registry.repository(REPO).tags.set('_trust', before);
    await refused(machine, ['pull', `${name}:bad`], { code: 'TIMESTAMP_ROLLBACK' });
    stage.registry.repository(REPO).tags.set('_trust', after);
    expect(await signedTags()).not.toContain('bad');
  });

  test('of all tags with --yes; the repository stays one that is signed', async () => {
    const { machine } = await beginRepository(stage, 'acme/gone');
    const gone = stage.name('acme/gone');
    await machine.succeed(['trust', 'revoke', '--yes', gone]);
    await refused(machine, ['pull', `${gone}:1.0`], { code: 'TARGET_NOT_SIGNED', mayChange: /last-check/ });
    await refused(machine, ['pull', '-a', gone], { code: 'TARGET_NOT_SIGNED', mayChange: /last-check/ });
  });
});

describe('trust refresh', () => {
  test('renews with the online key alone, and --all finds what is here', async () => {
    const [online] = fs
      .readdirSync(path.join(owner.config, 'trust', 'private'))
      .map((file) => path.join(owner.config, 'trust', 'private', file))
      .filter((file) => /^role: snapshot$/m.test(fs.readFileSync(file, 'utf8')));
    const job = await consumer();
    const folder = path.join(job.config, 'trust', 'private');
    fs.mkdirSync(folder, { mode: 0o700 });
    fs.copyFileSync(online ?? '', path.join(folder, path.basename(online ?? '')));
    // Only the name of a key file says which key it holds before it is opened.
    for (const args of [
      ['trust', 'refresh', name],
      ['trust', 'refresh', '--all'],
    ]) {
      const run = await job.succeed(args);
      expect(run.stdout).toMatch(new RegExp(`^Refreshed ${name}, good until \\d{4}-`));
    }
    expect(await signedTags()).toContain('1.0');
  });
});

describe('trust init', () => {
  test('begins trust data deliberately; a push then signs into it', async () => {
    const machine = stage.machine();
    const fresh = stage.name('acme/deliberate');
    const run = await machine.succeed(['trust', 'init', fresh], { DTRUST_INIT: '1' });
    expect(run.stdout).toBe(`Finished initializing "${fresh}"\n`);
    stage.local('acme/deliberate', '1.0', stage.image('acme/deliberate', '1.0'));
    await machine.succeed(['push', '-q', `${fresh}:1.0`]);
    expect((await machine.succeed(['pull', '-q', `${fresh}:1.0`])).stdout).toBe(`${fresh}:1.0\n`);
  });

  test('one root key serves all repositories of a machine', async () => {
    stage.local('acme/second', '1.0', stage.image('acme/second', '1.0'));
    await owner.succeed(['push', '-q', `${stage.name('acme/second')}:1.0`], { DTRUST_INIT: '1' });
    const listed = (await owner.succeed(['trust', 'key', 'list', '--format', 'json'])).stdout;
    const roles = listed
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { Role: string }).Role);
    expect(roles.filter((role) => role === 'root')).toHaveLength(1);
    expect(roles.filter((role) => role === 'targets')).toHaveLength(2);
  });

  test('DTRUST_TRUST_REPOSITORY keeps trust data elsewhere', async () => {
    const machine = stage.machine({ env: { DTRUST_TRUST_REPOSITORY: stage.name('acme/trust') } });
    stage.local('acme/apart', '1.0', stage.image('acme/apart', '1.0'));
    await machine.succeed(['push', '-q', `${stage.name('acme/apart')}:1.0`], { DTRUST_INIT: '1' });
    expect(stage.registry.repository('acme/apart').tags.has('_trust')).toBe(false);
    expect(stage.registry.repository('acme/trust').tags.has('_trust')).toBe(true);
    await machine.succeed(['pull', '-q', `${stage.name('acme/apart')}:1.0`]);
  });
});

describe('trust key', () => {
  test('generate, list, export and load: one key, by one ID, on two machines', async () => {
    const machine = stage.machine();
    const made = await machine.succeed(['trust', 'key', 'generate', 'alice']);
    const id = /private key ([0-9a-f]{64})/.exec(made.stdout)?.[1] ?? '';
    const exported = await machine.succeed(['trust', 'key', 'export', id.slice(0, 7)]);
    expect(createPublicKey(exported.stdout).asymmetricKeyType).toBe('ed25519');
    expect(fs.readFileSync(path.join(machine.home, 'alice.pub'), 'utf8')).toBe(exported.stdout);
    const entry = JSON.parse((await machine.succeed(['trust', 'key', 'ls', '--format', 'json'])).stdout);
    expect(entry).toMatchObject({ Role: 'alice', ID: id, Protection: 'passphrase', Problem: '' });
    const other = stage.machine();
    const loaded = await other.succeed(['trust', 'key', 'load', '--name', 'alice', entry.File]);
    expect(loaded.stdout).toContain(`Successfully imported key ${id}`);
    await refused(other, ['trust', 'key', 'load', '--name', 'alice', entry.File], {
      code: 'KEY_EXISTS',
      stdout: /^Loading key/,
    });
    await refused(machine, ['trust', 'key', 'generate', 'alice'], { code: 'KEY_EXISTS' });
    for (const run of [made, exported, loaded]) assertNoSecret(run);
  });

  test('list without keys is a head and nothing else', async () => {
    const run = await stage.machine().succeed(['trust', 'key', 'list']);
    expect(run.stdout).toBe('ROLE   REPOSITORY   KEY ID   GOOD FOR\n');
  });
});
