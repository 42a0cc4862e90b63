/**
 * Parsing and verifying a collection of many targets, from bytes to one resolved tag: what a pull does between the
 * last byte it reads and the digest it pulls.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createEd25519Key, createRootKey } from '../../src/keys/create.ts';
import { createCollection, type TargetEntry } from '../../src/trust/core/editor.ts';
import { runSearch, searchTarget, verifyFound } from '../../src/trust/core/search.ts';
import { TrustedMetadata } from '../../src/trust/core/trusted-metadata.ts';
import { median, runWell } from './measure.ts';

const COLLECTION = 'registry.example/bench/app';

export interface TargetsRow {
  readonly targets: number;
  readonly bytes: number;
  /** The first verification of a process, as in a pull: nothing is compiled yet. */
  readonly milliseconds: number;
  /** The same once it is compiled: how the work itself grows. */
  readonly repeatedMilliseconds: number;
}

function entries(count: number): readonly TargetEntry[] {
  return Array.from({ length: count }, (_, index) => ({
    path: `${COLLECTION}:v${index}`,
    lengthBytes: 1000 + (index % 9000),
    sha256: `sha256:${index.toString(16).padStart(64, '0')}`,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
  }));
}

async function makeFiles(count: number): Promise<ReadonlyMap<string, Uint8Array>> {
  const [root, targets, online] = [await createRootKey(), await createEd25519Key(), await createEd25519Key()];
  const { files } = await createCollection({
    collection: COLLECTION,
    rootKeys: [root],
    targetsKey: targets,
    onlineKey: online,
    turnSeconds: 1,
    nowMs: Date.now(),
    targets: entries(count),
  });
  return files;
}

function verifyAll(files: ReadonlyMap<string, Uint8Array>, path: string): void {
  const file = (name: string): Uint8Array => {
    const bytes = files.get(name);
    if (bytes === undefined) throw new Error(`the editor made no ${name}`);
    return bytes;
  };
  const trusted = new TrustedMetadata(file('1.root.json'), {
    startTimeMs: Date.now(),
    collection: COLLECTION,
  });
  trusted.finishRoot();
  trusted.updateTimestamp(file('timestamp.json'));
  trusted.updateSnapshot(file('1.snapshot.json'));
  trusted.updateTargets(file('1.targets.json'));
  verifyFound(
    runSearch(searchTarget(trusted, path), () => undefined),
    path,
  );
}

const ROUNDS = 5;
const self = fileURLToPath(import.meta.url);

/** Milliseconds in a process of its own: of the first verification, and of those that follow. */
async function timeOnce(folder: string, path: string): Promise<readonly [first: number, repeated: number]> {
  const { output } = await runWell({ file: process.execPath, args: [self, folder, path], env: {} });
  const [first, repeated] = output.split(' ').map(Number);
  return [first ?? Number.NaN, repeated ?? Number.NaN];
}

/** One row for each number of targets. */
export async function benchTargets(counts: readonly number[]): Promise<readonly TargetsRow[]> {
  const rows: TargetsRow[] = [];
  for (const count of counts) {
    const folder = mkdtempSync(join(tmpdir(), 'dtrust-bench-'));
    try {
      const files = await makeFiles(count);
      for (const [name, bytes] of files) writeFileSync(join(folder, name), bytes);
      const times: (readonly [number, number])[] = [];
      for (let round = 0; round < ROUNDS; round += 1) {
        times.push(await timeOnce(folder, `${COLLECTION}:v${count - 1}`));
      }
      const bytes = files.get('1.targets.json')?.length ?? 0;
      const milliseconds = median(times.map(([first]) => first));
      const repeatedMilliseconds = median(times.map(([, repeated]) => repeated));
      rows.push({ targets: count, bytes, milliseconds, repeatedMilliseconds });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  return rows;
}

/** Repeated until it is compiled and has been measured for this long, three times at least. */
const REPEAT_MS = 500;

function timed(work: () => void): number {
  const started = performance.now();
  work();
  return performance.now() - started;
}

function main([folder = '', path = '']: readonly string[]): void {
  const files = new Map(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))]));
  const verify = () => verifyAll(files, path);
  const first = timed(verify);
  const began = performance.now();
  const repeated: number[] = [];
  while (repeated.length < 3 || performance.now() - began < REPEAT_MS) repeated.push(timed(verify));
  process.stdout.write(`${first} ${median(repeated)}`);
}

if (import.meta.main) main(process.argv.slice(2));
