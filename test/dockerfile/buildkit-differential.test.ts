/** dtrust's reading of Dockerfiles beside BuildKit's own, at the version Docker Engine 26.1 vendors. */
import { describe, expect, test } from 'vitest';
import { buildkitUses } from '../../src/dockerfile/buildkit-uses.ts';
import type { ImageUse } from '../../src/dockerfile/image-use.ts';
import { LexError } from '../../src/dockerfile/lex-error.ts';
import { expandWord } from '../../src/dockerfile/word-lexer.ts';
import { UsageError } from '../../src/lib/errors.ts';
import { formatPlatform, normalizePlatform, parsePlatform } from '../../src/reference/platform.ts';
import { parseReference } from '../../src/reference/reference.ts';
import { buildGoProgram } from '../helpers/go-program.ts';
import { anyBuild, anyFile, anyWord, sampleOf, WORD_ENV } from './arbitraries.ts';
import { type Build, optionsOf } from './build-of.ts';
import { expectAlike, orRefusal, readFile } from './compare.ts';
import { CORPUS } from './corpus.ts';
import { askDockerfiles, askWords, type OracleAnswer } from './oracles.ts';

const oracle = await buildGoProgram('go-dockerfile');
const program = 'program' in oracle ? oracle.program : '';
const missing = 'missing' in oracle ? oracle.missing : undefined;
const needs = missing === undefined ? '' : ` [skipped: needs ${missing}]`;

/** What BuildKit 0.13 would take by dtrust's reading of it. */
function usesBy(text: string, build: Build): readonly ImageUse[] | UsageError {
  const file = readFile(text, 'buildkit');
  if (file instanceof UsageError) return file;
  return orRefusal(() => buildkitUses(file, optionsOf(build), 'buildkit-0.13'));
}

/** As the oracle names them. */
function imagesOf(uses: readonly ImageUse[], build: Build): readonly string[] {
  const target = build.targetPlatform ?? 'linux/amd64';
  const names = uses.map(({ text, platform = target }) => {
    const normal = formatPlatform(normalizePlatform(parsePlatform(platform)));
    return `${parseReference(text).canonical} ${normal}`;
  });
  return [...new Set(names)].sort();
}

/** The oracle knows images by their full names. */
function withFullNames(build: Build): Build {
  const triggersOf = Object.entries(build.triggersOf ?? {}).map(
    ([text, triggers]) => [parseReference(text).canonical, triggers] as const,
  );
  return { ...build, triggersOf: Object.fromEntries(triggersOf) };
}

/** BuildKit 0.13 dies of stages that need themselves, so it is asked to build only what dtrust would. */
function askBuilds(
  files: readonly { readonly text: string; readonly build: Build }[],
): Promise<readonly OracleAnswer[]> {
  return askDockerfiles(
    program,
    files.map(({ text, build }) => ({
      text,
      build: usesBy(text, build) instanceof UsageError ? undefined : withFullNames(build),
    })),
  );
}

describe.skipIf(missing !== undefined)(`beside BuildKit's own parser${needs}`, () => {
  const answers =
    missing === undefined
      ? askDockerfiles(
          program,
          CORPUS.map(({ text, build = {} }) => ({ text, build: withFullNames(build) })),
        )
      : undefined;

  test.each(CORPUS.map((each, index) => ({ ...each, index })))(
    '$title',
    async ({ text, build = {}, index, stricter }) => {
      const answer = (await answers)?.[index] ?? {};
      const shown = JSON.stringify({ text, answer });
      const uses = usesBy(text, build);
      const isRefused = (answer.error ?? answer.buildError) !== undefined || stricter !== undefined;
      expect(uses instanceof UsageError, shown).toBe(isRefused);
      const file = readFile(text, 'buildkit');
      if (uses instanceof UsageError || file instanceof UsageError) return;
      expectAlike(file, answer, shown);
      expect(file.syntax?.value, shown).toBe(answer.syntax);
      expect(imagesOf(uses, build), shown).toEqual([...new Set(answer.images ?? [])].sort());
    },
  );

  test('words are expanded alike, or refused', async () => {
    const words = sampleOf(anyWord, 20_000).map((word, index) => ({
      word,
      env: WORD_ENV,
      escape: index % 4 === 0 ? '`' : '\\',
    }));
    const expanded = await askWords(program, words);
    let read = 0;
    for (const [index, { word, escape: token }] of words.entries()) {
      const answer = expanded[index] ?? {};
      const ours = expandedBy(word, token);
      if (ours === undefined) continue;
      read += 1;
      expect({ word, token, ours }).toEqual({ word, token, ours: answer.error ?? answer.word ?? '' });
    }
    // Most of them are words: the sample says something.
    expect(read).toBeGreaterThan(8_000);
  });

  test('any text is read alike, or refused', async () => {
    const files = sampleOf(anyFile('heredocs'), 6_000).map((text) => ({ text }));
    const read = await askDockerfiles(program, files);
    let alike = 0;
    for (const [index, { text }] of files.entries()) {
      const ours = readFile(text, 'buildkit');
      if (ours instanceof UsageError) continue;
      const answer = read[index] ?? {};
      // What only later BuildKits take for a heredoc.
      if (answer.error !== undefined && /<<-?[\t\r ]/.test(text)) continue;
      const shown = JSON.stringify({ text, answer });
      expect(answer.error, shown).toBeUndefined();
      expectAlike(ours, answer, shown);
      alike += 1;
    }
    expect(alike).toBeGreaterThan(1_000);
  });

  test('a build takes the images that dtrust finds', async () => {
    const builds = sampleOf(anyBuild, 6_000);
    const built = await askBuilds(builds);
    let alike = 0;
    for (const [index, { text, build }] of builds.entries()) {
      const uses = usesBy(text, build);
      if (uses instanceof UsageError || uses.some(({ platform }) => !isPlatform(platform))) continue;
      const answer = built[index] ?? {};
      const shown = JSON.stringify({ text, build, answer });
      const ours = imagesOf(uses, build);
      const theirs = [...new Set(answer.images ?? [])].sort();
      expect(ours, shown).toEqual(expect.arrayContaining(theirs));
      if (answer.buildError !== undefined || answer.error !== undefined) continue;
      expect(ours, shown).toEqual(theirs);
      alike += 1;
    }
    expect(alike).toBeGreaterThan(1_000);
  });
});

function expandedBy(word: string, token: string): string | undefined {
  try {
    return expandWord(word, new Map(Object.entries(WORD_ENV)), token);
  } catch (error) {
    if (error instanceof LexError) return undefined;
    throw error;
  }
}

/** Whoever resolves an image refuses what is none. */
function isPlatform(text = 'linux/amd64'): boolean {
  try {
    return parsePlatform(text).os !== '';
  } catch (error) {
    if (error instanceof UsageError) return false;
    throw error;
  }
}
