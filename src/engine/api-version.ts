/**
 * Which version of the engine's API is spoken: the lower of the engine's own and the newest one known here, as
 * Docker CLI does it. A later engine may mean other things by a newer version.
 */
import { EngineError } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';

/** The newest version whose answers src/engine has been written for. */
const NEWEST_KNOWN = '1.48';
/** Engines before `Api-Version` in the ping's answer (Docker 17.06) are not served. */
const OLDEST_SERVED = '1.30';

const FORM = /^1\.\d{1,3}$/;

/** @throws EngineError ENGINE_ERROR for an engine that names no version, or one that is too old */
export function negotiateVersion(header: string | readonly string[] | undefined): string {
  if (typeof header !== 'string' || !FORM.test(header)) {
    throw new EngineError({
      code: 'ENGINE_ERROR',
      message: 'what answers is no Docker engine: it names no API version',
      found: escapeText(String(header)),
    });
  }
  if (!atLeastVersion(header, OLDEST_SERVED)) {
    throw new EngineError({
      code: 'ENGINE_ERROR',
      message: `the engine speaks API ${header} only`,
      expected: `${OLDEST_SERVED} or later`,
      found: header,
    });
  }
  return atLeastVersion(header, NEWEST_KNOWN) ? NEWEST_KNOWN : header;
}

/**
 * DOCKER_API_VERSION as given.
 * @throws EngineError ENGINE_ERROR when it is no version
 */
export function assertVersion(version: string): string {
  if (FORM.test(version)) return version;
  throw new EngineError({
    code: 'ENGINE_ERROR',
    message: `DOCKER_API_VERSION is no API version: ${escapeText(version)}`,
    expected: 'for example 1.45',
  });
}

/** Whether one API version is another or later. */
export function atLeastVersion(version: string, least: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [leastMajor = 0, leastMinor = 0] = least.split('.').map(Number);
  return major === leastMajor ? minor >= leastMinor : major > leastMajor;
}
