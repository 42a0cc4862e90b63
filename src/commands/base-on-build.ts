/** The signed manifest of a base, seen to be just that, and what the image has others run that are built on it. */
import assert from 'node:assert';
import type { BaseMemory } from '../enforce/base-memory.ts';
import { verifyManifest } from '../enforce/manifest-check.ts';
import { RegistryError } from '../lib/errors.ts';
import type { Platform } from '../reference/platform.ts';
import { type Manifest, parseManifest } from '../registry/manifest.ts';
import { fetchOnBuild } from '../registry/on-build.ts';
import type { Decided } from './decide-base.ts';
import type { Services } from './services.ts';

export interface OnBuildAsked {
  readonly memory: BaseMemory;
  readonly platform: Platform;
  /** Whether its ONBUILD runs; else only the signed manifest is looked at. */
  readonly triggers: boolean;
}

/**
 * The ONBUILD instructions; none where they do not run. The registry is asked only for bytes never seen here.
 * @throws TrustError TARGET_MISMATCH; RegistryError, NetworkError as `verifyManifest` and `fetchOnBuild`;
 * LocalStateError MEMORY_NEWER
 */
export async function readOnBuild(
  services: Services,
  decided: Decided,
  { memory, triggers, ...asked }: OnBuildAsked,
): Promise<readonly string[]> {
  const { image, target, admission } = decided;
  if (image !== undefined) return triggers ? image.onBuild : [];
  // Named bytes are what they are; what they say is read only where it counts.
  if (!triggers && target === undefined) return [];
  const { fetch } = admission;
  assert(fetch.kind === 'digest', 'an image of the engine comes with its description');
  const { repository, digest } = fetch;
  const platform = triggers ? asked.platform : undefined;
  const seen = memory.find(digest, platform);
  if (seen !== undefined && isAsSigned(seen, target)) return triggers ? seen.onBuild : [];
  const { manifest, lengthBytes } = await manifestOf(services, decided);
  const { signal } = services.context;
  const client = await services.registry();
  const onBuild =
    platform === undefined ? [] : await fetchOnBuild({ client, repository, platform, signal }, manifest);
  memory.note({ digest, mediaType: manifest.mediaType, lengthBytes, platform, onBuild });
  return onBuild;
}

/** TUF 5.7.3, protocol 1.1: what was seen once is held to what is signed now. */
function isAsSigned(
  seen: { readonly mediaType: string; readonly lengthBytes: number },
  target: Decided['target'],
): boolean {
  return (
    target === undefined || (seen.mediaType === target.mediaType && seen.lengthBytes === target.lengthBytes)
  );
}

async function manifestOf(
  services: Services,
  { admission, target }: Decided,
): Promise<{ readonly manifest: Manifest; readonly lengthBytes: number }> {
  const { fetch } = admission;
  assert(fetch.kind === 'digest', 'only bytes in a registry have a manifest there');
  const { repository, digest } = fetch;
  const { signal } = services.context;
  const client = await services.registry();
  if (target !== undefined) {
    const manifest = await verifyManifest(client, repository, digest, target, signal);
    return { manifest, lengthBytes: target.lengthBytes };
  }
  const fetched = await client.getManifest(repository, digest, { signal });
  if (fetched !== undefined) {
    return { manifest: parseManifest(fetched.bytes, fetched.mediaType), lengthBytes: fetched.bytes.length };
  }
  throw new RegistryError({
    code: 'REGISTRY_NOT_FOUND',
    message: `the registry has no ${repository.canonical}@${digest}`,
    reference: repository.canonical,
  });
}
