/** `dtrust pull` with a registry that is down, does not want to, does not answer, or sends elsewhere. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createAuthority, createSelfSigned, EXPIRED, type TestCertificate } from '../helpers/certificates.ts';
import { startServer } from '../helpers/http-server.ts';
import type { Fault } from '../helpers/memory-registry.ts';
import { RepositorySimulator } from '../helpers/repository-simulator.ts';
import {
  assertNoSecret,
  type Machine,
  openStage,
  REGISTRY_PASSWORD,
  refused,
  type Stage,
} from './harness.ts';
import { closedPort, openSlowRegistry, openTunnel } from './wire-faults.ts';

const REPO = 'acme/app';
const SECRET_TOKEN = 'token-of-a-test-0123456789';

let stage: Stage;
let pinned: Machine;
let sim: RepositorySimulator;
const pull = () => ['pull', `${stage.name(REPO)}:1.0`];

beforeAll(async () => {
  stage = await openStage();
  const collection = stage.name(REPO);
  sim = new RepositorySimulator({ collection, nowMs: Date.now() });
  sim.putTarget(`${collection}:1.0`, stage.image(REPO, '1.0')).publish();
  await stage.publish(REPO, sim.files());
  pinned = stage.machine().pin(REPO, sim.pin());
});
afterAll(() => stage.close());
beforeEach(() => stage.calm());

/** Strikes every request for the trust tag. */
function strike(fault: Fault): void {
  stage.registry.faults.push({ when: ({ reference }) => reference === '_trust', fault });
}

describe('a registry that answers with a refusal', () => {
  const rows: readonly (readonly [string, Fault, string])[] = [
    ['401', { status: 401, code: 'UNAUTHORIZED' }, 'REGISTRY_UNAUTHORIZED'],
    ['403', { status: 403, code: 'DENIED' }, 'REGISTRY_DENIED'],
    ['404 without saying what is unknown', { status: 404, text: '404 page not found' }, 'REGISTRY_NOT_FOUND'],
    ['404 for a blob', { status: 404, code: 'BLOB_UNKNOWN' }, 'REGISTRY_NOT_FOUND'],
    ['429, again and again', { status: 429, code: 'TOOMANYREQUESTS' }, 'REGISTRY_RATE_LIMIT'],
    ['500', { status: 500, code: 'UNKNOWN' }, 'REGISTRY_UNAVAILABLE'],
    [
      '503, again and again',
      { status: 503, text: '<html>no healthy upstream</html>' },
      'REGISTRY_UNAVAILABLE',
    ],
    ['200 and no manifest', { body: '[]', mediaType: 'application/json' }, 'TRUST_DATA_INVALID'],
  ];

  test.each(rows)('%s is never read as "not signed"', async (_what, fault, code) => {
    strike(fault);
    const run = await refused(pinned, pull(), { code });
    expect(run.stderr).not.toMatch(/no trust data/);
    const unknown = await refused(stage.machine(), pull(), {
      code,
      env: { DTRUST_FIRST_USE: 'accept' },
    });
    expect(unknown.stderr).not.toMatch(/NO_TRUST_DATA/);
  });

  test('its own words are escaped, and its secrets stay out of ours', async () => {
    strike({ status: 403, code: 'DENIED', message: `go \u001b[31maway \u202e ${'x'.repeat(5000)}` });
    const run = await refused(pinned, pull(), { code: 'REGISTRY_DENIED' });
    expect(run.stderr).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/);
    expect(run.stderr.length).toBeLessThan(4000);
  });

  test('wrong credentials are REGISTRY_UNAUTHORIZED, and are not shown', async () => {
    const { switches } = stage.registry as { switches: { authorization?: object } };
    switches.authorization = { expected: 'Basic other', challenge: 'Basic realm="registry"' };
    try {
      const run = await refused(pinned, pull(), {
        code: 'REGISTRY_UNAUTHORIZED',
      });
      assertNoSecret(run);
      const sent = stage.registry.log.map(({ headers }) => headers.get('authorization'));
      expect(sent).toContain(`Basic ${Buffer.from(`robot:${REGISTRY_PASSWORD}`).toString('base64')}`);
    } finally {
      delete switches.authorization;
    }
  });

  test('a token service that refuses is REGISTRY_UNAUTHORIZED, and its token is not shown', async () => {
    await using tokens = await startServer((_request, response) => {
      response.writeHead(401, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ token: SECRET_TOKEN, details: 'no' }));
    });
    const { switches } = stage.registry as { switches: { authorization?: object } };
    const challenge = `Bearer realm="${tokens.origin}/token",service="registry"`;
    switches.authorization = { expected: `Bearer ${SECRET_TOKEN}`, challenge };
    try {
      const run = await refused(pinned, pull(), {
        code: 'REGISTRY_UNAUTHORIZED',
      });
      assertNoSecret(run, SECRET_TOKEN);
      expect(tokens.requests.length).toBeGreaterThan(0);
    } finally {
      delete switches.authorization;
    }
  });

  test('a token that is good is used, and not shown', async () => {
    await using tokens = await startServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ token: SECRET_TOKEN, expires_in: 300 }));
    });
    const { switches } = stage.registry as { switches: { authorization?: object } };
    const challenge = `Bearer realm="${tokens.origin}/token",service="registry"`;
    switches.authorization = { expected: `Bearer ${SECRET_TOKEN}`, challenge };
    try {
      const machine = stage.machine({ like: pinned });
      const run = await machine.succeed(pull(), { DTRUST_DEBUG: '1' });
      assertNoSecret(run, SECRET_TOKEN);
      const kept = fs.readFileSync(path.join(machine.config, 'trust', 'dtrust', 'registries.json'), 'utf8');
      expect(kept).not.toContain(SECRET_TOKEN);
      expect(kept).not.toContain(REGISTRY_PASSWORD);
    } finally {
      delete switches.authorization;
    }
  });
});

