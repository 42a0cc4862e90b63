import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createFileTokenMemory, parseTokenMemory, renderTokenMemory } from '../../src/http/token-memory.ts';
import { type FileSystem, realFileSystem } from '../../src/lib/file-system.ts';

const BEARER = { scheme: 'bearer', realm: 'https://auth.example/token', service: 's' } as const;

const parse = (text: string) => parseTokenMemory(text, 'FILE');

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'dtrust-realms-'));
  file = path.join(folder, 'realms.json');
});

afterEach(() => rmSync(folder, { recursive: true }));

describe('the file of realms', () => {
  it('is read by the next process, and only its owner can read it', () => {
    createFileTokenMemory(realFileSystem, file).set('registry.example', BEARER);
    expect(createFileTokenMemory(realFileSystem, file).get('registry.example')).toEqual(BEARER);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(file, 'utf8')).not.toContain('token":');
  });

  it('holds which registries of this machine speak TLS, apart from their challenges', () => {
    createFileTokenMemory(realFileSystem, file).noteTls('127.0.0.1:5000', true);
    const memory = createFileTokenMemory(realFileSystem, file);
    expect(memory.speaksTls('127.0.0.1:5000')).toBe(true);
    expect(memory.get('127.0.0.1:5000')).toBeUndefined();
    expect(memory.get('https://127.0.0.1:5000')).toBeUndefined();
    memory.noteTls('127.0.0.1:5000', false);
    expect(createFileTokenMemory(realFileSystem, file).speaksTls('127.0.0.1:5000')).toBe(false);
  });

  it('is written only when something changed', () => {
    let renames = 0;
    const fs: FileSystem = {
      ...realFileSystem,
      renameSync: (from, to) => {
        renames += 1;
        realFileSystem.renameSync(from, to);
      },
    };
    const memory = createFileTokenMemory(fs, file);
    memory.set('registry.example', BEARER);
    memory.set('registry.example', { ...BEARER });
    expect(renames).toBe(1);
    memory.set('registry.example', undefined);
    expect(renames).toBe(2);
    expect(memory.get('registry.example')).toBeUndefined();
  });

  it('contract (Disk): may be impossible to write, which costs a request and nothing else', () => {
    const memory = createFileTokenMemory(realFileSystem, path.join(folder, 'absent', 'realms.json'));
    memory.set('registry.example', BEARER);
    expect(memory.get('registry.example')).toEqual(BEARER);
  });

  it('decides nothing: what is not an entry is left out', () => {
    writeFileSync(
      file,
      '{"a":{"scheme":"basic"},"b":{"scheme":"bearer"},"c":5,"__proto__":{"scheme":"basic"}',
    );
    expect(createFileTokenMemory(realFileSystem, file).get('a')).toBeUndefined();
    const entries = parse(
      '{"format":1,"registries":{"a":{"scheme":"basic"},"b":{"scheme":"bearer"},"c":5,"d":{"scheme":"bearer","realm":"r","service":1},"__proto__":{"scheme":"basic"}}}',
    );
    expect([...entries.keys()]).toEqual(['a', '__proto__']);
    expect(parse('[]').size).toBe(0);
    for (const text of [
      'null',
      '{"format":1}',
      '{"format":1,"registries":[]}',
      '{"format":-1,"registries":{"a":{"scheme":"basic"}}}',
    ]) {
      expect(parse(text).size).toBe(0);
    }
  });

  it('does not grow without end', () => {
    const many = new Map(Array.from({ length: 300 }, (_, i) => [`r${i}.example`, BEARER]));
    const kept = parse(renderTokenMemory(many));
    expect(kept.size).toBe(256);
    expect(kept.has('r299.example')).toBe(true);
  });
});
