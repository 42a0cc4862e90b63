/**
 * The form of a backup: all private keys of a machine in one file, under one passphrase (docs/adr/0012-key-backup.md).
 *
 *     dtrust key backup, format 1
 *     Put back with: dtrust trust key restore FILE
 *     {"iterations":600000,"salt":"...","check":"...","keys":["<Notary key ID>",...],"inUse":[...]}
 *     -----BEGIN ENCRYPTED PRIVATE KEY-----        one whole key file a key, in the order of the list
 *     ...
 *     mac: <HMAC-SHA256 over everything above it>
 *
 * `inUse` names those of several keys of a kind that a rotation has put in the place of the others: a stolen root key that
 * was rotated away must not begin a repository again because a machine was restored.
 *
 * Without dtrust, each block is a key file that Docker CLI <= 28 and Notary read as it is. The key of the HMAC comes
 * from the passphrase: without it nobody can take a key out, put another one in, or relabel one. (A stolen signer's
 * key that came back as `root` would begin the next repository.) `check` tells a wrong passphrase from a changed file.
 * The last line shows, without any passphrase, whether the file is whole.
 */
import { createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { KeyError } from '../lib/errors.ts';
import {
  isJsonArray,
  isJsonObject,
  JsonError,
  type JsonObject,
  type JsonValue,
  parseStrictJson,
} from '../lib/strict-json.ts';
import { decodeEncrypted } from './decode.ts';
import { type LabelledKey, labelsOf, parseKeyFile, renderKeyFile } from './key-file.ts';
import { MAX_KDF_ITERATIONS, wrongPassphrase } from './pbes2.ts';
import type { Secret } from './secret.ts';

const FORMAT = 1;
const HOW_TO = 'Put back with: dtrust trust key restore FILE';
const FIRST_LINE = /^dtrust key backup, format ([1-9]\d{0,8})\n/;
const WHOLE = /^([^\n]+\n[^\n]+\n(\{[^\n]+\})\n((?:-----BEGIN [\s\S]+-----\n)?))mac: ([0-9a-f]{64})\n$/;
const BEGIN = '-----BEGIN ENCRYPTED PRIVATE KEY-----\n';
const END = '\n-----END ENCRYPTED PRIVATE KEY-----\n';

const derive = promisify(pbkdf2);

/** A backup that is whole, as far as can be seen without its passphrase. */
export interface Backup {
  readonly shownPath: string;
  readonly keyIds: readonly string[];
  readonly inUse: ReadonlySet<string>;
  readonly iterations: number;
  readonly salt: Buffer;
  readonly check: Buffer;
  readonly mac: Buffer;
  /** What the HMAC covers. */
  readonly covered: string;
  readonly blocks: readonly string[];
}

/** A key to back up. */
export interface KeyToKeep extends LabelledKey {
  /** Whether a rotation has put it in the place of other keys of its kind. */
  readonly inUse: boolean;
}

/** One key of an opened backup, with the bytes of its file. */
export interface BackupKey extends KeyToKeep {
  readonly bytes: Buffer;
}

/** The bytes of a new backup; each key at most once. */
export async function renderBackup(
  keys: readonly KeyToKeep[],
  passphrase: Secret,
  iterations: number,
): Promise<Buffer> {
  const salt = randomBytes(16);
  const macKey = await deriveMacKey(passphrase, salt, iterations);
  const files = await Promise.all(
    keys.map(({ key, labels }) => renderKeyFile(key, labels, passphrase, iterations)),
  );
  const list = {
    iterations,
    salt: salt.toString('hex'),
    check: checkOf(macKey).toString('hex'),
    keys: keys.map(({ key }) => key.notaryKeyId),
    inUse: keys.filter(({ inUse }) => inUse).map(({ key }) => key.notaryKeyId),
  };
  const head = `dtrust key backup, format ${FORMAT}\n${HOW_TO}\n${JSON.stringify(list)}\n`;
  const covered = `${head}${Buffer.concat(files).toString('latin1')}`;
  const mac = macOf(macKey, covered).toString('hex');
  macKey.fill(0);
  return Buffer.from(`${covered}mac: ${mac}\n`, 'latin1');
}

/**
 * Takes a backup apart, without its passphrase.
 *
 * @throws KeyError KEY_FILE_INVALID (no backup, cut short, a list that its blocks do not fit), KEY_UNSUPPORTED
 *   (another format, more work than a backup may ask for)
 */
export function parseBackup(bytes: Uint8Array, shownPath: string): Backup {
  // A backup that went through a mail or an editor of another system says the same.
  const text = Buffer.from(bytes).toString('latin1').replaceAll('\r\n', '\n');
  const [, format] = FIRST_LINE.exec(text) ?? [];
  if (format === undefined) throw noBackup(shownPath);
  if (Number(format) !== FORMAT) throw otherFormat(shownPath, format);
  const [, covered, list, body, mac] = WHOLE.exec(text) ?? [];
  if (covered === undefined || list === undefined || body === undefined || mac === undefined) {
    throw damaged(shownPath, 'it is cut short or damaged: it does not end with its checksum');
  }
  const json = parseList(list, shownPath);
  const keyIds = idsOf(json.get('keys'), shownPath);
  const inUse = idsOf(json.get('inUse'), shownPath);
  if (keyIds.length === 0 || !inUse.every((id) => keyIds.includes(id))) throw listDamaged(shownPath);
  const blocks = blocksOf(body, shownPath);
  if (blocks.length !== keyIds.length) {
    throw damaged(shownPath, `it lists ${keyIds.length} keys and holds ${blocks.length}`);
  }
  return {
    shownPath,
    keyIds,
    inUse: new Set(inUse),
    iterations: iterationsOf(json.get('iterations'), shownPath),
    salt: hexOf(json.get('salt'), 16, shownPath),
    check: hexOf(json.get('check'), 32, shownPath),
    mac: Buffer.from(mac, 'hex'),
    covered,
    blocks,
  };
}

/**
 * Decrypts every key of a backup; each must be the one that is listed, and must sign.
 *
 * @throws KeyError KEY_PASSPHRASE, KEY_FILE_INVALID (changed since it was made), KEY_UNSUPPORTED
 */
export async function openBackup(backup: Backup, passphrase: Secret): Promise<readonly BackupKey[]> {
  const { shownPath, covered, mac, check, salt, iterations } = backup;
  const macKey = await deriveMacKey(passphrase, salt, iterations);
  // Compared before anything in the file is acted on: until then its labels are whoever's could write to it.
  const isRight = timingSafeEqual(checkOf(macKey), check);
  const isUnchanged = timingSafeEqual(macOf(macKey, covered), mac);
  macKey.fill(0);
  if (!isRight) throw wrongPassphrase();
  if (!isUnchanged) throw damaged(shownPath, 'it was changed since it was made');
  return await Promise.all(backup.blocks.map((block, i) => openBlock(backup, block, i, passphrase)));
}

async function openBlock(
  { keyIds, inUse, shownPath }: Backup,
  block: string,
  index: number,
  passphrase: Secret,
): Promise<BackupKey> {
  const bytes = Buffer.from(block, 'latin1');
  const file = parseKeyFile(bytes, shownPath);
  const key = await decodeEncrypted(file.block, passphrase, shownPath);
  await key.sign(new Uint8Array());
  if (key.notaryKeyId !== keyIds[index]) throw damaged(shownPath, 'it holds another key than it lists');
  return { key, labels: labelsOf(file), inUse: inUse.has(key.notaryKeyId), bytes };
}

/** Split rather than searched for: the file is longer than what a pattern that looks ahead gets through. */
function blocksOf(body: string, shownPath: string): readonly string[] {
  const parts = body.split(END);
  if (parts.pop() !== '' || !parts.every((part) => part.startsWith(BEGIN))) {
    throw damaged(shownPath, 'something in it is no key');
  }
  return parts.map((part) => `${part}${END}`);
}

async function deriveMacKey(passphrase: Secret, salt: Buffer, iterations: number): Promise<Buffer> {
  return await derive(passphrase.bytes(), salt, iterations, 32, 'sha256');
}

function checkOf(macKey: Buffer): Buffer {
  return macOf(macKey, 'dtrust key backup: the passphrase is right');
}

function macOf(macKey: Buffer, text: string): Buffer {
  return createHmac('sha256', macKey).update(text, 'latin1').digest();
}

function parseList(text: string, shownPath: string): JsonObject {
  try {
    const value = parseStrictJson(Buffer.from(text, 'latin1'), shownPath);
    if (isJsonObject(value)) return value;
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
  }
  throw listDamaged(shownPath);
}

function idsOf(value: JsonValue | undefined, shownPath: string): readonly string[] {
  const isId = (id: JsonValue): id is string => typeof id === 'string' && /^[0-9a-f]{64}$/.test(id);
  if (!isJsonArray(value) || !value.every(isId) || new Set(value).size !== value.length) {
    throw listDamaged(shownPath);
  }
  return value;
}

function iterationsOf(value: unknown, shownPath: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1) {
    throw listDamaged(shownPath);
  }
  if (value <= MAX_KDF_ITERATIONS) return value;
  throw new KeyError({
    code: 'KEY_UNSUPPORTED',
    message: `${shownPath} asks for more work than a backup may: ${value} iterations of PBKDF2`,
    expected: `at most ${MAX_KDF_ITERATIONS}`,
  });
}

