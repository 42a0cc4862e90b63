import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createTlsOptions } from '../../src/http/tls-options.ts';
import { LocalStateError } from '../../src/lib/errors.ts';
import { realFileSystem } from '../../src/lib/file-system.ts';
import { rejectsCode } from '../helpers/throws-code.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'dtrust-authorities-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function systemOptions(env: { sslCertFile?: string; sslCertDir?: string }, fs: typeof realFileSystem) {
  const nothing = { sslCertFile: undefined, sslCertDir: undefined, nodeTrustChanged: false };
  const source = createTlsOptions({
    certificatesFor: () => ({ ca: [], clients: [] }),
    env: { ...nothing, ...env },
    fs,
  });
  return source.optionsFor(new URL('https://registry.test/'), 'verified', 'system');
}

test('a link to itself in SSL_CERT_DIR, or as SSL_CERT_FILE, holds no authority and is no bug', async () => {
  const loop = path.join(folder, 'loop.pem');
  symlinkSync('loop.pem', loop);
  const options = await systemOptions({ sslCertDir: folder, sslCertFile: loop }, realFileSystem);
  expect(options).toMatchObject({ rejectUnauthorized: true });
});

test('a folder in SSL_CERT_DIR that may not be listed is FILE_UNREADABLE', async () => {
  const fs = {
    ...realFileSystem,
    readdirSync: (() => {
      throw Object.assign(new Error('EACCES'), { code: 'EACCES', syscall: 'scandir' });
    }) as typeof realFileSystem.readdirSync,
  };
  await rejectsCode(systemOptions({ sslCertDir: folder }, fs), LocalStateError, 'FILE_UNREADABLE');
});
