/**
 * What one `--help` of docker says: the usage line, the aliases, the flags and the commands below. Docker, buildx
 * and Compose print one form, in two columns; descriptions that take several lines go on further to the right.
 */

export interface HelpText {
  /** Without `Usage:`. */
  readonly usage: string;
  /** `docker container ls, docker ps`; `ls, list` in older releases. */
  readonly aliases: string;
  /** `q/quiet platform=`: with the short form where there is one, `=` where a value follows. */
  readonly flags: readonly string[];
  /** Names of the commands below. */
  readonly commands: readonly string[];
}

/** No description begins further to the left than this. */
const NAMES_BEFORE = 8;
const FLAG = /^ +(?:-(\S), )?--([A-Za-z0-9][\w-]*)(?: (\S+))?(?: {2,}.*)?$/;
const COMMAND = /^ {2}([a-z][\w-]*)\*? {2,}\S/;
const HEADING = /^(\S.*):$/;

/** Reads a help text; undefined where the text is none. */
export function parseHelp(text: string): HelpText | undefined {
  const usage = /^Usage: +(docker.*)$/m.exec(text)?.[1]?.trim();
  if (usage === undefined) return undefined;
  const flags: string[] = [];
  const commands: string[] = [];
  let aliases = '';
  let heading = '';
  for (const line of text.split('\n')) {
    heading = HEADING.exec(line)?.[1] ?? heading;
    if (heading === 'Aliases' && line.startsWith('  ')) aliases = line.trim();
    if (/Options$/.test(heading)) {
      const flag = readFlag(line);
      if (flag !== undefined) flags.push(flag);
    }
    const command = /Commands$/.test(heading) ? COMMAND.exec(line)?.[1] : undefined;
    if (command !== undefined) commands.push(command);
  }
  return { usage, aliases, flags, commands };
}

function readFlag(line: string): string | undefined {
  if (line.search(/\S/) >= NAMES_BEFORE) return undefined;
  const [, short, name, type] = FLAG.exec(line) ?? [];
  if (name === undefined) return undefined;
  return `${short === undefined ? '' : `${short}/`}${name}${type === undefined ? '' : '='}`;
}
