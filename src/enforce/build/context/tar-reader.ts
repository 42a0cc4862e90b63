/**
 * Reads the archive that somebody gives as a build context: where each member's content lies, and its header in the one
 * form of tar-header.ts. Names are put into their shortest form, so that `./a`, `b/../a` and `/a` are one path.
 *
 * Whoever made the archive chooses every byte of it. What it means is fixed here, once: what could be read in two ways
 * (names that are not UTF-8, that lead outside, sparse files, unknown types, a wrong checksum) is refused, and the
 * engine gets an archive that is written again (tar-writer.ts), never these bytes.
 */
import { UsageError } from '../../../lib/errors.ts';
import { escapeShort } from '../../../lib/escape.ts';
import { ATTRIBUTE, BLOCK, paddingOf, type TarHeader, type TarType } from './tar-header.ts';

export interface TarMember extends TarHeader {
  /** Where the content begins in the archive. */
  readonly offset: number;
  /** As the archive spells it. */
  readonly spelled: string;
}

/** The archive, read at any place; less than asked for only at its end. */
export type ReadAt = (offset: number, length: number) => Buffer;

/** Longer records of one member than anybody needs: a path has 4096 bytes at most, an attribute 64 KiB. */
const MOST_RECORD_BYTES = 1024 * 1024;

const TYPES: ReadonlyMap<string, TarType> = new Map([
  ['0', 'file'],
  ['\0', 'file'],
  ['7', 'file'],
  ['1', 'link'],
  ['2', 'symlink'],
  ['3', 'character'],
  ['4', 'block'],
  ['5', 'directory'],
  ['6', 'fifo'],
]);

/** What stands before a member and changes how it is read. */
interface Before {
  readonly records: ReadonlyMap<string, Uint8Array>;
  readonly longName?: Uint8Array;
  readonly longLink?: Uint8Array;
}

const NOTHING: Before = { records: new Map() };

/**
 * The members, in order; the context's own folder is left out.
 * @throws UsageError BUILD_CONTEXT_INVALID
 */
export function readTar(readAt: ReadAt): readonly TarMember[] {
  const members: TarMember[] = [];
  let before: Before = NOTHING;
  let offset = 0;
  for (;;) {
    const block = readAt(offset, BLOCK);
    if (block.length === 0 || isEnd(block, readAt, offset)) break;
    if (block.length < BLOCK) throw invalid('the archive ends within a header');
    const raw = readBlock(block);
    const at = offset + BLOCK;
    const size = raw.flag === 'g' || isRecord(raw.flag) ? raw.size : sizeOf(raw, before);
    const content = () => recordBytes(readAt, at, raw.size);
    offset = at + size + paddingOf(size);
    if (raw.flag === 'x') before = { ...before, records: readRecords(content()) };
    else if (raw.flag === 'L') before = { ...before, longName: upToNul(content()) };
    else if (raw.flag === 'K') before = { ...before, longLink: upToNul(content()) };
    else if (raw.flag === 'g') assertHarmless(readRecords(content()));
    else {
      const member = memberOf(raw, before, at, size);
      if (member.path !== '') members.push(member);
      if (readAt(at + size - 1, 1).length === 0) {
        throw invalid(`the archive ends within ${escapeShort(member.spelled)}`);
      }
      before = NOTHING;
    }
  }
  if (before !== NOTHING) throw invalid('the archive ends with a header that belongs to no member');
  return members;
}

/** Whether these bytes begin with a member's header, which tells an archive from a Dockerfile. */
export function beginsTar(bytes: Buffer): boolean {
  if (bytes.length < BLOCK) return false;
  const block = bytes.subarray(0, BLOCK);
  return block.every((byte) => byte === 0) || hasChecksum(block);
}

/** A path below the context in its shortest form; undefined when it leads outside. */
export function contextPath(spelled: string): string | undefined {
  const parts: string[] = [];
  for (const part of spelled.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.pop() === undefined) return undefined;
  }
  return parts.join('/');
}

