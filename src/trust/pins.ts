/**
 * The pins of this machine: `<dockerConfig>/trust/dtrust/pins.json`, a file a person may read, edit and commit
 * (docs/files.md).
 *
 *     {"format": 1, "pins": [{"repository": "ghcr.io/acme/app", "keys": ["<64 hex>"], "threshold": 1,
 *       "rootVersion": 3, "timestampVersion": 41, "dialect": "tuf-1.0"}]}
 *
 * A file that cannot be read, or that holds anything but this, is PIN_INVALID for every repository: a pin that
 * is skipped would turn the repository it protects into one of first use. Absent means no pins.
 */
import { join } from 'node:path';
import { makePrivateDirectory, writeFileAtomic } from '../lib/atomic-write.ts';
import type { Clock } from '../lib/clock.ts';
import { LocalStateError, UsageError } from '../lib/errors.ts';
import { escapeShort, escapeText } from '../lib/escape.ts';
import type { FileSystem } from '../lib/file-system.ts';
import { hasErrno, isSystemError } from '../lib/fs-error.ts';
import { withLock } from '../lib/lock.ts';
import type { LockOwner } from '../lib/lock-owner.ts';
import { newerFormat } from '../lib/own-format.ts';
import {
  isJsonArray,
  isJsonObject,
  JsonError,
  type JsonObject,
  type JsonValue,
  parseStrictJson,
} from '../lib/strict-json.ts';
import { parseRepository } from '../reference/reference.ts';
import type { Pin } from './core/pin.ts';
import { invalidPin, verifyPinForm } from './pin-line.ts';

export { parsePin, renderPinLine } from './pin-line.ts';

/** The pins as they stood when they were read, by canonical repository. */
export type Pins = ReadonlyMap<string, Pin>;

export interface PinStore {
  readonly fs: FileSystem;
  /** `<dockerConfig>/trust/dtrust` */
  readonly directory: string;
  readonly clock: Clock;
  readonly owner?: LockOwner;
}

const FILE = 'pins.json';
const FORMAT = 1;
const WAIT_MS = 10_000;
const MEMBERS = ['repository', 'keys', 'threshold', 'rootVersion', 'timestampVersion', 'dialect'];

/**
 * All pins of this machine; none where there is no home folder.
 *
 * @throws LocalStateError PIN_INVALID, MEMORY_NEWER
 */
export function loadPins(fs: FileSystem, directory: string | undefined): Pins {
  if (directory === undefined) {
    return new Map();
  }
  const path = join(directory, FILE);
  let bytes: Uint8Array;
  try {
    bytes = fs.readFileSync(path);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) {
      return new Map();
    }
    throw isSystemError(error) ? invalidPin(`cannot read ${escapeText(path)}`, undefined, error) : error;
  }
  return parsePinsFile(bytes, path);
}

/**
 * Adds a pin, or raises the one that is there: more signatures, fewer keys, higher versions. Anything that would
 * accept what the present pin refuses needs the present pin removed first, by whoever means it.
 *
 * @throws LocalStateError PIN_INVALID, MEMORY_NEWER, FILE_UNWRITABLE, DISK_FULL, LOCK_TIMEOUT; UsageError REFERENCE_INVALID
 */
export function addPin(
  store: PinStore,
  repository: string,
  given: Pin,
): Promise<'added' | 'raised' | 'unchanged'> {
  const name = parseRepository(repository).canonical;
  const pin = verifyPinForm(given);
  return change(store, (pins) => {
    const present = pins.get(name);
    if (present !== undefined) {
      verifyNotLowered(name, present, pin);
    }
    pins.set(name, pin);
    if (present === undefined) {
      return 'added';
    }
    return renderPin(name, present) === renderPin(name, pin) ? 'unchanged' : 'raised';
  });
}

/**
 * Removes the pin of a repository and returns it.
 *
 * @throws LocalStateError PIN_MISSING, PIN_INVALID, MEMORY_NEWER, FILE_UNWRITABLE, DISK_FULL, LOCK_TIMEOUT;
 * UsageError REFERENCE_INVALID
 */
export function removePin(store: PinStore, repository: string): Promise<Pin> {
  const name = parseRepository(repository).canonical;
  return change(store, (pins) => {
    const pin = pins.get(name);
    if (pin === undefined) {
      throw new LocalStateError({
        code: 'PIN_MISSING',
        message: `there is no pin for ${name}`,
        reference: name,
        hints: ['dtrust trust pin list'],
      });
    }
    pins.delete(name);
    return pin;
  });
}

async function change<T>(store: PinStore, edit: (pins: Map<string, Pin>) => T): Promise<T> {
  const { fs, directory, clock, owner } = store;
  makePrivateDirectory(fs, directory);
  const path = join(directory, FILE);
  const lock = {
    fs,
    clock,
    path: `${path}.lock`,
    waitMs: WAIT_MS,
    ...(owner === undefined ? {} : { owner }),
  };
  return withLock(lock, async () => {
    const before = loadPins(fs, directory);
    const pins = new Map(before);
    const outcome = edit(pins);
    const bytes = renderPinsFile(pins);
    if (Buffer.compare(bytes, renderPinsFile(before)) !== 0) {
      writeFileAtomic(fs, path, bytes);
    }
    return outcome;
  });
}

