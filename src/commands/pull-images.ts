/** The three ways of a pull: a tag, all signed tags, a digest; and what is printed on the way. */
import { type AdmittedTag, admitDigest, admitTag, admitTarget } from '../enforce/admit.ts';
import { verifyManifest } from '../enforce/manifest-check.ts';
import type { Engine } from '../engine/engine.ts';
import type { LocalImage } from '../engine/local-image.ts';
import { createProgress, type Progress, quietProgress } from '../engine/progress.ts';
import { localName } from '../engine/pull.ts';
import { hasCode, NetworkError, RegistryError, TrustError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import type { Admission } from '../reference/admission.ts';
import type { Digest } from '../reference/digest.ts';
import { isReservedTag, isTag, type Reference, type Repository, type Tag } from '../reference/reference.ts';
import { registryAuthHeader } from '../settings/credentials.ts';
import type { VerifiedCollection } from '../trust/collection.ts';
import { allowedTag } from './allowed-tag.ts';
import { byNaturalOrder } from './natural-order.ts';
import { explainNoTrustData } from './no-trust-data.ts';
import { openFor, printWarnings, sourceFor } from './open-collection.ts';
import type { PullOptions } from './pull.ts';
import type { Services } from './services.ts';

const NOTHING_TO_SAY: ReadonlySet<string> = new Set([
  'NO_TRUST_DATA',
  'FIRST_USE_REFUSED',
  'TARGET_NOT_SIGNED',
]);

/** One tag: verified, pulled by its digest, named. */
export async function pullTag(
  services: Services,
  options: PullOptions,
  reference: Reference & { readonly tag: Tag },
): Promise<void> {
  const { repository, tag } = reference;
  let ready: Ready;
  try {
    ready = await openBesideEngine(services, reference, options);
  } catch (error) {
    if (hasCode(error, 'NO_TRUST_DATA') && (await pullException(services, options, reference))) return;
    throw await explainNoTrustData(services, reference, error);
  }
  const [collection, engine] = ready;
  printWarnings(services, collection);
  const admitted = await admitTag(collection, repository, tag, options.platform);
  await pullAdmitted(services, engine(), options, admitted, { index: 1, count: 1, collection });
}

/** Every tag that is signed, in order; the first failure ends it. */
export async function pullAllTags(services: Services, options: PullOptions): Promise<void> {
  const { reference } = options;
  const { repository } = reference;
  let ready: Ready;
  try {
    ready = await openBesideEngine(services, reference, options);
  } catch (error) {
    throw await explainNoTrustData(services, reference, error);
  }
  const [collection, engine] = ready;
  printWarnings(services, collection);
  const prefix = `${repository.canonical}:`;
  const signed = (await collection.listTargets())
    .filter(({ path }) => path.startsWith(prefix))
    .map((target) => ({ target, tag: target.path.slice(prefix.length) }))
    .filter((each): each is typeof each & { tag: Tag } => isTag(each.tag) && !isReservedTag(each.tag))
    .sort((left, right) => byNaturalOrder(left.tag, right.tag));
  if (signed.length === 0) throw nothingSigned(repository.canonical);
  const admitted = signed.map(({ target, tag }) =>
    admitTarget(collection, repository, tag, target, options.platform),
  );
  for (const [at, each] of admitted.entries()) {
    await pullAdmitted(services, engine(), options, each, {
      index: at + 1,
      count: admitted.length,
      collection,
    });
  }
}

/** Bytes that the user named: pulled as named, never printed as signed (protocol 8). */
export async function pullNamedDigest(
  services: Services,
  options: PullOptions,
  digest: Digest,
): Promise<void> {
  const { context } = services;
  const { reference } = options;
  if (reference.tag !== undefined)
    await sayWhatIsSigned(services, { ...reference, tag: reference.tag }, digest);
  const engine = await services.engine();
  const admission = admitDigest({ ...reference, digest }, options.platform);
  if (!options.quiet) context.err('dtrust: pulled as named by its digest; no signature was asked for\n');
  await pullBytes(services, engine, options, admission);
  context.out(`${reference.canonical}\n`);
}

type Ready = readonly [VerifiedCollection, () => Engine];

/**
 * Trust data and engine side by side. A refusal of the trust data is what the user gets to see when both fail;
 * a failure of the engine is thrown when it is first used.
 */
async function openBesideEngine(
  services: Services,
  reference: Reference,
  { platform }: PullOptions,
): Promise<Ready> {
  const { repository } = reference;
  const { signal } = services.context;
  const opening = sourceFor(services, repository).then((source) =>
    openFor(services, repository, source, { purpose: 'use' }),
  );
  const connecting = services.engine().then(async (engine) => {
    // What it runs is asked for whenever the user names no platform; here that costs no time of its own.
    await (platform === undefined ? engine.info({ signal }) : engine.ping({ signal }));
    return engine;
  });
  const [opened, connected] = await Promise.allSettled([opening, connecting]);
  if (opened.status === 'rejected') throw opened.reason;
  const engine = () => {
    if (connected.status === 'rejected') throw connected.reason;
    return connected.value;
  };
  return [opened.value, engine];
}

interface Turn {
  readonly index: number;
  readonly count: number;
  readonly collection: VerifiedCollection;
}

async function pullAdmitted(
  services: Services,
  engine: Engine,
  options: PullOptions,
  admitted: AdmittedTag,
  turn: Turn,
): Promise<void> {
  const { context } = services;
  const { admission, digest, tag } = admitted;
  const { repository } = options.reference;
  const pinned = `${repository.familiar}@${digest}`;
  const name = `${repository.familiar}:${tag}`;
  if (!options.quiet) {
    context.out(`Pull (${turn.index} of ${turn.count}): ${name}@${digest}${ageOf(turn.collection)}\n`);
  }
  const { signal } = context;
  const present = await engine.presentImage(admission, { signal });
  if (present === undefined) await bringIn(services, engine, options, admitted);
  else if (!options.quiet) {
    context.out(`Digest: ${digest}\nStatus: Image is up to date for ${pinned}\n`);
  }
  if (!options.quiet) context.err(`Tagging ${pinned} as ${name}\n`);
  if (present === undefined || !present.repoTags.includes(name)) {
    await engine.tag(pinned, repository, tag, { signal });
  }
  context.out(`${repository.canonical}:${tag}\n`);
}

/**
 * Fetches what is signed for a tag, once its manifest has been seen to be just that; the name is not set yet.
 * @throws TrustError TARGET_MISMATCH; RegistryError, NetworkError, EngineError
 */
export async function bringIn(
  services: Services,
  engine: Engine,
  options: PullOptions,
  { admission, digest, target }: AdmittedTag,
): Promise<LocalImage> {
  const { signal } = services.context;
  const { repository } = options.reference;
  await verifyManifest(await services.registry(), repository, digest, target, signal);
  return await pullBytes(services, engine, options, admission);
}

/** Fetches what an exception was made for, and names it. */
export async function pullAllowed(
  services: Services,
  options: PullOptions,
  { repository, tag }: Reference & { readonly tag: Tag },
  admission: Admission,
): Promise<LocalImage> {
  const engine = await services.engine();
  const held = await pullBytes(services, engine, options, admission);
  const pinned = localName(admission);
  if (!options.quiet) services.context.err(`Tagging ${pinned} as ${repository.familiar}:${tag}\n`);
  await engine.tag(pinned, repository, tag, { signal: services.context.signal });
  return held;
}

/** Pulls a tag without trust data whose digest in the registry an exception was made for; false where there is none. */
async function pullException(
  services: Services,
  options: PullOptions,
  reference: Reference & { readonly tag: Tag },
): Promise<boolean> {
  const { platform } = options;
  const found = await allowedTag(services, { reference, platform, mustAsk: true });
  if (found === undefined) return false;
  const { repository, tag } = reference;
  const name = `${repository.familiar}:${tag}`;
  if (found.present?.repoTags.includes(name) !== true) {
    await pullAllowed(services, options, reference, found.admission);
  }
  services.context.out(`${repository.canonical}:${tag}\n`);
  return true;
}

/** Fetches what an admission stands for. */
export async function pullBytes(
  services: Services,
  engine: Engine,
  options: PullOptions,
  admission: Admission,
): Promise<LocalImage> {
  const { repository } = options.reference;
  const { signal } = services.context;
  const auth = registryAuthHeader(await services.credentials(repository.host), repository.host);
  return await engine.pull(admission, { auth, progress: progressFor(services, options.quiet), signal });
}

/** Docker's display on this call's stdout. */
export function progressFor({ context }: Services, quiet: boolean): Progress {
  if (quiet) return quietProgress;
  // A dumb terminal shows the codes that move the cursor as text.
  const isTerminal = context.isTerminal(1) && context.env.term !== 'dumb';
  return createProgress({
    write: context.out,
    isTerminal,
    columns: context.columns,
    now: () => context.clock.now(),
  });
}

/** Protocol 2.7: from 30 days on, how old the signed state is stands in the pull line. */
function ageOf({ signedAtAgeDays }: VerifiedCollection): string {
  return signedAtAgeDays === undefined ? '' : ` (signed state first seen ${signedAtAgeDays} days ago)`;
}

/**
 * `name:tag@digest` uses the digest, and says so when the tag is signed for other bytes. That is a remark, not a
 * check: no trust data, an unknown repository or a source that cannot be reached change nothing.
 */
export async function sayWhatIsSigned(
  services: Services,
  { repository, tag }: Reference & { readonly tag: Tag },
  digest: Digest,
  open = () => openUnasked(services, repository),
): Promise<void> {
  const { context } = services;
  try {
    const collection = await open();
    const { digest: signed } = await admitTag(collection, repository, tag, undefined);
    if (signed !== digest) {
      context.err(
        `dtrust: warning: ${repository.familiar}:${tag} is signed for ${signed}, not for ${digest}\n`,
      );
    }
  } catch (error) {
    const known =
      error instanceof TrustError || error instanceof RegistryError || error instanceof NetworkError;
    if (!known) throw error;
    if (NOTHING_TO_SAY.has(error.code)) return;
    context.err(
      `dtrust: warning: what is signed for ${repository.familiar}:${tag} cannot be told (${error.code})\n`,
    );
  }
}

async function openUnasked(services: Services, repository: Repository): Promise<VerifiedCollection> {
  const source = await sourceFor(services, repository);
  return await openFor(services, repository, source, { purpose: 'use', mayAsk: false });
}

function nothingSigned(repository: string): TrustError {
  return new TrustError({
    code: 'TARGET_NOT_SIGNED',
    message: `no tag of ${escapeShort(repository)} is signed`,
    reference: repository,
    hints: [`Push and sign one: dtrust push ${escapeShort(repository)}:TAG`],
  });
}