describe('a registry that does not answer', () => {
  test('because nobody listens is NETWORK_REFUSED, and reads as an outage', async () => {
    const host = `127.0.0.1:${await closedPort()}`;
    const machine = stage.machine().pinHost(host, REPO, sim.pin());
    const run = await refused(machine, ['pull', `${host}/${REPO}:1.0`], { code: 'NETWORK_REFUSED' });
    expect(run.stderr).toMatch(/^dtrust: error: cannot reach/m);
    expect(run.error.class).toBe('network');
    await refused(stage.machine(), ['pull', `${host}/${REPO}:1.0`], { code: 'NETWORK_REFUSED' });
  });

  test('for ever is NETWORK_TIMEOUT after DTRUST_TIMEOUT', async () => {
    strike('hang');
    const started = Date.now();
    await refused(pinned, pull(), { code: 'NETWORK_TIMEOUT', env: { DTRUST_TIMEOUT: '1' } });
    expect(Date.now() - started).toBeLessThan(10_000);
  });

  test('and goes on answering a little at a time is NETWORK_TIMEOUT', async () => {
    const slow = await openSlowRegistry(stage);
    try {
      slow.endless = { path: `/v2/${REPO}/manifests/_trust`, beginning: Buffer.from('{"schemaVersion":2 ') };
      const machine = stage.machine().pinHost(slow.host, REPO, sim.pin());
      await refused(machine, ['pull', `${slow.host}/${REPO}:1.0`], {
        code: 'NETWORK_TIMEOUT',
        env: { DTRUST_TIMEOUT: '1' },
      });
    } finally {
      await slow.close();
    }
  });

  test('to its end is NETWORK_BROKEN', async () => {
    strike('cut-short');
    await refused(pinned, pull(), { code: 'NETWORK_BROKEN' });
  });

  test('with less than 4 MiB is TRUST_DATA_INVALID', async () => {
    strike({ oversize: 4 * 1024 * 1024 + 1 });
    await refused(pinned, pull(), { code: 'TRUST_DATA_INVALID' });
  });

  test('DTRUST_TIMEOUT that is no number is USAGE, not no limit', async () => {
    await refused(pinned, pull(), { code: 'USAGE', env: { DTRUST_TIMEOUT: '1s' } });
  });
});

