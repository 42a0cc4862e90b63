/** What is to become of the tags that a signer signed last, asked on the terminal: all at once, or one by one. */
import type { Terminal } from '../keys/terminal.ts';
import { hasCode, KeyError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import type { TagDecision, TagDecisions } from '../publish/leaving-signer.ts';
import { type Digest, isSha256 } from '../reference/digest.ts';
import type { TargetFound } from '../trust/core/search.ts';

export interface TagQuestion {
  readonly terminal: Terminal;
  /** Whose tags; escaped. */
  readonly signer: string;
  readonly targets: readonly TargetFound[];
  /** Rejects with DIGEST_UNCONFIRMED when nothing is there under this digest that could be signed. */
  readonly check: (target: TargetFound, digest: Digest) => Promise<void>;
}

const TRIES = 3;

/** What was typed: an answer, or why it is none yet. */
type Typed<Answer> = { readonly answer: Answer } | { readonly again: string };

/**
 * A decision for each of the tags.
 * @throws KeyError PROMPT_DECLINED, PROMPT_UNAVAILABLE; what `check` rejects with, but DIGEST_UNCONFIRMED; Interrupted
 */
export async function askAboutTags(question: TagQuestion): Promise<TagDecisions> {
  const { terminal, signer, targets } = question;
  terminal.say(`The signer ${signer} signed last:`);
  for (const { path, sha256 } of targets) terminal.say(`  ${escapeShort(path)}  ${sha256}`);
  const all = targets.length === 1 ? 'each' : await askAll(question);
  const decisions = new Map<string, TagDecision>();
  for (const target of targets) {
    decisions.set(target.path, all === 'each' ? await askOne(question, target) : { kind: all });
  }
  return decisions;
}

async function askAll(question: TagQuestion): Promise<'keep' | 'revoke' | 'each'> {
  const prompt = `Keep all ${question.targets.length} signed, revoke all, or decide on each? [k/r/e, nothing to cancel] `;
  return await askUntil<'keep' | 'revoke' | 'each'>(question, prompt, async (typed) => {
    if (/^k(?:eep)?$/i.test(typed)) return { answer: 'keep' };
    if (/^r(?:evoke)?$/i.test(typed)) return { answer: 'revoke' };
    return /^e(?:ach)?$/i.test(typed) ? { answer: 'each' } : { again: 'Answer k, r or e.' };
  });
}

async function askOne(question: TagQuestion, target: TargetFound): Promise<TagDecision> {
  const path = escapeShort(target.path);
  const prompt = `${path}: keep it signed, revoke it, or sign another digest? [k/r/sha256:..., nothing to cancel] `;
  return await askUntil<TagDecision>(question, prompt, async (typed) => {
    if (/^k(?:eep)?$/i.test(typed)) return { answer: { kind: 'keep' } };
    if (/^r(?:evoke)?$/i.test(typed)) return { answer: { kind: 'revoke' } };
    const digest = digestTyped(typed, target);
    if (digest === undefined) return { again: `Answer k, r, or a digest: sha256:... or ${path}@sha256:...` };
    try {
      await question.check(target, digest);
    } catch (error) {
      if (hasCode(error, 'DIGEST_UNCONFIRMED')) return { again: error.message };
      throw error;
    }
    return { answer: { kind: 'repoint', digest } };
  });
}

/** `sha256:...`, alone or behind the name of this very tag. */
function digestTyped(typed: string, { path }: TargetFound): Digest | undefined {
  const text = typed.startsWith(`${path}@`) ? typed.slice(path.length + 1) : typed;
  return isSha256(text) ? text : undefined;
}

async function askUntil<Answer>(
  { terminal, signer }: TagQuestion,
  prompt: string,
  read: (typed: string) => Promise<Typed<Answer>>,
): Promise<Answer> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const typed = await terminal.askLine(prompt);
    if (typed === undefined || typed === '') break;
    const outcome = await read(typed);
    if ('answer' in outcome) return outcome.answer;
    terminal.say(outcome.again);
  }
  throw new KeyError({
    code: 'PROMPT_DECLINED',
    message: `nothing was changed: ${signer} is still a signer`,
  });
}
