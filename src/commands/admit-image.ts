/** From what `run` and `create` name to the admission that docker gets, the image fetched where it is absent. */
import { type AdmittedTag, admitDigest } from '../enforce/admit.ts';
import type { LocalImage } from '../engine/local-image.ts';
import { hasCode } from '../lib/errors.ts';
import type { Admission } from '../reference/admission.ts';
import type { Digest } from '../reference/digest.ts';
import { type Reference, type Tag, withDefaultTag } from '../reference/reference.ts';
import { allowedTag } from './allowed-tag.ts';
import { note } from './context.ts';
import { noteUse } from './ledger-of.ts';
import { nameOrId } from './name-or-id.ts';
import { explainNoTrustData } from './no-trust-data.ts';
import { ownImage } from './own-image.ts';
import type { PullOptions } from './pull.ts';
import { bringIn, pullAllowed, pullBytes, sayWhatIsSigned } from './pull-images.ts';
import type { RunOptions } from './run.ts';
import type { Services } from './services.ts';
import { signedTag } from './signed-tag.ts';
import { vouchedImage } from './vouched-image.ts';

/**
 * Decides on the image and has the engine hold it, unless `--pull never` forbids to fetch it.
 *
 * @throws UsageError REFERENCE_INVALID, TAG_RESERVED, USAGE; TrustError IMAGE_UNVERIFIED and as `openCollection`;
 * RegistryError, NetworkError, LocalStateError, EngineError
 */
export async function admitImage(services: Services, options: RunOptions): Promise<Admission> {
  const named = await nameOrId(services, options.image);
  if (named.kind === 'id') return await admitById(services, named.image);
  const { reference } = named;
  services.about = reference.repository;
  if (reference.digest !== undefined) {
    return await admitNamed(services, options, { ...reference, digest: reference.digest });
  }
  const tagged = withDefaultTag(reference);
  const own = options.pull === 'always' ? undefined : await ownImage(services, tagged);
  if (own !== undefined) return own.admission;
  try {
    return await admitSigned(services, options, tagged);
  } catch (error) {
    const allowed = hasCode(error, 'NO_TRUST_DATA') && (await admitException(services, options, tagged));
    if (allowed) return allowed;
    throw await explainNoTrustData(services, tagged, error);
  }
}

/** A tag without trust data whose digest an exception was made for. */
async function admitException(
  services: Services,
  options: RunOptions,
  reference: Reference & { readonly tag: Tag },
): Promise<Admission | undefined> {
  const { platform, pull, quiet } = options;
  const found = await allowedTag(services, { reference, platform, mustAsk: pull === 'always' });
  if (found === undefined) return undefined;
  const { admission, present } = found;
  let held = present;
  if (held === undefined && pull !== 'never') {
    sayAbsent(services, options, reference);
    held = await pullAllowed(services, { ...pullOptions(options, reference), quiet }, reference, admission);
  }
  await noteUse(services, held, 'allowed', admission.evidence.reference);
  return admission;
}

/** An image that the engine holds, by its full ID from here on. */
async function admitById(services: Services, image: LocalImage): Promise<Admission> {
  const admission = await vouchedImage(services, image);
  if (admission.why === 'verified') await noteUse(services, image, 'verified', admission.evidence.reference);
  return admission;
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
  let held = await engine.presentImage(admission, { signal });
  if (held === undefined && options.pull !== 'never') {
    sayAbsent(services, options, reference);
    if (!options.quiet) note(services.context, 'pulled as named by its digest; no signature was asked for');
    held = await pullBytes(services, engine, pullOptions(options, reference), admission);
  }
  await noteUse(services, held, 'named', reference.canonical);
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
  const held =
    present ??
    (options.pull === 'never' ? undefined : await fetchSigned(services, options, reference, admitted));
  await noteUse(services, held, 'verified', `${repository.canonical}:${tag}`);
  return admitted.admission;
}

/** Fetches and names it, as `pull` does. */
async function fetchSigned(
  services: Services,
  options: RunOptions,
  reference: Reference & { readonly tag: Tag },
  admitted: AdmittedTag,
): Promise<LocalImage> {
  const { repository, tag } = reference;
  const { context } = services;
  const engine = await services.engine();
  const pinned = `${repository.familiar}@${admitted.digest}`;
  const name = `${repository.familiar}:${tag}`;
  sayAbsent(services, options, reference);
  if (!options.quiet) context.out(`Pull (1 of 1): ${name}@${admitted.digest}\n`);
  const image = await bringIn(services, engine, pullOptions(options, reference), admitted);
  if (!options.quiet) context.err(`Tagging ${pinned} as ${name}\n`);
  await engine.tag(pinned, repository, tag, { signal: context.signal });
  return image;
}

/** Docker's own line. */
function sayAbsent(services: Services, { quiet }: RunOptions, { familiar }: Reference): void {
  if (!quiet) services.context.err(`Unable to find image '${familiar}' locally\n`);
}

function pullOptions({ platform, quiet }: RunOptions, reference: Reference): PullOptions {
  return { reference, allTags: false, quiet, platform };
}
