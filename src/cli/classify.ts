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
import { nearestCommands } from './nearest.ts';
import { CANNOT, ENFORCED, NOT_BUILT, NOT_YET } from './table.ts';
import { PASSED } from './table-passed.ts';

export type CommandClass =
  /** dtrust does it: `command` names the module, without the long form's `image` or `container`. */
  | { readonly class: 'enforced'; readonly command: string }
  | { readonly class: 'pass'; readonly why: string }
  /** Refused while trust is on. */
  | { readonly class: 'not-yet'; readonly why: string; readonly hint: string }
  /** Refused while trust is on, and no later dtrust is to do it. */
  | { readonly class: 'cannot'; readonly why: string; readonly hint: string }
  /** One of dtrust's own that is to come: refused always. */
  | { readonly class: 'not-built'; readonly why: string; readonly hint: string }
  /** Below `trust`, and there is none of that name; `nearest` are those that may have been meant. */
  | { readonly class: 'mistyped'; readonly parent: string; readonly nearest: readonly string[] }
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
  readonly children: ReadonlyMap<string, CommandNode>;
  readonly entry?: Entry | undefined;
}

type EntryFor = (path: readonly string[]) => Entry;

/** A node that reads what is below it when it is first looked at: one call walks down one path of hundreds. */
class LazyNode implements CommandNode {
  readonly path: readonly string[];
  entry?: Entry | undefined;
  readonly #below: [command: string, entryFor: EntryFor][] = [];
  #children: Map<string, LazyNode> | undefined;

  constructor(path: readonly string[]) {
    this.path = path;
  }

  get children(): ReadonlyMap<string, CommandNode> {
    if (this.#children === undefined) {
      this.#children = new Map();
      for (const [command, entryFor] of this.#below) this.#child(this.#children, command, entryFor);
    }
    return this.#children;
  }

  add(command: string, entryFor: EntryFor): void {
    this.#below.push([command, entryFor]);
  }

  /** `ls|list rest of the command`: one level, by its name and its aliases. */
  #child(children: Map<string, LazyNode>, command: string, entryFor: EntryFor): void {
    const end = command.indexOf(' ');
    const word = end < 0 ? command : command.slice(0, end);
    const names = word.includes('|') ? word.split('|') : [word];
    const name = names[0] ?? word;
    const child = children.get(name) ?? new LazyNode([...this.path, name]);
    for (const alias of names) children.set(alias, child);
    if (end < 0) child.entry = entryFor(child.path);
    else child.add(command.slice(end + 1), entryFor);
  }
}

/** `image pull` and `pull` are one module, `container run` and `run`, all four ways to build, and both of buildx's names. */
function moduleName(path: readonly string[]): string {
  if (path.at(-1) === 'build') return 'build';
  if (path[0] === 'builder') return ['buildx', ...path.slice(1)].join(' ');
  return (path[0] === 'image' || path[0] === 'container' ? path.slice(1) : path).join(' ');
}

function buildTree(): CommandNode {
  const root = new LazyNode([]);
  const addGroup = ({ commands }: CommandGroup, entryFor: EntryFor): void => {
    for (const command of commands) root.add(command, entryFor);
  };
  for (const group of ENFORCED) {
    addGroup(group, (path) => ({ outcome: { class: 'enforced', command: moduleName(path) } }));
  }
  for (const group of NOT_BUILT) {
    addGroup(group, () => ({ outcome: { class: 'not-built', why: group.why, hint: group.hint } }));
  }
  for (const group of NOT_YET) {
    addGroup(group, () => ({ outcome: { class: 'not-yet', why: group.why, hint: group.hint } }));
  }
  for (const group of CANNOT) {
    addGroup(group, () => ({ outcome: { class: 'cannot', why: group.why, hint: group.hint } }));
  }
  for (const group of PASSED) {
    addGroup(group, () => ({ outcome: { class: 'pass', why: group.why }, unless: group.unless }));
  }
  return root;
}

let tree: CommandNode | undefined;

/**
 * The commands that are known, as the tree in which docker looks a command up. Built when it is first asked for:
 * dtrust's own bundles hold it as well, and most never do.
 */
export function commandTree(): CommandNode {
  tree ??= buildTree();
  return tree;
}

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
  let node = commandTree();
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

/** A command that can be typed as it is: no mere group of others, and none that is to come. */
function isThere(node: CommandNode): boolean {
  return node.entry?.outcome.class === 'enforced';
}

function classifyUnknown(node: CommandNode, path: readonly string[]): CommandClass {
  if (node.path.length === 0 || !isGuarded(node)) return { class: 'unknown' };
  const parent = node.path.join(' ');
  if (node.path[0] === 'trust') {
    const typed = { parent: node, word: path[node.path.length] ?? '' };
    const trust = tree?.children.get('trust') ?? node;
    return { class: 'mistyped', parent, nearest: nearestCommands(trust, typed, isThere) };
  }
  return {
    class: 'not-yet',
    why: `\`${path.join(' ')}\` is not known to dtrust, and some commands of \`docker ${parent}\` bring images in`,
    hint: 'Check the spelling; to run it unverified this once, put `DOCKER_CONTENT_TRUST=0` before the command.',
  };
}
