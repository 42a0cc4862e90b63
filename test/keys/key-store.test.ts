import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createEd25519Key, createRootKey } from '../../src/keys/create.ts';
import type { KeyEntry } from '../../src/keys/key-store.ts';
import { PrivateKey } from '../../src/keys/private-key.ts';
import { Secret } from '../../src/keys/secret.ts';
import { KeyError, LocalStateError } from '../../src/lib/errors.ts';
import { type FileSystem, realFileSystem } from '../../src/lib/file-system.ts';
import { isSignedBy } from '../../src/trust/core/keys.ts';
import {
  knownPassphrases,
  noTerminal,
  PASSPHRASE,
  refusal,
  scriptedTerminal,
  secret,
  storeIn,
  temporaryFolder,
  typedPassphrases,
} from './helpers.ts';

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => folder.remove());

const inFolder = (...names: string[]): string => join(folder.path, ...names);
const shared = (): string => inFolder('trust', 'private');
const mode = (path: string): number => statSync(path).mode & 0o777;
const root = { role: 'root' };
const targets = { role: 'targets', repository: 'docker.io/acme/app' };

describe('a saved key', () => {
  test('stands under its Notary ID with role and repository, mode 0600 in folders of 0700', async () => {
    const key = await createEd25519Key();
    const entry = await storeIn(folder.path).save(key, targets, secret);
    expect(entry).toMatchObject({
      ...targets,
      notaryKeyId: key.notaryKeyId,
      tufKeyId: key.publicKey.keyid,
      protection: 'passphrase',
      file: join(shared(), `${key.notaryKeyId}.key`),
    });
    expect(readFileSync(entry.file, 'utf8')).toMatch(
      /^-----BEGIN ENCRYPTED PRIVATE KEY-----\ngun: docker\.io\/acme\/app\nrole: targets\n\n[A-Za-z0-9+/\n]{10,64}\n/,
    );
    expect([mode(entry.file), mode(shared()), mode(inFolder('trust'))]).toEqual([0o600, 0o700, 0o700]);
    expect(readdirSync(shared())).toEqual([`${key.notaryKeyId}.key`]);
  });

  test.each([
    ['root ECDSA', createRootKey, root],
    ['Ed25519', createEd25519Key, targets],
    [
      'RSA',
      async () => PrivateKey.fromKeyObject(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey),
      { role: 'alice' },
    ],
    [
      'P-384',
      async () => PrivateKey.fromKeyObject(generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey),
      { role: 'bob' },
    ],
  ])('%s is loaded again and signs', async (_, make, options) => {
    const key = await make();
    const store = storeIn(folder.path);
    const entry = await store.save(key, options, secret);
    for (const which of [entry, key.publicKey]) {
      const signer = await store.load(which, knownPassphrases());
      expect(signer.publicKey.keyid).toBe(key.publicKey.keyid);
      const signature = Buffer.from(await signer.sign(Buffer.from('x'))).toString('hex');
      expect(isSignedBy(key.publicKey, Buffer.from('x'), signature)).toBe(true);
    }
  });

  test('uses 600,000 iterations unless a test says otherwise', async () => {
    const key = await createEd25519Key();
    const { file } = await new (
      storeIn(folder.path).constructor as typeof import('../../src/keys/key-store.ts').KeyStore
    )({
      fs: realFileSystem,
      dockerConfig: folder.path,
      platform: 'linux',
    }).save(key, targets, secret);
    const der = Buffer.from(readFileSync(file, 'utf8').split('\n\n')[1]?.split('-----')[0] ?? '', 'base64');
    expect(der.includes(Buffer.from('02030927c0', 'hex'))).toBe(true);
  });

  test('is not replaced: KEY_EXISTS, and the file stays as it is', async () => {
    const key = await createRootKey();
    const store = storeIn(folder.path);
    const { file } = await store.save(key, root, secret);
    const before = readFileSync(file);
    await refusal(KeyError, 'KEY_EXISTS', () => store.save(key, root, Secret.fromText('another passphrase')));
    expect(readFileSync(file)).toEqual(before);
  });

  test('does not follow a link that stands in its place', async () => {
    const key = await createRootKey();
    mkdirSync(shared(), { recursive: true });
    const elsewhere = inFolder('elsewhere');
    (await import('node:fs')).symlinkSync(elsewhere, join(shared(), `${key.notaryKeyId}.key`));
    await refusal(KeyError, 'KEY_EXISTS', () => storeIn(folder.path).save(key, root, secret));
    expect(existsSync(elsewhere)).toBe(false);
  });

  test.each(['', 'Root', 'a b', 'a\nrole: root', 'a: b', '../x', '-a', 'é'])(
    'has no role %j: KEY_NAME',
    async (role) => {
      await refusal(KeyError, 'KEY_NAME', async () =>
        storeIn(folder.path).save(await createEd25519Key(), { role }, secret),
      );
      expect(readdirSync(folder.path)).toEqual([]);
    },
  );

  test('has no repository of two lines: KEY_NAME', async () => {
    const options = { role: 'targets', repository: 'docker.io/x\nrole: root' };
    await refusal(KeyError, 'KEY_NAME', async () =>
      storeIn(folder.path).save(await createEd25519Key(), options, secret),
    );
  });

  test('protocol 2.1: an Ed25519 root key is kept where Docker does not list it, and found there', async () => {
    const key = await createEd25519Key();
    const store = storeIn(folder.path);
    const entry = await store.save(key, root, secret);
    expect(entry.file).toBe(inFolder('trust', 'dtrust', 'private', `${key.notaryKeyId}.key`));
    expect(existsSync(shared())).toBe(false);
    expect(store.has(key.publicKey)).toBe(true);
    expect(store.list().map(({ file }) => file)).toEqual([entry.file]);
    expect((await store.load(key.publicKey, knownPassphrases())).publicKey.keyid).toBe(key.publicKey.keyid);
    await refusal(KeyError, 'KEY_EXISTS', () => store.save(key, { role: 'alice' }, secret));
  });
});

