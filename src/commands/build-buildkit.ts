/** Builds with BuildKit, under a source policy. */
import { EngineError } from '../lib/errors.ts';
import type { BuildOptions } from './build-options.ts';
import type { ExitStatus } from './context.ts';
import type { Services } from './services.ts';

/** @throws EngineError BUILDER_CANNOT_ENFORCE */
export async function buildWithBuildKit(_services: Services, _options: BuildOptions): Promise<ExitStatus> {
  throw new EngineError({
    code: 'BUILDER_CANNOT_ENFORCE',
    message: 'BuildKit is not enforced yet',
    hints: ['For the classic builder put `DOCKER_BUILDKIT=0` before the command.'],
  });
}
