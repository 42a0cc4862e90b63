/**
 * A builder is tried before it is trusted to keep anything out (src/enforce/build/canary.ts), once for each builder and
 * version; what was seen is kept in `builders.json`.
 */
import assert from 'node:assert';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';
import {
  allowance,
  type CanarySolve,
  denials,
  isAsDemanded,
  isDenied,
  type SolveEnd,
  tellingLine,
} from '../enforce/build/canary.ts';
import { noteProven, type Proof, provenBefore } from '../enforce/build/proven-builders.ts';
import { type PolicyImage, renderPolicy } from '../enforce/build/source-policy.ts';
import { EngineError, hasCode } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import type { BuilderInUse } from './builder-in-use.ts';
import { note } from './context.ts';
import { ledgerStore } from './ledger-of.ts';
import type { Services } from './services.ts';

export type ImageToTry = PolicyImage & { readonly platform?: string | undefined };

/** The image of a trial is fetched in it, for the build that follows. */
const TRIAL_MS = 30 * 60 * 1000;

/** containerd's store: an archive can bring a record `NAME:TAG@DIGEST` of another image, which BuildKit finds first. */
const OTHER_UNDER_DIGEST =
  'If an archive was loaded, another image may lie here under the name of a signed one: see docker images --digests, and remove it with docker rmi.';

export interface TrialOptions {
  readonly folder: string;
  readonly quiet: boolean;
}

export class BuilderTrial {
  readonly #services: Services;
  readonly #builder: BuilderInUse;
  readonly #folder: string;
  readonly #quiet: boolean;
  readonly #nonce: string;
  #seen: Proof | undefined;
  #tried = 0;

  /** `folder`: where policies can lie for the time of the call. Throws LocalStateError MEMORY_NEWER. */
  constructor(services: Services, builder: BuilderInUse, { folder, quiet }: TrialOptions) {
    this.#services = services;
    this.#quiet = quiet;
    this.#builder = builder;
    this.#folder = folder;
    this.#nonce = randomBytes(8).toString('hex');
    this.#seen = this.#hasMemory ? provenBefore(ledgerStore(services), builder.identity) : undefined;
  }

  /**
   * Sees the builder refuse what it must.
   * @throws EngineError BUILDER_CANNOT_ENFORCE
   */
  async denies(): Promise<void> {
    if (this.#seen !== undefined) return;
    if (!this.#quiet) {
      const { name } = this.#builder;
      note(
        this.#services.context,
        `trying whether the builder ${escapeShort(name)} refuses what it is told to refuse`,
      );
    }
    // The first may have to start the builder, which is not done twice at once.
    const [first, ...others] = denials(this.#nonce);
    if (first !== undefined) await this.#try(first);
    await Promise.all(others.map((solve) => this.#try(solve)));
    await this.#note('deny');
  }

  /**
   * Sees it let pass, and convert, an image of this build.
   * @throws EngineError BUILDER_CANNOT_ENFORCE
   */
  async allows(image: ImageToTry, nonce: string): Promise<void> {
    if (this.#seen === 'all') return;
    await this.#try(allowance(image, nonce));
    await this.#note('all');
  }

  /** A builder in another engine: nothing tells that it is the same one tomorrow. */
  get #hasMemory(): boolean {
    const { driver, isEngine } = this.#builder;
    return driver !== 'docker' || isEngine;
  }

  async #try(solve: CanarySolve): Promise<void> {
    const end = await this.#solve(solve);
    if (isAsDemanded(solve, end)) return;
    const { name } = this.#builder;
    const said = end.status === 0 ? 'the trial passed' : escapeShort(tellingLine(end.output), 500);
    const asked =
      solve.kind === 'deny' ? 'does not refuse what it is told to' : 'does not build from an admitted image';
    throw new EngineError({
      code: 'BUILDER_CANNOT_ENFORCE',
      message: `the builder ${escapeShort(name)} ${asked}, so nothing would keep unsigned images out: ${said}`,
      expected: solve.kind === 'deny' ? 'a denial by the source policy' : 'a build that passes',
      found: said,
      hints: [
        ...(solve.kind === 'allow' && isDenied(end) ? [OTHER_UNDER_DIGEST] : []),
        'Use a newer engine (25.0 or later), or another builder: dtrust buildx build --builder NAME ...',
        'For the classic builder put `DOCKER_BUILDKIT=0` before `dtrust build`.',
      ],
    });
  }

  async #solve({ dockerfile, rules }: CanarySolve): Promise<SolveEnd> {
    const { docker, signal } = this.#services.context;
    assert(docker !== undefined, 'docker is found before a command that ends in it');
    this.#tried += 1;
    const file = join(this.#folder, `trial-${this.#tried}.json`);
    fs.writeFileSync(file, renderPolicy(rules), { mode: 0o600, flag: 'wx' });
    const { status, stdout, stderr } = await docker.ask(
      [
        'buildx',
        'build',
        `--builder=${this.#builder.name}`,
        '--progress=plain',
        '--output=type=cacheonly',
        '-',
      ],
      {
        env: { EXPERIMENTAL_BUILDKIT_SOURCE_POLICY: file },
        stdin: Buffer.from(dockerfile, 'utf8'),
        timeoutMs: TRIAL_MS,
      },
    );
    signal.throwIfAborted();
    return { status, output: `${stdout.toString()}\n${stderr.toString()}` };
  }

  /** Where it cannot be kept, the next build tries again. */
  async #note(proof: Proof): Promise<void> {
    this.#seen = proof;
    if (!this.#hasMemory) return;
    try {
      await noteProven(ledgerStore(this.#services), this.#builder.identity, proof);
    } catch (error) {
      if (!hasCode(error, 'FILE_UNWRITABLE', 'DISK_FULL', 'LOCK_TIMEOUT')) throw error;
    }
  }
}
