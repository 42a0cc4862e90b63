/**
 * Whether a builder does what a source policy says: seen by trying, because buildx hands a policy to any builder and
 * some ignore it without a word (BuildKit 0.8) or heed half of it (0.11).
 *
 * Denials: under a policy that denies every image, a base by its tag, a base by its digest and a front end must
 * each be refused, and refused by the policy: the words and the name of a source that only this call knows. Allowance: under
 * a policy that denies all, allows one admitted image and converts a made-up name to it, a build from that made-up name must
 * pass. Names are below `dtrust.invalid`, which no registry can have (RFC 2606): a builder that ignores the
 * policy fetches nothing, and fails with other words.
 *
 * Pure: what to run and how to judge it. src/commands/prove-builder.ts runs it.
 */
import { createHash } from 'node:crypto';
import type { Digest } from '../../reference/digest.ts';
import { DENY_IMAGES, type PolicyImage, type PolicyRule, sourceOf, sourcePolicy } from './source-policy.ts';

export interface CanarySolve {
  readonly kind: 'deny' | 'allow';
  readonly dockerfile: string;
  readonly rules: readonly PolicyRule[];
  /** For a denial: the source that must be denied, as BuildKit names it. */
  readonly source?: string;
}

/** What is known of how a solve ended. */
export interface SolveEnd {
  readonly status: number | null;
  /** All that was printed. */
  readonly output: string;
}

const CANARY = 'dtrust.invalid/canary';

/** The solves that a policy must refuse. */
export function denials(nonce: string): readonly CanarySolve[] {
  const byTag = `${CANARY}:${nonce}`;
  const byDigest = `${CANARY}@${digestOf(nonce)}`;
  const frontEnd = `${CANARY}-front-end:${nonce}`;
  const another: PolicyRule = {
    action: 'ALLOW',
    selector: { identifier: `docker-image://*@${digestOf(`not ${nonce}`)}` },
  };
  return [
    denial(byTag, `FROM ${byTag}\n`),
    denial(byDigest, `FROM scratch\nCOPY --from=${byDigest} / /\n`, [another]),
    denial(frontEnd, `# syntax=${frontEnd}\nFROM scratch\nCOPY . /\n`),
  ];
}

function denial(name: string, dockerfile: string, more: readonly PolicyRule[] = []): CanarySolve {
  return { kind: 'deny', dockerfile, rules: [...DENY_IMAGES, ...more], source: `docker-image://${name}` };
}

/** The solve that must pass, from an image that this build uses anyway. */
export function allowance(
  image: PolicyImage & { readonly platform?: string | undefined },
  nonce: string,
): CanarySolve {
  const name = `${CANARY}:${nonce}`;
  const platform = image.platform === undefined ? '' : `--platform=${image.platform} `;
  const convert: PolicyRule = {
    action: 'CONVERT',
    selector: { identifier: `docker-image://${name}` },
    updates: { identifier: sourceOf(image, nonce) },
  };
  const allowed = sourcePolicy({ images: [{ admission: image.admission }], nonce });
  return { kind: 'allow', dockerfile: `FROM ${platform}${name}\n`, rules: [...allowed, convert] };
}

/** Whether the solve ended as it must for a builder that enforces; never throws. */
export function isAsDemanded({ kind, source = '' }: CanarySolve, { status, output }: SolveEnd): boolean {
  if (kind === 'allow') return status === 0;
  const words = `source "${source}" denied by policy: source denied by policy`;
  return status !== 0 && output.includes(words);
}

/** Whether a policy was the reason that it ended so. */
export function isDenied({ status, output }: SolveEnd): boolean {
  return status !== 0 && output.includes('denied by policy: source denied by policy');
}

/** The line of a builder's output that tells most: its error, else the last. */
export function tellingLine(output: string): string {
  const lines = output.split('\n').filter((line) => line.trim() !== '');
  return lines.findLast((line) => line.startsWith('ERROR: ')) ?? lines.at(-1) ?? 'nothing';
}

/** A digest that no image has, of its own for each call. */
function digestOf(nonce: string): Digest {
  return `sha256:${createHash('sha256').update(`dtrust canary ${nonce}`).digest('hex')}` as Digest;
}
