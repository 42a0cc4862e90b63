/**
 * Every foreseeable failure of dtrust, as few classes with a code for each refusal.
 *
 * A caller acts on the class (was evidence refused, is there no evidence, can the source not be reached, is
 * this machine's own state at fault) and on the code; the wording is free. Codes are public: the README, tests
 * and `DTRUST_ERRORS=json` name them. Anything that is not a DtrustError is a bug and is printed with its stack.
 *
 * Messages never carry key material, passphrases, Authorization values or the content of a file that failed to
 * parse; strings chosen by others go through `escapeText` before they get here.
 */

/** What every DtrustError may carry beside its code and message. */
export interface ErrorDetails<Code extends string> {
  readonly code: Code;
  readonly message: string;
  /** Whole sentences, each naming the one command that helps; printed as `hint:` lines. */
  readonly hints?: readonly string[];
  /** The image reference or repository the error is about, canonical form. */
  readonly reference?: string;
  readonly expected?: string;
  readonly found?: string;
  readonly cause?: unknown;
}

/** The class names as `DTRUST_ERRORS=json` prints them. */
export type ErrorClass = 'usage' | 'trust' | 'registry' | 'network' | 'local' | 'key' | 'engine';

export abstract class DtrustError<Code extends string = string> extends Error {
  abstract readonly class: ErrorClass;
  readonly code: Code;
  hints: readonly string[];
  reference: string | undefined;
  readonly expected: string | undefined;
  readonly found: string | undefined;

  constructor(details: ErrorDetails<Code>) {
    super(details.message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = details.code;
    this.hints = details.hints ?? [];
    this.reference = details.reference;
    this.expected = details.expected;
    this.found = details.found;
  }
}

/** The command line, or a value on it, is wrong. */
export type UsageCode =
  | 'USAGE'
  | 'REFERENCE_INVALID'
  | 'PLATFORM_INVALID'
  | 'ARG_ENCODING'
  | 'TAG_RESERVED'
  | 'DOCKERFILE_INVALID'
  | 'BUILD_CONTEXT_INVALID' // what a build is to be made of cannot be read, or can be read in two ways
  | 'NOT_YET_ENFORCED'
  | 'CANNOT_BE_ENFORCED';

export class UsageError extends DtrustError<UsageCode> {
  readonly class = 'usage';
}

/** The TUF attack a refusal guards against (TUF 1.0.34, section 1.5.2). */
export type Attack =
  | 'arbitrary software'
  | 'rollback'
  | 'freeze'
  | 'mix-and-match'
  | 'fast-forward'
  | 'endless data';

/** Evidence was examined and refused, or there is none. */
export type TrustCode =
  // form of one metadata file
  | 'METADATA_JSON' // not JSON, duplicate members, too deep, not UTF-8
  | 'METADATA_SHAPE' // JSON of the wrong shape, wrong _type or spec_version
  | 'METADATA_TOO_LARGE'
  // root
  | 'ROOT_THRESHOLD'
  | 'ROOT_VERSION'
  | 'ROOT_CHAIN' // root N+1 known to exist cannot be had, or too many
  | 'ROOT_PIN' // not signed by the threshold of pinned keys
  | 'ROOT_BELOW_PIN' // final root or timestamp older than the pin
  | 'COLLECTION_MISMATCH' // x-dtrust.collection differs
  | 'COLLECTION_AMBIGUOUS' // entries in targets beside targets/releases
  // timestamp, snapshot, targets and delegations
  | 'TIMESTAMP_THRESHOLD'
  | 'TIMESTAMP_ROLLBACK'
  | 'SNAPSHOT_HASH'
  | 'SNAPSHOT_THRESHOLD'
  | 'SNAPSHOT_VERSION'
  | 'SNAPSHOT_ROLLBACK'
  | 'SNAPSHOT_ROLE_REMOVED'
  | 'TARGETS_HASH'
  | 'TARGETS_THRESHOLD'
  | 'TARGETS_VERSION'
  | 'ROLE_MISSING'
  | 'ROLE_EXPIRED'
  | 'VERSION_JUMP' // the editor refuses to build on a fast-forwarded version
  // answers
  | 'NO_TRUST_DATA'
  | 'TRUST_DATA_GONE'
  | 'TRUST_DATA_INVALID' // `_trust` is no collection manifest
  | 'TARGET_NOT_SIGNED'
  | 'TARGET_NOT_RELEASED' // signed only where a search never reaches
  | 'TARGET_HASH_MISSING'
  | 'TARGET_MEDIA_TYPE'
  | 'TARGET_MISMATCH' // the manifest served differs from length, hash or media type that were signed
  | 'IMAGE_UNVERIFIED' // an image of this engine that nobody vouched for
  | 'BUILD_MATERIAL' // a build took what nobody decided on
  | 'LOCAL_BASE' // a builder that does not see what the engine holds
  | 'FIRST_USE_REFUSED'
  | 'FIRST_USE_DECLINED'
  | 'LOST_UPDATE'
  | 'PUBLISH_CONFLICT'
  | 'TAG_HELD_BY_ROLE'
  // staged states (protocol 4.6)
  | 'STAGED_ABSENT' // nothing is staged, or it was published or taken back
  | 'STAGED_CHANGED' // other bytes than those that were shown
  | 'STAGED_PENDING' // another change waits for signatures
  | 'STAGED_INVALID' // what stands there is no staged state, or none that may be signed
  | 'STAGED_OUTDATED' // built on another state than the current one
  | 'DIGEST_UNCONFIRMED'; // the producer's digest could not be established: nothing is signed

export interface TrustErrorDetails extends ErrorDetails<TrustCode> {
  readonly attack?: Attack;
  /** Step of TUF 1.0.34, for example '5.4.3.1', or a rule of docs/specification.md. */
  readonly spec?: string;
  readonly role?: string;
}

export class TrustError extends DtrustError<TrustCode> {
  readonly class = 'trust';
  readonly attack: Attack | undefined;
  readonly spec: string | undefined;
  readonly role: string | undefined;

