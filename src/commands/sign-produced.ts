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
import { type Reference, referenceTo, type Tag } from '../reference/reference.ts';
import type { TargetEntry } from '../trust/core/editor.ts';
import { note } from './context.ts';
import type { Services } from './services.ts';
import { publishTags, type ReadyToSign, readyToSign, warnIfTagMoved } from './sign-tags.ts';
import { withHints } from './trust-hints.ts';

/** What a program says it has made, and how that is held against the bytes. */
export interface Produced {
  readonly digest: Digest;
  /** 'report': it may come from the registry, and is worth nothing before `verify` has said yes to it. */
  readonly from: 'producer' | 'report';
  /** Throws TrustError DIGEST_UNCONFIRMED where the manifest under the digest is not what was made. */
  readonly verify?: (described: DescribedManifest) => void;
  /** What was made, in a repository that does not have it under that digest; undefined where nobody knows. */
  readonly elsewhere?: (reference: Reference & { readonly tag: Tag }) => Promise<Digest | undefined>;
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

interface Unsigned {
  readonly ready: ReadyToSign;
  /** That can be offered for signing. */
  readonly digest: Digest | undefined;
}

async function signAll(
  services: Services,
  all: readonly ReadyToSign[],
  produced: Produced,
  quiet: boolean,
): Promise<void> {
  const known = produced.from === 'producer' ? produced.digest : undefined;
  const failed: (Unsigned & { readonly error: DtrustError })[] = [];
  for (const [index, ready] of all.entries()) {
    let digest = known;
    try {
      const entries = await confirm(services, ready, produced);
      digest = entries[0]?.sha256;
      await publishTags(ready, entries, (line) => quiet || services.context.err(`${line}\n`));
    } catch (error) {
      if (error instanceof Interrupted) {
        const later = all.slice(index + 1).map((each) => ({ ready: each, digest: known }));
        for (const line of unsignedLines([...failed, { ready, digest }, ...later])) {
          note(services.context, line);
        }
        throw error;
      }
      if (!(error instanceof DtrustError)) throw error;
      withHints(error, ready.repository);
      if (error.code === 'DIGEST_UNCONFIRMED') {
        // What could not be confirmed is not offered for signing.
        error.hints = [];
        digest = undefined;
      }
      failed.push({ error, ready, digest });
      if (all.length > 1) {
        note(services.context, `cannot sign ${ready.repository.canonical}: ${error.message} (${error.code})`);
      }
    }
  }
  const [first] = failed;
  if (first === undefined) return;
  first.error.hints = [...first.error.hints, ...unsignedLines(failed)];
  throw first.error;
}

/** Rule 5.1: what the registry has under the digest, seen to be what was made. */
async function confirm(
  services: Services,
  { repository, tags }: ReadyToSign,
  produced: Produced,
): Promise<readonly (TargetEntry & { readonly sha256: Digest })[]> {
  const { signal } = services.context;
  const client = await services.registry();
  const entries: (TargetEntry & { readonly sha256: Digest })[] = [];
  for (const tag of tags) {
    let { digest } = produced;
    if (
      produced.elsewhere !== undefined &&
      (await client.headManifest(repository, digest, { signal })) === undefined
    ) {
      digest = (await produced.elsewhere({ ...referenceTo(repository, { tag }), tag })) ?? digest;
    }
    const described = await describeManifest(client, repository, tag, digest, signal);
    produced.verify?.(described);
    entries.push({ ...described.entry, sha256: digest });
    await warnIfTagMoved(services, repository, tag, described.entry);
  }
  return entries;
}

/** After the upload a failure must not read as if nothing had happened. */
function unsignedLines(left: readonly Unsigned[]): readonly string[] {
  return left.flatMap(({ ready: { repository, tags }, digest }) => {
    const when = digest === undefined ? 'sign the digest you made' : 'once this is mended';
    return tags.map(
      (tag) =>
        `The image is in the registry but not signed; ${when}: dtrust trust sign ${repository.familiar}:${tag}@${digest ?? 'sha256:DIGEST'}`,
    );
  });
}
