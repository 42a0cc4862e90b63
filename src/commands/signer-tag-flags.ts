/**
 * What is to become of tags that a signer signed last, as `signer remove` takes it from the command line: `--keep`,
 * `--revoke` and `--repoint` (docs/specification.md, rule 2.6).
 */
import { UsageError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import type { TagDecision, TagDecisions } from '../publish/leaving-signer.ts';
import { type Digest, isSha256 } from '../reference/digest.ts';
import { isTag, parseReference, type Repository, targetPath } from '../reference/reference.ts';
import type { OwnArguments } from './own-options.ts';

export const TAG_FLAGS = {
  keep: {
    type: 'string',
    repeatable: true,
    describe: 'A tag that the signer signed last and that stays signed',
  },
  revoke: { type: 'string', repeatable: true, describe: 'A tag whose signature goes with the signer' },
  repoint: {
    type: 'string',
    repeatable: true,
    describe: 'A tag and the digest to sign for it instead: TAG=sha256:...',
  },
} as const;

/**
 * The decisions that the flags make, each tag once.
 * @throws UsageError USAGE, REFERENCE_INVALID
 */
export function parseTagDecisions(args: OwnArguments, repositories: readonly Repository[]): TagDecisions {
  const decisions = new Map<string, TagDecision>();
  const decide = (path: string, decision: TagDecision) => {
    if (decisions.has(path)) throw usage(`more than one thing is said about ${path}`);
    decisions.set(path, decision);
  };
  for (const kind of ['keep', 'revoke'] as const) {
    for (const text of args.strings(kind)) decide(pathOf(text, repositories, kind), { kind });
  }
  for (const text of args.strings('repoint')) {
    const { tag, digest } = parseRepoint(text);
    decide(pathOf(tag, repositories, 'repoint'), { kind: 'repoint', digest });
  }
  return decisions;
}

/** `1.0=sha256:...`, or as `trust sign` has it: `ghcr.io/acme/app:1.0@sha256:...`. */
function parseRepoint(text: string): { readonly tag: string; readonly digest: Digest } {
  const at = Math.max(text.lastIndexOf('='), text.lastIndexOf('@'));
  const digest = text.slice(at + 1);
  if (at > 0 && isSha256(digest)) return { tag: text.slice(0, at), digest };
  throw usage(`--repoint ${escapeShort(text)} does not say which digest to sign`, 'TAG=sha256:DIGEST');
}

function pathOf(text: string, repositories: readonly Repository[], flag: string): string {
  const [only, another] = repositories;
  if (isTag(text) && only !== undefined) {
    if (another === undefined) return targetPath(only, text);
    throw usage(`--${flag} ${text}: of which of the repositories?`, `NAME:${text}`);
  }
  const { repository, tag, digest } = parseReference(text);
  if (tag === undefined || digest !== undefined) {
    throw usage(`--${flag} ${escapeShort(text)} names no tag`, 'TAG or NAME:TAG');
  }
  if (!repositories.some(({ canonical }) => canonical === repository.canonical)) {
    throw usage(`--${flag} ${escapeShort(text)} is of none of the repositories named`);
  }
  return targetPath(repository, tag);
}

function usage(message: string, expected?: string): UsageError {
  return new UsageError({
    code: 'USAGE',
    message,
    ...(expected === undefined ? {} : { expected }),
    hints: [
      'For example: dtrust trust signer remove --revoke 1.0 --repoint 2.0=sha256:DIGEST --force NAME REPOSITORY',
    ],
  });
}
