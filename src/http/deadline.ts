/** Timers over the injected clock: what a time limit of this folder is made of. */
import type { Clock } from '../lib/clock.ts';

/** Calls `expired` after `ms` unless the returned function was called first; leaves no timer behind. */
export function startTimer(clock: Clock, ms: number, expired: () => void): () => void {
  const cancelled = new Error('timer cancelled');
  const controller = new AbortController();
  clock.sleep(ms, controller.signal).then(expired, (reason: unknown) => {
    if (reason !== cancelled) throw reason;
  });
  return () => controller.abort(cancelled);
}

/**
 * Calls `listener` once the signal is aborted, never before this call has returned; the returned function takes
 * the listener away.
 */
export function onAbort(signal: AbortSignal | undefined, listener: (reason: Error) => void): () => void {
  if (signal === undefined) return () => undefined;
  let listening = true;
  const called = () => {
    if (!listening) return;
    listening = false;
    listener(signal.reason instanceof Error ? signal.reason : new DOMException('aborted', 'AbortError'));
  };
  if (signal.aborted) queueMicrotask(called);
  else signal.addEventListener('abort', called, { once: true });
  return () => {
    listening = false;
    signal.removeEventListener('abort', called);
  };
}
