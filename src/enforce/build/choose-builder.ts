/**
 * Which builder docker would use for a build, from what is known of its command line and this machine: pure.
 *
 * Docker CLI 23 and later hands `build`, `image build` and `builder build` to buildx where that is installed, and
 * else builds with the engine's classic builder. Docker CLI 20.10 has the classic builder and a BuildKit client of
 * its own, which knows no source policy; where that would build, buildx has to.
 *
 * Whatever comes out, dtrust calls that builder outright: a wrong answer here costs a refusal, never a build that
 * nobody decided on.
 */
import { parseGoBool } from '../../cli/content-trust.ts';
import { EngineError, UsageError } from '../../lib/errors.ts';
import { escapeShort } from '../../lib/escape.ts';

export interface BuilderFacts {
  /** The command after aliases: `['build']`, `['buildx', 'build']`. */
  readonly path: readonly string[];
  /** DOCKER_BUILDKIT; undefined when unset or empty. */
  readonly dockerBuildkit: string | undefined;
  /** `aliases.builder` of config.json is buildx, as `docker buildx install` writes it. */
  readonly aliased: boolean;
  /** Major version of Docker CLI; undefined when it does not say one. */
  readonly cliMajor: number | undefined;
  readonly hasBuildx: boolean;
  /** The engine asks for BuildKit by default (`Builder-Version: 2`), which only Docker CLI 20.10 heeds. */
  readonly engineWantsBuildKit: boolean;
}

/** First release that hands builds to buildx. */
const FORWARDS_TO_BUILDX = 23;

const CLASSIC_HINT = 'For the classic builder put `DOCKER_BUILDKIT=0` before the command.';

/**
 * The builder docker would use.
 * @throws UsageError USAGE for a DOCKER_BUILDKIT that docker refuses too
 * @throws EngineError BUILDX_MISSING, BUILDER_CANNOT_ENFORCE
 */
export function chooseBuilder(facts: BuilderFacts): 'classic' | 'buildx' {
  if (facts.path[0] === 'buildx') return needBuildx(facts);
  const wish = readWish(facts.dockerBuildkit);
  if ((facts.cliMajor ?? 0) < FORWARDS_TO_BUILDX) return chooseForOldClient(facts, wish);
  if (wish === false) return 'classic';
  if (wish === true || facts.aliased) return needBuildx(facts);
  return facts.hasBuildx ? 'buildx' : 'classic';
}

/** Whether docker leaves the choice to the engine. */
export function asksEngineForBuilder(
  cliMajor: number | undefined,
  dockerBuildkit: string | undefined,
): boolean {
  return (cliMajor ?? 0) < FORWARDS_TO_BUILDX && dockerBuildkit === undefined;
}

/** Why docker builds with the classic builder, where it says so first: 23 and later do. */
export function whyClassic(
  cliMajor: number | undefined,
  dockerBuildkit: string | undefined,
): 'disabled' | 'missing' | undefined {
  if ((cliMajor ?? 0) < FORWARDS_TO_BUILDX) return undefined;
  return dockerBuildkit === undefined ? 'missing' : 'disabled';
}

function chooseForOldClient(facts: BuilderFacts, wish: boolean | undefined): 'classic' | 'buildx' {
  if (facts.aliased) return needBuildx(facts);
  if (!(wish ?? facts.engineWantsBuildKit)) return 'classic';
  if (facts.hasBuildx) return 'buildx';
  throw new EngineError({
    code: 'BUILDER_CANNOT_ENFORCE',
    message:
      "this docker's own BuildKit client takes no source policy, so nothing would keep unsigned images out",
    expected: `buildx, or a docker of ${FORWARDS_TO_BUILDX}.0 or later that hands builds to it`,
    found:
      facts.cliMajor === undefined ? 'a docker that does not say its version' : `docker ${facts.cliMajor}`,
    hints: ['Install the buildx plugin.', CLASSIC_HINT],
  });
}

function needBuildx({ hasBuildx }: BuilderFacts): 'buildx' {
  if (hasBuildx) return 'buildx';
  throw new EngineError({
    code: 'BUILDX_MISSING',
    message: 'BuildKit was asked for, and docker has no buildx plugin that works',
    hints: ['Install the buildx plugin (package docker-buildx or docker-buildx-plugin).', CLASSIC_HINT],
  });
}

function readWish(text: string | undefined): boolean | undefined {
  if (text === undefined) return undefined;
  const wish = parseGoBool(text);
  if (wish !== undefined) return wish;
  throw new UsageError({
    code: 'USAGE',
    message: `DOCKER_BUILDKIT environment variable expects boolean value: ${escapeShort(text)}`,
  });
}
