/**
 * A build with BuildKit: what it will take is found and decided on, the builder is seen to obey, and then the real docker
 * builds, under a source policy that lets in what was decided on and nothing else (docs/adr/0017-source-policy.md).
 *
 * The Dockerfile is not rewritten, and docker gets the arguments as they were typed, with a few of dtrust's own behind
 * them. Nothing is built, and nothing fetched, before every image has been decided on.
 */
import assert from 'node:assert';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';
import { buildxArguments } from '../enforce/build/buildx-arguments.ts';
import { makesNoImage } from '../enforce/build/call.ts';
import { type BuildOutputs, readOutputs } from '../enforce/build/outputs.ts';
import { renderPolicy, sourcePolicy } from '../enforce/build/source-policy.ts';
import { parseUserPolicy, type UserPolicy } from '../enforce/build/user-policy.ts';
import { LocalStateError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { isSystemError, writeFailure } from '../lib/fs-error.ts';
import { settle, unsettle } from '../lib/settle.ts';
import { checkMaterials } from './build-materials.ts';
import type { BuildOptions } from './build-options.ts';
import { type BuilderInUse, builderInUse } from './builder-in-use.ts';
import { buildkitDockerfile, type DockerfileFound } from './buildkit-dockerfile.ts';
import { type BuildkitImages, buildkitImages, imagesAhead } from './buildkit-images.ts';
import { LocalNames, noteBuiltImage } from './buildkit-ledger.ts';
import type { BuildxAnswers } from './buildx-answers.ts';
import { type ExitStatus, note } from './context.ts';
import { BuilderTrial } from './prove-builder.ts';
import type { Services } from './services.ts';
import { prepareSignAfterBuild } from './sign-after-build.ts';

/**
 * Throws UsageError USAGE, DOCKERFILE_INVALID, BUILD_CONTEXT_INVALID, NOT_YET_ENFORCED; EngineError
 * BUILDER_CANNOT_ENFORCE; TrustError BUILD_MATERIAL, LOCAL_BASE; and as `discoverBases` and `prepareSignAfterBuild`.
 */
export async function buildWithBuildKit(
  services: Services,
  options: BuildOptions,
  answers: BuildxAnswers,
): Promise<ExitStatus> {
  const outputs = readOutputs(options);
  const user = userPolicy(services);
  const looking = settle(builderInUse(services, answers));
  const source = await buildkitDockerfile(services.context, options);
  try {
    const ahead = imagesAhead(services, options, source);
    const builder = unsettle(await looking);
    const images = await buildkitImages(services, options, builder, ahead);
    return await inTemporaryFolder(services, (folder) =>
      buildIn(folder, services, { options, outputs, user, builder, source, images }),
    );
  } finally {
    source.close();
  }
}

interface Prepared {
  readonly options: BuildOptions;
  readonly outputs: BuildOutputs;
  readonly user: UserPolicy | undefined;
  readonly builder: BuilderInUse;
  readonly source: DockerfileFound;
  readonly images: BuildkitImages;
}

async function buildIn(folder: string, services: Services, prepared: Prepared): Promise<ExitStatus> {
  const { options, outputs, user, builder, images } = prepared;
  const nonce = randomBytes(4).toString('hex');
  // Before anything is begun: two images under one name are refused.
  const policy = renderPolicy(sourcePolicy({ images: images.bases, nonce, ...(user && { user }) }));
  const signing = makesNoImage(options.flags)
    ? undefined
    : await prepareSignAfterBuild(services, outputs, { quiet: options.quiet });
  const trial = new BuilderTrial(services, builder, { folder, quiet: options.quiet });
  await trial.denies();
  const names = new LocalNames(services, images.bases, nonce);
  try {
    await names.set();
    const [first] = images.bases;
    if (first !== undefined) await trial.allows(first, nonce);
    const { status, metadata } = await runBuild(folder, services, prepared, policy);
    if (status !== 0 || makesNoImage(options.flags)) return status;
    const report = { metadata: metadata ?? new Uint8Array(), images: images.bases, builder, nonce };
    await checkMaterials(services, report);
    const built = { metadata, images: images.bases, builder, outputs, tags: options.tags };
    // What was pushed is signed also where the ledger or the metadata file cannot be written.
    const noted = await settle(noteBuiltImage(services, built));
    await signing?.sign(metadata, { engineBuilder: builder.driver === 'docker' });
    unsettle(noted);
    if (metadata !== undefined && options.metadataFile !== undefined) copyTo(options.metadataFile, metadata);
    return status;
  } finally {
    await names.remove();
  }
}

async function runBuild(
  folder: string,
  services: Services,
  { options, builder, source, images }: Prepared,
  policy: Uint8Array,
): Promise<{ readonly status: ExitStatus; readonly metadata: Uint8Array | undefined }> {
  const { docker } = services.context;
  assert(docker !== undefined, 'docker is found before a command that ends in it');
  const policyFile = join(folder, 'policy.json');
  const ownMetadata = join(folder, 'metadata.json');
  fs.writeFileSync(policyFile, policy, { mode: 0o600, flag: 'wx' });
  const args = buildxArguments(options.parsed, {
    builder: builder.name,
    cacheFrom: images.cacheFrom,
    metadataFile: makesNoImage(options.flags) ? undefined : ownMetadata,
  });
  const status = await docker.run(args, {
    env: { EXPERIMENTAL_BUILDKIT_SOURCE_POLICY: policyFile },
    stdin: source.stdin?.(),
  });
  return { status, metadata: status === 0 ? readIfThere(ownMetadata) : undefined };
}

/** Where the user wants it: written by buildx to a place of dtrust's own first, where nobody else can write. */
function copyTo(file: string, metadata: Uint8Array): void {
  try {
    fs.writeFileSync(file, metadata);
  } catch (error) {
    throw writeFailure(error, file);
  }
}

function userPolicy(services: Services): UserPolicy | undefined {
  const { context } = services;
  const file = context.env.sourcePolicyFile;
  if (file === undefined) return undefined;
  const policy = parseUserPolicy(readPolicy(file), file);
  if (policy.dropped > 0) {
    note(
      context,
      `of the source policy ${escapeShort(file)} what allows images is left out: a digest that nobody signed is allowed with dtrust trust allow`,
    );
  }
  return policy;
}

function readPolicy(file: string): Uint8Array {
  try {
    return fs.readFileSync(file);
  } catch (error) {
    if (!(error instanceof Error && isSystemError(error))) throw error;
    throw new LocalStateError({
      code: 'FILE_UNREADABLE',
      message: `the source policy ${escapeShort(file)} cannot be read`,
      hints: ['Mend the file, or unset EXPERIMENTAL_BUILDKIT_SOURCE_POLICY.'],
      cause: error,
    });
  }
}

function readIfThere(file: string): Uint8Array | undefined {
  try {
    return fs.readFileSync(file);
  } catch (error) {
    if (isSystemError(error)) return undefined;
    throw error;
  }
}

/** Of this user alone, and gone when the work is done. */
async function inTemporaryFolder<T>(services: Services, work: (folder: string) => Promise<T>): Promise<T> {
  const { temporaryFolder = '' } = services.context;
  let folder: string;
  try {
    folder = fs.mkdtempSync(join(temporaryFolder, 'dtrust-build-'));
  } catch (error) {
    throw writeFailure(error, temporaryFolder);
  }
  try {
    return await work(folder);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}
