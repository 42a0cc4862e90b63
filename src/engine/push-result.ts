/**
 * Which digests a push put into the registry, in the engine's own words.
 *
 * The classic store says it once per tag in an `aux` message {Tag, Digest, Size}. containerd's store says it in
 * the line `TAG: digest: sha256:... size: N` (engine 26.1 sends nothing else), in `aux` messages of later
 * engines, or in an `aux` that names the one manifest that was pushed instead of an index. All of it is handed
 * on: whether it is one digest, and the one that is here, is for the signer to decide (specification 5.1).
 */
import { type Digest, isDigest } from '../reference/digest.ts';
import { isTag, type Tag } from '../reference/reference.ts';
import type { EngineMessage } from './messages.ts';
import type { Progress } from './progress.ts';

export interface PushedDigest {
  /** Absent where the engine does not say which tag it is about. */
  readonly tag: Tag | undefined;
  readonly digest: Digest;
  readonly from: 'aux' | 'status';
}

export interface PushResult {
  /** In the order they came; the same tag and digest only once, as `aux` where both said it. */
  readonly digests: readonly PushedDigest[];
}

/** The distinct digests that the engine named for a tag, those it named for no tag among them. */
export function digestsOfTag(result: PushResult, tag: Tag): readonly Digest[] {
  const named = result.digests.filter((each) => each.tag === tag || each.tag === undefined);
  return [...new Set(named.map((each) => each.digest))];
}

/** Shows the messages and gathers the digests. Rejects as `messages` does. */
export async function collectPushed(
  messages: AsyncIterable<EngineMessage>,
  progress: Progress,
): Promise<PushResult> {
  const digests: PushedDigest[] = [];
  for await (const message of messages) {
    progress.show(message);
    for (const pushed of pushedDigests(message)) {
      const known = digests.findIndex((each) => each.tag === pushed.tag && each.digest === pushed.digest);
      if (known === -1) digests.push(pushed);
      else if (pushed.from === 'aux') digests[known] = pushed;
    }
  }
  return { digests };
}

const STATUS = /^([0-9A-Za-z_][0-9A-Za-z_.-]{0,127}): digest: (sha256:[0-9a-f]{64}) size: \d+$/;

function pushedDigests(message: EngineMessage): PushedDigest[] {
  if (message.aux !== undefined) return auxDigests(message.aux);
  const match = message.id === undefined ? STATUS.exec(message.status) : null;
  const [, tag = '', digest = ''] = match ?? [];
  return isTag(tag) && isDigest(digest) ? [{ tag, digest, from: 'status' }] : [];
}

function auxDigests(aux: unknown): PushedDigest[] {
  const { Tag: tag, Digest: digest, selectedManifest } = record(aux);
  const found: PushedDigest[] = [];
  if (typeof digest === 'string' && isDigest(digest)) {
    found.push({ tag: typeof tag === 'string' && isTag(tag) ? tag : undefined, digest, from: 'aux' });
  }
  const selected = record(selectedManifest).digest;
  if (typeof selected === 'string' && isDigest(selected)) {
    found.push({ tag: undefined, digest: selected, from: 'aux' });
  }
  return found;
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}
