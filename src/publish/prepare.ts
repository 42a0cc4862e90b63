/**
 * Before anything is uploaded or published: is there a collection, is it what this machine knows, is nothing lost that
 * was published from here, are the keys and their passphrases here. What cannot be signed later is refused now.
 */
import type { KeyStore } from '../keys/key-store.ts';
import type { Passphrases } from '../keys/passphrases.ts';
import type { Terminal } from '../keys/terminal.ts';
import type { Clock } from '../lib/clock.ts';
import { hasCode, LocalStateError } from '../lib/errors.ts';
import type { Repository } from '../reference/reference.ts';
import type { OpenOptions, VerifiedCollection } from '../trust/collection.ts';
import type { Edit } from '../trust/core/editor.ts';
import type { PublicKey } from '../trust/core/keys.ts';
import type { Signer } from '../trust/core/signer.ts';
import type { CurrentKeys } from '../trust/current-keys.ts';
import type { Journal, Settled } from '../trust/journal.ts';
import type { PublishBase } from '../trust/publisher.ts';
import type { RegistrySource } from '../trust/registry-source.ts';
import { openSettled } from '../trust/settled.ts';
import { openCollection } from '../trust/updater.ts';
import { type CollectionKeys, prepareCollectionKeys } from './initialise.ts';
import { offerLostUpdate } from './lost-update.ts';
import { type AdministeredRoles, fallsShort, unlockSigningKeys } from './signing-keys.ts';

/** What publishing works with; put together by src/commands. */
export interface PublishTools {
  readonly repository: Repository;
  readonly source: RegistrySource;
  /** For changing the collection: an own root key counts as the pin, what has expired can be renewed. */
  readonly editOptions: OpenOptions;
  /** For looking at what was published, as every client would: expiry counts. */
  readonly clientOptions: OpenOptions;
  readonly journal: Journal;
  readonly currentKeys: CurrentKeys;
  readonly keys: KeyStore;
  readonly passphrases: Passphrases;
  readonly terminal: Terminal;
  readonly clock: Clock;
  readonly random: () => number;
  readonly signal: AbortSignal;
  /** DTRUST_INIT=1. */
  readonly unattended: boolean;
  /** One line for stderr. */
  readonly say: (line: string) => void;
  /** Told how long a publish waits before it is sure, in milliseconds. */
  readonly onWait?: (waitMs: number) => void;
  /** One line for stderr, with DTRUST_DEBUG alone. */
  readonly debug: (line: string) => void;
  /** Set by a recovery (protocol 2.5), which replaces more than what it can build on. */
  readonly recovering?: Recovering;
  /** Set by `dtrust trust stage`: the other end of the road (protocol 4.6). */
  readonly staging?: Staging;
}

export interface Recovering {
  /** Reads what is under the tag, as `openForPublishing`; what is no good is to be replaced by what is known here. */
  readonly open: () => Promise<PublishBase | undefined>;
}

/** What becomes of a change whose roles take more keys than are on this machine. */
export interface Staging {
  /** Keeps the partly signed roles for others to sign. It does not return: nothing was published. */
  stage(
    tools: PublishTools,
    prepared: Prepared & { readonly kind: 'existing' },
    edits: readonly Edit[],
  ): Promise<never>;
  /** The same edits tried out, with nothing sent. */
  rehearse(
    tools: PublishTools,
    prepared: Prepared & { readonly kind: 'existing' },
    edits: readonly Edit[],
  ): Promise<void>;
}

export type Prepared =
  | {
      readonly kind: 'existing';
      readonly collection: VerifiedCollection;
      readonly signers: readonly Signer[];
      /** Changes of an earlier publish that others overwrote, to be made again with this one. */
      readonly again: readonly Edit[];
      /** What is no longer lost, once this publish stands. */
      readonly settles: readonly Settled[];
      /** Keys are missing, and the change is to be staged. */
      readonly short: boolean;
    }
  | {
      readonly kind: 'new';
      readonly keys: CollectionKeys;
      /** Root keys of others that the first root lists beside the one that signs it. */
      readonly otherRootKeys?: readonly PublicKey[];
    };

