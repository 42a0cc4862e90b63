/** What a classic build shows, byte for byte as docker's command line shows it. */

import type { BuildMessage } from '../engine/build-messages.ts';
import { renderSize } from '../engine/human-size.ts';
import { createProgress, type Progress } from '../engine/progress.ts';
import type { Digest } from '../reference/digest.ts';
import type { Context } from './context.ts';

const SENDING = 'Sending build context to Docker daemon';
/** Docker says how far it is each time another so many bytes are sent. */
const EVERY_BYTES = 512 * 1024;

const BECAUSE = {
  disabled: [
    'BuildKit is currently disabled; enable it by removing the DOCKER_BUILDKIT=0',
    'environment-variable.',
  ],
  missing: [
    'Install the buildx component to build images with BuildKit:',
    'https://docs.docker.com/go/buildx/',
  ],
} as const;

/** What docker 23 and later says before it builds with this builder. */
export function deprecationNotice(because: keyof typeof BECAUSE): string {
  const lines = BECAUSE[because].map((line) => `            ${line}`);
  return `DEPRECATED: The legacy builder is deprecated and will be removed in a future release.\n${lines.join('\n')}\n\n`;
}

/** Everything on stdout as it comes; with `-q` the image's ID alone, and all of it on stderr when the build fails. */
export class ClassicOutput {
  readonly #context: Context;
  readonly #write: (text: string) => void;
  readonly #isTerminal: boolean;
  readonly #progress: Progress;
  readonly #quiet: boolean;
  #sending = '';
  #kept = '';

  constructor(context: Context, quiet: boolean) {
    this.#context = context;
    this.#quiet = quiet;
    this.#isTerminal = !quiet && context.isTerminal(1) && context.env.term !== 'dumb';
    this.#write = quiet
      ? (text) => {
          this.#kept += text;
        }
      : (text) => void context.out(text);
    this.#progress = createProgress({
      write: this.#write,
      isTerminal: this.#isTerminal,
      columns: context.columns,
      now: () => context.clock.now(),
    });
  }

  /** The archive, with what docker says while it is sent. */
  async *sending(archive: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
    let sent = 0;
    let said = 0;
    for await (const chunk of archive) {
      yield chunk;
      sent += chunk.length;
      if (!this.#isTerminal || sent - said <= EVERY_BYTES) continue;
      said = sent;
      this.#write(`${SENDING} ${renderSize(sent).padStart(8)}\r`);
    }
    const last = `${SENDING} ${renderSize(sent).padStart(8)}\r\r\n`;
    if (this.#quiet) this.#sending = last;
    else this.#write(last);
  }

  show(message: BuildMessage): void {
    if (message.kind === 'output') this.#write(message.text);
    else if (message.kind === 'progress') this.#progress.show(message.message);
  }

  /** Docker's own words, as docker says them. */
  failed(message: string): void {
    if (this.#quiet) this.#context.err(this.#sending + this.#kept);
    this.#context.err(`${message}\n`);
  }

  done(image: Digest): void {
    if (this.#quiet) this.#context.out(`${image}\n`);
  }
}
