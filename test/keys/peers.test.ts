/** Key files both ways with the programs that share them: Docker CLI 28, Notary 0.7, OpenSSL. */
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { renderBackup } from '../../src/keys/backup-file.ts';
import { createEd25519Key, createRootKey } from '../../src/keys/create.ts';
import type { KeyEntry } from '../../src/keys/key-store.ts';
import { loadForeignKey } from '../../src/keys/load-foreign.ts';
import { PrivateKey } from '../../src/keys/private-key.ts';
import { Secret } from '../../src/keys/secret.ts';
import { realFileSystem } from '../../src/lib/file-system.ts';
import { dockerCli, needPeers, notaryProgram } from '../helpers/peers.ts';
import { knownPassphrases, PASSPHRASE, secret, storeIn, temporaryFolder } from './helpers.ts';
import { hasScript, PtyRun } from './pty.ts';

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => folder.remove());

const inFolder = (...names: string[]): string => join(folder.path, ...names);

const kinds = [
  ['root', createRootKey, { role: 'root' }],
  ['targets', createEd25519Key, { role: 'targets', repository: 'docker.io/acme/app' }],
  [
    'alice',
    async () => PrivateKey.fromKeyObject(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey),
    { role: 'alice' },
  ],
  [
    'bob',
    async () => PrivateKey.fromKeyObject(generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey),
    { role: 'bob' },
  ],
] as const;

let saved: { readonly folder: ReturnType<typeof temporaryFolder>; readonly names: readonly string[] };
/** One key of every kind, as dtrust writes it for use: 600,000 iterations. Made once, copied into each test's folder. */
beforeAll(async () => {
  const made = temporaryFolder();
  const store = storeIn(made.path, { unsafeIterations: 600_000 });
  const names: string[] = [];
  for (const [, make, options] of kinds) {
    names.push((await store.save(await make(), options, secret)).notaryKeyId);
  }
  saved = { folder: made, names };
});
afterAll(() => saved.folder.remove());

function oneOfEach(): readonly KeyEntry[] {
  cpSync(saved.folder.path, folder.path, { recursive: true });
  const entries = storeIn(folder.path).list();
  expect(entries.map(({ notaryKeyId }) => notaryKeyId).sort()).toEqual([...saved.names].sort());
  return entries;
}

const notaryPeer = await needPeers('notary');
const canType = hasScript();

describe.skipIf(notaryPeer.skip || !canType)(notaryPeer.title('key files and Notary 0.7'), () => {
  test('notary lists every kind of key with role, repository and ID', async () => {
    const entries = oneOfEach();
    const { path: file, env } = await notaryProgram('notary');
    const listed = execFileSync(file, ['-d', inFolder('trust'), 'key', 'list'], {
      encoding: 'utf8',
      env: { ...process.env, ...env },
    });
    const rows = listed.split('\n').map((line) => line.trim().split(/ {2,}/));
    for (const { role = '', repository, notaryKeyId } of entries) {
      const row = rows.find((cells) => cells.includes(notaryKeyId));
      expect(row?.slice(0, repository === undefined ? 1 : 2)).toEqual(
        repository === undefined ? [role] : [role, repository],
      );
    }
  });

  test('notary decrypts every kind of key, and dtrust reads what notary writes then', async () => {
    const entries = oneOfEach();
    const { path: file, env } = await notaryProgram('notary');
    for (const { notaryKeyId } of entries) {
      const run = new PtyRun(`${file} -d ${inFolder('trust')} key passwd ${notaryKeyId}`, env);
      await run.waitFor('Enter passphrase for ');
      run.type(`${PASSPHRASE}\r`);
      await run.waitFor('Enter passphrase for new ');
      run.type('set by notary\r');
      await run.waitFor('Repeat passphrase for new ');
      run.type('set by notary\r');
      expect(await run.shown()).toContain(`Successfully updated passphrase for key ID: ${notaryKeyId}`);
    }
    const store = storeIn(folder.path);
    expect(store.list().map(({ role, repository, notaryKeyId }) => [role, repository, notaryKeyId])).toEqual(
      expect.arrayContaining(
        entries.map(({ role, repository, notaryKeyId }) => [role, repository, notaryKeyId]),
      ),
    );
    for (const entry of store.list()) {
      const signer = await store.load(entry, knownPassphrases('set by notary'));
      expect(signer.publicKey.keyid).toBe(entry.tufKeyId);
    }
  });

  test('contract (Keys): a backup without dtrust: each block under its name is a key that notary decrypts', async () => {
    const { key, labels } = {
      key: await createEd25519Key(),
      labels: { role: 'targets', repository: 'docker.io/acme/app' },
    };
    const passphrase = Secret.fromText('of the backup');
    const text = (await renderBackup([{ key, labels, inUse: false }], passphrase, 600_000)).toString();
    const [block = ''] = /^-----BEGIN[\s\S]+-----$/m.exec(text) ?? [];
    mkdirSync(inFolder('trust', 'private'), { recursive: true, mode: 0o700 });
    writeFileSync(inFolder('trust', 'private', `${key.notaryKeyId}.key`), `${block}\n`, { mode: 0o600 });
    const { path: file, env } = await notaryProgram('notary');
    const run = new PtyRun(`${file} -d ${inFolder('trust')} key passwd ${key.notaryKeyId}`, env);
    await run.waitFor('Enter passphrase for ');
    run.type('of the backup\r');
    await run.waitFor('Enter passphrase for new ');
    run.type('set by notary\r');
    await run.waitFor('Repeat passphrase for new ');
    run.type('set by notary\r');
    expect(await run.shown()).toContain(`Successfully updated passphrase for key ID: ${key.notaryKeyId}`);
  });

  test('what notary exports is loaded, with its role and repository', async () => {
    const entries = oneOfEach();
    const { path: file, env } = await notaryProgram('notary');
    for (const entry of entries) {
      const path = inFolder('exported');
      const args = ['-d', inFolder('trust'), 'key', 'export', '--key', entry.notaryKeyId, '-o', path];
      execFileSync(file, args, { stdio: 'ignore', env: { ...process.env, ...env } });
      chmodSync(path, 0o600);
      expect(readFileSync(path, 'utf8')).toContain('path: ');
      const passphrases = knownPassphrases();
      const found = await loadForeignKey({ fs: realFileSystem, path, platform: 'linux', passphrases });
      expect(found.key.notaryKeyId).toBe(entry.notaryKeyId);
      expect([found.role, found.repository]).toEqual([entry.role, entry.repository]);
    }
  });
});

