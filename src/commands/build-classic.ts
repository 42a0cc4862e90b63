/**
 * A build by the engine's classic builder (`DOCKER_BUILDKIT=0`, or no buildx): the Dockerfile is read here, every image
 * that it names is decided on and fetched by its digest, and the engine gets the context with that Dockerfile written
 * again, each image pinned.
 *
 * What the engine reads is what was read here. It gets no credentials, so it can fetch nothing that is not public; its
 * cache is used only where all that it could take was built here. What is shown is what docker shows.
 */
import assert from 'node:assert';
import fs from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { flagOn, flagValue } from '../cli/argv.ts';
import { CommandLineError } from '../cli/pflag.ts';
import { parseDockerfile } from '../dockerfile/parse.ts';
import { noteSteps } from '../enforce/build/classic-cache.ts';
import type { BuildContext } from '../enforce/build/context/build-context.ts';
import { contextArchive } from '../enforce/build/context/context-archive.ts';
import { buildQuery, proxyVariables } from '../engine/build-query.ts';
import { describeEndpoint } from '../engine/endpoint-name.ts';
import { EngineError, UsageError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { writeFailure } from '../lib/fs-error.ts';
import type { Digest } from '../reference/digest.ts';
import { parsePlatform } from '../reference/platform.ts';
import { assertNotTrustTag, parseReference } from '../reference/reference.ts';
import type { AdmittedBase } from './admit-bases.ts';
import type { BuildOptions } from './build-options.ts';
import { type ClassicBases, classicBases } from './classic-bases.ts';
import { readContext } from './classic-context.ts';
import { type Beginning, beginClassicBuild, noteBuilt } from './classic-ledger.ts';
import { ClassicOutput, deprecationNotice } from './classic-output.ts';
import type { ExitStatus } from './context.ts';
import type { Services } from './services.ts';

const USAGE = 'docker build [OPTIONS] PATH | URL | -';

/** Why docker builds with this builder, where docker says so; docker before 23 does not. */
export type ClassicBecause = 'disabled' | 'missing' | undefined;

/**
 * @throws CommandLineError USAGE; UsageError USAGE, DOCKERFILE_INVALID, BUILD_CONTEXT_INVALID, PLATFORM_INVALID; TrustError
 * BUILD_MATERIAL and as `discoverBases`; RegistryError, NetworkError, LocalStateError, EngineError
 */
export async function buildClassic(
  services: Services,
  options: BuildOptions,
  because: ClassicBecause,
): Promise<ExitStatus> {
  if (because !== undefined) services.context.err(deprecationNotice(because));
  const platform = platformOf(services, options);
  // Before anything is read: what docker's command line refuses.
  const query = (cacheFrom: readonly string[]) =>
    buildQuery({
      flags: options.flags,
      usage: USAGE,
      environment: services.context.rawEnvironment,
      proxies: proxyVariables(proxiesOf(services)),
      platform,
      cacheFrom,
    });
  query([]);
  assertTags(options);
  const context = await readContext(services.context, options);
  try {
    const dockerfile = parseDockerfile(context.dockerfile.bytes, 'classic', context.dockerfile.name);
    const bases = await classicBases(services, options, dockerfile, platform);
    const beginning = await beginClassicBuild(services, bases, flagOn(options.flags, 'no-cache'));
    return await send(services, options, {
      context,
      bases,
      beginning,
      query: query(bases.caches.map(({ name }) => name)),
    });
  } finally {
    context.close();
  }
}

interface Ready {
  readonly context: BuildContext;
  readonly bases: ClassicBases;
  readonly beginning: Beginning;
  readonly query: ReturnType<typeof buildQuery>;
}

async function send(services: Services, options: BuildOptions, ready: Ready): Promise<ExitStatus> {
  const { context } = services;
  const { bases, beginning } = ready;
  const engine = await services.engine();
  const { dockerfileName, chunks } = contextArchive(ready.context, bases.text, context.clock.now());
  const output = new ClassicOutput(context, options.quiet);
  const archive = flagOn(options.flags, 'compress') ? gzipped(chunks()) : chunks();
  const query = {
    ...ready.query,
    dockerfile: dockerfileName,
    ...(beginning.mayUseCache ? {} : { nocache: '1' }),
  };
  forgetImageId(options);
  const stages: Digest[] = [];
  const printed = new Set<string>();
  let failed: { readonly code: number; readonly message: string } | undefined;
  const request = { admissions: bases.admissions, query, archive: output.sending(archive) };
  for await (const message of engine.build(request, { signal: context.signal })) {
    output.show(message);
    if (message.kind === 'output') noteSteps(message.text, printed);
    else if (message.kind === 'image') stages.push(message.id);
    else if (message.kind === 'failed') failed = message;
  }
  const reference = options.tags.length === 0 ? 'a build without a name' : options.tags.join(', ');
  await noteBuilt(services, bases, beginning, { stages, printed, reference });
  if (failed !== undefined) {
    output.failed(failed.message);
    return failed.code;
  }
  const image = stages.at(-1);
  if (image === undefined) throw noImage();
  output.done(image);
  writeImageId(options, image);
  for (const base of bases.tagged) await nameBase(services, base);
  return 0;
}

/** As docker with content trust: what was signed as a tag has that name on the engine. */
async function nameBase(services: Services, { reference, digest }: AdmittedBase): Promise<void> {
  assert(reference?.tag !== undefined && digest !== undefined, 'a signed tag has a name and a digest');
  const { repository, tag } = reference;
  const { context } = services;
  const pinned = `${repository.familiar}@${digest}`;
  context.err(`Tagging ${pinned} as ${repository.familiar}:${tag}\n`);
  await (await services.engine()).tag(pinned, repository, tag, { signal: context.signal });
}

/** The last one given counts, as with every flag of one value; docker sends it in lower case. */
function platformOf({ context }: Services, { flags }: BuildOptions): string | undefined {
  const text = flagValue(flags, 'platform') || context.env.dockerDefaultPlatform;
  if (text === undefined || text === '') return undefined;
  parsePlatform(text);
  return text.toLowerCase();
}

function assertTags({ tags }: BuildOptions): void {
  for (const tag of tags) {
    try {
      assertNotTrustTag(parseReference(tag));
    } catch (error) {
      if (!(error instanceof UsageError) || error.code !== 'REFERENCE_INVALID') throw error;
      const shown = `invalid argument "${escapeShort(tag)}" for "-t, --tag" flag`;
      throw new CommandLineError(`${shown}: ${error.message}`, USAGE);
    }
  }
}

function proxiesOf({ config, endpoint }: Services): ReadonlyMap<string, string> | undefined {
  const host = describeEndpoint(endpoint);
  return config.proxies.get(host) ?? config.proxies.get('default');
}

async function* gzipped(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  const gzip = createGzip();
  const fed = pipeline(Readable.from(chunks), gzip);
  const failure = fed.then(
    () => undefined,
    (reason: unknown) => ({ reason }),
  );
  yield* gzip as AsyncIterable<Buffer>;
  const failed = await failure;
  if (failed !== undefined) throw failed.reason;
}

/** An old one must not stand there when the build fails. */
function forgetImageId({ iidFile }: BuildOptions): void {
  if (iidFile !== undefined) guarded(iidFile, () => fs.rmSync(iidFile, { force: true }));
}

/** docker: with --quiet what is printed is what is kept, with the end of its line. */
function writeImageId({ iidFile, quiet }: BuildOptions, image: Digest): void {
  if (iidFile !== undefined) guarded(iidFile, () => fs.writeFileSync(iidFile, quiet ? `${image}\n` : image));
}

function guarded(file: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    throw writeFailure(error, file);
  }
}

function noImage(): EngineError {
  return new EngineError({
    code: 'ENGINE_BROKEN',
    message: 'the engine ended the build without naming its image',
  });
}
