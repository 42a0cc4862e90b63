/** `trust signer add`, `remove`: names, keys, key files, several repositories. */
import { generateKeyPairSync } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Machine, openStage, refused, type Stage } from './harness.ts';
import { MEMORY, publicHalf, Team } from './team.ts';

let stage: Stage;
let team: Team;
let owner: Machine;

vi.setConfig({ testTimeout: 120_000 });
beforeAll(async () => {
  stage = await openStage();
  team = new Team(stage);
  owner = team.owner;
});
afterEach(() => stage.calm());
afterAll(() => stage.close());

describe('names, keys and key files', () => {
  it('adds a second key of a signer when the first one is named as well, and refuses a name that is taken', async () => {
    await team.signed('second');
    const alice = await team.developer('second', 'alice');
    const other = await team.pinned('second');
    await other.succeed(['trust', 'key', 'generate', 'alice']);
    await team.add(alice, 'alice', 'second');
    const taken = team.adding(other, 'alice', 'second');
    const options = { stdout: /^Adding signer/, mayChange: MEMORY };
    await refused(owner, taken, { code: 'KEY_EXISTS', ...options });
    await team.add(other, 'alice', 'second', '--key', publicHalf(alice, 'alice'));
    expect((await team.listed(owner, 'second')).map(({ Keys }) => Keys)).toMatchObject([{ length: 2 }]);
    await team.pushed(other, 'second', '2.0');
    await team.pushed(alice, 'second', '3.0');
    await refused(
      owner,
      ['trust', 'signer', 'add', '--key', publicHalf(alice, 'alice'), 'bob', stage.name('second')],
      {
        code: 'KEY_EXISTS',
        ...options,
      },
    );
  });

  it('takes public keys that openssl and docker wrote', async () => {
    const name = await team.signed('foreign');
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
      ...['bob', name],
    ]);
    expect(await team.listed(owner, 'foreign')).toMatchObject([{ Name: 'bob', Keys: { length: 2 } }]);
  });

  it('refuses a private key handed over by mistake without printing it, before anything is asked', async () => {
    const name = await team.signed('mistake');
    const { privateKey } = generateKeyPairSync('ed25519');
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    fs.writeFileSync(path.join(owner.home, 'bob.key'), pem);
    const run = await refused(owner, ['trust', 'signer', 'add', '--key', 'bob.key', 'bob', name], {
      code: 'KEY_FILE_INVALID',
    });
    for (const line of pem.split('\n').slice(1, -2)) expect(run.stderr).not.toContain(line);
    fs.writeFileSync(path.join(owner.home, 'bob.pub'), 'no key');
    await refused(owner, ['trust', 'signer', 'add', '--key', 'bob.pub', 'bob', name], {
      code: 'KEY_FILE_INVALID',
    });
    await refused(owner, ['trust', 'signer', 'add', '--key', 'none.pub', 'bob', name], {
      code: 'FILE_UNREADABLE',
    });
    await refused(owner, ['trust', 'signer', 'add', 'bob', name], { code: 'USAGE' });
    for (const reserved of ['releases', 'Bob', 'root']) {
      await refused(owner, ['trust', 'signer', 'add', '--key', 'bob.pub', reserved, name], {
        code: 'KEY_NAME',
      });
    }
    await refused(owner, ['trust', 'signer', 'remove', 'bob', name], {
      code: 'KEY_NOT_LISTED',
      stdout: /^Removing signer/,
      mayChange: MEMORY,
    });
  });

  it('goes on with other repositories when one fails, and names those that failed', async () => {
    const name = await team.signed('several');
    await team.pushed(owner, 'several-too', '1.0');
    const alice = await team.developer('several', 'alice');
    await team.add(alice, 'alice', 'several');
    const run = await owner.run([
      ...['trust', 'signer', 'add', '--key', publicHalf(alice, 'alice'), 'alice'],
      ...[name, stage.name('several-too')],
    ]);
    expect(run.status).toBe(1);
    expect(run.stdout).toContain(`Successfully added signer: alice to ${stage.name('several-too')}\n`);
    expect(run.stderr).toContain(`dtrust: failed to add signer alice to: ${name}\n`);
    expect(run.stderr).toContain('(KEY_EXISTS)\n');
    expect(await team.listed(owner, 'several-too')).toMatchObject([{ Name: 'alice' }]);
  });

  it('begins a repository that nobody has signed in, as docker does', async () => {
    await team.signed('begun-before');
    const alice = await team.developer('begun-before', 'alice');
    const { stdout, stderr } = await team.add(alice, 'alice', 'begun');
    expect(stdout).toContain('Successfully added signer: alice');
    expect(stderr).toContain('now vouches for');
    expect(await team.listed(owner, 'begun')).toMatchObject([{ Name: 'alice' }]);
  });
});