interface RawHeader {
  readonly flag: string;
  readonly name: Uint8Array;
  readonly linkTo: Uint8Array;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly major: number;
  readonly minor: number;
}

function readBlock(block: Buffer): RawHeader {
  if (!hasChecksum(block)) throw invalid('a header has a wrong checksum');
  const flag = String.fromCharCode(block[156] ?? 0);
  const isUstar = block.toString('latin1', 257, 263) === 'ustar\0';
  const prefix = isUstar ? upToNul(block.subarray(345, 500)) : Buffer.alloc(0);
  const name = upToNul(block.subarray(0, 100));
  const hasDevice = flag === '3' || flag === '4';
  return {
    flag,
    name: prefix.length === 0 ? name : Buffer.concat([prefix, Buffer.from('/'), name]),
    linkTo: upToNul(block.subarray(157, 257)),
    mode: number(block.subarray(100, 108)),
    uid: number(block.subarray(108, 116)),
    gid: number(block.subarray(116, 124)),
    size: number(block.subarray(124, 136)),
    mtime: number(block.subarray(136, 148)),
    major: hasDevice ? number(block.subarray(329, 337)) : 0,
    minor: hasDevice ? number(block.subarray(337, 345)) : 0,
  };
}

function memberOf(raw: RawHeader, before: Before, offset: number, size: number): TarMember {
  const { records } = before;
  if ([...records.keys()].some((key) => key.startsWith('GNU.sparse.')))
    throw invalid('it holds a sparse file');
  const spelled = utf8(records.get('path') ?? before.longName ?? raw.name, 'a name');
  const type = typeOf(raw.flag, spelled);
  const path = contextPath(spelled);
  if (path === undefined) throw invalid(`${escapeShort(spelled)} leads outside the context`);
  const linkTo = utf8(
    records.get('linkpath') ?? before.longLink ?? raw.linkTo,
    `what ${escapeShort(spelled)} links to`,
  );
  const attributes = [...records].filter(([key]) => key.startsWith(ATTRIBUTE));
  return {
    path,
    spelled,
    offset,
    type,
    mode: raw.mode & 0o7777,
    mtime: decimal(records, 'mtime') ?? raw.mtime,
    uid: decimal(records, 'uid') ?? raw.uid,
    gid: decimal(records, 'gid') ?? raw.gid,
    size,
    ...(type === 'symlink' ? { linkTo } : {}),
    ...(type === 'link' ? { linkTo: linked(linkTo, spelled) } : {}),
    ...(type === 'character' || type === 'block' ? { device: { major: raw.major, minor: raw.minor } } : {}),
    ...(attributes.length === 0
      ? {}
      : { attributes: new Map(attributes.map(([key, value]) => [key.slice(ATTRIBUTE.length), value])) }),
  };
}

function typeOf(flag: string, spelled: string): TarType {
  const type = TYPES.get(flag);
  if (type === undefined) {
    throw invalid(
      `${escapeShort(spelled)} is of a type that a build context cannot have (${escapeShort(flag)})`,
    );
  }
  // The old form has no type for a folder.
  return type === 'file' && spelled.endsWith('/') ? 'directory' : type;
}

function linked(linkTo: string, spelled: string): string {
  const path = contextPath(linkTo);
  if (path !== undefined && path !== '') return path;
  throw invalid(`${escapeShort(spelled)} is a hard link to ${escapeShort(linkTo)}, outside the context`);
}

/** How much content stands behind the header: none but a file's. */
function sizeOf(raw: RawHeader, { records }: Before): number {
  const type = TYPES.get(raw.flag);
  if (type !== undefined && type !== 'file') return 0;
  return decimal(records, 'size') ?? raw.size;
}

const isRecord = (flag: string): boolean => flag === 'x' || flag === 'L' || flag === 'K';

