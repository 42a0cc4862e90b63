/**
 * `dtrust buildx imagetools create`: puts an index of images together in a registry, and signs it.
 *
 * The sources are pinned: docker's command gets a digest in place of each tag, the one that is signed for it. What it
 * will put together it prints with `--dry-run`; those bytes are held against the sources, and their digest is the
 * producer's (protocol 5.1), which is confirmed in the registry once the real run has put them there.
 */
import assert from 'node:assert';
import { assertPositionals, flagOn, type ParsedArgv } from '../cli/argv.ts';
import { verifyCombined } from '../enforce/combined-index.ts';
import { RegistryError, TrustError, UsageError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { type Digest, digestOf } from '../reference/digest.ts';
import {
  assertNotTrustTag,
  parseReference,
  type Reference,
  type Tag,
  withDefaultTag,
} from '../reference/reference.ts';
import { parseManifest } from '../registry/manifest.ts';
import { readFile } from '../settings/local-files.ts';
import type { Context, Outcome } from './context.ts';
import {
  commonRepository,
  type ImageSource,
  readSource,
  resolveSource,
  type SourceNamed,
} from './image-sources.ts';
import { Services } from './services.ts';
import { prepareToSign } from './sign-produced.ts';

export interface CreateOptions {
  readonly tags: readonly (Reference & { readonly tag: Tag })[];
  /** In buildx's order: the image that is appended to, files, then what was typed. */
  readonly sources: readonly SourceNamed[];
  readonly dryRun: boolean;
}

/**
 * What the command line asks for.
 * @throws UsageError USAGE, REFERENCE_INVALID, TAG_RESERVED; LocalStateError FILE_UNREADABLE
 */
export function parse({ parsed, fs }: Pick<Context, 'parsed' | 'fs'>): CreateOptions {
  const { flags, positionals } = assertPositionals(parsed);
  const given = flags.get('tag') ?? [];
  const files = (flags.get('file') ?? []).map((path) => readFile(fs, path).toString());
  const sources = [...files, ...positionals];
  const dryRun = flagOn(flags, 'dry-run');
  if (sources.length === 0) throw usage('no sources specified');
  if (given.length === 0 && !dryRun) {
    throw usage("can't push with no tags specified, please set --tag or --dry-run");
  }
  const [first] = given;
  if (flagOn(flags, 'append') && first !== undefined) sources.unshift(first);
  return { tags: given.map(readTag), sources: sources.map(readSource), dryRun };
}

/**
 * Throws UsageError as `parse`; TrustError DIGEST_UNCONFIRMED and as `resolveSource` and `SignProduced.sign`; KeyError,
 * RegistryError, NetworkError, LocalStateError.
 */
export async function run(context: Context): Promise<Outcome> {
  const options = parse(context);
  const { tags } = options;
  const services = new Services(context);
  try {
    const sources = await resolveAll(services, options);
    const rest = pinnedArguments(context.parsed, sources);
    if (options.dryRun) return { rest };
    const signing = await prepareToSign(services, tags, { quiet: false });
    const { observeDocker } = context;
    assert(observeDocker !== undefined, 'docker is found before a command that ends in it');
    const planned = await observeDocker(dryRun(rest));
    if (planned.status !== 0) return planned.status;
    // One line break follows the bytes.
    const digest = verifyPlan(Buffer.from(planned.stdout.replace(/\n$/, '')), sources, context.parsed);
    const { status, stdout } = await observeDocker(rest);
    context.out(stdout);
    if (status !== 0) return status;
    await signing.sign({ digest, from: 'producer' });
    return 0;
  } finally {
    await services.close();
  }
}

async function resolveAll(
  services: Services,
  { sources, tags }: CreateOptions,
): Promise<readonly ImageSource[]> {
  const resolved: ImageSource[] = [];
  for (const each of sources) {
    resolved.push(await resolveSource(services, each, () => commonRepository(sources, tags)));
  }
  return resolved;
}

/** The same command with the sources as positionals; what they came from is left out. */
function pinnedArguments({ flags }: ParsedArgv, sources: readonly ImageSource[]): readonly string[] {
  const kept = [...flags].filter(([name]) => name !== 'file' && name !== 'append');
  const options = kept.flatMap(([name, values]) => values.map((value) => `--${name}=${value}`));
  return [...options, '--', ...sources.map(({ pinned }) => pinned)];
}

function dryRun(rest: readonly string[]): readonly string[] {
  return ['--dry-run', ...rest.filter((arg) => !arg.startsWith('--metadata-file='))];
}

/**
 * The digest of what will be put together.
 * @throws TrustError DIGEST_UNCONFIRMED when that is not the sources
 */
function verifyPlan(bytes: Uint8Array, sources: readonly ImageSource[], { flags }: ParsedArgv): Digest {
  const digest = digestOf(bytes);
  const [only, another] = sources;
  // Of one source it may be a copy, byte for byte.
  if (only?.digest === digest && another === undefined) return digest;
  try {
    verifyCombined(parseManifest(bytes), {
      members: sources.flatMap(({ members }) => members),
      annotations: flags.get('annotation') ?? [],
      some: flags.has('platform'),
    });
    return digest;
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    throw new TrustError({
      code: 'DIGEST_UNCONFIRMED',
      message: `nothing is put into the registry or signed: what would be put together is no index: ${error.message}`,
      spec: 'protocol 5.1',
      cause: error,
    });
  }
}

function readTag(text: string): Reference & { readonly tag: Tag } {
  const reference = assertNotTrustTag(parseReference(text));
  if (reference.digest === undefined) return withDefaultTag(reference);
  throw usage(`${escapeShort(text)} is no tag: what is put together has a digest of its own`);
}

function usage(message: string): UsageError {
  return new UsageError({ code: 'USAGE', message });
}
