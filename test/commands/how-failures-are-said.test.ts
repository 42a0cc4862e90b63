import { describe, expect, test } from 'vitest';
import { CommandLineError } from '../../src/cli/pflag.ts';
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

const plain = { json: false, debug: false };

const refusal = new TrustError({
  code: 'TIMESTAMP_ROLLBACK',
  message: 'older trust data than seen before',
  attack: 'rollback',
  spec: '5.4.3.1',
  role: 'timestamp\u202e',
  reference: 'ghcr.io/acme/app:1.0',
  expected: 'version 3',
  found: 'version 2',
  hints: ['first way on', 'second way on'],
  cause: Object.assign(new Error('outer'), { cause: Object.assign(new Error('inner'), { code: 'EIO' }) }),
});

describe('a refusal', () => {
  test('is one line with the image and its code, then its hints', () => {
    expect(renderError(refusal, plain)).toBe(
      'dtrust: refused: ghcr.io/acme/app:1.0: older trust data than seen before (TIMESTAMP_ROLLBACK)\n' +
        'dtrust: hint: first way on\n' +
        'dtrust: hint: second way on\n',
    );
  });

  test.each([
    ['refused', new TrustError({ code: 'TARGET_NOT_SIGNED', message: 'm' })],
    ['refused: no trust data', new TrustError({ code: 'NO_TRUST_DATA', message: 'm' })],
    ['error: cannot reach', new NetworkError({ code: 'NETWORK_REFUSED', message: 'm' })],
    ['error: registry', new RegistryError({ code: 'REGISTRY_DENIED', message: 'm' })],
    ['refused', new UsageError({ code: 'NOT_YET_ENFORCED', message: 'm' })],
    ['error', new UsageError({ code: 'TAG_RESERVED', message: 'm' })],
    ['error', new LocalStateError({ code: 'MEMORY_DAMAGED', message: 'm' })],
    ['error', new KeyError({ code: 'KEY_MISSING', message: 'm' })],
    ['error', new EngineError({ code: 'ENGINE_BROKEN', message: 'm' })],
  ])(
    'protocol 3.3: refused evidence, none, and a source out of reach never read alike: %s',
    (verdict, error) => {
      expect(renderError(error, plain)).toBe(`dtrust: ${verdict}: m (${error.code})\n`);
    },
  );

  test('with DTRUST_DEBUG says step, attack, role and causes, escaped', () => {
    const lines = renderError(refusal, { json: false, debug: true }).split('\n');
    expect(lines.slice(3)).toEqual([
      'dtrust: debug: step 5.4.3.1',
      'dtrust: debug: guards against rollback',
      'dtrust: debug: role timestamp\\u202e',
      'dtrust: debug: caused by Error: outer',
      'dtrust: debug: caused by Error: inner (EIO)',
      '',
    ]);
  });

  test('what docker refuses as well reads as docker’s', () => {
    const usage = 'docker pull [OPTIONS] NAME[:TAG|@DIGEST]';
    expect(renderError(new CommandLineError('unknown flag: --x', usage), plain)).toBe(
      `unknown flag: --x\n\nUsage:  ${usage}\n\nRun 'docker pull --help' for more information\n`,
    );
  });

  test('a bug says that it is one, with its stack, and moves no terminal', () => {
    const text = renderError(new TypeError('x is not a function \u001b[2J'), plain);
    expect(text).toMatch(/^dtrust: internal error, please report it/);
    expect(text).toContain('at ');
    expect(text).not.toContain('\u001b');
    expect(renderError('thrown text', plain)).toContain('thrown text');
  });
});

describe('contract (Terminal): DTRUST_ERRORS=json', () => {
  const lastLine = (error: unknown, debug = false): unknown =>
    JSON.parse(renderError(error, { json: true, debug }).trimEnd().split('\n').at(-1) ?? '');

  test('puts one object with exactly these members on the last line, behind what people read', () => {
    expect(renderError(refusal, { json: true, debug: true })).toContain('(TIMESTAMP_ROLLBACK)\n');
    for (const debug of [false, true]) {
      expect(lastLine(refusal, debug)).toEqual({
        code: 'TIMESTAMP_ROLLBACK',
        class: 'trust',
        reference: 'ghcr.io/acme/app:1.0',
        expected: 'version 3',
        found: 'version 2',
        hint: 'first way on',
      });
    }
  });

  test('has null for what is not known', () => {
    const nothing = { reference: null, expected: null, found: null, hint: null };
    const error = new EngineError({ code: 'ENGINE_BROKEN', message: 'm' });
    expect(lastLine(error)).toEqual({ code: 'ENGINE_BROKEN', class: 'engine', ...nothing });
    const usage = new CommandLineError('unknown flag: --x', 'docker pull NAME');
    expect(lastLine(usage)).toEqual({ code: 'USAGE', class: 'usage', ...nothing });
  });
});

describe('contract (Terminal): exit status', () => {
  test.each([
    ['Ctrl-C at a question', new Interrupted('SIGINT'), ['pull'], 130],
    ['being told to stop', new Interrupted('SIGTERM'), ['push'], 143],
    ['a terminal that hangs up', new Interrupted('SIGHUP'), ['push'], 129],
    ['a no at a question', new KeyError({ code: 'PROMPT_DECLINED', message: 'm' }), ['push'], 1],
    ['a refusal', refusal, ['pull'], 1],
    ['no docker', new LocalStateError({ code: 'DOCKER_NOT_FOUND', message: 'm' }), ['ps'], 127],
    ['a docker that is dtrust', new LocalStateError({ code: 'DOCKER_LOOP', message: 'm' }), ['run'], 127],
    ['a refused run', new UsageError({ code: 'NOT_YET_ENFORCED', message: 'm' }), ['run'], 125],
    [
      'a refused create',
      new UsageError({ code: 'NOT_YET_ENFORCED', message: 'm' }),
      ['container', 'create'],
      125,
    ],
    ['a refused build', new UsageError({ code: 'NOT_YET_ENFORCED', message: 'm' }), ['build'], 1],
    ['a flag docker refuses', new CommandLineError('m', 'docker pull NAME'), ['pull'], 125],
    ['a number of arguments docker refuses', new CommandLineError('m', 'docker pull NAME', 1), ['pull'], 1],
    ['a bug', new TypeError('m'), ['pull'], 1],
  ])('after %s', (_, error, path, status) => {
    expect(exitStatusOf(error, path)).toBe(status);
  });
});