describe('contract (Keys): key IDs are recomputed on load; file names lie', () => {
  test("a file under another key's name is refused and named", async () => {
    const store = storeIn(folder.path);
    const [one, two] = [await createEd25519Key(), await createEd25519Key()];
    const { file } = await store.save(one, targets, secret);
    const lying = join(shared(), `${two.notaryKeyId}.key`);
    renameSync(file, lying);
    expect(store.has(one.publicKey)).toBe(false);
    const error = await refusal(KeyError, 'KEY_FILE_INVALID', () =>
      store.load(two.publicKey, knownPassphrases()),
    );
    expect([error.expected, error.found]).toEqual([two.notaryKeyId, one.notaryKeyId]);
    const [entry] = store.list();
    expect(entry?.tufKeyId).toBeUndefined();
    await refusal(KeyError, 'KEY_FILE_INVALID', () => store.load(entry as KeyEntry, knownPassphrases()));
    await refusal(KeyError, 'KEY_FILE_INVALID', () => store.passwd(entry as KeyEntry, knownPassphrases()));
  });

  test('a public half that is not of the ID in its name is not believed', async () => {
    const store = storeIn(folder.path);
    const [one, two] = [await createEd25519Key(), await createEd25519Key()];
    const entry = await store.save(one, targets, secret);
    await store.save(two, targets, secret);
    const pub = (key: PrivateKey): string => inFolder('trust', 'dtrust', 'keys', `${key.notaryKeyId}.pub`);
    writeFileSync(pub(one), readFileSync(pub(two)));
    expect(store.find(one.publicKey)?.publicKey).toBeUndefined();
    await store.load(store.find(one.publicKey) as KeyEntry, knownPassphrases());
    expect(store.find(one.publicKey)?.tufKeyId).toBe(entry.tufKeyId);
  });
});

