/**
 * A page of documentation played by real people: each `name$ command` of its console blocks is run, as written, by a
 * shell in the home folder of that name. Only the repository's name is another one.
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import type { Machine, Workshop } from './machines.ts';

export interface Line {
  /** Whose machine it is typed on. */
  readonly who: string;
  readonly command: string;
}

export interface Chapter {
  readonly title: string;
  readonly lines: readonly Line[];
}

export interface Said {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The chapters of a page: its `## ` headings, each with the commands of its console blocks. */
export function chaptersOf(markdown: string): readonly Chapter[] {
  return markdown
    .split(/^## /m)
    .slice(1)
    .map((text) => {
      const title = text.slice(0, text.indexOf('\n'));
      const blocks = [...text.matchAll(/^```console\n([\s\S]*?)^```$/gm)].map(([, block = '']) => block);
      return { title, lines: blocks.flatMap(linesOf) };
    });
}

function linesOf(block: string): readonly Line[] {
  const joined = block.replaceAll(/\\\n\s*/g, '');
  return [...joined.matchAll(/^([a-z]+)\$ (.+)$/gm)].map(([, who = '', command = '']) => ({ who, command }));
}

export interface TheatreOptions {
  readonly workshop: Workshop;
  /** DOCKER_HOST of everybody. */
  readonly engine: string;
  /** The name in the page, and the one it is played with. */
  readonly repository: { readonly written: string; readonly real: string };
  /** What each person's environment holds beside that. */
  readonly env: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Folders that several people see in their home folders. */
  readonly shared: readonly { readonly folder: string; readonly by: readonly string[] }[];
}

/** The people of a page, each on a machine of his own. */
export class Theatre {
  readonly #options: TheatreOptions;
  readonly #machines = new Map<string, Machine>();
  readonly #bin: string;

  constructor(options: TheatreOptions) {
    this.#options = options;
    const { workshop } = options;
    this.#bin = path.join(workshop.folder, 'path');
    fs.mkdirSync(this.#bin, { recursive: true });
    for (const { folder } of options.shared) fs.mkdirSync(this.#shared(folder), { recursive: true });
    const program = `#!/bin/sh\nexec '${process.execPath}' '${workshop.bin}' "$@"\n`;
    fs.writeFileSync(path.join(this.#bin, 'dtrust'), program, { mode: 0o755 });
  }

  machine(who: string): Machine {
    const known = this.#machines.get(who);
    if (known !== undefined) return known;
    const { workshop, engine, env, shared } = this.#options;
    const machine = workshop.machine({ engine, env: env[who] ?? {} });
    for (const { folder, by } of shared) {
      if (by.includes(who)) fs.symlinkSync(this.#shared(folder), path.join(machine.home, folder));
    }
    this.#machines.set(who, machine);
    return machine;
  }

  #shared(folder: string): string {
    return path.join(this.#options.workshop.folder, `shared-${folder}`);
  }

  /** Runs one line; `more` is what the environment of that call holds beside the person's own. */
  async play({ who, command }: Line, more: Readonly<Record<string, string>> = {}): Promise<Said> {
    const machine = this.machine(who);
    const { written, real } = this.#options.repository;
    const child = spawn('/bin/sh', ['-ec', command.replaceAll(written, real)], {
      cwd: machine.home,
      env: { ...machine.env, PATH: `${this.#bin}:/usr/bin:/bin`, ...more },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const status = await new Promise<number | null>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', resolve);
    });
    return { status, stdout, stderr };
  }
}
