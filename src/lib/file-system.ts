/**
 * The file-system calls dtrust's own files go through, so that a test can make each one of them fail or be the
 * last one the process makes. Synchronous on purpose: the files are small, and an order of calls that never
 * interleaves is one that can be enumerated.
 */
import fs from 'node:fs';

export type FileSystem = Pick<
  typeof fs,
  | 'openSync'
  | 'closeSync'
  | 'readSync'
  | 'writeSync'
  | 'fsyncSync'
  | 'fstatSync'
  | 'readFileSync'
  | 'readdirSync'
  | 'renameSync'
  | 'linkSync'
  | 'unlinkSync'
  | 'rmdirSync'
  | 'mkdirSync'
  | 'lstatSync'
  | 'statSync'
  | 'chmodSync'
  | 'realpathSync'
>;

export const realFileSystem: FileSystem = fs;
