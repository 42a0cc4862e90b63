/**
 * A build by the engine's classic builder: the archive goes up, and what the builder says comes back.
 *
 * The engine is sent no credentials: every image that the Dockerfile names is there already, by its digest, and one that
 * is not is none that was decided on.
 */
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import type Docker from 'dockerode';
import { type Admission, assertAdmission } from '../reference/admission.ts';
import { type BuildMessage, readBuildMessages } from './build-messages.ts';
import type { BuildQuery } from './build-query.ts';

export interface BuildRequest {
  /** Of every image that the Dockerfile in the archive names. */
  readonly admissions: readonly Admission[];
  readonly query: BuildQuery;
  readonly archive: AsyncIterable<Uint8Array>;
}

/** Asks for the build; what the archive throws is thrown as it is. */
export async function* startBuild(
  docker: Docker,
  { admissions, query, archive }: BuildRequest,
  signal: AbortSignal | undefined,
): AsyncGenerator<BuildMessage, void> {
  for (const admission of admissions) assertAdmission(admission);
  let failure: { readonly reason: unknown } | undefined;
  async function* sent(): AsyncGenerator<Uint8Array, void> {
    try {
      yield* archive;
    } catch (error) {
      failure = { reason: error };
      throw error;
    }
  }
  try {
    const stream = await docker.buildImage(Readable.from(sent(), { objectMode: false }), {
      ...query,
      registryconfig: {},
      ...(signal === undefined ? {} : { abortSignal: signal }),
    } as object);
    yield* readBuildMessages(stream as unknown as IncomingMessage);
  } catch (error) {
    throw failure === undefined ? error : failure.reason;
  }
}
