/** One computer of the story: a home folder of its own, in which the real `dtrust` is run as a user would run it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Narrator } from './narrator.ts';

const dtrust = fileURLToPath(new URL('../../bin/dtrust.js', import.meta.url));

export interface Run {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface MachineOptions {
  readonly name: string;
  /** The folder the machine's home is made in. */
  readonly folder: string;
  readonly engineHost: string;
  /** Added to the environment of every command: passphrases, `DTRUST_INIT`. */
  readonly environment?: Readonly<Record<string, string>>;
}

export class Machine {
  readonly name: string;
  readonly home: string;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #narrator: Narrator;

  constructor(options: MachineOptions, narrator: Narrator) {
    this.name = options.name;
    this.home = path.join(options.folder, options.name);
    this.#narrator = narrator;
    mkdirSync(path.join(this.home, '.docker'), { recursive: true, mode: 0o700 });
    // Nothing of the user's own environment but PATH: no proxies, no credentials, no other engine.
    this.#environment = {
      PATH: process.env.PATH ?? '',
      HOME: this.home,
      DOCKER_CONFIG: path.join(this.home, '.docker'),
      DOCKER_HOST: options.engineHost,
      ...options.environment,
    };
  }

  /** Shows and runs one command; what it writes is shown as it comes. */
  async dtrust(...args: readonly string[]): Promise<Run> {
    this.#narrator.command(this.name, ['dtrust', ...args].join(' '));
    const child = spawn(process.execPath, [dtrust, ...args], {
      env: this.#environment,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const closed = once(child, 'close') as Promise<[number | null]>;
    const [stdout, stderr] = await Promise.all([this.#show(child.stdout), this.#show(child.stderr)]);
    const [status] = await closed;
    return { status: status ?? 1, stdout, stderr };
  }

  async #show(stream: Readable): Promise<string> {
    const lines: string[] = [];
    for await (const line of createInterface({ input: stream })) {
      lines.push(line);
      this.#narrator.output(line);
    }
    return lines.map((line) => `${line}\n`).join('');
  }
}
