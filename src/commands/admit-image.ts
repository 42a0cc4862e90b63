/** From what `run` and `create` name to the admission that docker gets, the image fetched where it is absent. */
import { admitDigest } from '../enforce/admit.ts';
import type { LocalImage } from '../engine/local-image.ts';
import { TrustError } from '../lib/errors.ts';
import type { Admission } from '../reference/admission.ts';
import type { Digest } from '../reference/digest.ts';
import { type Reference, type Tag, withDefaultTag } from '../reference/reference.ts';
import { note } from './context.ts';
import { nameOrId } from './name-or-id.ts';
import { explainNoTrustData } from './no-trust-data.ts';
import type { PullOptions } from './pull.ts';
import { bringIn, pullBytes, sayWhatIsSigned } from './pull-images.ts';
import type { RunOptions } from './run.ts';
import type { Services } from './services.ts';
import { signedTag } from './signed-tag.ts';

/**
 * Decides on the image and has the engine hold it, unless `--pull never` forbids to fetch it.
 *
 * @throws UsageError REFERENCE_INVALID, TAG_RESERVED, USAGE; TrustError IMAGE_UNVERIFIED and as `openCollection`;
 * RegistryError, NetworkError, LocalStateError, EngineError
 */
export async function admitImage(services: Services, options: RunOptions): Promise<Admission> {
  const named = await nameOrId(services, options.image);
  if (named.kind === 'id') throw unverified(named.image);
  const { reference } = named;
  services.about = reference.repository;
  if (reference.digest !== undefined) {
    return await admitNamed(services, options, { ...reference, digest: reference.digest });
  }
  const tagged = withDefaultTag(reference);
  try {
    return await admitSigned(services, options, tagged);
  } catch (error) {
    throw await explainNoTrustData(services, tagged, error);
  }
}

/** Bytes that the user named (protocol 8). */
async function admitNamed(
  services: Services,
  options: RunOptions,
  reference: Reference & { readonly digest: Digest },
): Promise<Admission> {
  const { tag } = reference;
  if (tag !== undefined) await sayWhatIsSigned(services, { ...reference, tag }, reference.digest);
  const admission = admitDigest(reference, options.platform);
  const engine = await services.engine();
  const { signal } = services.context;
  const present = await engine.presentImage(admission, { signal });
  if (present === undefined && options.pull !== 'never') {
    sayAbsent(services, options, reference);
    if (!options.quiet) note(services.context, 'pulled as named by its digest; no signature was asked for');
    await pullBytes(services, engine, pullOptions(options, reference), admission);
  }
  return admission;
}

async function admitSigned(
  services: Services,
  options: RunOptions,
  reference: Reference & { readonly tag: Tag },
): Promise<Admission> {
  const { repository, tag } = reference;
  const mustAsk = options.pull === 'always';
  const wanted = { repository, tag, platform: options.platform, mustAsk };
  const { admitted, present } = await signedTag(services, wanted);
  if (present !== undefined || options.pull === 'never') return admitted.admission;
  const { context } = services;
  const engine = await services.engine();
  const pinned = `${repository.familiar}@${admitted.digest}`;
  const name = `${repository.familiar}:${tag}`;
  sayAbsent(services, options, reference);
  if (!options.quiet) context.out(`Pull (1 of 1): ${name}@${admitted.digest}\n`);
  await bringIn(services, engine, pullOptions(options, reference), admitted);
  if (!options.quiet) context.err(`Tagging ${pinned} as ${name}\n`);
  await engine.tag(pinned, repository, tag, { signal: context.signal });
  return admitted.admission;
}

/** Docker's own line. */
function sayAbsent(services: Services, { quiet }: RunOptions, { familiar }: Reference): void {
  if (!quiet) services.context.err(`Unable to find image '${familiar}' locally\n`);
}

function pullOptions({ platform, quiet }: RunOptions, reference: Reference): PullOptions {
  return { reference, allTags: false, quiet, platform };
}

function unverified({ id }: LocalImage): TrustError {
  return new TrustError({
    code: 'IMAGE_UNVERIFIED',
    message: `an ID does not say who vouches for the image: ${id}`,
    spec: 'protocol 8',
    reference: id,
    hints: ['Name it by its tag, or by NAME@sha256:DIGEST as `docker images --digests` shows it.'],
  });
}
