/** A folder of its own for a test, removed afterwards; and what is in a folder, to compare before and after. */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';

export function temporaryFolder(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'dtrust-test-'));
  onTestFinished(() => fs.rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Every entry below a folder with its mode and the hash of its bytes, sorted: equal when nothing changed. */
export function contentOf(folder: string): readonly string[] {
  if (!fs.existsSync(folder)) return [];
  return fs
    .readdirSync(folder, { recursive: true, withFileTypes: true })
    .map((entry) => {
      const full = path.join(entry.parentPath, entry.name);
      const mode = (fs.lstatSync(full).mode & 0o7777).toString(8);
      const hash = entry.isFile()
        ? createHash('sha256').update(fs.readFileSync(full)).digest('hex')
        : 'folder';
      return `${path.relative(folder, full)} ${mode} ${hash}`;
    })
    .sort();
}
