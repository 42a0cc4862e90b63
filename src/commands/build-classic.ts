/** Builds on the engine's classic builder. */
import { EngineError } from '../lib/errors.ts';
import type { BuildOptions } from './build-options.ts';
import type { ExitStatus } from './context.ts';
import type { Services } from './services.ts';

/** @throws EngineError BUILDER_CANNOT_ENFORCE */
export async function buildClassic(_services: Services, _options: BuildOptions): Promise<ExitStatus> {
  throw new EngineError({
    code: 'BUILDER_CANNOT_ENFORCE',
    message: 'the classic builder is not enforced yet',
    hints: ['Install the buildx plugin, so that docker builds with BuildKit.'],
  });
}