describe('listing', () => {
  test('an absent folder holds no keys', () => {
    expect(storeIn(folder.path).list()).toEqual([]);
  });

  test('root keys come first, then by role and repository', async () => {
    const store = storeIn(folder.path);
    for (const options of [
      targets,
      { role: 'alice' },
      root,
      { role: 'targets', repository: 'docker.io/acme/a' },
    ]) {
      await store.save(options === root ? await createRootKey() : await createEd25519Key(), options, secret);
    }
    expect(store.list().map(({ role, repository }) => [role, repository])).toEqual([
      ['root', undefined],
      ['alice', undefined],
      ['targets', 'docker.io/acme/a'],
      ['targets', 'docker.io/acme/app'],
    ]);
  });

  test('what is no key file is listed as such, without its content', async () => {
    mkdirSync(shared(), { recursive: true });
    writeFileSync(join(shared(), `${'0'.repeat(64)}.key`), 'my-secret', { mode: 0o600 });
    mkdirSync(join(shared(), 'folder.key'));
    chmodSync(join(shared(), 'folder.key'), 0o700);
    writeFileSync(join(shared(), 'notes.txt'), 'x');
    writeFileSync(join(shared(), '.abc.key.0123456789abcdef.tmp'), 'x');
    const entries = storeIn(folder.path).list();
    expect(entries.map(({ protection }) => protection)).toEqual(['unreadable', 'unreadable']);
    expect(inspect(entries)).not.toContain('my-secret');
  });

  test('bad input: a key file readable by others is refused, and listed with the reason', async () => {
    const key = await createEd25519Key();
    const store = storeIn(folder.path);
    const entry = await store.save(key, targets, secret);
    chmodSync(entry.file, 0o644);
    const error = await refusal(KeyError, 'KEY_FILE_MODE', () =>
      store.load(key.publicKey, knownPassphrases()),
    );
    expect(error.hints[0]).toContain(`chmod 600 ${entry.file}`);
    expect(store.list()[0]).toMatchObject({ protection: 'unreadable', problem: error.message });
    expect(store.has(key.publicKey)).toBe(false);
    expect(storeIn(folder.path, { platform: 'win32' }).has(key.publicKey)).toBe(true);
  });

  test('a key that is not here is KEY_MISSING', async () => {
    const { publicKey } = await createEd25519Key();
    const store = storeIn(folder.path);
    expect(store.find(publicKey)).toBeUndefined();
    await refusal(KeyError, 'KEY_MISSING', () => store.load(publicKey, knownPassphrases()));
  });
});

describe('bad input: a key in the store', () => {
  test('wrong passphrase', async () => {
    const store = storeIn(folder.path);
    const entry = await store.save(await createRootKey(), root, secret);
    const error = await refusal(KeyError, 'KEY_PASSPHRASE', () =>
      store.load(entry, knownPassphrases('wrong')),
    );
    expect(inspect(error, { depth: 9 })).not.toContain("'wrong'");
  });

  test('cut off anywhere: refused, whether it is asked for or listed', async () => {
    const store = storeIn(folder.path);
    const key = await createRootKey();
    const { file } = await store.save(key, root, secret);
    const whole = readFileSync(file);
    for (let length = 0; length < whole.length - 35; length += 40) {
      writeFileSync(file, whole.subarray(0, length));
      await refusal(KeyError, 'KEY_FILE_INVALID', () => store.load(key.publicKey, knownPassphrases()));
      expect(store.list()[0]?.protection).toBe('unreadable');
    }
  });

  test('no passphrase and nobody to ask', async () => {
    const store = storeIn(folder.path);
    const entry = await store.save(await createRootKey(), root, secret);
    await refusal(KeyError, 'KEY_PASSPHRASE_MISSING', () => store.load(entry, typedPassphrases(noTerminal)));
  });

  test('not encrypted at all: loaded without a passphrase, and shown so', async () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    const key = PrivateKey.fromKeyObject(privateKey);
    mkdirSync(shared(), { recursive: true });
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' });
    writeFileSync(join(shared(), `${key.notaryKeyId}.key`), pem, { mode: 0o600 });
    const store = storeIn(folder.path);
    expect(store.list()[0]?.protection).toBe('none');
    const signer = await store.load(key.publicKey, typedPassphrases(noTerminal));
    expect(signer.publicKey.keyid).toBe(key.publicKey.keyid);
  });
});

