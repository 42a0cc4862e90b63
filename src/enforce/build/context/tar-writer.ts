/**
 * Writes the archive that the engine gets: every member with one header, in one spelling, so that what the engine
 * unpacks is what was looked at here.
 */
import { ATTRIBUTE, BLOCK, type TarHeader, TYPE_FLAGS } from './tar-header.ts';

const MOST_OCTAL_11 = 0o77777777777;
const MOST_OCTAL_7 = 0o7777777;

/** What ends an archive. */
export function endOfTar(): Buffer {
  return Buffer.alloc(2 * BLOCK);
}

/** The header blocks of a member; its content, filled up to whole blocks, goes behind them. */
export function tarHeader(header: TarHeader): Buffer {
  const name = header.type === 'directory' ? `${header.path}/` : header.path;
  const linkTo = header.linkTo ?? '';
  const { size, uid = 0, gid = 0 } = header;
  const mtime = Math.max(0, Math.trunc(header.mtime));
  const records = new Map<string, string | Uint8Array>();
  if (!fits(name)) records.set('path', name);
  if (!fits(linkTo)) records.set('linkpath', linkTo);
  if (size > MOST_OCTAL_11) records.set('size', String(size));
  if (uid > MOST_OCTAL_7) records.set('uid', String(uid));
  if (gid > MOST_OCTAL_7) records.set('gid', String(gid));
  if (mtime > MOST_OCTAL_11) records.set('mtime', String(mtime));
  for (const [key, value] of header.attributes ?? []) records.set(`${ATTRIBUTE}${key}`, value);
  const main = block({
    name,
    mode: header.mode & 0o7777,
    uid: within(uid, MOST_OCTAL_7),
    gid: within(gid, MOST_OCTAL_7),
    size: within(size, MOST_OCTAL_11),
    mtime: within(mtime, MOST_OCTAL_11),
    flag: TYPE_FLAGS[header.type],
    linkTo,
    ...header.device,
  });
  return records.size === 0 ? main : Buffer.concat([paxHeader(records), main]);
}

/** Plain ASCII that fills no more than its field: all else goes into a record. */
function fits(text: string): boolean {
  return text.length <= 100 && /^[\x20-\x7e]*$/.test(text);
}

const within = (value: number, most: number): number => (value > most ? 0 : value);

function paxHeader(records: ReadonlyMap<string, string | Uint8Array>): Buffer {
  const content = Buffer.concat([...records].map(([key, value]) => paxRecord(key, value)));
  const head = block({
    name: 'PaxHeaders.0/member',
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: content.length,
    mtime: 0,
    flag: 'x',
    linkTo: '',
  });
  return Buffer.concat([head, content, Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK)]);
}

/** `LENGTH KEY=VALUE\n`, where the length counts itself. */
function paxRecord(key: string, value: string | Uint8Array): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value), Buffer.from('\n')]);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

interface Fields {
  readonly name: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly flag: string;
  readonly linkTo: string;
  readonly major?: number;
  readonly minor?: number;
}

function block(fields: Fields): Buffer {
  const bytes = Buffer.alloc(BLOCK);
  const text = (value: string, at: number, width: number): void => {
    Buffer.from(value).copy(bytes, at, 0, width);
  };
  const octal = (value: number, at: number, width: number): void => {
    bytes.write(value.toString(8).padStart(width - 1, '0'), at, 'latin1');
  };
  text(fields.name, 0, 100);
  octal(fields.mode, 100, 8);
  octal(fields.uid, 108, 8);
  octal(fields.gid, 116, 8);
  octal(fields.size, 124, 12);
  octal(fields.mtime, 136, 12);
  bytes.fill(' ', 148, 156);
  bytes.write(fields.flag, 156, 'latin1');
  text(fields.linkTo, 157, 100);
  bytes.write('ustar\x0000', 257, 'latin1');
  octal(fields.major ?? 0, 329, 8);
  octal(fields.minor ?? 0, 337, 8);
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return bytes;
}
