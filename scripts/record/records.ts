/** The records in test/recorded/ that are made here, and how each is made from real programs. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { type CommandNode, commandTree } from '../../src/cli/classify.ts';
import { COMMAND_FLAGS } from '../../src/cli/flags.ts';
import { type CliVersion, cliPlugin, dockerCli } from '../peers/programs.ts';
import { showEngine } from './shown-engine.ts';
import { type Known, type RecordedCommand, type Say, type Tree, walkTree } from './tree.ts';

export interface RecordMade {
  /** File name in test/recorded/, without `.json`. */
  readonly name: string;
  readonly cli: CliVersion;
  readonly plugin?: 'buildx' | 'compose';
  /** What they show is put together. */
  readonly walks: readonly Walk[];
}

interface Walk {
  /** Where it begins; `''` is the whole of docker. */
  readonly roots: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

const WHOLE: Walk = { roots: [''], environment: { DOCKER_BUILDKIT: '0' } };
// `docker builder` and `docker build` are handed to buildx where there is one.
const BUILDX = ['buildx', 'builder'];

export const RECORDS: readonly RecordMade[] = [
  {
    name: 'cli-20.10',
    cli: '20.10',
    // Its build has one set of flags for each builder.
    walks: [
      WHOLE,
      { roots: ['build', 'image build', 'builder build'], environment: { DOCKER_BUILDKIT: '1' } },
    ],
  },
  { name: 'cli-26.1', cli: '26.1', walks: [WHOLE] },
  { name: 'cli-28.2', cli: '28', walks: [WHOLE] },
  {
    name: 'buildx-0.13',
    cli: '26.1',
    plugin: 'buildx',
    walks: [
      { roots: BUILDX, environment: {} },
      { roots: BUILDX, environment: { BUILDX_EXPERIMENTAL: '1' } },
    ],
  },
  { name: 'compose-2.26', cli: '26.1', plugin: 'compose', walks: [{ roots: ['compose'], environment: {} }] },
];

const FOLDER = path.join(import.meta.dirname, '..', '..', 'test', 'recorded');

/** Asks the real program for everything. Throws PeerMissing where it cannot be had. */
export async function makeRecord(made: RecordMade): Promise<Tree> {
  const docker = await dockerCli(made.cli);
  const engine = await showEngine();
  const config = mkdtempSync(path.join(os.tmpdir(), 'dtrust-record-'));
  try {
    if (made.plugin !== undefined) {
      mkdirSync(path.join(config, 'cli-plugins'));
      const plugin = await cliPlugin(made.plugin);
      symlinkSync(plugin.path, path.join(config, 'cli-plugins', `docker-${made.plugin}`));
    }
    const trees: Tree[] = [];
    for (const { roots, environment } of made.walks) {
      const env = {
        PATH: '/usr/bin:/bin',
        HOME: config,
        DOCKER_CONFIG: config,
        DOCKER_HOST: engine.host,
        DOCKER_CLI_HINTS: 'false',
        ...docker.env,
        ...environment,
      };
      trees.push(await walkTree(sayWith(docker.path, env, config), roots, KNOWN));
    }
    return together(trees);
  } finally {
    await engine.stop();
    rmSync(config, { recursive: true, force: true });
  }
}

export function readRecord(name: string): Tree {
  const text = readFileSync(path.join(FOLDER, `${name}.json`), 'utf8');
  return new Map(Object.entries(JSON.parse(text) as Record<string, RecordedCommand>));
}

/** One command a line, so that a change reads as one. */
export function writeRecord(name: string, tree: Tree): void {
  const lines = [...tree].map(([command, found]) => `${JSON.stringify(command)}: ${JSON.stringify(found)}`);
  writeFileSync(path.join(FOLDER, `${name}.json`), `{\n${lines.join(',\n')}\n}\n`);
}

const KNOWN: Known = {
  commands: pathsOf(commandTree()),
  flags: new Map(
    [...COMMAND_FLAGS].map(([command, { byName }]) => [
      command,
      [...byName.keys()].filter((name) => name !== 'help'),
    ]),
  ),
};

/** Every command of the table, its own trust commands left out. */
function pathsOf(node: CommandNode): string[] {
  if (node.path[0] === 'trust') return [];
  const own = node.entry === undefined ? [] : [node.path.join(' ')];
  return [...own, ...[...new Set(node.children.values())].flatMap(pathsOf)];
}

function sayWith(program: string, env: Record<string, string>, cwd: string): Say {
  return (args) =>
    new Promise((resolve) => {
      const child = execFile(program, args, { env, cwd, timeout: 30_000 }, (_, stdout, stderr) =>
        resolve(stdout + stderr),
      );
      child.stdin?.end();
    });
}

function together(trees: readonly Tree[]): Tree {
  const all = new Map<string, RecordedCommand>();
  for (const tree of trees) {
    for (const [command, found] of tree) {
      const before = all.get(command);
      all.set(command, before === undefined ? found : merge(before, found));
    }
  }
  return new Map([...all].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function merge(a: RecordedCommand, b: RecordedCommand): RecordedCommand {
  const flags = union(a.flags, b.flags);
  const hiddenFlags = union(a.hiddenFlags ?? '', b.hiddenFlags ?? '')
    .split(' ')
    .filter((flag) => !flags.split(' ').some((shown) => shown.split('/').at(-1) === flag))
    .join(' ');
  const { hidden, hiddenFlags: _, ...rest } = a;
  return {
    ...rest,
    flags,
    ...(hiddenFlags === '' ? {} : { hiddenFlags }),
    ...(hidden && b.hidden ? { hidden } : {}),
  };
}

function union(a: string, b: string): string {
  return [...new Set([...a.split(' '), ...b.split(' ')])]
    .filter((flag) => flag !== '')
    .sort((x, y) => ((x.split('/').at(-1) ?? '') < (y.split('/').at(-1) ?? '') ? -1 : 1))
    .join(' ');
}