  constructor(details: TrustErrorDetails) {
    super(details);
    this.attack = details.attack;
    this.spec = details.spec;
    this.role = details.role;
  }
}

/** The registry answered, not as hoped. */
export type RegistryCode =
  | 'REGISTRY_UNAUTHORIZED' // 401
  | 'REGISTRY_DENIED' // 403
  | 'REGISTRY_NOT_FOUND' // 404
  | 'REGISTRY_RATE_LIMIT' // 429 after retries
  | 'REGISTRY_UNAVAILABLE' // 5xx after retries
  | 'REGISTRY_RESPONSE' // anything that is not what the specification asks for
  | 'REGISTRY_DIGEST' // a body whose digest is not the one asked for
  | 'REGISTRY_REDIRECT' // too many, downgraded to http, or elsewhere for a write
  | 'TRUST_TAG_IMMUTABLE';

export interface RegistryErrorDetails extends ErrorDetails<RegistryCode> {
  readonly status?: number;
  /** Error codes of the OCI distribution error body, at most 8, upper-case names only. */
  readonly registryCodes?: readonly string[];
  readonly url?: string;
}

export class RegistryError extends DtrustError<RegistryCode> {
  readonly class = 'registry';
  readonly status: number | undefined;
  readonly registryCodes: readonly string[];
  readonly url: string | undefined;

