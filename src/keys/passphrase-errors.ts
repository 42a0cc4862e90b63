/** What is said when there is no passphrase, or none that is right. */
import { KeyError, LocalStateError } from '../lib/errors.ts';
import {
  describe,
  kindOf,
  type PassphraseRequest,
  REPOSITORY_PASSPHRASE_VARIABLE,
  ROOT_PASSPHRASE_VARIABLE,
  variableOf,
} from './passphrase-request.ts';

export function outdatedLine(request: PassphraseRequest): string {
  return `What the keychain of this system remembers for ${describe(request)} does not open it: the passphrase was changed elsewhere.`;
}

export function wrong(
  request: PassphraseRequest,
  cause: KeyError,
  source: string,
  hints: readonly string[],
): KeyError {
  return new KeyError({
    code: 'KEY_PASSPHRASE',
    message: `wrong passphrase for ${describe(request)} (${source})`,
    hints,
    cause,
  });
}

export function declined(request: PassphraseRequest): KeyError {
  return new KeyError({
    code: 'PROMPT_DECLINED',
    message: `no passphrase was given for ${describe(request)}`,
  });
}

export function missing(request: PassphraseRequest): KeyError {
  const variable = variableOf(kindOf(request));
  return new KeyError({
    code: 'KEY_PASSPHRASE_MISSING',
    message: `no passphrase for ${describe(request)}: no terminal to ask on, and ${ROOT_PASSPHRASE_VARIABLE} (root keys) or ${REPOSITORY_PASSPHRASE_VARIABLE} (all other keys) is not set`,
    hints: [
      `Set ${variable}, or ${variable}_FILE to a file that holds it.`,
      'What the keychain of this system remembers is used on a terminal alone.',
    ],
  });
}

/** A passphrase that takes the place of another one is typed: the environment holds the other one. */
export function nobodyToType(request: PassphraseRequest): KeyError {
  return new KeyError({
    code: 'KEY_PASSPHRASE_MISSING',
    message: `no new passphrase for ${describe(request)}: there is no terminal to type it on, and the variables hold the one that it has`,
    hints: ['Run this on a terminal.'],
  });
}

export function bothSet(variable: string): LocalStateError {
  return new LocalStateError({
    code: 'CONFIG_INVALID',
    message: `${variable} and ${variable}_FILE are both set`,
    hints: ['Set only one of them.'],
  });
}
