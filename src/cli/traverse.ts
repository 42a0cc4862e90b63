/**
 * Finding the command among the arguments as cobra's `Traverse` does, with its rough idea of flags.
 *
 * It is rougher than reading flags: a flag that a level does not know, and even `--`, is taken to have a value,
 * so `docker image -- x pull y` pulls y. Where a flag is not known, and a later release might read a verb where
 * this one reads a value, commands that could bring images in are refused instead.
 */
import type { CommandNode } from './classify.ts';
import { commandTree, isGuarded } from './classify.ts';
import type { FlagTable } from './flags.ts';
import { managementFlags } from './flags.ts';
import type { FlagOccurrence, FlagValues } from './pflag.ts';
import { CommandLineError, parseFlags } from './pflag.ts';

export interface Found {
  readonly node: CommandNode;
  /** The first word below `node` that is no verb of it. */
  readonly unknown?: string;
  readonly restAt: number;
  /** Flags met between the commands on the way. */
  readonly flags: readonly FlagOccurrence[];
}

/**
 * The command that docker would run, from the argument at `start` on.
 * @throws CommandLineError USAGE where a flag on the way is not known
 */
export function traverse(argv: readonly string[], start: number): Found {
  let node = commandTree();
  let from = start;
  const flags: FlagOccurrence[] = [];
  while (node.children.size > 0) {
    const table = managementFlags(node.path);
    const at = findVerb(argv, from, table);
    const next = at === undefined ? undefined : node.children.get(argv[at] ?? '');
    if (at === undefined || next === undefined) return atLevel(node, argv, from, table, flags);
    flags.push(...parseFlags(argv.slice(from, at), table).occurrences);
    node = next;
    from = at + 1;
  }
  return { node, restAt: from, flags };
}

/**
 * Index of the first argument that cobra takes for a verb: it is neither a flag nor behind a flag that wants a
 * value. A flag cobra does not know wants one, and so does `--`.
 */
function findVerb(argv: readonly string[], from: number, table: FlagTable): number | undefined {
  let isValue = false;
  for (let i = from; i < argv.length; i++) {
    const arg = argv[i] ?? '';
    const open = !arg.includes('=');
    if (arg.startsWith('--') && open) isValue = table.byName.get(arg.slice(2))?.takesValue !== false;
    else if (/^-.$/s.test(arg) && open && table.byShort.get(arg.slice(1))?.takesValue !== false)
      isValue = true;
    else if (isValue) isValue = false;
    else if (!/^-./s.test(arg)) return i;
  }
  return undefined;
}

/** No verb below this command: its help, or a verb that is not known. */
function atLevel(
  node: CommandNode,
  argv: readonly string[],
  from: number,
  table: FlagTable,
  flags: readonly FlagOccurrence[],
): Found {
  // At the top docker's own flags have been read already, and a plugin reads the rest by its own table.
  if (node.path.length === 0) {
    const first = argv[from];
    return first === undefined
      ? { node, restAt: from, flags }
      : { node, unknown: first, restAt: from + 1, flags };
  }
  let values: FlagValues;
  try {
    values = parseFlags(argv.slice(from), table);
  } catch (error) {
    // A flag of a later release may have stood before a verb that was then taken for its value.
    if (!(error instanceof CommandLineError) || isGuarded(node)) throw error;
    return { node, restAt: from, flags };
  }
  const unknown = values.positionals[0];
  const seen = [...flags, ...values.occurrences];
  if (unknown === undefined) return { node, restAt: argv.length, flags: seen };
  // Behind `--` even a known verb is none: docker says it does not know it.
  const shown = node.children.has(unknown) ? `-- ${unknown}` : unknown;
  return { node, unknown: shown, restAt: from + values.positionalsAt + 1, flags: seen };
}
