/** The builder that docker would use for this call, as buildx describes it, and whether dtrust can build on it. */
import type { BuilderIdentity } from '../enforce/build/proven-builders.ts';
import { type BuilderShown, parseBuilder } from '../engine/buildx.ts';
import { EngineError, UsageError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { settle, unsettle } from '../lib/settle.ts';
import { parseReference } from '../reference/reference.ts';
import type { RawEnvironment } from '../settings/environment.ts';
import type { BuildxAnswers } from './buildx-answers.ts';
import { note } from './context.ts';
import type { Services } from './services.ts';

export interface BuilderInUse {
  readonly name: string;
  readonly driver: string;
  /** It is the builder in the engine that this call is for, and sees that engine's images. */
  readonly isEngine: boolean;
  /** `linux/amd64`: what it builds for, and on, when nothing is said. */
  readonly platform: string;
  readonly identity: BuilderIdentity;
}

const CLASSIC_HINT = 'For the classic builder put `DOCKER_BUILDKIT=0` before `dtrust build`.';

/**
 * What buildx says of it, judged.
 * @throws UsageError USAGE; EngineError ENGINE_ERROR for a builder that there is not, BUILDER_CANNOT_ENFORCE
 */
export async function builderInUse(services: Services, answers: BuildxAnswers): Promise<BuilderInUse> {
  const { context } = services;
  const { wanted } = answers;
  // Beside them: the builder is the engine's, most often.
  const engineInfo = settle(services.engine().then((engine) => engine.info({ signal: context.signal })));
  const [inspected, version] = await Promise.all([answers.inspected(), answers.version()]);
  const shown = inspected.status === 0 ? parseBuilder(inspected.stdout.toString()) : undefined;
  if (shown === undefined) {
    const said = inspected.stderr.toString().trim().split('\n').at(-1) ?? '';
    throw new EngineError({
      code: 'ENGINE_ERROR',
      message: `the builder ${escapeShort(wanted ?? 'in use')} cannot be looked at: ${escapeShort(said, 500)}`,
    });
  }
  refuseSeveralNodes(shown);
  refuseUnknownImage(services, shown);
  const isEngine = shown.driver === 'docker' && shown.endpoint === services.contextName;
  const info = isEngine ? unsettle(await engineInfo) : undefined;
  return {
    name: shown.name,
    driver: shown.driver,
    isEngine,
    platform:
      shown.platforms[0] ??
      (info === undefined ? 'linux/amd64' : `${info.platform.os}/${info.platform.architecture}`),
    identity: {
      name: shown.name,
      driver: shown.driver,
      endpoint: shown.endpoint,
      engine: info === undefined ? '' : `${info.id} ${info.serverVersion} ${info.store}`,
      buildkit: shown.buildkit,
      buildx: version.stdout.toString().trim(),
      environment: builderVariables(context.rawEnvironment),
    },
  };
}

function refuseSeveralNodes({ name, nodes }: BuilderShown): void {
  if (nodes === 1) return;
  throw new EngineError({
    code: 'BUILDER_CANNOT_ENFORCE',
    message: `the builder ${escapeShort(name)} has ${nodes} nodes, and a trial reaches one of them`,
    expected: 'a builder of one node',
    found: `${nodes} nodes`,
    hints: ['Choose a builder of one node: dtrust buildx build --builder NAME ...', CLASSIC_HINT],
  });
}

/** A builder that is not there yet would be made of an image, which the engine fetches by itself. */
function refuseUnknownImage(services: Services, shown: BuilderShown): void {
  const { name, driver, running, image } = shown;
  if (running || driver === 'docker' || driver === 'remote') return;
  if (driver === 'docker-container' && image !== undefined && namesDigest(image)) {
    note(
      services.context,
      `the builder ${escapeShort(name)} is made of ${escapeShort(image)}, as named by its digest`,
    );
    return;
  }
  throw new EngineError({
    code: 'BUILDER_CANNOT_ENFORCE',
    message: `the builder ${escapeShort(name)} is not running, and would be made of an image that nobody decided on`,
    expected: 'a builder that runs, or one of an image by its digest',
    found: escapeShort(image ?? 'the default image of its driver'),
    hints: [
      'Make one of an image by its digest: dtrust buildx create --use --driver-opt image=moby/buildkit@sha256:DIGEST',
      CLASSIC_HINT,
    ],
  });
}

function namesDigest(image: string): boolean {
  try {
    return parseReference(image).digest !== undefined;
  } catch (error) {
    if (error instanceof UsageError) return false;
    throw error;
  }
}

/** All that buildx and BuildKit's client may read, but for the policy, which is dtrust's in every call. */
function builderVariables(environment: RawEnvironment): readonly (readonly [string, string])[] {
  return Object.entries(environment).flatMap(([name, value = '']) =>
    /BUILDX|BUILDKIT/.test(name) && name !== 'EXPERIMENTAL_BUILDKIT_SOURCE_POLICY'
      ? [[name, value] as const]
      : [],
  );
}
