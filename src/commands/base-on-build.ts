/** The signed manifest of a base, seen to be just that, and what the image has others run that are built on it. */
import { verifyManifest } from '../enforce/manifest-check.ts';
import { RegistryError } from '../lib/errors.ts';
import type { Platform } from '../reference/platform.ts';
import { type Manifest, parseManifest } from '../registry/manifest.ts';
import { fetchOnBuild } from '../registry/on-build.ts';
import type { Decided } from './decide-base.ts';
import type { Services } from './services.ts';

export interface OnBuildAsked {
  readonly platform: Platform;
  /** Whether its ONBUILD runs; else only the signed manifest is looked at. */
  readonly triggers: boolean;
}

/**
 * The ONBUILD instructions; none where they do not run.
 * @throws TrustError TARGET_MISMATCH; RegistryError, NetworkError as `verifyManifest` and `fetchOnBuild`
 */
export async function readOnBuild(
  services: Services,
  decided: Decided,
  { platform, triggers }: OnBuildAsked,
): Promise<readonly string[]> {
  const { admission, image, target } = decided;
  if (image !== undefined) return triggers ? image.onBuild : [];
  // Named bytes are what they are; what they say is read only where it counts.
  if (admission.fetch.kind !== 'digest' || (!triggers && target === undefined)) return [];
  const manifest = await manifestOf(services, decided);
  if (!triggers) return [];
  const { repository } = admission.fetch;
  const { signal } = services.context;
  return await fetchOnBuild({ client: await services.registry(), repository, platform, signal }, manifest);
}

async function manifestOf(services: Services, { admission, target }: Decided): Promise<Manifest> {
  const { fetch } = admission;
  if (fetch.kind !== 'digest') throw new TypeError('an image of the engine has no manifest in a registry');
  const { repository, digest } = fetch;
  const { signal } = services.context;
  const client = await services.registry();
  if (target !== undefined) return await verifyManifest(client, repository, digest, target, signal);
  const fetched = await client.getManifest(repository, digest, { signal });
  if (fetched !== undefined) return parseManifest(fetched.bytes, fetched.mediaType);
  throw new RegistryError({
    code: 'REGISTRY_NOT_FOUND',
    message: `the registry has no ${repository.canonical}@${digest}`,
    reference: repository.canonical,
  });
}
