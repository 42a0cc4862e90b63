/**
 * Parsing and verifying a collection of many targets, from bytes to one resolved tag: what a pull does between the
 * last byte it reads and the digest it pulls.
 */
import { createEd25519Key, createRootKey } from '../../src/keys/create.ts';
import { createCollection, type TargetEntry } from '../../src/trust/core/editor.ts';
import { runSearch, searchTarget, verifyFound } from '../../src/trust/core/search.ts';
import { TrustedMetadata } from '../../src/trust/core/trusted-metadata.ts';
import { median } from './measure.ts';

const COLLECTION = 'registry.example/bench/app';

export interface TargetsRow {
  readonly targets: number;
  readonly bytes: number;
  readonly milliseconds: number;
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

/** A round of a short work is long enough that a moment of another program is no great part of it. */
const ROUND_MS = 50;
const ROUNDS = 9;

/** Milliseconds for the work: the median of rounds, each of them the mean of as many runs as fill it. */
function timeOf(work: () => void): number {
  const once = (): number => {
    const started = performance.now();
    work();
    return performance.now() - started;
  };
  // Compiled, as for the longest of them, before it counts.
  for (let until = performance.now() + ROUND_MS; performance.now() < until; ) work();
  const times = Array.from({ length: ROUNDS }, () => {
    let [runs, total] = [0, 0];
    for (; total < ROUND_MS; runs += 1) total += once();
    return total / runs;
  });
  return median(times);
}

/** One row for each number of targets. */
export async function benchTargets(counts: readonly number[]): Promise<readonly TargetsRow[]> {
  const rows: TargetsRow[] = [];
  for (const count of counts) {
    const files = await makeFiles(count);
    const path = `${COLLECTION}:v${count - 1}`;
    const bytes = files.get('1.targets.json')?.length ?? 0;
    rows.push({ targets: count, bytes, milliseconds: timeOf(() => verifyAll(files, path)) });
  }
  return rows;
}
