/**
 * One member of a tar archive as both sides of dtrust mean it, whatever spelling it came in: POSIX.1-2001 (pax), ustar,
 * GNU and the old form are read; ustar with pax records is written.
 */

export type TarType = 'file' | 'directory' | 'symlink' | 'link' | 'fifo' | 'character' | 'block';

export interface TarHeader {
  /** Below the context, with slashes, nothing before the first and nothing behind the last name. */
  readonly path: string;
  readonly type: TarType;
  /** Permission bits, with set-user-ID, set-group-ID and sticky. */
  readonly mode: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  /** Of the content; 0 for what is no file. */
  readonly size: number;
  /** What a symlink says, or the path of the member that a hard link is. */
  readonly linkTo?: string;
  readonly device?: { readonly major: number; readonly minor: number };
  readonly uid?: number;
  readonly gid?: number;
  /** Extended attributes, `security.capability` for example, as pax records have them. */
  readonly attributes?: ReadonlyMap<string, Uint8Array>;
}

export const BLOCK = 512;

/** The type flag of POSIX.1-1988. */
export const TYPE_FLAGS: Readonly<Record<TarType, string>> = {
  file: '0',
  link: '1',
  symlink: '2',
  character: '3',
  block: '4',
  directory: '5',
  fifo: '6',
};

/** Records of a pax header that hold an extended attribute begin so. */
export const ATTRIBUTE = 'SCHILY.xattr.';

/** What fills a member's content up to whole blocks. */
export function paddingOf(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}
