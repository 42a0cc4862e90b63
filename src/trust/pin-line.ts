/**
 * A pin as one line of shell, which the owner of a collection prints and everybody else runs or commits
 * (protocol 6.1).
 *
 *     dtrust trust pin add ghcr.io/acme/app KEYID[,KEYID] --threshold 1 --root-version 3 --timestamp-version 41
 */
import { LocalStateError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { isKeyId, type Pin } from './core/pin.ts';

/** What the command line says of a pin, not yet looked at. */
export interface PinArguments {
  /** Key IDs separated by commas. */
  readonly keyIds: string;
  readonly threshold?: number | string;
  readonly rootVersion?: number | string;
  readonly timestampVersion?: number | string;
}

/** As many as anybody has needed, and few enough that a threshold means something. */
const MAX_KEYS = 64;

/** The line that adds this pin somewhere else. */
export function renderPinLine(repository: string, pin: Pin): string {
  const { keyIds, threshold, rootVersion, timestampVersion } = pin;
  return (
    `dtrust trust pin add ${repository} ${keyIds.join(',')} --threshold ${threshold} ` +
    `--root-version ${rootVersion} --timestamp-version ${timestampVersion}`
  );
}

/**
 * A pin from what was typed. Without a threshold all keys given must sign: with several keys the weaker reading
 * is for whoever writes it down. Without versions any will do.
 *
 * @throws LocalStateError PIN_INVALID
 */
export function parsePin(given: PinArguments): Pin {
  const keyIds = given.keyIds.split(',').map((text) => text.trim());
  const threshold = wholeNumber(given.threshold, 'threshold', keyIds.length);
  return verifyPinForm({
    keyIds: keyIds as unknown as Pin['keyIds'],
    threshold,
    rootVersion: wholeNumber(given.rootVersion, 'root version', 1),
    timestampVersion: wholeNumber(given.timestampVersion, 'timestamp version', 1),
    dialect: 'tuf-1.0',
  });
}

/**
 * Returns a pin that can be met at all, and that nobody meets by accident.
 *
 * @throws LocalStateError PIN_INVALID
 */
export function verifyPinForm(pin: Pin): Pin {
  for (const keyId of pin.keyIds) {
    if (!isKeyId(keyId)) {
      throw invalidPin(
        `${escapeShort(keyId, 80)} is no root key ID, which has 64 lower-case hex digits`,
        '64 lower-case hex digits',
        undefined,
        ["The owner's machine prints the whole line to run here: dtrust trust pin export REPO"],
      );
    }
  }
  if (new Set(pin.keyIds).size !== pin.keyIds.length) {
    throw invalidPin('a key ID stands twice in the pin');
  }
  if (pin.keyIds.length === 0 || pin.keyIds.length > MAX_KEYS) {
    throw invalidPin(`a pin has between 1 and ${MAX_KEYS} key IDs`);
  }
  if (pin.threshold < 1 || pin.threshold > pin.keyIds.length) {
    throw invalidPin(
      `the threshold is ${pin.threshold} with ${pin.keyIds.length} key IDs`,
      `between 1 and ${pin.keyIds.length}`,
    );
  }
  if (pin.rootVersion < 1 || pin.timestampVersion < 1) {
    throw invalidPin('versions in a pin begin with 1');
  }
  return Object.freeze({ ...pin, keyIds: Object.freeze([...pin.keyIds]) });
}

/** PIN_INVALID with this message. */
export function invalidPin(
  message: string,
  expected?: string,
  cause?: unknown,
  hints: readonly string[] = [],
): LocalStateError {
  return new LocalStateError({
    code: 'PIN_INVALID',
    message,
    cause,
    hints,
    ...(expected === undefined ? {} : { expected }),
  });
}

function wholeNumber(value: number | string | undefined, what: string, fallback: number): number {
  if (value === undefined) {
    return fallback;
  }
  const number = typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isSafeInteger(number)) {
    throw invalidPin(`the ${what} ${escapeShort(String(value), 40)} is no whole number`);
  }
  return number;
}
