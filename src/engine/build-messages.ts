/** The stream that the engine answers a classic build with, one message at a time. */
import { type Digest, isDigest } from '../reference/digest.ts';
import { type EngineMessage, readMessage, readObjects } from './messages.ts';

export type BuildMessage =
  /** What the builder, or a program in the build, printed. */
  | { readonly kind: 'output'; readonly text: string }
  /** The image that a stage became; the last one is the build's. */
  | { readonly kind: 'image'; readonly id: Digest }
  | { readonly kind: 'progress'; readonly message: EngineMessage }
  /** The end of a build that failed, with the status docker ends with. */
  | { readonly kind: 'failed'; readonly code: number; readonly message: string };

/** @throws EngineError ENGINE_BROKEN for what is no such stream */
export async function* readBuildMessages(
  stream: AsyncIterable<Uint8Array | string>,
): AsyncGenerator<BuildMessage, void> {
  for await (const value of readObjects(stream)) {
    const failure = failureOf(value);
    if (failure !== undefined) {
      yield failure;
      return;
    }
    if (value.aux !== undefined && value.aux !== null) {
      const id = imageIdOf(value.aux);
      if (id !== undefined) yield { kind: 'image', id };
    } else if (typeof value.stream === 'string' && value.stream !== '') {
      yield { kind: 'output', text: value.stream };
    } else {
      yield { kind: 'progress', message: readMessage(value) };
    }
  }
}

function failureOf(value: Readonly<Record<string, unknown>>): BuildMessage | undefined {
  const detail = value.errorDetail;
  if (typeof detail === 'object' && detail !== null) {
    const { code, message } = detail as { readonly code?: unknown; readonly message?: unknown };
    const text = typeof message === 'string' && message !== '' ? message : textOf(value.error);
    // Docker: no code, or a code of 0, is 1.
    const status = typeof code === 'number' && Number.isInteger(code) && code > 0 && code < 256 ? code : 1;
    return { kind: 'failed', code: status, message: text };
  }
  return value.error === undefined ? undefined : { kind: 'failed', code: 1, message: textOf(value.error) };
}

const textOf = (value: unknown): string =>
  typeof value === 'string' && value !== '' ? value : 'the engine reported an error';

/** Side information of another kind is docker's to ignore as well. */
function imageIdOf(aux: unknown): Digest | undefined {
  const id: unknown = typeof aux === 'object' && aux !== null ? Reflect.get(aux, 'ID') : undefined;
  return typeof id === 'string' && isDigest(id) ? id : undefined;
}
