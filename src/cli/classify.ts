/**
 * From a command's path to what dtrust does with it, over the groups of table.ts.
 *
 * An unknown command at the top is run after one warning line: it is a plugin of the user's, or docker's own
 * error message. An unknown command below one that has members which bring images in (`compose NEW`,
 * `buildx NEW`, `image NEW`) is refused as not yet enforced: a newer release of that tool has learnt something
 * that is more likely than not about images, and running it would be the hole that nobody sees. Below the rest
 * (`network NEW`) it is unknown, as at the top.
 */
import type { CommandGroup } from './command-group.ts';
import { ENFORCED, NOT_BUILT, NOT_YET } from './table.ts';
import { PASSED } from './table-passed.ts';

export type CommandClass =
  /** dtrust does it: `command` names the module, without the long form's `image`. */
  | { readonly class: 'enforced'; readonly command: string }
  | { readonly class: 'pass'; readonly why: string }
  /** Refused while trust is on. */
  | { readonly class: 'not-yet'; readonly why: string; readonly hint: string }
  /** One of dtrust's own that is to come: refused always. */
  | { readonly class: 'not-built'; readonly why: string; readonly hint: string }
  /** To be run by docker after one warning line. */
  | { readonly class: 'unknown' };

interface Entry {
  readonly outcome: CommandClass;
  readonly unless?: { readonly flags: readonly string[]; readonly hint: string } | undefined;
}

/** One command in the tree that docker walks to find what to run. */
export interface CommandNode {
  /** Canonical path: aliases replaced by the command they stand for. */
  readonly path: readonly string[];
  /** By name and by alias. */
  readonly children: Map<string, CommandNode>;
  entry?: Entry;
}

function emptyNode(path: readonly string[]): CommandNode {
  return { path, children: new Map() };
}

function addGroup(
  root: CommandNode,
  group: CommandGroup,
  entryFor: (path: readonly string[]) => Entry,
): void {
  for (const command of group.commands) {
    const words = command.split(' ');
    const names = words.map((word) => word.split('|')[0] ?? word);
    let node = root;
    for (const [depth, word] of words.entries()) {
      const name = names[depth] ?? word;
      const child = node.children.get(name) ?? emptyNode(names.slice(0, depth + 1));
      for (const alias of word.split('|')) node.children.set(alias, child);
      node = child;
    }
    node.entry = entryFor(names);
  }
}

/** `image pull` and `pull` are one module. */
function moduleName(path: readonly string[]): string {
  return (path[0] === 'image' ? path.slice(1) : path).join(' ');
}

function buildTree(): CommandNode {
  const root = emptyNode([]);
  for (const group of ENFORCED) {
    addGroup(root, group, (path) => ({ outcome: { class: 'enforced', command: moduleName(path) } }));
  }
  for (const group of NOT_BUILT) {
    addGroup(root, group, () => ({ outcome: { class: 'not-built', why: group.why, hint: group.hint } }));
  }
  for (const group of NOT_YET) {
    addGroup(root, group, () => ({ outcome: { class: 'not-yet', why: group.why, hint: group.hint } }));
  }
  for (const group of PASSED) {
    addGroup(root, group, () => ({ outcome: { class: 'pass', why: group.why }, unless: group.unless }));
  }
  return root;
}

/** The commands that are known, as the tree in which docker looks a command up. */
export const COMMAND_TREE: CommandNode = buildTree();

/** Whether any command below this one is other than passed: then what is unknown below it is refused. */
export function isGuarded(node: CommandNode): boolean {
  return [...node.children.values()].some(
    (child) => isGuarded(child) || (child.entry !== undefined && child.entry.outcome.class !== 'pass'),
  );
}

/**
 * What dtrust does with the command at `path` (aliases allowed). `args` is what stands behind it: some commands
 * bring an image in only with a certain flag. Never throws; what is not known is never passed silently.
 */
export function classify(path: readonly string[], args: readonly string[] = []): CommandClass {
  let node = COMMAND_TREE;
  for (const name of path) {
    const child = node.children.get(name);
    if (child === undefined) return classifyUnknown(node, path);
    node = child;
  }
  // docker by itself, or a management command without a verb: help.
  if (node.entry === undefined) return { class: 'pass', why: 'it prints its help' };
  const { outcome, unless } = node.entry;
  if (unless === undefined || !unless.flags.some((flag) => mentionsFlag(args, flag))) return outcome;
  return {
    class: 'not-yet',
    why: `\`${path.join(' ')}\` can fetch an image when it is told to`,
    hint: unless.hint,
  };
}

/** Anywhere at all, also where docker would read a value or a positional: refusing too much is the safe side. */
function mentionsFlag(args: readonly string[], flag: string): boolean {
  return args.some((arg) => arg === `--${flag}` || arg.startsWith(`--${flag}=`));
}

function classifyUnknown(node: CommandNode, path: readonly string[]): CommandClass {
  if (node.path.length === 0 || !isGuarded(node)) return { class: 'unknown' };
  const parent = node.path.join(' ');
  if (node.path[0] === 'trust') {
    return {
      class: 'not-built',
      why: `\`${path.join(' ')}\` is no command of dtrust`,
      hint: `Run \`dtrust ${parent} --help\` for the commands that there are.`,
    };
  }
  return {
    class: 'not-yet',
    why: `\`${path.join(' ')}\` is not known to dtrust, and some commands of \`docker ${parent}\` bring images in`,
    hint: 'Check the spelling; to run it unverified this once, put `DOCKER_CONTENT_TRUST=0` before the command.',
  };
}
