/**
 * dtrust's classic grammar beside the parser that Docker Engine 20.10 vendors, and what dtrust sends beside what that
 * parser, and the one of engine 26.1, read out of it.
 */
import { describe, expect, test } from 'vitest';
import type { Dockerfile, Instruction } from '../../src/dockerfile/dockerfile.ts';
import { serialiseForClassic } from '../../src/dockerfile/serialise-classic.ts';
import { UsageError } from '../../src/lib/errors.ts';
import { buildGoProgram } from '../helpers/go-program.ts';
import { anyFile, sampleOf } from './arbitraries.ts';
import { optionsOf } from './build-of.ts';
import { expectAlike, orRefusal, readFile } from './compare.ts';
import { CORPUS } from './corpus.ts';
import { askDockerfiles, type OracleAnswer, type OracleInstruction } from './oracles.ts';

const classic = await buildGoProgram('go-dockerfile-classic');
const later = await buildGoProgram('go-dockerfile');
const programs = [classic, later].flatMap((each) => ('program' in each ? [each.program] : []));
const needs = programs.length === 2 ? '' : ' [skipped: needs Go and its module proxy]';

const PIN = `docker.io/library/pinned@sha256:${'e'.repeat(64)}`;

const FILES = [...CORPUS.map(({ text }) => text), ...sampleOf(anyFile('no heredocs'), 8_000)];

/** Every Dockerfile that dtrust reads, with what the classic builder would get. */
function written(): readonly { readonly file: Dockerfile; readonly text: string }[] {
  return FILES.flatMap((text) => {
    const file = readFile(text, 'classic');
    if (file instanceof UsageError) return [];
    const options = optionsOf({ grammar: 'classic' });
    const sent = orRefusal(() => serialiseForClassic(file, options, () => PIN));
    return sent instanceof UsageError ? [] : [{ file, text: sent }];
  });
}

/** Everything about an instruction but where it stands and what it is built upon or copies from. */
function meaning(
  { keyword, args, json }: Instruction | OracleInstruction,
  flags: readonly string[],
): unknown {
  const name = keyword.toUpperCase();
  const shownArgs = name === 'FROM' ? args.slice(1).map((each) => each.toLowerCase()) : args;
  return [
    name,
    name === 'ONBUILD' ? [] : shownArgs,
    json,
    flags.filter((flag) => !/^--(?:from|platform)=/.test(flag)),
  ];
}

function expectMeant(file: Dockerfile, answer: OracleAnswer, shown: string): void {
  expect(answer.error, shown).toBeUndefined();
  const theirs = (answer.instructions ?? []).map((each) => meaning(each, each.flags));
  const ours = file.instructions.map((each) =>
    meaning(
      each,
      each.flags.map(({ name, value }) => `--${name}=${value}`),
    ),
  );
  expect(theirs, shown).toEqual(ours);
}

/** What the builder reads behind ONBUILD, it reads when it is triggered. */
const triggersIn = (instructions: readonly (Instruction | OracleInstruction)[]): readonly string[] =>
  instructions
    .filter(({ keyword }) => keyword.toUpperCase() === 'ONBUILD')
    .map(({ original }) => original.replace(/[\s\u0085]+$/, '').replace(/^[\s\u0085]+/, ''));

describe.skipIf(programs.length < 2)(`beside the classic builder's own parser${needs}`, () => {
  test('any text is read alike, or refused', async () => {
    const answers = await askDockerfiles(
      programs[0] ?? '',
      FILES.map((text) => ({ text })),
    );
    let alike = 0;
    for (const [index, text] of FILES.entries()) {
      const file = readFile(text, 'classic');
      if (file instanceof UsageError) continue;
      const answer = answers[index] ?? {};
      const shown = JSON.stringify({ text, answer });
      expect(answer.error, shown).toBeUndefined();
      expectAlike(file, answer, shown);
      alike += 1;
    }
    expect(alike).toBeGreaterThan(2_000);
  });

  test.each(['20.10', '26.1'])('what is sent is read by engine %s as it was meant', async (engine) => {
    const sent = written();
    const answers = await askDockerfiles(programs[engine === '20.10' ? 0 : 1] ?? '', sent);
    expect(sent.length).toBeGreaterThan(2_000);
    for (const [index, { file, text }] of sent.entries()) {
      const answer = answers[index] ?? {};
      const shown = JSON.stringify({ text, answer });
      expectMeant(file, answer, shown);
      expect(triggersIn(answer.instructions ?? []), shown).toEqual(triggersIn(file.instructions));
      // One instruction to a line, and each FROM a stage of this file, scratch or pinned.
      expect(text.trimEnd().split('\n'), shown).toHaveLength(1 + file.instructions.length);
      for (const { keyword, args } of answer.instructions ?? []) {
        if (keyword.toUpperCase() === 'FROM')
          expect([PIN, 'scratch', ...stageNames(file)]).toContain(args[0]);
      }
    }
  });
});

const stageNames = ({ instructions }: Dockerfile): readonly string[] =>
  instructions.flatMap(({ keyword, args }) => (keyword === 'FROM' ? [args[2]?.toLowerCase() ?? ''] : []));
