/**
 * The reason an AbortSignal carries when the user, or the system, told the process to stop. It is no failure and
 * is never reported; the exit status says it, as a shell expects.
 */
const SIGNAL_NUMBERS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

export type StopSignal = keyof typeof SIGNAL_NUMBERS;

export const STOP_SIGNALS = Object.keys(SIGNAL_NUMBERS) as readonly StopSignal[];

export class Interrupted extends Error {
  /** 128 and the signal's number. */
  readonly exitStatus: number;

  constructor(signal: StopSignal) {
    super(`stopped by ${signal}`);
    this.exitStatus = 128 + SIGNAL_NUMBERS[signal];
  }
}
