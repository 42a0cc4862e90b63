/**
 * Reading a collection while others are publishing it (protocol 4.2).
 *
 * A state is in the registry before it is sure to stay. Who reads one that is overwritten a moment later, by a publisher
 * who did not know it, then finds the roles of its publisher older than what he knows: a rollback, as TUF 5.5.5 and
 * 5.4.3.1 see it, until that publisher has written again, with higher versions. So a command that publishes, and would
 * be refused for a rollback, looks again while the tag goes on changing. What is refused stays refused: nothing older
 * than what is known is ever built upon.
 */
import type { Clock } from '../lib/clock.ts';
import { hasCode } from '../lib/errors.ts';
import type { Digest } from '../reference/digest.ts';
import type { PublishingSource } from './source.ts';

export interface SettleOptions {
  readonly source: Pick<PublishingSource, 'headState'>;
  readonly clock: Clock;
  readonly signal?: AbortSignal;
}

/** Who was overwritten notices within a turn, and writes again: a tag that stands still for longer has settled. */
const STILL_MS = 3000;
const LOOK_MS = 250;
/** How many states may come by; whoever publishes without end is not waited for. */
const MAX_STATES = 64;

/**
 * What `open` returns, once it is not refused for a rollback, or the refusal when the tag has come to rest.
 * @throws what `open` and `headState` throw
 */
export async function openSettled<T>(open: () => Promise<T>, options: SettleOptions): Promise<T> {
  const { source, signal } = options;
  let settled = false;
  for (let states = 1; ; states++) {
    try {
      return await open();
    } catch (error) {
      const older = hasCode(error, 'SNAPSHOT_ROLLBACK', 'SNAPSHOT_ROLE_REMOVED', 'TIMESTAMP_ROLLBACK');
      if (!older || settled || states === MAX_STATES) throw error;
      settled = await isStill(await source.headState(signal), options);
    }
  }
}

async function isStill(
  digest: Digest | undefined,
  { source, clock, signal }: SettleOptions,
): Promise<boolean> {
  const until = clock.monotonic() + STILL_MS;
  while (clock.monotonic() < until) {
    await clock.sleep(LOOK_MS, signal);
    if ((await source.headState(signal)) !== digest) return false;
  }
  return true;
}
