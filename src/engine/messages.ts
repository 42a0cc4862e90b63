/**
 * The engine's stream of progress: one JSON object a line, read as it comes.
 *
 * What the display and the push result rely on is checked here once; everything else of a message is dropped.
 * An `error` member ends the stream as an EngineError.
 */
import { EngineError } from '../lib/errors.ts';
import { escapeEngineText } from './engine-error.ts';

export interface ProgressDetail {
  readonly current: number;
  readonly total: number;
  /** Absent: bytes. */
  readonly units?: string;
  readonly hideCounts: boolean;
  /** Seconds since 1970; 0 when the engine does not say. */
  readonly startSeconds: number;
}

export interface EngineMessage {
  readonly id?: string;
  readonly status: string;
  /** Present, perhaps all zero, when the engine sent `progressDetail`. */
  readonly progress?: ProgressDetail;
  /** Side information for programs; such a message is not shown. */
  readonly aux?: unknown;
}

/** Longer lines than the engine ever sends. */
const MAX_LINE_LENGTH = 4 * 1024 * 1024;

/**
 * The messages of a stream, in order.
 * @throws EngineError ENGINE_ERROR for an error the engine reports, ENGINE_BROKEN for what is no such stream
 */
export async function* readMessages(
  stream: AsyncIterable<Uint8Array | string>,
): AsyncGenerator<EngineMessage, void> {
  for await (const value of readObjects(stream)) {
    const error = errorText(value);
    if (error !== undefined) {
      throw new EngineError({ code: 'ENGINE_ERROR', message: escapeEngineText(error) });
    }
    yield readMessage(value);
  }
}

/**
 * The objects of such a stream as they are.
 * @throws EngineError ENGINE_BROKEN
 */
export async function* readObjects(
  stream: AsyncIterable<Uint8Array | string>,
): AsyncGenerator<Readonly<Record<string, unknown>>, void> {
  const decoder = new TextDecoder();
  let pending = '';
  for await (const chunk of stream) {
    pending += typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true });
    const lines = pending.split('\n');
    pending = lines.pop() ?? '';
    for (const line of lines) {
      if (line.trim() !== '') yield parseObject(line);
    }
    if (pending.length > MAX_LINE_LENGTH) throw broken('a line without end');
  }
  const last = pending + decoder.decode();
  if (last.trim() !== '') yield parseObject(last);
}

/** What the display and the push result rely on. */
export function readMessage(value: Readonly<Record<string, unknown>>): EngineMessage {
  const progress = parseProgress(value.progressDetail);
  return {
    ...(typeof value.id === 'string' && value.id !== '' ? { id: value.id } : {}),
    status: typeof value.status === 'string' ? value.status : '',
    ...(progress === undefined ? {} : { progress }),
    ...(value.aux === undefined || value.aux === null ? {} : { aux: value.aux }),
  };
}

function parseObject(line: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw broken('a line that is not JSON', error);
  }
  if (typeof value !== 'object' || value === null) throw broken('a line that is no JSON object');
  return value as Readonly<Record<string, unknown>>;
}

/** `errorDetail.message` where there is one, else the older `error`; an empty one is an error all the same. */
function errorText(value: Readonly<Record<string, unknown>>): string | undefined {
  const detail = value.errorDetail;
  if (typeof detail === 'object' && detail !== null) {
    const { message } = detail as { message?: unknown };
    if (typeof message === 'string' && message !== '') return message;
  }
  if (typeof value.error === 'string' && value.error !== '') return value.error;
  return detail === undefined && value.error === undefined ? undefined : 'the engine reported an error';
}

function parseProgress(value: unknown): ProgressDetail | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const detail = value as Readonly<Record<string, unknown>>;
  const number = (member: unknown): number => (typeof member === 'number' ? member : 0);
  return {
    current: number(detail.current),
    total: number(detail.total),
    ...(typeof detail.units === 'string' && detail.units !== '' ? { units: detail.units } : {}),
    hideCounts: detail.hidecounts === true,
    startSeconds: number(detail.start),
  };
}

function broken(what: string, cause?: unknown): EngineError {
  return new EngineError({
    code: 'ENGINE_BROKEN',
    message: `the engine's progress stream holds ${what}`,
    cause,
  });
}
