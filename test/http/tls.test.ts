import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { runChild } from '../../src/lib/child.ts';
import { LocalStateError, NetworkError } from '../../src/lib/errors.ts';
import { realFileSystem } from '../../src/lib/file-system.ts';
import { createAuthority, createSelfSigned, EXPIRED } from '../helpers/certificates.ts';
import { startServer } from '../helpers/http-server.ts';
import { createTestTransport, get } from '../helpers/transport.ts';

const authority = createAuthority();
const good = authority.issue(['127.0.0.1', 'localhost']);
const NO_ENV = { sslCertFile: undefined, sslCertDir: undefined, nodeTrustChanged: false };

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'dtrust-tls-'));
  writeFileSync(path.join(folder, 'ca.pem'), `# a comment\n${authority.cert}`);
});

afterAll(() => rmSync(folder, { recursive: true }));

afterEach(() => vi.unstubAllEnvs());

async function failure(sending: Promise<unknown>): Promise<unknown> {
  return sending.then(
    () => 'no failure',
    (error: unknown) => error,
  );
}

describe('contract (Network): TLS options are always explicit', () => {
  it('refuses a self-signed certificate even when NODE_TLS_REJECT_UNAUTHORIZED is 0', async () => {
    await using server = await startServer((_request, response) => response.end('x'), {
      tls: createSelfSigned(['127.0.0.1']),
    });
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    // Else Node warns, once, that the variable is set: the very variable that must not count.
    const warning = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    await using transport = createTestTransport();
    const error = await failure(transport.send(get(`${server.origin}/`)));
    warning.mockRestore();
    expect(error).toBeInstanceOf(NetworkError);
    expect(error).toMatchObject({ code: 'NETWORK_TLS' });
    expect((error as Error).message).toContain('DEPTH_ZERO_SELF_SIGNED_CERT');
    expect(server.requests).toHaveLength(0);
  });

  it('does not take authorities from NODE_EXTRA_CA_CERTS: with it set, only the built-in list counts', async () => {
    await using server = await startServer((_request, response) => response.end('x'), { tls: good });
    await using transport = createTestTransport({
      tls: {
        certificatesFor: () => ({ ca: [], clients: [] }),
        env: { ...NO_ENV, nodeTrustChanged: true },
        fs: realFileSystem,
      },
    });
    const error = await failure(transport.send(get(`${server.origin}/`)));
    expect(error).toMatchObject({ code: 'NETWORK_TLS' });
  });

  it('sends to an unverified host only when the request itself says so', async () => {
    await using server = await startServer((_request, response) => response.end('x'), {
      tls: createSelfSigned(['elsewhere.example']),
    });
    await using transport = createTestTransport();
    expect((await transport.send(get(`${server.origin}/`, { tls: 'unverified' }))).status).toBe(200);
    // The connection just made is not lent to a request that wants its certificate checked.
    expect(await failure(transport.send(get(`${server.origin}/`)))).toMatchObject({ code: 'NETWORK_TLS' });
    expect(server.requests).toHaveLength(1);
  });
});

