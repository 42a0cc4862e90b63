/** The smallest tar archive writer (ustar), the same bytes for the same content. */
export interface TarFile {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly mode?: number;
  /** Type flag of the header; a regular file where none is given. */
  readonly type?: '0' | '1' | '2' | '5' | 'x' | 'g';
  /** What a hard (1) or symbolic (2) link stands for. */
  readonly link?: string;
}

const BLOCK = 512;

export function makeTar(files: readonly TarFile[]): Buffer {
  const parts = files.flatMap((file) => [header(file), Buffer.from(file.bytes), padding(file.bytes.length)]);
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)]);
}

const padding = (length: number): Buffer => Buffer.alloc((BLOCK - (length % BLOCK)) % BLOCK);

function header(file: TarFile): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, width: number): void => {
    block.write(`${value.toString(8).padStart(width - 1, '0')}\0`, at, 'latin1');
  };
  block.write(file.path, 0, 100, 'utf8');
  octal(file.mode ?? 0o644, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(file.bytes.length, 124, 12);
  octal(0, 136, 12);
  block.write(`        ${file.type ?? '0'}`, 148, 'latin1'); // checksum as spaces while it is computed
  block.write(file.link ?? '', 157, 100, 'utf8');
  block.write('ustar\x0000', 257, 'latin1');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}
