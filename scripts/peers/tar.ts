/** The smallest tar archive writer (ustar, regular files), the same bytes for the same content. */
export interface TarFile {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly mode?: number;
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
  block.write('        0', 148, 'latin1'); // checksum as spaces while it is computed; type 0: a file
  block.write('ustar\x0000', 257, 'latin1');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}
