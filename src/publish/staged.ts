/** How a command ends that has staged its change instead of publishing it. */

/** Thrown where the command would go on to say what it published. That it is staged has been said. */
export class Staged extends Error {
  override readonly name = 'Staged';
}
