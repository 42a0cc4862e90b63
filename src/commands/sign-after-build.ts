/**
 * Signing what a build has pushed: `prepareSignAfterBuild` before the builder is asked, `sign` with the file that buildx
 * wrote for `--metadata-file` once it has ended well.
 *
 *     const outputs = readOutputs(flags);                        // src/enforce/build/outputs.ts
 *     const signing = await prepareSignAfterBuild(services, outputs, { quiet });
 *     ... the build, with a metadata file ...
 *     await signing?.sign(bytes, { engineBuilder });
 */
import { readBuiltDigest } from '../enforce/build/metadata.ts';
import type { BuildOutputs } from '../enforce/build/outputs.ts';
import { DtrustError, TrustError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import type { DescribedManifest } from '../publish/describe-manifest.ts';
import type { Digest } from '../reference/digest.ts';
import type { Reference, Tag } from '../reference/reference.ts';
import { note } from './context.ts';
import type { Services } from './services.ts';

export interface SignAfterBuild {
  /**
   * Signs what the build has pushed. `metadata` is undefined where buildx has written none.
   *
   * @throws TrustError DIGEST_UNCONFIRMED, and as `SignProduced.sign`
   */
  sign(metadata: Uint8Array | undefined, builder: { readonly engineBuilder: boolean }): Promise<void>;
}

/**
 * Checks keys, passphrases, source and expiry for every name that the build is going to push; undefined where it pushes
 * none. Throws as `prepareToSign`; nothing has been built or uploaded then.
 */
export async function prepareSignAfterBuild(
  services: Services,
  outputs: Pick<BuildOutputs, 'pushed' | 'pushedByDigest'>,
  options: { readonly quiet: boolean },
): Promise<SignAfterBuild | undefined> {
  if (outputs.pushedByDigest) {
    note(services.context, 'what is pushed by its digest alone, under no tag, is not signed');
  }
  const { pushed } = outputs;
  if (pushed.length === 0) return undefined;
  // Loaded where something is signed: most builds push nothing.
  const { prepareToSign } = await import('./sign-produced.ts');
  const ready = await prepareToSign(services, pushed, options);
  return {
    sign: async (metadata, { engineBuilder }) => {
      const { digest, configDigest } = built(metadata, engineBuilder, pushed);
      if (configDigest === undefined) return await ready.sign({ digest, from: 'producer' });
      await ready.sign({
        digest,
        from: 'report',
        verify: (described) => verifyConfig(described, configDigest),
        ...(engineBuilder && { elsewhere: (name) => asEnginePushed(services, name, configDigest) }),
      });
    },
  };
}

function built(
  metadata: Uint8Array | undefined,
  engineBuilder: boolean,
  pushed: BuildOutputs['pushed'],
): ReturnType<typeof readBuiltDigest> {
  try {
    return readBuiltDigest(metadata ?? new Uint8Array(), engineBuilder);
  } catch (error) {
    if (error instanceof DtrustError) {
      error.hints = pushed.map(
        ({ familiar }) =>
          `The image is in the registry but not signed; sign the digest that you built: dtrust trust sign ${familiar}@sha256:DIGEST`,
      );
    }
    throw error;
  }
}

/**
 * What the engine has pushed the image as. Its classic store makes the layers anew for each registry, and buildx reports
 * the digest in the first one only.
 */
async function asEnginePushed(
  services: Services,
  name: Reference & { readonly tag: Tag },
  configDigest: Digest,
): Promise<Digest | undefined> {
  const [engine, { digestOfLocal }] = await Promise.all([services.engine(), import('./digest-to-sign.ts')]);
  const image = await engine.inspectImage(configDigest, { signal: services.context.signal });
  return image === undefined ? undefined : await digestOfLocal(services, name, image);
}

/** On the engine's classic store the digest comes by way of the registry: it counts with the image's own configuration. */
function verifyConfig({ manifest, entry }: DescribedManifest, configDigest: Digest): void {
  if (manifest.kind === 'image' && manifest.config.digest === configDigest) return;
  throw new TrustError({
    code: 'DIGEST_UNCONFIRMED',
    message: `nothing is signed: what the registry has for ${escapeShort(entry.path)} is not the image that was built`,
    attack: 'arbitrary software',
    spec: 'protocol 5.1',
    reference: entry.path,
    expected: `a manifest of image ${configDigest}`,
    found: entry.sha256,
  });
}