describe('exporting the public half', () => {
  test('asks for nothing when it is known, and gives a PEM', async () => {
    const key = await createEd25519Key();
    const store = storeIn(folder.path);
    const entry = await store.save(key, targets, secret);
    const pem = await store.exportPublic(entry, typedPassphrases(noTerminal));
    const jwk = createPublicKey(pem).export({ format: 'jwk' });
    expect(Buffer.from(jwk.x ?? '', 'base64url').toString('hex')).toBe(key.publicKey.publicValue);
    expect(pem).not.toContain('PRIVATE');
  });

  test('asks for the passphrase when it is not, and keeps it from then on', async () => {
    const key = await createRootKey();
    const store = storeIn(folder.path);
    await store.save(key, root, secret);
    rmSync(inFolder('trust', 'dtrust', 'keys'), { recursive: true });
    const terminal = scriptedTerminal([PASSPHRASE]);
    const pem = await store.exportPublic(key.publicKey, typedPassphrases(terminal));
    expect(pem).toBe(key.publicKey.publicValue);
    expect(await store.exportPublic(key.publicKey, typedPassphrases(noTerminal))).toBe(pem);
  });
});

describe('changing the passphrase', () => {
  test('the new one opens the key from then on, the old one does not, and the labels stay', async () => {
    const store = storeIn(folder.path);
    const entry = await store.save(await createEd25519Key(), targets, secret);
    const terminal = scriptedTerminal([PASSPHRASE, 'the new passphrase']);
    await store.passwd(entry, typedPassphrases(terminal));
    expect(terminal.log).toHaveLength(2);
    await refusal(KeyError, 'KEY_PASSPHRASE', () => store.load(entry, knownPassphrases()));
    await store.load(entry, knownPassphrases('the new passphrase'));
    expect(store.list()[0]).toMatchObject(targets);
    expect(mode(entry.file)).toBe(0o600);
  });

  test('needs the old one', async () => {
    const store = storeIn(folder.path);
    const entry = await store.save(await createEd25519Key(), targets, secret);
    const before = readFileSync(entry.file);
    const terminal = scriptedTerminal(['wrong', 'wronger', 'wrongest', 'the new passphrase']);
    await refusal(KeyError, 'KEY_PASSPHRASE', () => store.passwd(entry, typedPassphrases(terminal)));
    expect(readFileSync(entry.file)).toEqual(before);
  });
});

