/**
 * One owner and several developers, each on a machine of his own, over a stage's registry. Keys are slow to make, so
 * the same people work in every repository of a file of tests.
 */
import path from 'node:path';
import type { Machine, Stage } from './harness.ts';

export class Team {
  readonly stage: Stage;
  readonly owner: Machine;
  readonly #developers = new Map<string, Machine>();

  constructor(stage: Stage) {
    this.stage = stage;
    this.owner = stage.machine({ env: { DTRUST_INIT: '1' } });
  }

  /** A repository whose tag 1.0 the owner has signed; returns its name. */
  async signed(repository: string): Promise<string> {
    await this.pushed(this.owner, repository, '1.0');
    return this.stage.name(repository);
  }

  /** Pushes an image of its own under a tag, and returns its digest. */
  async pushed(machine: Machine, repository: string, tag: string, text = tag): Promise<string> {
    const digest = this.local(repository, tag, text);
    await machine.succeed(['push', `${this.stage.name(repository)}:${tag}`]);
    return digest;
  }

  /** Puts an image into the engine, to be pushed under that tag. */
  local(repository: string, tag: string, text = tag): string {
    const image = this.stage.image(repository, tag, `${repository} ${text}`);
    this.stage.local(repository, tag, image);
    return image.digest;
  }

  /** Gives a machine, by default a new one, the pin of the owner's repository. */
  async pinned(repository: string, machine = this.stage.machine()): Promise<Machine> {
    const { stdout } = await this.owner.succeed(['trust', 'pin', 'export', this.stage.name(repository)]);
    await machine.succeed(stdout.trim().split(' ').slice(1));
    return machine;
  }

  /** A pinned machine with a key pair; the public half is at `publicHalf`. */
  async developer(repository: string, name: string): Promise<Machine> {
    const known = this.#developers.get(name);
    const machine = known ?? this.stage.machine();
    this.#developers.set(name, machine);
    if (known === undefined) await machine.succeed(['trust', 'key', 'generate', name]);
    return await this.pinned(repository, machine);
  }

  /** The command that adds a signer with the key on that machine. */
  adding(machine: Machine, name: string, repository: string, ...more: string[]): readonly string[] {
    const key = publicHalf(machine, name);
    return ['trust', 'signer', 'add', '--key', key, ...more, name, this.stage.name(repository)];
  }

  add(machine: Machine, name: string, repository: string, ...more: string[]) {
    return this.owner.succeed(this.adding(machine, name, repository, ...more));
  }

  async inspected(machine: Machine, repository: string): Promise<Record<string, unknown>> {
    const name = this.stage.name(repository);
    const { stdout } = await machine.succeed(['trust', 'inspect', '--format', 'json', name]);
    return JSON.parse(stdout)[0] as Record<string, unknown>;
  }

  async listed(machine: Machine, repository: string): Promise<Record<string, unknown>[]> {
    const name = this.stage.name(repository);
    const { stdout } = await machine.succeed(['trust', 'signer', 'list', '--format', 'json', name]);
    return JSON.parse(stdout) as Record<string, unknown>[];
  }

  /** What the tag of the trust data points at. */
  trustTag(repository: string): string | undefined {
    return this.stage.registry.repository(repository).tags.get('_trust' as never);
  }

  setTrustTag(repository: string, digest: string | undefined): void {
    this.stage.registry.repository(repository).tags.set('_trust', digest as never);
  }
}

export function publicHalf(machine: Machine, name: string): string {
  return path.join(machine.home, `${name}.pub`);
}

/** Verifying a repository may be remembered where the rest of the command is refused. */
export const MEMORY = /trust\/dtrust\//;
