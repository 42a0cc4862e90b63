/** Which digest `trust sign` signs (docs/specification.md, rule 5.2). */
import type { LocalImage } from '../engine/local-image.ts';
import { KeyError, TrustError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { confirmProducerDigest } from '../publish/producer-digest.ts';
import { type Digest, isSha256 } from '../reference/digest.ts';
import { type Reference, type Tag, targetPath } from '../reference/reference.ts';
import type { RegistryClient } from '../registry/client.ts';
import { parseManifest } from '../registry/manifest.ts';
import type { Services } from './services.ts';

/**
 * The digest the user named; the one that the local image was pushed or pulled as; or, with no such image, the one
 * the registry has now, after a yes to it. `undefined`: the local image is in no registry yet and is to be pushed.
 *
 * @throws TrustError DIGEST_UNCONFIRMED without a terminal or when the registry has no such tag; KeyError PROMPT_*;
 * EngineError, RegistryError, NetworkError
 */
export async function chooseDigest(
  services: Services,
  reference: Reference & { readonly tag: Tag },
): Promise<Digest | undefined> {
  if (reference.digest !== undefined) return reference.digest;
  const { repository, tag } = reference;
  const { signal } = services.context;
  const engine = await services.engine();
  const image = await engine.inspectImage(`${repository.familiar}:${tag}`, { signal });
  if (image === undefined) return await askForServedDigest(services, reference);
  return await digestOfLocal(services, reference, image);
}

/**
 * The digest that an image of the engine has in a repository, for a tag of it; undefined when it is not there.
 * @throws TrustError DIGEST_UNCONFIRMED when several are this image; RegistryError, NetworkError
 */
export async function digestOfLocal(
  services: Services,
  reference: Reference & { readonly tag: Tag },
  image: LocalImage,
): Promise<Digest | undefined> {
  const { repository, tag } = reference;
  const { signal } = services.context;
  const client = await services.registry();
  const digests = await inRegistry(client, reference, knownAs(image, reference), signal);
  if (digests.length === 0) return undefined;
  const { entry } = await confirmProducerDigest(client, { repository, tag, digests, image }, signal);
  return isSha256(entry.sha256) ? entry.sha256 : undefined;
}

/** The digests under which the engine knows the image in this very repository. */
function knownAs({ repoDigests }: LocalImage, { repository }: Reference): readonly Digest[] {
  const prefix = `${repository.familiar}@`;
  const digests = repoDigests
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length))
    .filter(isSha256);
  return [...new Set(digests)];
}

/** containerd's store names every image by a digest, pushed or not: only what the registry has was pushed. */
async function inRegistry(
  client: RegistryClient,
  { repository }: Reference,
  digests: readonly Digest[],
  signal: AbortSignal,
): Promise<readonly Digest[]> {
  const there: Digest[] = [];
  for (const digest of digests) {
    if ((await client.headManifest(repository, digest, { signal })) !== undefined) there.push(digest);
  }
  return there;
}

async function askForServedDigest(
  services: Services,
  { repository, tag }: Reference & { readonly tag: Tag },
): Promise<Digest> {
  const path = targetPath(repository, tag);
  const client = await services.registry();
  const served = await client.getManifest(repository, tag, { signal: services.context.signal });
  const terminal = await services.terminal();
  if (served === undefined || !terminal.canPrompt()) throw unconfirmed(path, served?.digest);
  const { kind, mediaType } = parseManifest(served.bytes, served.mediaType);
  terminal.say(`${path} is not on this machine. The registry has now:`);
  terminal.say(`  ${served.digest} (${kind}, ${escapeShort(mediaType)})`);
  if (await terminal.askYesNo('Sign exactly this digest? [y/N] ')) return served.digest;
  throw new KeyError({ code: 'PROMPT_DECLINED', message: `${path} was not signed` });
}

function unconfirmed(path: string, served: Digest | undefined): TrustError {
  return new TrustError({
    code: 'DIGEST_UNCONFIRMED',
    message: `nothing is signed: ${path} is not on this machine, and a tag alone does not say which bytes are meant`,
    spec: 'protocol 5.2',
    reference: path,
    found: served === undefined ? 'the registry has no such tag' : `the registry has ${served} now`,
    hints: [`Name the digest that you built: dtrust trust sign ${path}@sha256:DIGEST`],
  });
}