/** Whatever the new pin accepts, the present one must accept too. */
function verifyNotLowered(repository: string, present: Pin, next: Pin): void {
  const added = next.keyIds.filter((keyId) => !present.keyIds.includes(keyId));
  const lowered = [
    ...(added.length > 0 ? ['other root keys'] : []),
    ...(next.threshold < present.threshold ? [`threshold ${next.threshold} below ${present.threshold}`] : []),
    ...(next.rootVersion < present.rootVersion
      ? [`root version ${next.rootVersion} below ${present.rootVersion}`]
      : []),
    ...(next.timestampVersion < present.timestampVersion
      ? [`timestamp version ${next.timestampVersion} below ${present.timestampVersion}`]
      : []),
  ];
  if (lowered.length > 0) {
    throw new LocalStateError({
      code: 'PIN_INVALID',
      message: `${repository} is pinned already, and the new pin would accept more: ${lowered.join(', ')}`,
      reference: repository,
      hints: [`when that is meant: dtrust trust pin remove ${repository}`],
    });
  }
}

/** The bytes of the file: sorted, one pin a line, so that a change reads well in a diff. */
export function renderPinsFile(pins: Pins): Uint8Array {
  const lines = [...pins.keys()].sort().map((name) => {
    const pin = pins.get(name);
    return pin === undefined ? '' : `    ${renderPin(name, pin)}`;
  });
  const list = lines.length === 0 ? '[]' : `[\n${lines.join(',\n')}\n  ]`;
  return Buffer.from(`{\n  "format": ${FORMAT},\n  "pins": ${list}\n}\n`, 'utf8');
}

function renderPin(repository: string, pin: Pin): string {
  const { keyIds, threshold, rootVersion, timestampVersion, dialect } = pin;
  return JSON.stringify({ repository, keys: keyIds, threshold, rootVersion, timestampVersion, dialect });
}

/**
 * @param path names the file in messages.
 * @throws LocalStateError PIN_INVALID, MEMORY_NEWER
 */
export function parsePinsFile(bytes: Uint8Array, path: string): Pins {
  const where = escapeText(path);
  let file: JsonValue;
  try {
    file = parseStrictJson(bytes, where);
  } catch (error) {
    if (error instanceof JsonError) {
      throw invalidPin(`${where} is not valid JSON`, undefined, error);
    }
    throw error;
  }
  const format = isJsonObject(file) ? file.get('format') : undefined;
  // Before anything else of it is looked at: a newer one may hold pins in another form.
  if (typeof format === 'number' && format > FORMAT) {
    throw newerFormat(path, FORMAT, format);
  }
  if (!isJsonObject(file) || !isJsonArray(file.get('pins'))) {
    throw invalidPin(`${where} is no pin file`);
  }
  if (format !== FORMAT || file.size !== 2) {
    const found = typeof format === 'number' ? `format ${format}` : 'another form';
    throw invalidPin(`${where} has a form this dtrust does not know: ${found}`, `format ${FORMAT}`);
  }
  const pins = new Map<string, Pin>();
  for (const item of file.get('pins') as readonly JsonValue[]) {
    const [name, pin] = parseEntry(item, where);
    if (pins.has(name)) {
      throw invalidPin(`${where} holds two pins for ${name}`);
    }
    pins.set(name, pin);
  }
  return pins;
}

function parseEntry(item: JsonValue, where: string): [string, Pin] {
  if (!isJsonObject(item) || item.size !== MEMBERS.length || !MEMBERS.every((name) => item.has(name))) {
    throw invalidPin(`${where} holds a pin without exactly these members: ${MEMBERS.join(', ')}`);
  }
  const repository = canonicalName(item.get('repository'), where);
  const keys = item.get('keys');
  if (!isJsonArray(keys) || !keys.every((key) => typeof key === 'string')) {
    throw invalidPin(`${where}: keys of ${repository} is no list of key IDs`);
  }
  if (item.get('dialect') !== 'tuf-1.0') {
    throw invalidPin(`${where}: the dialect of ${repository} is not known`, 'tuf-1.0');
  }
  const pin = verifyPinForm({
    keyIds: keys as unknown as Pin['keyIds'],
    threshold: integerOf(item, 'threshold', where),
    rootVersion: integerOf(item, 'rootVersion', where),
    timestampVersion: integerOf(item, 'timestampVersion', where),
    dialect: 'tuf-1.0',
  });
  return [repository, pin];
}

/** Protocol 1.3: one spelling only; a pin under another spelling would silently protect nothing. */
function canonicalName(value: JsonValue | undefined, where: string): string {
  const text = typeof value === 'string' ? value : '';
  try {
    const { canonical } = parseRepository(text);
    if (canonical === text) {
      return canonical;
    }
    throw invalidPin(`${where}: ${escapeShort(text)} is not written in full`, canonical);
  } catch (error) {
    if (error instanceof UsageError) {
      throw invalidPin(`${where}: ${escapeShort(text)} is no repository`, undefined, error);
    }
    throw error;
  }
}

function integerOf(item: JsonObject, name: string, where: string): number {
  const value = item.get(name);
  return typeof value === 'number' ? value : fail(`${where}: ${name} is no whole number`);
}

function fail(message: string): never {
  throw invalidPin(message);
}
