import { describe, expect, it } from 'vitest';
import { readMessages } from '../../src/engine/messages.ts';
import { quietProgress } from '../../src/engine/progress.ts';
import { collectPushed, digestsOfTag, type PushResult } from '../../src/engine/push-result.ts';
import { parseTag } from '../../src/reference/reference.ts';

const A = `sha256:${'a'.repeat(64)}`;
const B = `sha256:${'b'.repeat(64)}`;
const tag = parseTag('1.0');

async function pushed(...messages: readonly object[]): Promise<PushResult> {
  async function* lines() {
    for (const message of messages) yield `${JSON.stringify(message)}\r\n`;
  }
  return await collectPushed(readMessages(lines()), quietProgress);
}

describe('protocol 5.1: the digest comes from the producer', () => {
  it('as the classic store says it: a line and an aux', async () => {
    const result = await pushed(
      { status: `1.0: digest: ${A} size: 528` },
      { progressDetail: {}, aux: { Tag: '1.0', Digest: A, Size: 528 } },
    );
    expect(result.digests).toEqual([{ tag, digest: A, from: 'aux' }]);
    expect(digestsOfTag(result, tag)).toEqual([A]);
  });

  it("as containerd's store of 26.1 says it: a line only", async () => {
    const result = await pushed({ status: `1.0: digest: ${A} size: 419` });
    expect(result.digests).toEqual([{ tag, digest: A, from: 'status' }]);
  });

  it('as later engines say it when one manifest was pushed instead of the index', async () => {
    const selected = { mediaType: 'x', digest: A, size: 1 };
    const result = await pushed(
      {
        aux: { manifestPushedInsteadOfIndex: true, originalIndex: { digest: B }, selectedManifest: selected },
      },
      { status: `1.0: digest: ${A} size: 419` },
    );
    expect(digestsOfTag(result, tag)).toEqual([A]);
  });

  it('and is more than one when line and aux differ, so that nobody signs a guess', async () => {
    const result = await pushed(
      { status: `1.0: digest: ${A} size: 528` },
      { aux: { Tag: '1.0', Digest: B, Size: 528 } },
    );
    expect(digestsOfTag(result, tag)).toEqual([A, B]);
  });

  it('is none where nothing was said, for another tag, or in no known form', async () => {
    expect(digestsOfTag(await pushed(), tag)).toEqual([]);
    const result = await pushed(
      { status: `2.0: digest: ${A} size: 1` },
      { status: `1.0: digest: ${A} size: 1`, id: 'abc' },
      { status: `x 1.0: digest: ${A} size: 1` },
      { status: `1.0: digest: ${A.toUpperCase()} size: 1` },
      { aux: { Tag: '1.0', Digest: 'sha256:abc' } },
      { aux: 'text' },
    );
    expect(digestsOfTag(result, tag)).toEqual([]);
    expect(digestsOfTag(result, parseTag('2.0'))).toEqual([A]);
  });
});
