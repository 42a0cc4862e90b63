/**
 * `dtrust trust sign`: signs what is in the registry, as it is; a multi-platform index is signed as the index.
 *
 * Which digest is signed comes from the user (`NAME:TAG@sha256:D`, or a yes to the digest shown) or from the image
 * that is here; never from the tag alone (docs/specification.md, rule 5.2).
 */
import { UsageError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { describeManifest } from '../publish/describe-manifest.ts';
import { prepare } from '../publish/prepare.ts';
import { publishEdits } from '../publish/publish-edits.ts';
import { assertNotTrustTag, parseReference, type Reference, type Tag } from '../reference/reference.ts';
import type { Context, ExitStatus } from './context.ts';
import { chooseDigest } from './digest-to-sign.ts';
import { createPublishTools } from './publish-tools.ts';
import { pushAndSign } from './push-and-sign.ts';
import { runOwn } from './run-own.ts';
import type { Services } from './services.ts';

const SYNTAX = {
  usage: 'dtrust trust sign [OPTIONS] IMAGE:TAG[@DIGEST]',
  summary: 'Sign an image that is in the registry',
  flags: {
    local: { type: 'boolean', describe: 'Push and sign the local image, over what the registry has' },
  },
  least: 1,
  most: 1,
} as const;

export function run(context: Context): Promise<ExitStatus> {
  return runOwn(context, SYNTAX, async (args, services) => {
    const reference = assertTagged(assertNotTrustTag(parseReference(args.positionals[0] ?? '')));
    const local = args.on('local');
    if (local && reference.digest !== undefined) {
      throw new UsageError({ code: 'USAGE', message: '--local and a digest exclude each other' });
    }
    const digest = local ? undefined : await chooseDigest(services, reference);
    if (digest === undefined) {
      context.err(
        `Signing and pushing trust data for local image ${reference.familiar}, may overwrite remote trust data\n`,
      );
      await pushAndSign(services, { reference, allTags: false, quiet: false, platform: undefined });
      return 0;
    }
    await signDigest(services, { ...reference, digest });
    return 0;
  });
}

async function signDigest(
  services: Services,
  {
    repository,
    tag,
    digest,
  }: Reference & { readonly tag: Tag; readonly digest: NonNullable<Reference['digest']> },
): Promise<void> {
  const { context } = services;
  const client = await services.registry();
  const { entry } = await describeManifest(client, repository, tag, digest, context.signal);
  const tools = await createPublishTools(services, repository);
  const prepared = await prepare(tools, { targets: true, mayInitialise: true, paths: [entry.path] });
  context.out(`Signing and pushing trust metadata for ${entry.path}\n`);
  await publishEdits(tools, prepared, [{ kind: 'putTarget', target: entry }]);
  context.out(`Successfully signed ${entry.path}\n`);
}

function assertTagged(reference: Reference): Reference & { readonly tag: Tag } {
  const { tag } = reference;
  if (tag !== undefined) return { ...reference, tag };
  throw new UsageError({
    code: 'USAGE',
    message: `no tag specified for ${escapeShort(reference.given)}`,
    hints: [`Usage: ${SYNTAX.usage}`],
  });
}
