/**
 * Commands that somebody may have meant who typed one that there is not. Two ways to miss are known: a word spelt
 * a little differently, and a right word at another place (`trust generate` for `trust key generate`).
 */
import type { CommandNode } from './classify.ts';

/** Letters to change, add or leave out; more than two make another word. */
const MOST_EDITS = 2;
const MOST_SHOWN = 3;

interface Guess {
  readonly command: string;
  readonly edits: number;
}

/**
 * The commands below `root` that are nearest to `typed` as a child of `parent`, best first, at most three. Only
 * those for which `offers` is true: naming one that is refused would help nobody.
 */
export function nearestCommands(
  root: CommandNode,
  typed: { readonly parent: CommandNode; readonly word: string },
  offers: (node: CommandNode) => boolean,
): readonly string[] {
  const guesses = nodesBelow(root)
    .filter(([, node]) => offers(node))
    .flatMap(([name, node]): Guess[] => {
      const edits = editsBetween(typed.word, name);
      const isSibling = node.path.length === typed.parent.path.length + 1 && isBelow(node, typed.parent);
      return edits === 0 || (isSibling && isNear(typed.word, name, edits))
        ? [{ command: node.path.join(' '), edits }]
        : [];
    })
    .sort((a, b) => a.edits - b.edits);
  return [...new Set(guesses.map(({ command }) => command))].slice(0, MOST_SHOWN);
}

/** Every command below a node, by each of its names. */
function nodesBelow(node: CommandNode): readonly [name: string, node: CommandNode][] {
  const seen = new Set<CommandNode>();
  return [...node.children].flatMap(([name, child]): [string, CommandNode][] => {
    const first = !seen.has(child);
    seen.add(child);
    return [[name, child], ...(first ? nodesBelow(child) : [])];
  });
}

function isBelow(node: CommandNode, parent: CommandNode): boolean {
  return parent.path.every((word, i) => node.path[i] === word);
}

function isNear(typed: string, name: string, edits: number): boolean {
  // A short word is never near by its edits alone: two of them make `ls` of anything.
  return (edits <= MOST_EDITS && edits < name.length / 2) || (typed.length >= 2 && name.startsWith(typed));
}

/** How many letters have to be put in, left out, changed or swapped with their neighbour to get from one to the other. */
function editsBetween(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > MOST_EDITS) return MOST_EDITS + 1;
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row.push(
        Math.min(
          (last[j] ?? 0) + 1,
          (row[j - 1] ?? 0) + 1,
          (last[j - 1] ?? 0) + (isSame ? 0 : 1),
          swapped ? (before[j - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
        ),
      );
    }
    before = last;
    last = row;
  }
  return last[b.length] ?? MOST_EDITS + 1;
}
