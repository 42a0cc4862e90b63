/** The forms that the command tables are written in, and words that several of their groups share. */

/** Commands of one class for one reason; `why` is a clause that can stand after "because". */
export interface CommandGroup {
  readonly why: string;
  readonly commands: readonly string[];
}

export interface RefusedGroup extends CommandGroup {
  /** What to do instead: a whole sentence. */
  readonly hint: string;
}

export interface PassedGroup extends CommandGroup {
  /** Flags that make such a command bring an image in; with one of them anywhere behind it, it is refused. */
  readonly unless?: { readonly flags: readonly string[]; readonly hint: string };
}

export const UNVERIFIED = 'To do it unverified this once, put `DOCKER_CONTENT_TRUST=0` before the command.';

/** The two names of buildx: `builder` is forwarded to the plugin since CLI 23. */
export function underBuildx(...commands: readonly string[]): string[] {
  return ['buildx', 'builder'].flatMap((root) => commands.map((command) => `${root} ${command}`));
}

export function underCompose(...commands: readonly string[]): string[] {
  return commands.map((command) => `compose ${command}`);
}