function hexOf(value: unknown, length: number, shownPath: string): Buffer {
  if (typeof value === 'string' && value.length === 2 * length && /^[0-9a-f]+$/.test(value)) {
    return Buffer.from(value, 'hex');
  }
  throw listDamaged(shownPath);
}

function noBackup(shownPath: string): KeyError {
  return new KeyError({
    code: 'KEY_FILE_INVALID',
    message: `${shownPath} is not a backup that \`dtrust trust key backup\` made`,
    hints: ['A file with a single key is loaded with: dtrust trust key load FILE'],
  });
}

function otherFormat(shownPath: string, format: string): KeyError {
  return new KeyError({
    code: 'KEY_UNSUPPORTED',
    message: `${shownPath} is a backup in a format that this dtrust does not know`,
    expected: `format ${FORMAT}`,
    found: `format ${format}`,
    hints: ['Restore it with the dtrust that made it, or a newer one.'],
  });
}

function listDamaged(shownPath: string): KeyError {
  return damaged(shownPath, 'its list of keys is damaged');
}

function damaged(shownPath: string, why: string): KeyError {
  return new KeyError({
    code: 'KEY_FILE_INVALID',
    message: `nothing is restored from ${shownPath}: ${why}`,
    hints: ['Take another copy of the backup.'],
  });
}
