/** What a build takes from elsewhere, and what has to be known to tell. */
import type { Grammar } from './dockerfile.ts';

export interface ImageUse {
  /** The reference as the builder would read it, variables expanded. */
  readonly text: string;
  /** Where in the file, from 1; for what an ONBUILD trigger takes, the FROM that triggers it; 0: a build argument. */
  readonly line: number;
  readonly by: 'FROM' | 'COPY --from' | 'RUN --mount' | 'syntax';
  /** Expanded; absent where none was written: the target platform. */
  readonly platform?: string;
  /** Whether the ONBUILD triggers of this image run in this build. */
  readonly triggers: boolean;
}

export interface ImageUsesOptions {
  /** `--build-arg` with a value, from the command line or the environment. */
  readonly buildArgs: ReadonlyMap<string, string>;
  /** `--target`. */
  readonly target?: string;
  readonly grammar: Grammar;
  /** As BuildKit writes them: normalised, `linux/arm/v7`. */
  readonly buildPlatform: string;
  readonly targetPlatform: string;
  /** The names of `--build-context`; what they stand for is looked at elsewhere. */
  readonly namedContexts: ReadonlySet<string>;
  /** The ONBUILD triggers of images, by the `text` of the FROM (or of the named context) that builds upon them. */
  readonly triggersOf: ReadonlyMap<string, readonly string[]>;
}
