/** What the quickstart prints: chapters, plain words, commands as a user would type them, and what was checked. */

/** A step that did not turn out as it must; the quickstart ends with status 1. */
export class StepFailed extends Error {
  override readonly name = 'StepFailed';
}

const WIDTH = 96;

export class Narrator {
  readonly #write: (text: string) => void;
  readonly #isColoured: boolean;
  #chapters = 0;

  constructor(write: (text: string) => void, isColoured: boolean) {
    this.#write = write;
    this.#isColoured = isColoured;
  }

  chapter(title: string): void {
    this.#chapters += 1;
    this.#write(`\n${this.#paint('1', `${this.#chapters}. ${title}`)}\n`);
  }

  say(...parts: readonly string[]): void {
    this.#write(`${wrap(parts.join(' '), WIDTH)}\n`);
  }

  command(who: string, line: string): void {
    this.#write(`\n  ${this.#paint('2', `${who}$`)} ${this.#paint('36', line)}\n`);
  }

  /** One line that a program wrote. */
  output(line: string): void {
    this.#write(`    ${line}\n`);
  }

  /**
   * States what must hold now, and checks it.
   *
   * @throws StepFailed when it does not hold.
   */
  check(holds: boolean, statement: string): void {
    this.#write(`  ${holds ? this.#paint('32', 'ok') : this.#paint('31', 'NOT OK')}: ${statement}\n`);
    if (!holds) throw new StepFailed(`this should hold and does not: ${statement}`);
  }

  #paint(code: string, text: string): string {
    return this.#isColoured ? `\u001b[${code}m${text}\u001b[0m` : text;
  }
}

function wrap(text: string, width: number): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + word.length + 1 > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line].join('\n');
}