describe('a registry that sends elsewhere', () => {
  test('is followed without credentials, and what is there is verified as ever', async () => {
    await using elsewhere = await startServer((_request, response) => response.end('[]'));
    strike({ redirect: `${elsewhere.origin}/trust?signature=${SECRET_TOKEN}` });
    const run = await refused(pinned, pull(), { code: 'TRUST_DATA_INVALID' });
    expect(elsewhere.requests).toHaveLength(1);
    expect(elsewhere.requests[0]?.headers.authorization).toBeUndefined();
    expect(run.stderr).not.toContain(SECRET_TOKEN);
  });

  test('and that place failing does not show the query of its address', async () => {
    await using elsewhere = await startServer((_request, response) => {
      response.writeHead(403);
      response.end();
    });
    strike({ redirect: `${elsewhere.origin}/trust?signature=${SECRET_TOKEN}` });
    const run = await refused(pinned, pull(), { code: 'REGISTRY_DENIED' });
    expect(run.stderr).not.toContain(SECRET_TOKEN);
  });

  test('in circles is REGISTRY_REDIRECT', async () => {
    strike({ redirect: `/v2/${REPO}/manifests/_trust` });
    await refused(pinned, pull(), { code: 'REGISTRY_REDIRECT' });
  });

  test('to a place with a user in it, or of another kind, is REGISTRY_REDIRECT', async () => {
    strike({ redirect: 'http://user:password@127.0.0.1:1/' });
    await refused(pinned, pull(), { code: 'REGISTRY_REDIRECT' });
    stage.registry.faults.length = 0;
    strike({ redirect: 'file:///etc/passwd' });
    await refused(pinned, pull(), { code: 'REGISTRY_REDIRECT' });
  });
});

describe('TLS', () => {
  const HOST = 'registry.test';
  const authority = createAuthority();
  let ca: string;

  /** A registry called registry.test behind a proxy, with this certificate; asked for `acme/app:1.0`. */
  async function behind<T>(
    certificate: TestCertificate,
    work: (machine: Machine, over: Stage) => Promise<T>,
  ): Promise<T> {
    const over = await openStage({ listen: { tls: certificate } });
    const tunnel = await openTunnel(over.host);
    try {
      const collection = `${HOST}/${REPO}`;
      const made = new RepositorySimulator({ collection, nowMs: Date.now() });
      made.putTarget(`${collection}:1.0`, over.image(REPO, '1.0')).publish();
      await over.publish(REPO, made.files());
      const machine = over.machine({ env: { HTTPS_PROXY: tunnel.url, SSL_CERT_FILE: ca } });
      return await work(machine.pinHost(HOST, REPO, made.pin()), over);
    } finally {
      await tunnel.close();
      await over.close();
    }
  }

  const args = ['pull', `${HOST}/${REPO}:1.0`];

  beforeAll(() => {
    ca = path.join(stage.folder, 'ca.pem');
    fs.writeFileSync(ca, authority.cert);
  });

  test('a certificate for the right name, by an authority of SSL_CERT_FILE, is taken', async () => {
    await behind(authority.issue([HOST]), async (machine, over) => {
      over.alias(REPO, HOST);
      const run = await machine.succeed(args);
      expect(run.stdout).toContain(`${HOST}/${REPO}:1.0\n`);
    });
  });

  const wrong: readonly (readonly [string, () => TestCertificate])[] = [
    ['for another name', () => authority.issue(['other.test'])],
    ['of nobody known', () => createAuthority('somebody else').issue([HOST])],
    ['signed by itself', () => createSelfSigned([HOST])],
    ['that is over', () => authority.issue([HOST], EXPIRED)],
  ];

  test.each(wrong)('a certificate %s is NETWORK_TLS, whatever Node is told', async (_what, make) => {
    await behind(make(), async (machine, over) => {
      await refused(machine, args, { code: 'NETWORK_TLS' });
      const run = await refused(machine, args, {
        code: 'NETWORK_TLS',
        env: { NODE_TLS_REJECT_UNAUTHORIZED: '0', DTRUST_FIRST_USE: 'accept' },
      });
      expect(run.error.class).toBe('network');
      expect(over.registry.log).toEqual([]);
    });
  });

  test('a redirect from https to http is REGISTRY_REDIRECT', async () => {
    await behind(authority.issue([HOST]), async (machine, over) => {
      over.registry.faults.push({ when: () => true, fault: { redirect: `http://${HOST}/v2/` } });
      await refused(machine, args, { code: 'REGISTRY_REDIRECT' });
    });
  });

  test('a proxy that is down is NETWORK_PROXY or an outage, never "not signed"', async () => {
    await behind(authority.issue([HOST]), async (machine) => {
      const env = { HTTPS_PROXY: `http://user:${SECRET_TOKEN}@127.0.0.1:${await closedPort()}` };
      const run = await refused(machine, args, { code: 'NETWORK_PROXY', env });
      expect(run.stderr).not.toContain(SECRET_TOKEN);
    });
  });
});
