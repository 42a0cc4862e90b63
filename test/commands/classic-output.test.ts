/** What a classic build shows, on a terminal and into a pipe; the forms were read from docker 26.1. */
import { describe, expect, test } from 'vitest';
import { ClassicOutput, deprecationNotice } from '../../src/commands/classic-output.ts';
import type { Context } from '../../src/commands/context.ts';
import type { Digest } from '../../src/reference/digest.ts';

const MADE = `sha256:${'a'.repeat(64)}` as Digest;

function shown({ terminal = false, quiet = false, term = 'xterm' } = {}) {
  const said = { out: '', err: '' };
  const context = {
    out: (text: string) => {
      said.out += text;
    },
    err: (text: string) => {
      said.err += text;
    },
    isTerminal: () => terminal,
    columns: () => 200,
    clock: { now: () => 0 },
    env: { term },
  } as unknown as Context;
  return { said, output: new ClassicOutput(context, quiet) };
}

async function send(output: ClassicOutput, chunks: readonly number[]): Promise<void> {
  async function* archive(): AsyncGenerator<Uint8Array, void> {
    for (const size of chunks) yield new Uint8Array(size);
  }
  for await (const _ of output.sending(archive()));
}

const SENDING = 'Sending build context to Docker daemon';
const STEP = { kind: 'output', text: 'Step 1/1 : X\n\u001b[31mred\u001b[0m\n' } as const;

describe('what a classic build shows', () => {
  test('into a pipe, the size once and then what the builder says, as it says it', async () => {
    const { said, output } = shown();
    await send(output, [1_000, 1_048]);
    output.show(STEP);
    output.show({ kind: 'image', id: MADE });
    output.done(MADE);
    expect(said).toEqual({ out: `${SENDING}  2.048kB\r\r\n${STEP.text}`, err: '' });
  });

  test('on a terminal, how far it is each 512 KiB', async () => {
    const { said, output } = shown({ terminal: true });
    await send(output, [500_000, 100_000, 300_000, 300_000]);
    expect(said.out).toBe(`${SENDING}    600kB\r${SENDING}    1.2MB\r${SENDING}    1.2MB\r\r\n`);
  });

  test('on a terminal that draws nothing, as into a pipe', async () => {
    const { said, output } = shown({ terminal: true, term: 'dumb' });
    await send(output, [600_000, 600_000]);
    expect(said.out).toBe(`${SENDING}    1.2MB\r\r\n`);
  });

  test('with -q nothing but the image, and everything on stderr when it fails', async () => {
    const well = shown({ quiet: true, terminal: true });
    await send(well.output, [2_048]);
    well.output.show(STEP);
    well.output.done(MADE);
    expect(well.said).toEqual({ out: `${MADE}\n`, err: '' });
    const failed = shown({ quiet: true });
    await send(failed.output, [2_048]);
    failed.output.show(STEP);
    failed.output.failed('the command failed');
    expect(failed.said).toEqual({
      out: '',
      err: `${SENDING}  2.048kB\r\r\n${STEP.text}the command failed\n`,
    });
  });

  test("docker's two notices", () => {
    expect(deprecationNotice('disabled').split('\n')).toEqual([
      'DEPRECATED: The legacy builder is deprecated and will be removed in a future release.',
      '            BuildKit is currently disabled; enable it by removing the DOCKER_BUILDKIT=0',
      '            environment-variable.',
      '',
      '',
    ]);
    expect(deprecationNotice('missing')).toContain(
      '            Install the buildx component to build images with BuildKit:\n',
    );
  });
});
