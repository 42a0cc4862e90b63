/**
 * `dtrust manifest push`: docker puts the list that `manifest create` has made into the registry, and it is signed.
 *
 * Each image of the list counts as what it was named by there: by a digest, or by a tag that has to be signed for the
 * digest that docker found under it. The digest that docker prints at the end comes from the registry's answer, so
 * it counts only when the manifest under it lists exactly those images (protocol 5.1).
 */
import assert from 'node:assert';
import { assertPositionals } from '../cli/argv.ts';
import { type Member, verifyCombined } from '../enforce/combined-index.ts';
import { EngineError, TrustError, UsageError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { type Digest, isSha256 } from '../reference/digest.ts';
import { assertNotTrustTag, parseReference, type Reference, withDefaultTag } from '../reference/reference.ts';
import type { Context, ExitStatus } from './context.ts';
import { type ListedImage, loadManifestList } from './manifest-list.ts';
import { Services } from './services.ts';
import { prepareToSign } from './sign-produced.ts';
import { signedDigest } from './signed-digest.ts';

/**
 * Throws CommandLineError USAGE; UsageError USAGE, REFERENCE_INVALID, TAG_RESERVED; EngineError IMAGE_NOT_FOUND where there
 * is no such list; TrustError TARGET_MISMATCH, DIGEST_UNCONFIRMED and as `signedDigest` and `SignProduced.sign`;
 * KeyError, RegistryError, NetworkError, LocalStateError.
 */
export async function run(context: Context): Promise<ExitStatus> {
  const { positionals, rest } = assertPositionals(context.parsed);
  const list = readList(positionals[0] ?? '');
  const services = new Services(context);
  try {
    const images = loadManifestList(context.fs, services.directory, list);
    if (images === undefined) throw noList(list);
    for (const image of images) await verifyNamed(services, image);
    const signing = await prepareToSign(services, [list], { quiet: false });
    const { observeDocker } = context;
    assert(observeDocker !== undefined, 'docker is found before a command that ends in it');
    const { status, stdout } = await observeDocker(rest);
    context.out(stdout);
    if (status !== 0) return status;
    const members = images.map(memberOf);
    await signing.sign({
      digest: printedDigest(stdout, list),
      from: 'report',
      verify: ({ manifest }) => void verifyCombined(manifest, { members }),
    });
    return 0;
  } finally {
    await services.close();
  }
}

function readList(text: string): ReturnType<typeof withDefaultTag> {
  const reference = assertNotTrustTag(parseReference(text));
  if (reference.digest === undefined) return withDefaultTag(reference);
  throw new UsageError({
    code: 'USAGE',
    message: `${escapeShort(text)} is no name for a list: it has a digest of its own`,
  });
}

/** A digest names bytes (protocol 8); a tag only what is signed for it. */
async function verifyNamed(services: Services, { reference, descriptor }: ListedImage): Promise<void> {
  const named = reference.digest ?? (await signedDigest(services, withDefaultTag(reference)));
  if (named === descriptor.digest) return;
  const name = escapeShort(reference.familiar);
  throw new TrustError({
    code: 'TARGET_MISMATCH',
    message: `the list has ${descriptor.digest} for ${name}, which is signed for ${named}`,
    attack: 'arbitrary software',
    spec: 'protocol 5.1',
    reference: reference.canonical,
    expected: named,
    found: descriptor.digest,
    hints: [
      `Make the list again (docker manifest rm, then docker manifest create) with ${escapeShort(reference.repository.familiar)}@${named}`,
    ],
  });
}

function memberOf({ descriptor }: ListedImage): Member {
  return { ...descriptor, platform: descriptor.platform };
}

/** The last line that docker prints. @throws TrustError DIGEST_UNCONFIRMED */
function printedDigest(stdout: string, { familiar, canonical }: Reference): Digest {
  const last = stdout.trimEnd().split('\n').at(-1) ?? '';
  if (isSha256(last)) return last;
  throw new TrustError({
    code: 'DIGEST_UNCONFIRMED',
    message: 'nothing is signed: docker has not printed the digest of the list',
    spec: 'protocol 5.1',
    reference: canonical,
    hints: [
      `The list is in the registry but not signed; sign the digest you know: dtrust trust sign ${familiar}@sha256:DIGEST`,
    ],
  });
}

function noList({ familiar, canonical }: Reference): EngineError {
  return new EngineError({
    code: 'IMAGE_NOT_FOUND',
    message: `No such manifest: ${escapeShort(familiar)}`,
    reference: canonical,
    hints: [`Make it first: docker manifest create ${escapeShort(familiar)} IMAGE...`],
  });
}