export interface PrepareRequest {
  /** Whether tags are to be changed. */
  readonly targets: boolean;
  /** Whether a repository without trust data is begun; otherwise that is NO_TRUST_DATA. */
  readonly mayInitialise: boolean;
  /** The tags, where they are known; each may have a role of its own. */
  readonly paths?: readonly string[];
  /** For a change of keys: what it signs; it may refuse before any key is asked for. */
  readonly administers?: (
    collection: VerifiedCollection,
    again: readonly Edit[],
  ) => Promise<AdministeredRoles>;
}

/**
 * Checks all that a publish needs and unlocks the keys.
 *
 * @throws TrustError NO_TRUST_DATA, TRUST_DATA_GONE, LOST_UPDATE, FIRST_USE_REFUSED and every refusal of
 * `openCollection`; KeyError KEY_MISSING, KEY_ROOT_MISSING, KEY_PASSPHRASE, KEY_PASSPHRASE_MISSING and others;
 * LocalStateError; RegistryError; NetworkError
 */
export async function prepare(tools: PublishTools, request: PrepareRequest): Promise<Prepared> {
  assertHome(tools);
  const collection = await openExisting(tools, request);
  if (collection === undefined) return { kind: 'new', keys: await newKeys(tools) };
  for (const line of new Set(collection.warnings)) tools.say(`warning: ${line}`);
  // Whoever held the keys could leave any history; a recovery says at its end what is lost.
  const { again, settles } =
    tools.recovering === undefined
      ? await offerLostUpdate(tools, collection, request.paths)
      : { again: [], settles: [] };
  const { keys, passphrases, clock } = tools;
  const needs = {
    ...(await request.administers?.(collection, again)),
    collection,
    keys,
    passphrases,
    mayAsk: tools.terminal.canPrompt(),
    targets: request.targets || again.length > 0,
    // What is done again may stand in other roles than this call's tags.
    ...(request.paths === undefined ? {} : { paths: [...request.paths, ...again.flatMap(pathOf)] }),
    nowMs: clock.now(),
    partly: tools.staging !== undefined,
  };
  const short = tools.staging !== undefined && (await fallsShort(needs));
  if (tools.staging !== undefined && !short) {
    tools.say('the keys on this machine are enough: nothing is staged, the change is published');
  }
  return { kind: 'existing', collection, signers: await unlockSigningKeys(needs), again, settles, short };
}

function pathOf(edit: Edit): readonly string[] {
  if (edit.kind === 'putTarget') return [edit.target.path];
  return edit.kind === 'removeTarget' ? [edit.path] : [];
}

/** The three keys of a new collection, unlocked. Throws as `prepareCollectionKeys`. */
export function newKeys(tools: PublishTools, hasOtherRootKeys = false): Promise<CollectionKeys> {
  const { repository, keys, passphrases, terminal, unattended, currentKeys } = tools;
  return prepareCollectionKeys({
    repository,
    keys,
    passphrases,
    currentKeys,
    canPrompt: terminal.canPrompt(),
    unattended,
    hasOtherRootKeys,
  });
}

async function openExisting(
  tools: PublishTools,
  { mayInitialise }: PrepareRequest,
): Promise<VerifiedCollection | undefined> {
  const base = await tools.recovering?.open();
  if (base !== undefined) return base.verified;
  try {
    return await openSettled(() => openCollection(tools.editOptions), tools);
  } catch (error) {
    // protocol 4.4: with a pin or any memory this is TRUST_DATA_GONE, and no push begins anew.
    if (mayInitialise && hasCode(error, 'NO_TRUST_DATA')) return undefined;
    throw error;
  }
}

/** Contract "Disk": without a home that can be written, push and key commands refuse. */
function assertHome({ editOptions }: PublishTools): void {
  if (editOptions.memory.directory === undefined) {
    throw new LocalStateError({
      code: 'MEMORY_UNWRITABLE',
      message: 'signing needs a home folder: keys, and what was published, are kept there',
      hints: ['Set HOME or DOCKER_CONFIG to a folder that can be written.'],
    });
  }
  editOptions.memory.assertWritable();
}
