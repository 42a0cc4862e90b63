/**
 * Signing what another program has put into registries under names of the user's: everything is checked before that
 * program starts, and afterwards the one digest that it has produced is confirmed and signed, all tags of a
 * repository in one publish, one repository after another.
 *
 * Standard output stays that program's own, so what is said here goes to stderr; with `-q` nothing but warnings.
 */
import { DtrustError, KeyError } from '../lib/errors.ts';
import { Interrupted } from '../lib/interrupted.ts';
import { type DescribedManifest, describeManifest } from '../publish/describe-manifest.ts';
import type { Digest } from '../reference/digest.ts';
import type { Reference, Tag } from '../reference/reference.ts';
import type { TargetEntry } from '../trust/core/editor.ts';
import { note } from './context.ts';
import type { Services } from './services.ts';
import { publishTags, type ReadyToSign, readyToSign, warnIfTagMoved } from './sign-tags.ts';
import { withHints } from './trust-hints.ts';

/** What a program says it has made, and how that is held against the bytes. */
export interface Produced {
  /** The digest that the program has from itself, not from what a tag says. */
  readonly digest: Digest;
  /** Throws TrustError DIGEST_UNCONFIRMED where the manifest under the digest is not what was made. */
  readonly verify?: (described: DescribedManifest) => void;
}

export interface SignProduced {
  /**
   * Confirms and signs. Where one repository fails the others are signed all the same.
   *
   * @throws TrustError DIGEST_UNCONFIRMED, TAG_HELD_BY_ROLE and as `publishEdits`; KeyError, RegistryError, NetworkError,
   * LocalStateError: the first failure, with a hint for each name that is in the registry and not signed
   */
  sign(produced: Produced): Promise<void>;
}

/**
 * Checks everything for these names while nothing has been uploaded. Throws as `readyToSign`, and KeyError
 * KEY_ROOT_MISSING where a first root key would be made for two repositories at once.
 */
export async function prepareToSign(
  services: Services,
  names: readonly (Reference & { readonly tag: Tag })[],
  { quiet }: { readonly quiet: boolean },
): Promise<SignProduced> {
  const grouped = Map.groupBy(names, ({ repository }) => repository.canonical);
  const ready: ReadyToSign[] = [];
  for (const group of grouped.values()) {
    const [first] = group;
    if (first === undefined) continue;
    const { repository } = first;
    try {
      ready.push(
        await readyToSign(
          services,
          repository,
          group.map(({ tag }) => tag),
        ),
      );
    } catch (error) {
      throw withHints(error, repository);
    }
    if (ready.length < grouped.size) refuseSecondRoot(ready);
  }
  return { sign: (produced) => signAll(services, ready, produced, quiet) };
}

/** The root key is one for all repositories: the first one is made and kept before a second repository begins. */
function refuseSecondRoot(ready: readonly ReadyToSign[]): void {
  const begun = ready.find(
    ({ prepared }) => prepared.kind === 'new' && prepared.keys.newRootKeyId !== undefined,
  );
  if (begun === undefined) return;
  throw new KeyError({
    code: 'KEY_ROOT_MISSING',
    message: 'there is no root key yet, and one command does not make it for several repositories',
    reference: begun.repository.canonical,
    hints: [`Begin with one of them, then run this again: dtrust trust init ${begun.repository.familiar}`],
  });
}

async function signAll(
  services: Services,
  ready: readonly ReadyToSign[],
  produced: Produced,
  quiet: boolean,
): Promise<void> {
  const failed: { readonly error: DtrustError; readonly of: ReadyToSign }[] = [];
  for (const [index, each] of ready.entries()) {
    try {
      await signOne(services, each, produced, quiet);
    } catch (error) {
      if (error instanceof Interrupted) {
        const left = [...failed.map(({ of }) => of), ...ready.slice(index)];
        for (const line of left.flatMap((of) => unsignedLines(of, produced.digest))) {
          note(services.context, line);
        }
        throw error;
      }
      if (!(error instanceof DtrustError)) throw error;
      withHints(error, each.repository);
      // What could not be confirmed is not offered for signing.
      if (error.code === 'DIGEST_UNCONFIRMED') error.hints = [];
      failed.push({ error, of: each });
      if (ready.length > 1) {
        note(services.context, `cannot sign ${each.repository.canonical}: ${error.message} (${error.code})`);
      }
    }
  }
  const [first] = failed;
  if (first === undefined) return;
  const lines = failed.flatMap(({ of, error }) =>
    unsignedLines(of, error.code === 'DIGEST_UNCONFIRMED' ? undefined : produced.digest),
  );
  first.error.hints = [...first.error.hints, ...lines];
  throw first.error;
}

async function signOne(
  services: Services,
  ready: ReadyToSign,
  { digest, verify }: Produced,
  quiet: boolean,
): Promise<void> {
  const { repository, tags } = ready;
  const { context } = services;
  const client = await services.registry();
  const entries: TargetEntry[] = [];
  for (const tag of tags) {
    const described = await describeManifest(client, repository, tag, digest, context.signal);
    verify?.(described);
    entries.push(described.entry);
    await warnIfTagMoved(services, repository, tag, described.entry);
  }
  await publishTags(ready, entries, (line) => quiet || context.err(`${line}\n`));
}

/** After the upload a failure must not read as if nothing had happened. */
function unsignedLines({ repository, tags }: ReadyToSign, digest: Digest | undefined): readonly string[] {
  const when = digest === undefined ? 'sign the digest you made' : 'once this is mended';
  return tags.map(
    (tag) =>
      `The image is in the registry but not signed; ${when}: dtrust trust sign ${repository.familiar}:${tag}@${digest ?? 'sha256:DIGEST'}`,
  );
}
