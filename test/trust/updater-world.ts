/**
 * A machine with a memory, a repository it talks to, and what a test wants of both.
 */
import fs from 'node:fs';
import { expect } from 'vitest';
import { systemClock } from '../../src/lib/clock.ts';
import { parseRepository } from '../../src/reference/reference.ts';
import type { OpenOptions, VerifiedCollection } from '../../src/trust/collection.ts';
import type { Pin } from '../../src/trust/core/pin.ts';
import { openMemory } from '../../src/trust/memory.ts';
import { openCollection } from '../../src/trust/updater.ts';
import { RepositorySimulator, SIM_NOW_MS, type SimulatorOptions } from '../helpers/repository-simulator.ts';
import { SimulatedSource, type SimulatedSourceOptions } from '../helpers/simulated-source.ts';
import { contentOf, temporaryFolder } from '../helpers/temporary-folder.ts';

export const APP = 'docker.io/acme/app';
export const V1 = `${APP}:1.0`;

export interface World {
  readonly sim: RepositorySimulator;
  readonly source: SimulatedSource;
  readonly directory: string;
  /** Opens as one dtrust process would; options override. */
  open(options?: Partial<OpenOptions>): Promise<VerifiedCollection>;
  /** Everything on disk. */
  disk(): readonly string[];
}

/** A repository with one tag published, and a machine that is pinned to it unless told otherwise. */
export function makeWorld(
  options: {
    readonly pinned?: boolean;
    readonly simulator?: SimulatorOptions;
    readonly source?: SimulatedSourceOptions;
    readonly prepare?: (sim: RepositorySimulator) => void;
  } = {},
): World {
  const sim = new RepositorySimulator(options.simulator);
  sim.putTarget(V1);
  options.prepare?.(sim);
  sim.publish();
  const source = new SimulatedSource(() => sim.files(), options.source);
  const directory = temporaryFolder();
  const pins = new Map<string, Pin>(
    options.pinned === false ? [] : [[APP, { ...sim.pin(), timestampVersion: 1 }]],
  );
  return {
    sim,
    source,
    directory,
    open: (more = {}) =>
      openCollection({
        repository: parseRepository(APP),
        source,
        memory: memoryIn(directory),
        pins,
        startTimeMs: SIM_NOW_MS,
        ...more,
      }),
    disk: () => contentOf(directory),
  };
}

/** The memory of one process; its wall clock stands at the simulator's now. */
export function memoryIn(directory: string | undefined, fileSystem: typeof fs = fs) {
  const clock = { ...systemClock, now: () => SIM_NOW_MS };
  return openMemory({ fs: fileSystem, directory, clock, waitMs: 2000 });
}

/** The opening is refused, and nothing on disk has changed by it. Returns the error. */
export async function refusedWithoutTrace(
  world: World,
  code: string,
  options: Partial<OpenOptions> = {},
): Promise<Error & { code: string; hints: readonly string[] }> {
  const before = world.disk();
  const outcome = await world.open(options).then(
    () => 'opened',
    (error: unknown) => error,
  );
  if (!(outcome instanceof Error)) expect.fail(`${code} expected, but it was ${String(outcome)}`);
  expect({ code: (outcome as { code?: string }).code, message: outcome.message }).toMatchObject({ code });
  expect(world.disk()).toEqual(before);
  return outcome as Error & { code: string; hints: readonly string[] };
}
