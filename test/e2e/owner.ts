/** An owner with keys who has signed a repository, for tests of what happens next. */
import { expect } from 'vitest';
import type { Machine, Run, Stage, StoredImage } from './harness.ts';

export interface Owner {
  readonly machine: Machine;
  /** What the first push printed. */
  readonly first: Run;
  readonly image: StoredImage;
}

/** Pushes `repository:tag` from a new machine, which begins the trust data. */
export async function beginRepository(stage: Stage, repository: string, tag = '1.0'): Promise<Owner> {
  const machine = stage.machine();
  const image = stage.image(repository, tag);
  stage.local(repository, tag, image);
  const first = await machine.succeed(['push', `${stage.name(repository)}:${tag}`], { DTRUST_INIT: '1' });
  expect(stage.registry.repository(repository).tags.has('_trust')).toBe(true);
  return { machine, first, image };
}

/** The line that `trust pin export` prints, as arguments for dtrust. */
export function pinArguments(line: string): readonly string[] {
  const match = /dtrust (trust pin add .*)/.exec(line);
  expect(match, line).not.toBeNull();
  return (match?.[1] ?? '').split(' ');
}
