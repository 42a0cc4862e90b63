/**
 * The command tree of a real docker, walked by its own `--help`, from the top or from one command down.
 *
 * Help leaves out what is hidden, so the commands and flags that dtrust knows of are tried by name as well: a
 * hidden command answers `--help` with a usage line of its own, and a flag that a command has is not `unknown`.
 */
import { parseHelp } from './help-text.ts';

export interface RecordedCommand {
  readonly usage: string;
  readonly aliases?: string;
  /** `q/quiet platform=` */
  readonly flags: string;
  /** Flags that work and that help does not show. */
  readonly hiddenFlags?: string;
  /** The command works and the help of the command above does not show it. */
  readonly hidden?: true;
}

export type Tree = ReadonlyMap<string, RecordedCommand>;

/** Runs docker with these arguments and returns all it prints. */
export type Say = (args: readonly string[]) => Promise<string>;

export interface Known {
  /** Command paths to try, whether help shows them or not. */
  readonly commands: readonly string[];
  /** Names of flags to try, by command path. */
  readonly flags: ReadonlyMap<string, readonly string[]>;
}

const AT_ONCE = 4;

/** The tree below `roots`; `''` is the whole of docker. */
export async function walkTree(say: Say, roots: readonly string[], known: Known): Promise<Tree> {
  const tree = new Map<string, RecordedCommand>();
  const visit = async (command: string, hidden: boolean): Promise<readonly string[]> => {
    const path = words(command);
    const help = parseHelp(await say([...path, '--help']));
    // A command that there is not prints the help of the one above it.
    if (help === undefined || (hidden && !isAbout(help.usage, path))) return [];
    const { usage, aliases, flags, commands } = help;
    tree.set(command, {
      usage,
      ...(aliases === '' ? {} : { aliases }),
      flags: flags.join(' '),
      ...(hidden ? { hidden } : {}),
    });
    return commands.map((name) => [...path, name].join(' '));
  };
  const walk = async (from: readonly string[], hidden: boolean): Promise<void> => {
    let level = from;
    while (level.length > 0) {
      level = (await each(level, (command) => visit(command, hidden))).flat();
    }
  };
  await walk(roots, false);
  await walk(
    known.commands.filter((command) => !tree.has(command) && roots.some((root) => isBelow(command, root))),
    true,
  );
  await each([...known.flags], async ([command, names]) => {
    const recorded = tree.get(command);
    if (recorded === undefined) return;
    const hiddenFlags = await findHidden(
      say,
      command,
      names.filter((name) => !shows(recorded, name)),
    );
    if (hiddenFlags !== '') tree.set(command, { ...recorded, hiddenFlags });
  });
  return new Map([...tree].sort(([a], [b]) => (a < b ? -1 : 1)));
}

async function findHidden(say: Say, command: string, names: readonly string[]): Promise<string> {
  const found = await each(names, async (name) => {
    const said = await say([...words(command), `--${name}`]);
    if (/unknown flag/.test(said)) return [];
    return [/flag needs an argument/.test(said) ? `${name}=` : name];
  });
  return found.flat().sort().join(' ');
}

function shows(recorded: RecordedCommand, name: string): boolean {
  return recorded.flags.split(' ').some((flag) => flag.replace(/=$/, '').split('/').at(-1) === name);
}

/** `docker volume update [OPTIONS] [VOLUME]` is about `volume update`; `docker volume COMMAND` is not. */
function isAbout(usage: string, path: readonly string[]): boolean {
  return usage.split(/ (?=[[A-Z-])/)[0] === ['docker', ...path].join(' ');
}

function isBelow(command: string, root: string): boolean {
  return root === '' || command === root || command.startsWith(`${root} `);
}

function words(command: string): readonly string[] {
  return command === '' ? [] : command.split(' ');
}

/** A few at a time, in order. */
async function each<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let i = next++; i < items.length; i = next++) results[i] = await work(items[i] as T);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return results;
}
