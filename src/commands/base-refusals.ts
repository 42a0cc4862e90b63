/**
 * One refusal for all images that a build may not have: each with file, line, name and reason, the code of the first,
 * and every hint once.
 */
import assert from 'node:assert';
import { DtrustError, hasCode, NetworkError, RegistryError, restated } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { inParallel } from '../lib/parallel.ts';
import type { Digest } from '../reference/digest.ts';
import { type Reference, type Repository, withDefaultTag } from '../reference/reference.ts';
import type { BaseWanted } from './admit-bases.ts';
import type { Services } from './services.ts';
import { withHints } from './trust-hints.ts';

export interface BaseFailure {
  readonly use: BaseWanted;
  /** Absent where the text names none. */
  readonly reference: Reference | undefined;
  readonly reason: unknown;
}

const AT_ONCE = 8;
/** Hints are for reading; the lines above name every image. */
const MOST_HINTS = 24;

/** The error to throw. `named` is how many images the build names in all. */
export async function refusedBases(
  services: Services,
  failures: readonly BaseFailure[],
  named: number,
): Promise<DtrustError> {
  const errors = failures.map(({ reason }) => {
    assert(reason instanceof DtrustError, 'only what is foreseen is collected');
    return reason;
  });
  const [first] = errors;
  assert(first !== undefined, 'there is a failure');
  const lines = distinct(
    failures.map((failure, i) => lineOf(failure, errors[i] ?? first, errors.length > 1)),
  );
  const total = `${errors.length} of the ${named} images that this build names are refused`;
  const hints = await hintsFor(services, failures, errors);
  const message = errors.length === 1 ? lines.join('\n') : [...lines, total].join('\n');
  return restated(first, { message, hints });
}

/** `Dockerfile:3 FROM nginx:1.27: no trust data for docker.io/library/nginx` */
function lineOf({ use }: BaseFailure, error: DtrustError, withCode: boolean): string {
  const { where, by, text, platform } = use;
  const on = platform === undefined || platform === '' ? '' : ` (${escapeShort(platform)})`;
  const about =
    error.reference === undefined || error.message.includes(error.reference) ? '' : `${error.reference}: `;
  const reason = `${about}${error.message}${withCode ? ` (${error.code})` : ''}`;
  // What no file names is named by its flag, which says it all.
  const instruction = where.startsWith(by) ? '' : asWritten(by);
  return `${escapeShort(where)} ${instruction}${escapeShort(text)}${on}: ${reason}`;
}

/** What stands before the image in the file. */
function asWritten(by: string): string {
  if (by.endsWith('RUN --mount')) return `${by}=from=`;
  return by.endsWith('--from') ? `${by}=` : `${by} `;
}

async function hintsFor(
  services: Services,
  failures: readonly BaseFailure[],
  errors: readonly DtrustError[],
): Promise<readonly string[]> {
  const unsigned = new Map<string, Reference>();
  const others: string[] = [];
  for (const [i, { reference }] of failures.entries()) {
    const error = errors[i];
    if (error === undefined) continue;
    if (hasCode(error, 'NO_TRUST_DATA') && reference !== undefined) {
      unsigned.set(reference.canonical, reference);
    } else {
      others.push(...hintsOf(error, reference?.repository));
    }
  }
  const served = await inParallel([...unsigned.values()], AT_ONCE, (each) => servedHint(services, each));
  const ways = unsigned.size === 0 ? [] : WAYS_ON;
  return distinct([...served.flat(), ...others, ...ways]).slice(0, MOST_HINTS);
}

/** The error's own hints, else those for its code; the error itself may be another image's as well. */
function hintsOf(error: DtrustError, repository: Repository | undefined): readonly string[] {
  if (error.hints.length > 0 || repository === undefined) return error.hints;
  const copy = restated(error, { message: error.message, hints: [] });
  withHints(copy, repository);
  return copy.hints;
}

const WAYS_ON = [
  'what is yours you sign: dtrust push NAME:TAG, or dtrust trust sign NAME:TAG@sha256:DIGEST',
  'if the trust data lies in another repository, name that in DTRUST_TRUST_REPOSITORY',
];

/** Contract "Terminal": the digest served now, worded so that nobody takes it for signed, and the way on. */
async function servedHint(services: Services, reference: Reference): Promise<readonly string[]> {
  const { repository, tag } = withDefaultTag(reference);
  const name = repository.familiar;
  let digest: Digest | undefined;
  try {
    const client = await services.registry();
    digest = (await client.getManifest(repository, tag, { signal: services.context.signal }))?.digest;
  } catch (failure) {
    // Only the hint is lost; the refusal stands.
    if (failure instanceof RegistryError || failure instanceof NetworkError) return [];
    throw failure;
  }
  if (digest === undefined) return [`the registry has no ${name}:${tag} either`];
  return [
    `the registry serves ${digest} for ${name}:${tag} now, which nobody has vouched for`,
    `if nobody signs ${name}, make an exception for exactly these bytes: dtrust trust allow ${name}@${digest} --reason TEXT --until YYYY-MM-DD`,
  ];
}

function distinct(lines: readonly string[]): readonly string[] {
  return [...new Set(lines)];
}
