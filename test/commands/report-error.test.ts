/** How failures read, to people and to scripts; and the status they end with. */
import { describe, expect, test } from 'vitest';
import { exitStatusOf } from '../../src/commands/exit-status.ts';
import { renderError } from '../../src/commands/report-error.ts';
import {
  EngineError,
  KeyError,
  LocalStateError,
  NetworkError,
  RegistryError,
  TrustError,
  UsageError,
} from '../../src/lib/errors.ts';
import { Interrupted } from '../../src/lib/interrupted.ts';

const PLAIN = { json: false, debug: false };
const JSON_TOO = { json: true, debug: false };

const refusal = new TrustError({
  code: 'TIMESTAMP_ROLLBACK',
  message: 'timestamp version 4 is older than trusted version 7',
  reference: 'docker.io/acme/app',
  expected: 'version 7 or more',
  found: 'version 4',
  spec: '5.4.3.1',
  attack: 'rollback',
  role: 'timestamp',
  hints: ['one thing', 'another thing'],
  cause: new Error('below it'),
});

describe('for people', () => {
  test('one line with the verdict and the code, then one line for each hint', () => {
    const lines = renderError(refusal, PLAIN).split('\n');
    expect(lines[0]).toMatch(/^dtrust: refused: .*timestamp version 4 is older.* \(TIMESTAMP_ROLLBACK\)$/);
    expect(lines.slice(1)).toEqual(['dtrust: hint: one thing', 'dtrust: hint: another thing', '']);
  });

  test.each([
    [new TrustError({ code: 'NO_TRUST_DATA', message: 'm' }), 'refused: no trust data'],
    [new TrustError({ code: 'ROOT_PIN', message: 'm' }), 'refused'],
    [new NetworkError({ code: 'NETWORK_DNS', message: 'm' }), 'error: cannot reach'],
    [new RegistryError({ code: 'REGISTRY_DENIED', message: 'm' }), 'error: registry'],
    [new UsageError({ code: 'NOT_YET_ENFORCED', message: 'm' }), 'refused'],
    [new LocalStateError({ code: 'DISK_FULL', message: 'm' }), 'error'],
    [new KeyError({ code: 'KEY_PASSPHRASE', message: 'm' }), 'error'],
    [new EngineError({ code: 'ENGINE_BROKEN', message: 'm' }), 'error'],
  ])('refused, no data, out of reach and broken read differently: %s', (error, verdict) => {
    expect(renderError(error, PLAIN)).toBe(`dtrust: ${verdict}: m (${error.code})\n`);
  });

  test('contract (Terminal): no trust data is said once, where the message begins with it', () => {
    const error = new TrustError({ code: 'NO_TRUST_DATA', message: 'no trust data for a/b in registry a/b' });
    expect(renderError(error, PLAIN)).toBe(
      'dtrust: refused: no trust data for a/b in registry a/b (NO_TRUST_DATA)\n',
    );
  });

  test('DTRUST_DEBUG adds step, attack, role and causes', () => {
    const text = renderError(refusal, { json: false, debug: true });
    expect(text).toContain('dtrust: debug: step 5.4.3.1\n');
    expect(text).toContain('dtrust: debug: guards against rollback\n');
    expect(text).toContain('dtrust: debug: role timestamp\n');
    expect(text).toContain('dtrust: debug: caused by Error: below it\n');
  });

  test('a chain of causes that never ends does', () => {
    const looped = new Error('round');
    looped.cause = looped;
    const error = new NetworkError({ code: 'NETWORK_BROKEN', message: 'm', cause: looped });
    const lines = renderError(error, { json: false, debug: true }).split('\n');
    expect(lines.length).toBeLessThan(20);
  });

  test('a bug says so, with its stack, and never as a refusal', () => {
    const text = renderError(new TypeError('x is no function \u001b[31m'), JSON_TOO);
    expect(text).toMatch(/^dtrust: internal error, please report/);
    expect(text).toContain('report-error.test.ts');
    expect(text).not.toContain('\u001b');
    expect(renderError('a string', PLAIN)).toContain('a string');
  });
});

describe('for scripts', () => {
  test('contract (Terminal): the last line is one object of six members', () => {
    const lines = renderError(refusal, JSON_TOO).trimEnd().split('\n');
    expect(JSON.parse(lines.at(-1) ?? '')).toEqual({
      code: 'TIMESTAMP_ROLLBACK',
      class: 'trust',
      reference: 'docker.io/acme/app',
      expected: 'version 7 or more',
      found: 'version 4',
      hint: 'one thing',
    });
  });

  test('what is not known is null, and debug lines stand above', () => {
    const error = new UsageError({ code: 'USAGE', message: 'm' });
    const lines = renderError(error, { json: true, debug: true }).trimEnd().split('\n');
    expect(JSON.parse(lines.at(-1) ?? '')).toEqual({
      code: 'USAGE',
      class: 'usage',
      reference: null,
      expected: null,
      found: null,
      hint: null,
    });
  });

  test('a message of several lines does not become two records', () => {
    const error = new EngineError({ code: 'ENGINE_ERROR', message: 'm', found: 'a\nb\u202e{"code":"x"}' });
    const text = renderError(error, JSON_TOO);
    expect(text.trimEnd().split('\n')).toHaveLength(2);
    expect(text).not.toContain('\u202e');
  });
});

describe('exit status', () => {
  const failure = new TrustError({ code: 'ROOT_PIN', message: 'm' });

  test.each([
    [failure, ['pull'], 1],
    [failure, ['run'], 125],
    [failure, ['container', 'create'], 125],
    [failure, ['image', 'pull'], 1],
    [new LocalStateError({ code: 'DOCKER_NOT_FOUND', message: 'm' }), ['ps'], 127],
    [new LocalStateError({ code: 'DOCKER_LOOP', message: 'm' }), ['ps'], 127],
    [new Interrupted('SIGINT'), ['run'], 130],
    [new Interrupted('SIGTERM'), ['pull'], 143],
    [new Interrupted('SIGHUP'), ['pull'], 129],
    [new TypeError('a bug'), ['pull'], 1],
  ] as const)('%s of %j is %i', (error, path, status) => {
    expect(exitStatusOf(error, path)).toBe(status);
  });
});
