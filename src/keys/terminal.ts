/**
 * Asking a person, on the terminal and nowhere else.
 *
 * A question goes to `/dev/tty` and its answer comes from there: stdin may be a pipe with a build context in it,
 * stdout may be read by a script, and neither is touched. Whether there is somebody to ask is decided by
 * `canPrompt` (contracts, Terminal): `/dev/tty` opens, stderr is a terminal, this process is in the terminal's
 * foreground process group, `CI` is unset or false, `DTRUST_PROMPT` is not `never`. Where one of them fails nothing
 * is asked and the caller refuses. Only one process of a user asks at a time (a lock), so that two questions never
 * share a line.
 *
 * Ctrl-C restores the terminal and throws Interrupted, which ends as exit status 130. End of input is no.
 */
import type { Secret } from './secret.ts';

export interface Terminal {
  /** Whether a question can be put to a person now. Asks nothing, changes nothing. */
  canPrompt(): boolean;

  /**
   * Asks for a line with echo off. `undefined` at end of input (Ctrl-D, a hung-up line).
   *
   * @param label the whole prompt, for example `Enter passphrase for root key with ID 1a2b3c4: `
   * @throws KeyError PROMPT_UNAVAILABLE (nobody to ask); Interrupted (Ctrl-C)
   */
  askSecret(label: string): Promise<Secret | undefined>;

  /**
   * Asks a question whose answer is `y` or `yes` for yes; everything else, an empty line and end of input are no.
   *
   * @throws KeyError PROMPT_UNAVAILABLE; Interrupted
   */
  askYesNo(question: string): Promise<boolean>;

  /**
   * Asks for a line that is shown while it is typed, without the white space around it. `undefined` at end of input.
   * What was typed is no more trusted than an argument: it is escaped wherever it is printed.
   *
   * @throws KeyError PROMPT_UNAVAILABLE; Interrupted
   */
  askLine(question: string): Promise<string | undefined>;

  /**
   * Asks for a new secret twice, at least 8 characters, until both are the same; three tries.
   * `undefined` at end of input.
   *
   * @throws KeyError PROMPT_UNAVAILABLE, KEY_PASSPHRASE_SHORT, KEY_PASSPHRASE (never the same twice); Interrupted
   */
  askNewSecret(labels: NewSecretLabels): Promise<Secret | undefined>;

  /** Prints whole lines above a question; others' strings in them are escaped by the caller. */
  say(text: string): void;
}

export interface NewSecretLabels {
  readonly first: string;
  readonly repeat: string;
}
