/** The real docker asked for something, apart from the terminal: its answer is read, whatever its status. */
import { ChildError, type ChildOptions, type ChildResult, runChild } from '../lib/child.ts';
import { EngineError, LocalStateError } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';
import type { Docker } from './docker-binary.ts';

const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

/**
 * Runs docker to its end.
 * @throws LocalStateError DOCKER_NOT_FOUND when it cannot be started after all; EngineError ENGINE_BROKEN when it does not
 * end in time or says too much
 */
export async function askDocker(
  docker: Docker,
  asked: Pick<ChildOptions, 'args' | 'env' | 'timeoutMs' | 'stdin'>,
): Promise<ChildResult> {
  try {
    return await runChild({ ...asked, file: docker.path, maxOutputBytes: MAX_ANSWER_BYTES });
  } catch (error) {
    if (!(error instanceof ChildError)) throw error;
    if (error.reason === 'start') {
      const message = `${escapeText(docker.path)} cannot be started`;
      throw new LocalStateError({ code: 'DOCKER_NOT_FOUND', message, cause: error });
    }
    const found = error.reason === 'output' ? 'more output than it may have' : 'no end in time';
    throw new EngineError({
      code: 'ENGINE_BROKEN',
      message: `docker, asked for \`${escapeText(asked.args.join(' '))}\`, gives no answer: ${found}`,
      cause: error,
    });
  }
}
