/**
 * Exit status of a call that failed (README, "Exit status"): docker's own for what docker refuses too, 125 when
 * `run` or `create` is refused before the engine is asked, 127 when there is no docker to run, 130 after Ctrl-C
 * at a question, else 1.
 */
import { CommandLineError } from '../cli/pflag.ts';
import { hasCode } from '../lib/errors.ts';
import { Interrupted } from '../lib/interrupted.ts';

const CONTAINER_COMMANDS: ReadonlySet<string> = new Set([
  'run',
  'create',
  'container run',
  'container create',
]);

/** The status for this failure of the command at `path`. */
export function exitStatusOf(error: unknown, path: readonly string[]): number {
  if (error instanceof Interrupted) return error.exitStatus;
  if (error instanceof CommandLineError) return error.exitStatus;
  if (hasCode(error, 'DOCKER_NOT_FOUND', 'DOCKER_LOOP')) return 127;
  return CONTAINER_COMMANDS.has(path.join(' ')) ? 125 : 1;
}
