/** dtrust's parsers beside docker's own (distribution/reference 0.6, containerd/platforms 0.2). */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { UsageError } from '../../src/lib/errors.ts';
import { normalizeHost } from '../../src/reference/host.ts';
import {
  formatPlatform,
  matchesPlatform,
  type Platform,
  parsePlatform,
  runnablePlatforms,
} from '../../src/reference/platform.ts';
import { parseReference, type Reference } from '../../src/reference/reference.ts';
import { anyReference } from './arbitraries.ts';
import { type Answer, ask, buildOracle } from './go-oracle.ts';
import { OFFERS, PLATFORM_TEXTS, SINGLE_NAMES } from './platform-texts.ts';

const oracle = await buildOracle();
const skip = 'missing' in oracle;
const program = 'program' in oracle ? oracle.program : '';
const title = skip ? `beside docker's parsers [skipped: needs ${oracle.missing}]` : "beside docker's parsers";

function read(text: string): Reference | UsageError {
  try {
    return parseReference(text);
  } catch (error) {
    if (error instanceof UsageError) return error;
    throw error;
  }
}

/** What dtrust refuses although docker parses it: a registry that cannot be one, and endless names. */
function isNoRegistry(text: string, answer: Answer): boolean {
  return text.length > 1024 || answer.domain === undefined || normalizeHost(answer.domain) === undefined;
}

function compare(text: string, answer: Answer): void {
  const ours = read(text);
  const shown = JSON.stringify({ text, answer });
  if (ours instanceof UsageError) {
    expect(answer.error !== undefined || isNoRegistry(text, answer), shown).toBe(true);
    return;
  }
  expect(answer.error, shown).toBeUndefined();
  expect([ours.tag, ours.digest], shown).toEqual([answer.tag, answer.digest]);
  const host = normalizeHost(answer.domain ?? '');
  expect(ours.repository.host, shown).toBe(host);
  // Docker knows only the lower-case name of Docker Hub, and so gives only that one its `library/`.
  const fillsIn = host === 'docker.io' && answer.domain !== 'docker.io' && !answer.path?.includes('/');
  expect(ours.repository.path, shown).toBe(fillsIn ? `library/${answer.path}` : answer.path);
  if (host === answer.domain) {
    expect(ours.canonical, shown).toBe(answer.full);
    // Docker's short form may name something else; where it reads back, it is ours.
    const back = read(answer.familiar ?? '');
    const readsBack = !(back instanceof UsageError) && back.canonical === ours.canonical;
    const looksLikeId = /^docker\.io\/library\/[a-f0-9]{64}$/.test(ours.repository.canonical);
    expect(ours.familiar === answer.familiar, shown).toBe(readsBack && !looksLikeId);
  }
}

async function compareAll(texts: readonly string[]): Promise<void> {
  const answers = await ask(
    program,
    texts.map((text) => ({ kind: 'reference', text })),
  );
  expect(answers).toHaveLength(texts.length);
  for (const [i, text] of texts.entries()) compare(text, answers[i] ?? {});
}

/** Every text of up to three pieces of what references are made of. */
function everyCombination(): string[] {
  const pieces = [
    'a',
    'B',
    'localhost',
    'docker.io',
    'x.io',
    '/',
    ':',
    '@',
    '.',
    '-',
    '_',
    '__',
    '[::1]',
    '443',
    '5000',
  ];
  const three = pieces.flatMap((a) => pieces.flatMap((b) => pieces.map((c) => a + b + c)));
  const paths = three.flatMap((text) => [`${text}/a`, `a/${text}`, `x.io/${text}`, `a:${text}`]);
  return ['', ...pieces, ...three, ...paths];
}

describe.skipIf(skip)(title, () => {
  test('agrees on every short text of what references are made of', async () => {
    await compareAll(everyCombination());
  });

  test('agrees on references in all their forms', async () => {
    await compareAll(fc.sample(anyReference, 4_000));
  });

  test('agrees on texts that are nearly references', async () => {
    const hex = 'a'.repeat(64);
    const damaged = fc
      .tuple(anyReference, fc.nat(), fc.constantFrom(...'/:@.-_[]AZ \n\0é%~+#?'.split(''), ''))
      .map(([text, at, piece]) => {
        const i = at % (text.length + 1);
        return text.slice(0, i) + piece + text.slice(i + (at % 2));
      });
    await compareAll([
      ...fc.sample(damaged, 4_000),
      ...[hex, `library/${hex}`, `${hex}:x`, `a/${hex}`, `x.io/${hex}`, `a@sha384:${hex}${hex.slice(32)}`],
      ...[`a@sha256:${hex.toUpperCase()}`, `a@sha512:${hex}`, `a@sha1:${hex.slice(24)}`, `a@foo+bar:${hex}`],
      ...[255, 256].flatMap((n) =>
        ['x.io/', 'library/', ''].map((before) => before + 'a'.repeat(n - before.length)),
      ),
      ...[127, 128, 129].map((n) => `a:${'t'.repeat(n)}`),
      ...[255, 256].map((n) => `x.io/${'a'.repeat(n)}`),
    ]);
  });

  test('agrees on platforms, and on what each of them runs', async () => {
    const here = { os: 'linux', architecture: goArchitecture() };
    const texts = [
      ...PLATFORM_TEXTS,
      ...SINGLE_NAMES,
      '',
      '/',
      'a/b/c/d',
      'nope',
      'linux/',
      '*',
      'linux/*',
      'é/a',
    ];
    const offers = OFFERS.join(' ');
    const answers = await ask(
      program,
      texts.map((text) => ({ kind: 'platform', text, offers })),
    );
    for (const [i, text] of texts.entries()) {
      const answer = answers[i] ?? {};
      const ours = attempt(() => parsePlatform(text, here));
      expect(ours === undefined ? undefined : formatPlatform(ours), text).toBe(answer.platform);
      if (ours === undefined) continue;
      const runs = OFFERS.filter((offer) =>
        runnablePlatforms(ours).some((each) => matchesPlatform(withoutVersion(each), parsePlatform(offer))),
      );
      expect(runs.join(' '), text).toBe(answer.runs ?? '');
    }
  });
});

function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if (error instanceof UsageError) return undefined;
    throw error;
  }
}

/** containerd 0.2 compares no OS version outside Windows; dtrust always does. */
function withoutVersion({ osVersion: _, ...others }: Platform): Platform {
  return others;
}

/** The architecture the oracle was built for. */
function goArchitecture(): string {
  return process.arch === 'x64' ? 'amd64' : process.arch;
}
