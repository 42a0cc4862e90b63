/**
 * Docker's own display of a pull or a push.
 *
 * On a terminal each layer has a line that is redrawn in place; into a pipe only lines without numbers go; with
 * `-q` nothing. The same bytes as Docker CLI writes for the same stream (compared with 26.1 and 28.2 in the
 * tests; the bar is drawn from 111 columns on, as there).
 */
import { escapeText } from '../lib/escape.ts';
import { renderSize } from './human-size.ts';
import type { EngineMessage, ProgressDetail } from './messages.ts';

export interface ProgressOutput {
  write(text: string): void;
  readonly isTerminal: boolean;
  /** Width of the terminal at this moment; docker takes 200 where it cannot be known. */
  columns(): number;
  /** Milliseconds since 1970, for the time left that docker shows when the engine names a start. */
  now(): number;
}

export interface Progress {
  show(message: EngineMessage): void;
}

/** What `-q` shows. */
export const quietProgress: Progress = { show: () => undefined };

const BAR_WIDTH = 50;
const MIN_COLUMNS_FOR_BAR = 111;
const CLEAR_LINE = '\u001b[2K';

/** A display for one command; it remembers which line belongs to which layer. */
export function createProgress(output: ProgressOutput): Progress {
  const lines = new Map<string, number>();
  return {
    show(message) {
      if (message.aux !== undefined) return;
      const up = output.isTerminal ? lineOf(message, lines, output) : 0;
      if (up > 0) output.write(`\u001b[${up}A`);
      output.write(renderMessage(message, output));
      if (up > 0) output.write(`\u001b[${up}B`);
    },
  };
}

/** How many lines above the cursor this message's layer stands; a new layer gets a line at the bottom. */
function lineOf(message: EngineMessage, lines: Map<string, number>, output: ProgressOutput): number {
  if (message.id === undefined || message.progress === undefined) {
    // Lines that stand still shift all others: what came before is never redrawn.
    lines.clear();
    return 0;
  }
  let line = lines.get(message.id);
  if (line === undefined) {
    line = lines.size;
    lines.set(message.id, line);
    output.write('\n');
  }
  return lines.size - line;
}

function renderMessage(message: EngineMessage, output: ProgressOutput): string {
  const status = escapeText(message.status);
  const id = message.id === undefined ? '' : `${escapeText(message.id)}: `;
  if (message.progress === undefined) return `${id}${status}\n`;
  const { current, total } = message.progress;
  if (!output.isTerminal) return current <= 0 && total <= 0 ? `${id}${status}\n` : '';
  return `${CLEAR_LINE}\r${id}${status} ${renderProgress(message.progress, output)}\r`;
}

/** The bar, the numbers and the time left; '' when there is nothing to count. */
export function renderProgress(
  progress: ProgressDetail,
  output: Pick<ProgressOutput, 'columns' | 'now'>,
): string {
  const { current, total, units } = progress;
  if (current <= 0 && total <= 0) return '';
  if (total <= 0)
    return units === undefined ? renderSize(current).padStart(8) : `${current} ${escapeText(units)}`;
  const filled = Math.min(Math.trunc(Math.trunc((current / total) * 100) / 2), BAR_WIDTH);
  const bar =
    output.columns() < MIN_COLUMNS_FOR_BAR
      ? ''
      : `[${'='.repeat(filled)}>${' '.repeat(BAR_WIDTH - filled)}] `;
  return `${bar}${renderCounts(progress)}${renderTimeLeft(progress, filled, output.now())}`;
}

function renderCounts({ current, total, units, hideCounts }: ProgressDetail): string {
  if (hideCounts) return '';
  if (units !== undefined) {
    return current > total ? `${current} ${escapeText(units)}` : `${current}/${total} ${escapeText(units)}`;
  }
  const done = renderSize(current).padStart(8);
  return current > total ? done : `${done}/${renderSize(total)}`;
}

function renderTimeLeft(progress: ProgressDetail, filled: number, nowMs: number): string {
  const { current, total, startSeconds } = progress;
  if (current <= 0 || startSeconds <= 0 || filled >= BAR_WIDTH) return '';
  const perEntry = (nowMs - startSeconds * 1000) / current;
  const seconds = Math.trunc(((total - current) * perEntry) / 1000);
  return seconds <= 0 ? '' : ` ${renderDuration(seconds)}`;
}

/** Go's form of whole seconds: `1h2m3s`. */
function renderDuration(seconds: number): string {
  const hours = Math.trunc(seconds / 3600);
  const minutes = Math.trunc((seconds % 3600) / 60);
  const rest = `${seconds % 60}s`;
  if (hours > 0) return `${hours}h${minutes}m${rest}`;
  return minutes > 0 ? `${minutes}m${rest}` : rest;
}
