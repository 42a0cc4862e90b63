/** Dockerfiles as tests write them, and what a build of them would take. */
import type { Grammar } from '../../src/dockerfile/dockerfile.ts';
import type { ImageUse, ImageUsesOptions } from '../../src/dockerfile/image-use.ts';
import { imageUses } from '../../src/dockerfile/image-uses.ts';
import { parseDockerfile } from '../../src/dockerfile/parse.ts';

export interface Build extends Partial<Omit<ImageUsesOptions, 'buildArgs' | 'namedContexts' | 'triggersOf'>> {
  readonly args?: Readonly<Record<string, string>>;
  readonly contexts?: readonly string[];
  readonly triggersOf?: Readonly<Record<string, readonly string[]>>;
}

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

export function optionsOf(build: Build = {}): ImageUsesOptions {
  const { args = {}, contexts = [], triggersOf = {}, ...rest } = build;
  return {
    buildArgs: new Map(Object.entries(args)),
    grammar: 'buildkit',
    buildPlatform: 'linux/amd64',
    targetPlatform: 'linux/amd64',
    namedContexts: new Set(contexts),
    triggersOf: new Map(Object.entries(triggersOf)),
    ...rest,
  };
}

/** What a build of this text takes from elsewhere. */
export function usesOf(text: string, build: Build = {}): readonly ImageUse[] {
  const grammar: Grammar = build.grammar ?? 'buildkit';
  return imageUses(parseDockerfile(bytesOf(text), grammar, 'Dockerfile'), optionsOf(build));
}

/** The same, as `LINE by TEXT [platform]`. */
export function takenBy(text: string, build: Build = {}): readonly string[] {
  return usesOf(text, build).map(({ line, by, text: image, platform }) =>
    [line, by, image, ...(platform === undefined ? [] : [`[${platform}]`])].join(' '),
  );
}