function recordBytes(readAt: ReadAt, offset: number, size: number): Buffer {
  if (size > MOST_RECORD_BYTES)
    throw invalid(`a member has more than ${MOST_RECORD_BYTES} bytes of names and attributes`);
  const bytes = readAt(offset, size);
  if (bytes.length < size) throw invalid('the archive ends within a header');
  return bytes;
}

function readRecords(bytes: Buffer): ReadonlyMap<string, Uint8Array> {
  const records = new Map<string, Uint8Array>();
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const digits = bytes.toString('latin1', at, space < 0 ? at : space);
    const end = at + Number(digits);
    const equals = bytes.indexOf(0x3d, space);
    const whole =
      /^[1-9][0-9]{0,6}$/.test(digits) &&
      end <= bytes.length &&
      equals > space &&
      equals < end &&
      bytes[end - 1] === 0x0a;
    if (!whole) throw invalid('a pax record is malformed');
    records.set(bytes.toString('utf8', space + 1, equals), bytes.subarray(equals + 1, end - 1));
    at = end;
  }
  return records;
}

/** A record for all members that follow; git writes one that holds a comment. */
function assertHarmless(records: ReadonlyMap<string, Uint8Array>): void {
  const found = [...records.keys()].find((key) => key !== 'comment');
  if (found !== undefined) throw invalid(`it sets ${escapeShort(found)} for all members at once`);
}

function decimal(records: ReadonlyMap<string, Uint8Array>, key: string): number | undefined {
  const bytes = records.get(key);
  if (bytes === undefined) return undefined;
  const text = Buffer.from(bytes).toString('latin1');
  const value = Number(text);
  const plain = key === 'mtime' ? /^-?\d{1,15}(\.\d*)?$/ : /^\d{1,15}$/;
  if (!plain.test(text) || !Number.isFinite(value))
    throw invalid(`a pax record has the ${key} ${escapeShort(text)}`);
  return Math.trunc(value);
}

/** Octal digits, or GNU's binary form for what they cannot hold. */
function number(field: Buffer): number {
  const first = field[0] ?? 0;
  if ((first & 0x80) !== 0) {
    const value = field.reduce((total, byte, at) => total * 256 + (at === 0 ? byte & 0x7f : byte), 0);
    // 0xff begins a number below zero, which none of the fields can be.
    if (first === 0xff || !Number.isSafeInteger(value))
      throw invalid('a header has a number that is out of range');
    return value;
  }
  const text = field.toString('latin1').replace(/^[ \0]+|[ \0]+$/g, '');
  if (!/^[0-7]*$/.test(text)) throw invalid('a header has a number that is none');
  return text === '' ? 0 : Number.parseInt(text, 8);
}

/** The sum of all bytes of a header, its own field counted as spaces. */
function hasChecksum(block: Buffer): boolean {
  const text = block.toString('latin1', 148, 156).replace(/^[ \0]+|[ \0]+$/g, '');
  if (!/^[0-7]+$/.test(text)) return false;
  const sum = block.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 0x20 : byte), 0);
  return Number.parseInt(text, 8) === sum;
}

function isEnd(block: Buffer, readAt: ReadAt, offset: number): boolean {
  if (!block.every((byte) => byte === 0)) return false;
  const second = readAt(offset + BLOCK, BLOCK);
  if (second.every((byte) => byte === 0)) return true;
  throw invalid('something follows its end');
}

function upToNul(bytes: Buffer): Buffer {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}

function utf8(bytes: Uint8Array, what: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const shown = escapeShort(Buffer.from(bytes).toString('latin1'));
    throw invalid(`${what} is not UTF-8: ${shown}`, error);
  }
}

function invalid(what: string, cause?: unknown): UsageError {
  return new UsageError({
    code: 'BUILD_CONTEXT_INVALID',
    message: `the archive given as the build context cannot be used: ${what}`,
    cause,
  });
}
