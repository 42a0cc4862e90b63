/** What the key tests share: a throw-away configuration folder, fixed passphrases, errors by class and code. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { KeyStore, type KeyStoreOptions } from '../../src/keys/key-store.ts';
import { createPassphrases, type Passphrases } from '../../src/keys/passphrases.ts';
import { Secret } from '../../src/keys/secret.ts';
import type { Terminal } from '../../src/keys/terminal.ts';
import { DtrustError } from '../../src/lib/errors.ts';
import { realFileSystem } from '../../src/lib/file-system.ts';

/** Few iterations, so that a test of something else does not wait for the key derivation. */
export const FEW_ITERATIONS = 1000;

export const PASSPHRASE = 'correct horse battery';
export const secret = Secret.fromText(PASSPHRASE);

export function temporaryFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'dtrust-keys-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export function storeIn(dockerConfig: string, options: Partial<KeyStoreOptions> = {}): KeyStore {
  const defaults = { fs: realFileSystem, dockerConfig, platform: 'linux', unsafeIterations: FEW_ITERATIONS };
  return new KeyStore({ ...defaults, ...options });
}

export interface ScriptedTerminal extends Terminal {
  /** Every label and line the terminal was given, in order. */
  readonly log: readonly string[];
}

/** A terminal where a person types these answers, one a question; undefined is end of input. */
export function scriptedTerminal(answers: readonly (string | undefined)[]): ScriptedTerminal {
  const rest = [...answers];
  const log: string[] = [];
  const next = (label: string): Secret | undefined => {
    log.push(label);
    const answer = rest.shift();
    return answer === undefined ? undefined : Secret.fromText(answer);
  };
  return {
    log,
    canPrompt: () => true,
    askSecret: async (label) => next(label),
    askYesNo: async (question) => next(question)?.reveal() === 'y',
    askLine: async (question) => next(question)?.reveal(),
    askNewSecret: async ({ first }) => next(first),
    say: (text) => void log.push(text),
  };
}

/** Nobody to ask. Any question is a failure of the test. */
export const noTerminal: Terminal = {
  canPrompt: () => false,
  askSecret: () => Promise.reject(new Error('asked')),
  askYesNo: () => Promise.reject(new Error('asked')),
  askLine: () => Promise.reject(new Error('asked')),
  askNewSecret: () => Promise.reject(new Error('asked')),
  say: () => expect.unreachable('said something'),
};

/** Passphrases where both variables hold the one the tests use. */
export function knownPassphrases(passphrase = PASSPHRASE): Passphrases {
  return createPassphrases({
    environment: { rootPassphrase: passphrase, repositoryPassphrase: passphrase },
    terminal: noTerminal,
    fs: realFileSystem,
  });
}

/** Passphrases typed at a terminal alone. */
export function typedPassphrases(terminal: Terminal): Passphrases {
  return createPassphrases({ environment: {}, terminal, fs: realFileSystem });
}

/** The error an action ends with, which must be of this class and code. */
export async function refusal<E extends DtrustError>(
  type: new (...args: never[]) => E,
  code: E['code'],
  action: () => unknown,
): Promise<E> {
  const outcome: unknown = await Promise.resolve()
    .then(action)
    .then(
      () => undefined,
      (error: unknown) => error,
    );
  expect(outcome).toBeInstanceOf(type);
  expect(outcome instanceof DtrustError ? outcome.code : outcome).toBe(code);
  return outcome as E;
}
