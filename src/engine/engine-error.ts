/**
 * What went wrong between dtrust and the engine, as one EngineError.
 *
 * The engine's own words are kept (a registry may have put some of them there, so they are escaped); what it says
 * is never read for a decision, only status codes and Node's error codes are.
 */
import { DtrustError, EngineError } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';

/** What was asked of which engine, for messages. */
export interface Asked {
  /** `unix:///var/run/docker.sock`. */
  readonly engine: string;
  /** `pulling nginx@sha256:...`. */
  readonly doing: string;
  readonly signal?: AbortSignal | undefined;
}

const MAX_TEXT = 2_000;

/** No connection was made. */
const UNREACHABLE = new Set([
  'ENOENT',
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ETIMEDOUT',
  'ENOTSOCK',
  'SSH_FAILED',
]);
const REFUSED = new Set(['EACCES', 'EPERM']);
/** Node's names for failures of TLS: verification, protocol, alerts. */
const TLS = /^(CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|ERR_TLS_|ERR_SSL_|HOSTNAME_|INVALID_CA|EPROTO)/;

/**
 * The EngineError for a failed call; an error of dtrust's own stays what it is, and a call that was aborted rejects with
 * the signal's own reason.
 */
export function engineError(error: unknown, asked: Asked): unknown {
  if (asked.signal?.aborted === true) return asked.signal.reason;
  if (error instanceof DtrustError || !(error instanceof Error)) return error;
  const status = numberMember(error, 'statusCode');
  if (status !== undefined) return answeredError(error, status, asked);
  const code = textMember(error, 'code') ?? '';
  if (UNREACHABLE.has(code)) return unreachable(error, code, asked);
  if (REFUSED.has(code)) {
    return new EngineError({
      code: 'ENGINE_REFUSED',
      message: `permission denied while trying to connect to the Docker daemon at ${asked.engine}`,
      hints: ['Run as a user that may use the engine: on Linux, root or a member of the group docker.'],
      cause: error,
    });
  }
  if (TLS.test(code)) {
    return new EngineError({
      code: 'ENGINE_TLS',
      message: `TLS with the Docker daemon at ${asked.engine} failed: ${escapeEngineText(error.message)}`,
      hints: ['Check the certificates in DOCKER_CERT_PATH or of the context.'],
      cause: error,
    });
  }
  return new EngineError({
    code: 'ENGINE_BROKEN',
    message: `the connection to the Docker daemon at ${asked.engine} broke while ${asked.doing}`,
    cause: error,
  });
}

/** Makes what an engine or a registry wrote fit to print, and short. */
export function escapeEngineText(text: string): string {
  const lines = text.trim().slice(0, MAX_TEXT).split('\n');
  return lines.map(escapeText).join('\n');
}

function unreachable(error: Error, code: string, asked: Asked): EngineError {
  const detail = code === 'SSH_FAILED' ? `: ${escapeEngineText(error.message)}` : '';
  return new EngineError({
    code: 'ENGINE_UNREACHABLE',
    message: `Cannot connect to the Docker daemon at ${asked.engine}${detail}. Is the docker daemon running?`,
    hints: ['Start the engine, or name another one with -H, --context, DOCKER_HOST or DOCKER_CONTEXT.'],
    cause: error,
  });
}

function answeredError(error: Error, status: number, asked: Asked): EngineError {
  const text = answeredText(error);
  const code =
    status === 401 || status === 403 ? 'ENGINE_REFUSED' : status === 404 ? 'IMAGE_NOT_FOUND' : 'ENGINE_ERROR';
  return new EngineError({
    code,
    message: `${asked.doing}: ${text}`,
    status,
    cause: error,
  });
}

/** docker-modem puts the answer's `message` behind a prefix of its own; the prefix goes. */
function answeredText(error: Error): string {
  const text = error.message.replace(/^\(HTTP code \d+\) [^-]*- /, '');
  return text.trim() === '' ? 'the engine gave no reason' : escapeEngineText(text);
}

function textMember(value: object, name: string): string | undefined {
  const member: unknown = Reflect.get(value, name);
  return typeof member === 'string' ? member : undefined;
}

function numberMember(value: object, name: string): number | undefined {
  const member: unknown = Reflect.get(value, name);
  return typeof member === 'number' ? member : undefined;
}
