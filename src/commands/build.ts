/**
 * `dtrust build`, `image build`, `builder build` and `buildx build`: finds the builder that docker would use, and
 * builds on it with images that were decided on and no others.
 */
import assert from 'node:assert';
import { asksEngineForBuilder, chooseBuilder, whyClassic } from '../enforce/build/choose-builder.ts';
import { cliMajorVersion, isBuildx } from '../engine/buildx.ts';
import { type BuildOptions, parseBuild } from './build-options.ts';
import { BuildxAnswers } from './buildx-answers.ts';
import type { Context, Outcome } from './context.ts';
import { Services } from './services.ts';
import { withHints } from './trust-hints.ts';

/**
 * Throws UsageError USAGE, DOCKERFILE_INVALID, BUILD_CONTEXT_INVALID; EngineError BUILDX_MISSING,
 * BUILDER_CANNOT_ENFORCE and others; and what the decision on an image throws.
 */
export async function run(context: Context): Promise<Outcome> {
  const options = parseBuild(context);
  const services = new Services(context);
  try {
    const answers = new BuildxAnswers(services, options);
    const { builder, cliMajor } = await builderOf(services, options, answers);
    if (builder === 'classic') {
      const { buildClassic } = await import('./build-classic.ts');
      return await buildClassic(services, options, whyClassic(cliMajor, context.env.dockerBuildkit));
    }
    const { buildWithBuildKit } = await import('./build-buildkit.ts');
    return await buildWithBuildKit(services, options, answers);
  } catch (error) {
    throw services.about === undefined ? error : withHints(error, services.about);
  } finally {
    await services.close();
  }
}

async function builderOf(
  services: Services,
  { parsed }: BuildOptions,
  answers: BuildxAnswers,
): Promise<{ readonly builder: 'classic' | 'buildx'; readonly cliMajor: number | undefined }> {
  const { docker, env, signal } = services.context;
  assert(docker !== undefined, 'docker is found before a command that ends in it');
  // Typed as buildx it is buildx, whatever docker's version.
  const asBuildx = parsed.path[0] === 'buildx';
  const [version, buildx] = await Promise.all([
    asBuildx ? undefined : docker.ask(['--version']),
    answers.version(),
  ]);
  const cliMajor = version && cliMajorVersion(version);
  const asksEngine = !asBuildx && asksEngineForBuilder(cliMajor, env.dockerBuildkit);
  const builder = chooseBuilder({
    path: parsed.path,
    dockerBuildkit: env.dockerBuildkit,
    aliased: services.config.aliases.get('builder') === 'buildx',
    cliMajor,
    hasBuildx: isBuildx(buildx),
    engineWantsBuildKit: asksEngine && (await (await services.engine()).ping({ signal })).wantsBuildKit,
  });
  return { builder, cliMajor };
}