const dockerPeer = await needPeers('docker 28');

describe.skipIf(dockerPeer.skip)(dockerPeer.title('key files and Docker CLI 28'), () => {
  const environment = (dockerConfig: string): Record<string, string | undefined> => ({
    PATH: process.env.PATH,
    HOME: dockerConfig,
    DOCKER_CONFIG: dockerConfig,
    DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: PASSPHRASE,
    DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: PASSPHRASE,
  });

  async function docker(dockerConfig: string, ...args: readonly string[]): Promise<string> {
    const { path: file, env } = await dockerCli('28');
    return execFileSync(file, args, {
      encoding: 'utf8',
      env: { ...environment(dockerConfig), ...env },
      cwd: folder.path,
    });
  }

  test('a key that docker generates is listed, loaded, and gives the public half that docker wrote', async () => {
    mkdirSync(inFolder('home'));
    await docker(inFolder('home'), 'trust', 'key', 'generate', 'carol', '--dir', folder.path);
    const store = storeIn(inFolder('home'));
    const [entry] = store.list();
    expect(entry).toMatchObject({ role: 'carol', protection: 'passphrase' });
    const signer = await store.load(entry as KeyEntry, knownPassphrases());
    const written = readFileSync(inFolder('carol.pub'), 'utf8').replace(/^role: carol\n\n/m, '');
    expect(signer.publicKey.publicValue).toBe(written);
    expect(await store.exportPublic(signer.publicKey, knownPassphrases())).toBe(written);
    expect(await signer.sign(Buffer.from('x'))).not.toHaveLength(0);
  });

  test('docker decrypts every kind of key file, and dtrust reads what docker writes then', async () => {
    for (const { file, notaryKeyId, tufKeyId } of oneOfEach()) {
      // Docker imports only what carries the header that `notary key export` adds.
      const exported = readFileSync(file, 'utf8').replace(/^role: /m, `path: ${notaryKeyId}\nrole: `);
      writeFileSync(inFolder('exported'), exported, { mode: 0o600 });
      const home = inFolder(`home-${notaryKeyId}`);
      mkdirSync(home);
      await docker(home, 'trust', 'key', 'load', inFolder('exported'), '--name', 'dave');
      expect(readdirSync(join(home, 'trust', 'private'))).toEqual([`${notaryKeyId}.key`]);
      const store = storeIn(home);
      const signer = await store.load(store.list()[0] as KeyEntry, knownPassphrases());
      expect(signer.publicKey.keyid).toBe(tufKeyId);
    }
  });
});

const opensslPeer = await needPeers('openssl');

describe.skipIf(opensslPeer.skip)(opensslPeer.title('key files and OpenSSL'), () => {
  test('openssl decrypts EC and RSA key files once their headers are gone', async () => {
    for (const entry of oneOfEach()) {
      if (entry.publicKey === undefined || entry.publicKey.keytype === 'ed25519') continue;
      const pem = readFileSync(entry.file, 'utf8').replace(/^(?:[a-z]+: .*\n)+\n/m, '');
      const args = ['pkey', '-pubout', '-passin', `pass:${PASSPHRASE}`];
      expect(execFileSync('openssl', args, { input: pem, encoding: 'utf8' })).toBe(
        entry.publicKey.publicValue,
      );
    }
  });

  test('openssl verifies what a key signs', async () => {
    const key = await createRootKey();
    writeFileSync(inFolder('pub'), key.publicKey.publicValue);
    writeFileSync(inFolder('sig'), await key.sign(Buffer.from('signed')));
    const args = ['dgst', '-sha256', '-verify', inFolder('pub'), '-signature', inFolder('sig')];
    expect(execFileSync('openssl', args, { input: 'signed', encoding: 'utf8' })).toBe('Verified OK\n');
  });
});

describe('key files of Docker before 17.12 and Notary before 0.6', () => {
  test("an Ed25519 key in Notary's own PEM is loaded, plain", async () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    const jwk = privateKey.export({ format: 'jwk' });
    const [pub, seed] = [jwk.x ?? '', jwk.d ?? ''].map((text) => Buffer.from(text, 'base64url')) as [
      Buffer,
      Buffer,
    ];
    const body = Buffer.concat([pub, seed, pub]).toString('base64');
    const pem = `-----BEGIN ED25519 PRIVATE KEY-----\nrole: targets\n\n${body}\n-----END ED25519 PRIVATE KEY-----\n`;
    writeFileSync(inFolder('key'), pem, { mode: 0o600 });
    const passphrases = knownPassphrases();
    const options = { fs: realFileSystem, path: inFolder('key'), platform: 'linux', passphrases };
    const { key, role } = await loadForeignKey(options);
    expect([key.publicKey.publicValue, role]).toEqual([pub.toString('hex'), 'targets']);
  });
});
