/**
 * What the buildx plugin says of itself and of the builder, each asked once and as early as it may be: starting docker and
 * its plugin takes longer than most of what dtrust does in the meantime.
 */
import assert from 'node:assert';
import { flagValue } from '../cli/argv.ts';
import { parseGoBool } from '../cli/content-trust.ts';
import type { ChildResult } from '../lib/child.ts';
import { UsageError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { type Settled, settle, unsettle } from '../lib/settle.ts';
import type { BuildOptions } from './build-options.ts';
import type { DockerCalls } from './context.ts';
import type { Services } from './services.ts';

export class BuildxAnswers {
  /** Undefined for the builder that `buildx use` has chosen. */
  readonly wanted: string | undefined;
  readonly #docker: DockerCalls;
  readonly #version: Promise<Settled<ChildResult>>;
  #inspected: Promise<Settled<ChildResult>> | undefined;

  /** Asks for the version; and for the builder, unless it will hardly be buildx that builds. */
  constructor(services: Services, options: BuildOptions) {
    const { docker, env } = services.context;
    assert(docker !== undefined, 'docker is found before a command that ends in it');
    this.#docker = docker;
    this.wanted = wantedBuilder(services, options);
    this.#version = settle(docker.ask(['buildx', 'version']));
    const isLikely = options.parsed.path[0] === 'buildx' || parseGoBool(env.dockerBuildkit ?? '') !== false;
    if (isLikely && !this.#isFlag) void this.#inspect();
  }

  /** `docker buildx version`. Rejects as `DockerCalls.ask`. */
  async version(): Promise<ChildResult> {
    return unsettle(await this.#version);
  }

  /** `docker buildx inspect` of the builder. Rejects as `DockerCalls.ask`, and with UsageError USAGE. */
  async inspected(): Promise<ChildResult> {
    if (this.#isFlag) {
      const shown = escapeShort(this.wanted ?? '');
      throw new UsageError({ code: 'USAGE', message: `no builder can be called ${shown}` });
    }
    return unsettle(await this.#inspect());
  }

  /** docker would take it for a flag. */
  get #isFlag(): boolean {
    return this.wanted?.startsWith('-') === true;
  }

  #inspect(): Promise<Settled<ChildResult>> {
    const name = this.wanted === undefined ? [] : [this.wanted];
    this.#inspected ??= settle(this.#docker.ask(['buildx', 'inspect', ...name]));
    return this.#inspected;
  }
}

/** By name; undefined for the one that `buildx use` has chosen. */
function wantedBuilder(services: Services, { parsed, flags }: BuildOptions): string | undefined {
  const named = flagValue(flags, 'builder') || flagValue(parsed.between, 'builder');
  const byName = named || services.context.env.buildxBuilder;
  if (byName) return byName;
  // docker: what is not typed as buildx builds on the engine, unless `buildx install` has made buildx its alias.
  const asBuildx = parsed.path[0] === 'buildx' || services.config.aliases.get('builder') === 'buildx';
  return asBuildx ? undefined : services.contextName;
}