  constructor(details: RegistryErrorDetails) {
    super(details);
    this.status = details.status;
    this.registryCodes = details.registryCodes ?? [];
    this.url = details.url;
  }
}

/** No answer: DNS, connection, TLS, time-out, too many bytes. */
export type NetworkCode =
  | 'NETWORK_DNS'
  | 'NETWORK_REFUSED'
  | 'NETWORK_BROKEN'
  | 'NETWORK_TIMEOUT'
  | 'NETWORK_TLS'
  | 'NETWORK_PROXY'
  | 'NETWORK_TOO_LARGE';

export class NetworkError extends DtrustError<NetworkCode> {
  readonly class = 'network';
}

/** Memory, pins, configuration or the disk under them. */
export type LocalCode =
  | 'CONFIG_INVALID'
  | 'CONTEXT_INVALID'
  | 'CREDENTIAL_HELPER'
  | 'MEMORY_DAMAGED'
  | 'MEMORY_UNWRITABLE'
  | 'MEMORY_NEWER'
  | 'LEDGER_DAMAGED'
  | 'ALLOW_INVALID'
  | 'DISK_FULL'
  | 'FILE_UNREADABLE'
  | 'FILE_UNWRITABLE'
  | 'LOCK_TIMEOUT'
  | 'PIN_INVALID'
  | 'PIN_MISSING'
  | 'DOCKER_NOT_FOUND'
  | 'DOCKER_LOOP'
  | 'NODE_VERSION' // both said by bin/dtrust.js, before anything is loaded
  | 'SYSTEM_UNKNOWN';

export class LocalStateError extends DtrustError<LocalCode> {
  readonly class = 'local';
}

/** No key, wrong passphrase, cannot sign. */
export type KeyCode =
  | 'KEY_ROOT_MISSING'
  | 'KEY_ROOT_REFUSED' // a root key where none belongs
  | 'KEY_MISSING'
  | 'KEY_PASSPHRASE'
  | 'KEY_PASSPHRASE_MISSING'
  | 'KEY_PASSPHRASE_SHORT'
  | 'KEY_FILE_INVALID'
  | 'KEY_FILE_MODE'
  | 'KEY_UNSUPPORTED'
  | 'KEY_EXISTS'
  | 'KEY_NAME'
  | 'KEY_NOT_LISTED'
  | 'THRESHOLD_UNREACHABLE' // fewer keys are listed than would have to sign
  | 'KEYCHAIN_ONLY_COPY'
  | 'KEYCHAIN_UNAVAILABLE'
  | 'PROMPT_DECLINED'
  | 'PROMPT_UNAVAILABLE';

export class KeyError extends DtrustError<KeyCode> {
  readonly class = 'key';
}

/** The Docker Engine, or the real docker, did not do what was asked. */
export type EngineCode =
  | 'ENGINE_UNREACHABLE'
  | 'ENGINE_REFUSED'
  | 'ENGINE_BROKEN'
  | 'ENGINE_ERROR'
  | 'ENGINE_TLS'
  | 'IMAGE_NOT_FOUND'
  | 'CONTAINER_NOT_FOUND'
  | 'BUILDX_MISSING'
  | 'BUILDER_CANNOT_ENFORCE'; // a builder that does not refuse what it is told to refuse

export interface EngineErrorDetails extends ErrorDetails<EngineCode> {
  readonly status?: number;
}

export class EngineError extends DtrustError<EngineCode> {
  readonly class = 'engine';
  readonly status: number | undefined;

  constructor(details: EngineErrorDetails) {
    super(details);
    this.status = details.status;
  }
}

for (const type of [
  UsageError,
  TrustError,
  RegistryError,
  NetworkError,
  LocalStateError,
  KeyError,
  EngineError,
]) {
  Object.defineProperty(type.prototype, 'name', { value: type.name, enumerable: false, configurable: true });
}

/** Whether a value is a DtrustError with one of these codes. */
export function hasCode(error: unknown, ...codes: readonly string[]): error is DtrustError {
  return error instanceof DtrustError && codes.includes(error.code);
}

/** The same failure in other words: class, code and evidence stay as they are. */
export function restated<E extends DtrustError>(
  error: E,
  said: { readonly message: string; readonly hints: readonly string[]; readonly reference?: string },
): E {
  return Reflect.construct(error.constructor, [{ ...error, ...said, cause: error }]);
}
