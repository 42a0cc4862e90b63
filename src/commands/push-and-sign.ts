/** One push with its signature: all checks, the upload, the digest the engine has pushed, one publish. */
import type { Engine } from '../engine/engine.ts';
import type { LocalImage } from '../engine/local-image.ts';
import { digestsOfTag, type PushResult } from '../engine/push-result.ts';
import { DtrustError, EngineError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { confirmProducerDigest } from '../publish/producer-digest.ts';
import {
  assertNotTrustTag,
  DEFAULT_TAG,
  type Reference,
  type Repository,
  referenceTo,
  type Tag,
} from '../reference/reference.ts';
import { registryAuthHeader } from '../settings/credentials.ts';
import type { TargetEntry } from '../trust/core/editor.ts';
import { progressFor } from './pull-images.ts';
import type { PushOptions } from './push.ts';
import type { Services } from './services.ts';
import { publishTags, type ReadyToSign, readyToSign, warnIfTagMoved } from './sign-tags.ts';

interface LocalTag {
  readonly tag: Tag;
  readonly image: LocalImage;
}

/** Pushes and signs; throws with nothing signed when anything does not hold. */
export async function pushAndSign(services: Services, options: PushOptions): Promise<void> {
  const { context } = services;
  const { repository } = options.reference;
  if (options.reference.tag === undefined && !options.allTags && !options.quiet) {
    context.out(`Using default tag: ${DEFAULT_TAG}\n`);
  }
  const engine = await services.engine();
  const local = await imagesToPush(engine, options, context.signal);
  const tags = local.map(({ tag }) => tag);
  const ready = await readyToSign(services, repository, tags);
  const pushed = await upload(services, engine, options);
  await signPushed(services, ready, options, local, pushed);
}

/** The local images, by the tags they are pushed under. */
async function imagesToPush(
  engine: Engine,
  { reference, allTags }: PushOptions,
  signal: AbortSignal,
): Promise<readonly LocalTag[]> {
  const { repository } = reference;
  const tags = allTags ? await engine.localTags(repository, { signal }) : [reference.tag ?? DEFAULT_TAG];
  // protocol 3.4: with -a, an image that was named so by hand would go over the trust data.
  for (const tag of tags) assertNotTrustTag(referenceTo(repository, { tag }));
  const found: LocalTag[] = [];
  for (const tag of tags) {
    const image = await engine.inspectImage(`${repository.familiar}:${tag}`, { signal });
    if (image !== undefined) found.push({ tag, image });
  }
  if (found.length === 0 || found.length < tags.length) throw notLocal(reference);
  return found;
}

async function upload(services: Services, engine: Engine, options: PushOptions): Promise<PushResult> {
  const { reference, allTags, platform, quiet } = options;
  const { repository } = reference;
  const auth = registryAuthHeader(await services.credentials(repository.host), repository.host);
  const what = allTags ? { repository } : { repository, tag: reference.tag ?? DEFAULT_TAG };
  return await engine.push(what, {
    auth,
    progress: progressFor(services, quiet),
    platform,
    signal: services.context.signal,
  });
}

async function signPushed(
  services: Services,
  ready: ReadyToSign,
  { quiet, reference: { repository } }: PushOptions,
  local: readonly LocalTag[],
  pushed: PushResult,
): Promise<void> {
  const { context } = services;
  try {
    const client = await services.registry();
    const entries: TargetEntry[] = [];
    for (const { tag, image } of local) {
      const digests = digestsOfTag(pushed, tag);
      const { entry } = await confirmProducerDigest(
        client,
        { repository, tag, digests, image },
        context.signal,
      );
      entries.push(entry);
      await warnIfTagMoved(services, repository, tag, entry);
    }
    await publishTags(ready, entries, (line) => quiet || context.out(`${line}\n`));
    if (quiet) for (const { path } of entries) context.out(`${path}\n`);
  } catch (error) {
    throw saidUploaded(error, repository);
  }
}

/** After the upload a failure must not read as if nothing had happened. */
function saidUploaded(error: unknown, repository: Repository): unknown {
  if (!(error instanceof DtrustError)) return error;
  error.hints = [
    ...error.hints,
    `The image is in the registry but not signed; once this is mended, push again or: dtrust trust sign ${repository.familiar}:TAG@sha256:DIGEST`,
  ];
  return error;
}

function notLocal({ repository, tag }: Reference): EngineError {
  const name = tag === undefined ? repository.familiar : `${repository.familiar}:${tag}`;
  return new EngineError({
    code: 'IMAGE_NOT_FOUND',
    message: `an image does not exist locally with the tag: ${escapeShort(name)}`,
    reference: repository.canonical,
    hints: ['See the images that are here: docker images'],
  });
}