describe('certificates', () => {
  it('trusts an authority of certs.d', async () => {
    await using server = await startServer((_request, response) => response.end('x'), { tls: good });
    await using transport = createTestTransport({ certificates: { ca: [authority.cert], clients: [] } });
    expect((await transport.send(get(`${server.origin}/`))).status).toBe(200);
  });

  it('refuses a certificate for another name, and an expired one, from a known authority', async () => {
    for (const [tls, detail] of [
      [authority.issue(['registry.example']), 'ERR_TLS_CERT_ALTNAME_INVALID'],
      [authority.issue(['127.0.0.1'], EXPIRED), 'CERT_HAS_EXPIRED'],
    ] as const) {
      await using server = await startServer((_request, response) => response.end('x'), { tls });
      await using transport = createTestTransport({ certificates: { ca: [authority.cert], clients: [] } });
      const error = await failure(transport.send(get(`${server.origin}/`)));
      expect(error).toBeInstanceOf(NetworkError);
      expect(error).toMatchObject({ code: 'NETWORK_TLS' });
      expect((error as Error).message).toContain(detail);
      expect(server.requests).toHaveLength(0);
    }
  });

  it('asks the system, SSL_CERT_FILE and SSL_CERT_DIR once more about an unknown issuer', async () => {
    await using server = await startServer((_request, response) => response.end('x'), { tls: good });
    for (const env of [
      { ...NO_ENV, sslCertFile: path.join(folder, 'ca.pem') },
      { ...NO_ENV, sslCertDir: `${path.join(folder, 'absent')}:${folder}` },
    ]) {
      await using transport = createTestTransport({
        tls: { certificatesFor: () => ({ ca: [], clients: [] }), env, fs: realFileSystem },
      });
      expect((await transport.send(get(`${server.origin}/`))).status).toBe(200);
    }
  });

  it('shows the client certificate of certs.d to a server that asks for one', async () => {
    await using server = await startServer((_request, response) => response.end('x'), {
      tls: { ...good, ca: authority.cert, requestCert: true },
    });
    const client = authority.issue(['somebody']);
    await using transport = createTestTransport({
      certificates: { ca: [authority.cert], clients: [client] },
    });
    expect((await transport.send(get(`${server.origin}/`))).status).toBe(200);
    await using without = createTestTransport({ certificates: { ca: [authority.cert], clients: [] } });
    expect(await failure(without.send(get(`${server.origin}/`, { retryable: false })))).toBeInstanceOf(
      NetworkError,
    );
  });

  it('names the host whose certificates cannot be used, and nothing of their content', async () => {
    await using server = await startServer((_request, response) => response.end('x'), { tls: good });
    await using transport = createTestTransport({
      certificates: { ca: [], clients: [{ cert: 'not a certificate', key: 'secret text' }] },
    });
    const error = await failure(transport.send(get(`${server.origin}/`)));
    expect(error).toBeInstanceOf(LocalStateError);
    expect(error).toMatchObject({ code: 'CONFIG_INVALID' });
    expect((error as Error).message).toContain(server.host);
    expect((error as Error).message).not.toContain('secret text');
  });
});

describe('contract (Network): the environment of the process never weakens a check', () => {
  it('neither NODE_EXTRA_CA_CERTS nor NODE_TLS_REJECT_UNAUTHORIZED nor NODE_OPTIONS, seen in a process of its own', async () => {
    await using server = await startServer((_request, response) => response.end('x'), { tls: good });
    const program = `
      import { createTransport } from ${JSON.stringify(new URL('../../src/http/create-transport.ts', import.meta.url).href)};
      import { systemClock } from ${JSON.stringify(new URL('../../src/lib/clock.ts', import.meta.url).href)};
      import { readEnvironment } from ${JSON.stringify(new URL('../../src/settings/environment.ts', import.meta.url).href)};
      import fs from 'node:fs';
      const transport = createTransport({
        tls: { certificatesFor: () => ({ ca: [], clients: [] }), env: readEnvironment(process.env), fs },
        proxyFor: () => undefined, clock: systemClock, userAgent: 'x',
      });
      transport.send({ method: 'GET', url: new URL(process.argv[1]), maxBytes: 10 }).then(
        (response) => console.log('status', response.status),
        (error) => console.log(error.code),
      ).finally(() => transport.close());
    `;
    const { status, stdout } = await runChild({
      file: process.execPath,
      args: ['--input-type=module', '--eval', program, '--', `${server.origin}/`],
      env: {
        NODE_EXTRA_CA_CERTS: path.join(folder, 'ca.pem'),
        NODE_TLS_REJECT_UNAUTHORIZED: '0',
        NODE_OPTIONS: '--tls-min-v1.0 --no-warnings',
      },
      timeoutMs: 20_000,
      maxOutputBytes: 10_000,
    });
    expect(stdout.toString()).toBe('NETWORK_TLS\n');
    expect(status).toBe(0);
    expect(server.requests).toHaveLength(0);
  });
});
