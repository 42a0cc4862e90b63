/**
 * A source in memory over a RepositorySimulator, or over any files; it can go wrong and logs what it was asked.
 */
import { RegistryError } from '../../src/lib/errors.ts';
import { type Digest, digestOf } from '../../src/reference/digest.ts';
import type { Source, SourceFile, SourceState } from '../../src/trust/source.ts';

export interface SimulatedSourceOptions {
  /** Whether files ride in the listing; default true. */
  inline?: boolean;
  dateMs?: number;
}

export class SimulatedSource implements Source {
  readonly kind = 'registry';
  readonly description = 'registry in memory';
  readonly dialect = 'tuf-1.0';
  /** `HEAD`, `GET`, `BLOB <digest>`, in order. */
  readonly requests: string[] = [];
  /** Thrown by every request while set. */
  failure: Error | undefined;
  /** Called before a request is answered. */
  onRequest: ((request: string) => void | Promise<void>) | undefined;
  /** What is there; undefined is nothing. */
  files: () => ReadonlyMap<string, Uint8Array> | undefined;
  /** Changes the listing on its way. */
  tamper: ((state: SourceState) => SourceState) | undefined;
  /** Blobs that are gone although they are listed. */
  readonly gone = new Set<Digest>();
  options: SimulatedSourceOptions;

  constructor(
    files: () => ReadonlyMap<string, Uint8Array> | undefined,
    options: SimulatedSourceOptions = {},
  ) {
    this.files = files;
    this.options = options;
  }

  async headState(): Promise<Digest | undefined> {
    await this.#asked('HEAD');
    return this.#state()?.digest;
  }

  async fetchState(): Promise<SourceState | undefined> {
    await this.#asked('GET');
    return this.#state();
  }

  async fetchFile({ digest }: { digest: Digest }): Promise<Uint8Array> {
    await this.#asked(`BLOB ${digest}`);
    for (const bytes of this.files()?.values() ?? []) {
      if (digestOf(bytes) === digest && !this.gone.has(digest)) return bytes;
    }
    throw new RegistryError({ code: 'REGISTRY_NOT_FOUND', message: `no ${digest}`, status: 404 });
  }

  /** Requests since the last call. */
  taken(): readonly string[] {
    return this.requests.splice(0);
  }

  async #asked(request: string): Promise<void> {
    this.requests.push(request);
    await this.onRequest?.(request);
    if (this.failure !== undefined) throw this.failure;
  }

  #state(): SourceState | undefined {
    const files = this.files();
    if (files === undefined) return undefined;
    const listed = new Map<string, SourceFile>();
    for (const [name, bytes] of files) {
      const file = { name, digest: digestOf(bytes), lengthBytes: bytes.length };
      listed.set(name, this.options.inline === false ? file : { ...file, inline: bytes });
    }
    const lines = [...listed.values()].map(({ name, digest }) => `${name} ${digest}`).sort();
    const { dateMs } = this.options;
    const state = {
      digest: digestOf(Buffer.from(lines.join('\n'))),
      files: listed,
      ...(dateMs === undefined ? {} : { dateMs }),
    };
    return this.tamper?.(state) ?? state;
  }
}
