/** Docker as a child that reads something else than this process's stdin. */
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { runDocker } from '../../src/engine/run-docker.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

/** A docker that is this shell script. */
function start(folder: string, script: string) {
  const file = path.join(folder, 'docker');
  fs.writeFileSync(file, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return {
    docker: { path: file, kind: 'script' as const, startable: true, addedEnvironment: {} },
    args: [],
    env: { PATH: '/usr/bin:/bin', OUT: path.join(folder, 'out') },
    process,
  };
}

async function* chunks(count: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < count; i += 1) yield Buffer.alloc(64 * 1024, i);
}

describe('contract (Passing on): stdin that dtrust has read', () => {
  test('comes to docker byte for byte, and its status comes back', async () => {
    const folder = temporaryFolder();
    expect(await runDocker(start(folder, 'cat > "$OUT"; exit 7'), { stdin: chunks(20) })).toBe(7);
    const wanted = Buffer.concat(await Array.fromAsync(chunks(20)));
    expect(fs.readFileSync(path.join(folder, 'out')).equals(wanted)).toBe(true);
  });

  test('a docker that ends without reading it decides how the call ends', async () => {
    expect(await runDocker(start(temporaryFolder(), 'exit 3'), { stdin: chunks(200) })).toBe(3);
  });
});