describe('contract (Disk): whatever call fails or is the last one made', () => {
  const calls = [
    'openSync',
    'writeSync',
    'fsyncSync',
    'closeSync',
    'linkSync',
    'renameSync',
    'mkdirSync',
    'unlinkSync',
  ] as const;

  /** A file system whose n-th changing call fails with this errno, and every one after it, as if the process ended. */
  function failingAt(n: number, errno: string): { fs: FileSystem; count(): number } {
    let made = 0;
    const fs = { ...realFileSystem } as Record<string, unknown>;
    for (const name of calls) {
      const real = realFileSystem[name] as (...args: unknown[]) => unknown;
      fs[name] = (...args: unknown[]) => {
        made += 1;
        if (made < n) return real(...args);
        if (name === 'closeSync') return real(...args);
        throw Object.assign(new Error(errno), { code: errno, syscall: name });
      };
    }
    return { fs: fs as unknown as FileSystem, count: () => made };
  }

  test('saving leaves the whole key or none', async () => {
    const key = await createEd25519Key();
    const normal = failingAt(Number.POSITIVE_INFINITY, 'ENOSPC');
    await storeIn(folder.path, { fs: normal.fs }).save(key, targets, secret);
    expect(normal.count()).toBeGreaterThan(10);
    for (let n = 1; n <= normal.count(); n += 1) {
      rmSync(inFolder('trust'), { recursive: true, force: true });
      const saved = await storeIn(folder.path, { fs: failingAt(n, 'ENOSPC').fs })
        .save(key, targets, secret)
        .then(
          () => true,
          () => false,
        );
      const store = storeIn(folder.path);
      const entries = store.list();
      expect(entries.filter(({ protection }) => protection !== 'passphrase')).toEqual([]);
      if (saved) expect(entries).toHaveLength(1);
      for (const entry of entries) await store.load(entry, knownPassphrases());
    }
  });

  test('changing a passphrase leaves the old file or the new one, whole', async () => {
    const key = await createEd25519Key();
    const entry = await storeIn(folder.path).save(key, targets, secret);
    const original = readFileSync(entry.file);
    const change = async (fs: FileSystem): Promise<void> =>
      storeIn(folder.path, { fs }).passwd(
        entry,
        typedPassphrases(scriptedTerminal([PASSPHRASE, 'the new one'])),
      );
    const normal = failingAt(Number.POSITIVE_INFINITY, 'ENOSPC');
    await change(normal.fs);
    const outcomes = new Set<string>();
    for (let n = 1; n <= normal.count(); n += 1) {
      writeFileSync(entry.file, original);
      await change(failingAt(n, 'ENOSPC').fs).catch((error: unknown) => error);
      const isOld = readFileSync(entry.file).equals(original);
      outcomes.add(isOld ? 'old' : 'new');
      await storeIn(folder.path).load(entry, knownPassphrases(isOld ? PASSPHRASE : 'the new one'));
    }
    expect([...outcomes].sort()).toEqual(['new', 'old']);
  });

  test('a full disk is DISK_FULL, a read-only one FILE_UNWRITABLE', async () => {
    const key = await createEd25519Key();
    for (const [errno, code] of [
      ['ENOSPC', 'DISK_FULL'],
      ['EROFS', 'FILE_UNWRITABLE'],
    ] as const) {
      const { fs } = failingAt(1, errno);
      await refusal(LocalStateError, code, () => storeIn(folder.path, { fs }).save(key, targets, secret));
    }
    expect(readdirSync(folder.path)).toEqual([]);
  });

  test('a home that cannot be written to does not stop a key from being used', async () => {
    const key = await createEd25519Key();
    await storeIn(folder.path).save(key, targets, secret);
    rmSync(inFolder('trust', 'dtrust'), { recursive: true });
    const readOnly = (): never => {
      throw Object.assign(new Error('EROFS'), { code: 'EROFS', syscall: 'mkdir' });
    };
    const fs = { ...realFileSystem, mkdirSync: readOnly } as unknown as FileSystem;
    const signer = await storeIn(folder.path, { fs }).load(key.publicKey, knownPassphrases());
    expect(signer.publicKey.keyid).toBe(key.publicKey.keyid);
  });

  test('on a file system without links a new key is written under its name, and still replaces nothing', async () => {
    const key = await createEd25519Key();
    const noLinks = (): never => {
      throw Object.assign(new Error('EPERM'), { code: 'EPERM', syscall: 'link' });
    };
    const store = storeIn(folder.path, { fs: { ...realFileSystem, linkSync: noLinks } });
    const entry = await store.save(key, targets, secret);
    await store.load(entry, knownPassphrases());
    expect(readdirSync(shared())).toHaveLength(1);
    await refusal(KeyError, 'KEY_EXISTS', () => store.save(key, targets, secret));
  });
});

test('node reads the file once its headers are gone', async () => {
  const key = await createRootKey();
  const { file } = await storeIn(folder.path).save(key, root, secret);
  const pem = readFileSync(file, 'utf8').replace('role: root\n\n', '');
  expect(PrivateKey.fromKeyObject(createPrivateKey({ key: pem, passphrase: PASSPHRASE })).notaryKeyId).toBe(
    key.notaryKeyId,
  );
});
