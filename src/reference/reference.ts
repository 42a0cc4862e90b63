/**
 * Docker references: `[host[:port]/]path[:tag][@digest]`, parsed once into frozen values.
 *
 * What docker's own client accepts is accepted (distribution/reference 0.6, `ParseNormalizedNamed`), with Docker
 * Hub and `library/` filled in, and everything else is refused. Narrower than docker, on purpose: a host that is
 * no host (`foo_bar.com/x`, a port above 65535, an IPv6 address that is none) and a text of more than
 * 1,024 characters.
 *
 * Three forms: *given*, as typed, for messages; *canonical*, with host and tag filled in, the only form that
 * pins, memory, policy and target paths use (specification 1.3); *familiar*, the short form docker prints, made
 * so that it always parses back to the same repository.
 */
import assert from 'node:assert';
import { UsageError } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';
import type { Digest } from './digest.ts';
import { isDigest } from './digest.ts';
import { DOCKER_HUB, isHostLike, normalizeHost } from './host.ts';

export { isLoopbackHost } from './host.ts';

declare const tagBrand: unique symbol;
export type Tag = string & { readonly [tagBrand]: true };

/** A reference without tag and digest; Notary calls its canonical form GUN. */
export interface Repository {
  /** `docker.io`, `ghcr.io`, `localhost:5000`, `[::1]:5000`. */
  readonly host: string;
  /** `library/nginx`. */
  readonly path: string;
  /** `docker.io/library/nginx`. */
  readonly canonical: string;
  /** `nginx`. */
  readonly familiar: string;
}

export interface Reference {
  readonly repository: Repository;
  /** Absent when none was given; `withDefaultTag` fills in `latest`. */
  readonly tag?: Tag;
  readonly digest?: Digest;
  /** As typed. */
  readonly given: string;
  /** With tag and digest; with `:latest` when neither was given. */
  readonly canonical: string;
  /** As docker prints it: nothing filled in. */
  readonly familiar: string;
}

/** The tag that holds a repository's trust data (specification 3.1); no image may have it. */
export const TRUST_TAG = '_trust' as Tag;

/** The tag that holds what waits for signatures (specification 4.6); no image may have it either. */
export const STAGED_TAG = '_trust-staged' as Tag;

/** Whether a tag is kept for trust data; never throws. */
export function isReservedTag(tag: string | undefined): boolean {
  return tag === TRUST_TAG || tag === STAGED_TAG;
}

/** The tag docker means when none is given. */
export const DEFAULT_TAG = 'latest' as Tag;

/** Longest path docker takes, without the host. */
const MAX_PATH_LENGTH = 255;
/** No reference docker takes is longer: host 255, path 255, tag 128, digest 135, and separators. */
const MAX_REFERENCE_LENGTH = 1024;

// distribution/reference 0.6, "Grammar".
const COMPONENT = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const PATH = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`);
const TAG = /^[0-9A-Za-z_][0-9A-Za-z_.-]{0,127}$/;
const IDENTIFIER = /^[a-f0-9]{64}$/;

/**
 * The reference a text spells; no tag is filled in.
 * @throws UsageError REFERENCE_INVALID
 */
export function parseReference(text: string): Reference {
  if (text.length > MAX_REFERENCE_LENGTH) throw invalid(text, 'invalid reference format: too long');
  // docker: 64 hexadecimal digits are an image ID, never a name.
  if (IDENTIFIER.test(text)) {
    throw invalid(text, `invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`);
  }
  const { host, remainder } = splitHost(text);
  const at = remainder.indexOf('@');
  const named = at === -1 ? remainder : remainder.slice(0, at);
  const colon = named.indexOf(':');
  const path = colon === -1 ? named : named.slice(0, colon);
  if (path.toLowerCase() !== path) {
    throw invalid(text, `invalid reference format: repository name (${escapeText(path)}) must be lowercase`);
  }
  const tag = colon === -1 ? undefined : named.slice(colon + 1);
  const digest = at === -1 ? undefined : remainder.slice(at + 1);
  if (tag !== undefined && !isTag(tag)) throw invalid(text, 'invalid reference format: bad tag');
  if (digest !== undefined && !isDigest(digest)) throw invalid(text, 'invalid reference format: bad digest');
  return makeReference(makeRepository(host, path, text), { tag, digest }, text);
}

/**
 * The repository a text spells.
 * @throws UsageError REFERENCE_INVALID, also when the text has a tag or a digest
 */
export function parseRepository(text: string): Repository {
  const { repository, tag, digest } = parseReference(text);
  if (tag !== undefined || digest !== undefined) {
    throw invalid(text, 'a repository is expected, without tag and digest');
  }
  return repository;
}

/** Whether docker would take the text as a tag; never throws. */
export function isTag(text: string): text is Tag {
  return TAG.test(text);
}

/**
 * The tag a text spells.
 * @throws UsageError REFERENCE_INVALID
 */
export function parseTag(text: string): Tag {
  if (isTag(text)) return text;
  throw invalid(
    text,
    'invalid tag',
    'up to 128 letters, digits, `_`, `.` and `-`, not beginning with . or -',
  );
}

/** A reference made from its parts; its given form is its familiar one. */
export function referenceTo(
  repository: Repository,
  parts: { readonly tag?: Tag | undefined; readonly digest?: Digest | undefined },
): Reference {
  return makeReference(repository, parts);
}

/** The reference with `latest` where no tag was given. Not for a digest without tag: it names no tag at all. */
export function withDefaultTag(reference: Reference): Reference & { readonly tag: Tag } {
  if (reference.tag !== undefined) return { ...reference, tag: reference.tag };
  assert(reference.digest === undefined, 'a digest without tag has no default tag');
  const tagged = makeReference(reference.repository, { tag: DEFAULT_TAG }, reference.given);
  return Object.freeze({ ...tagged, tag: DEFAULT_TAG });
}

/**
 * The tag's or digest's name as docker and BuildKit fill it in from what was typed: as the canonical one, but the host
 * is left as it was written (`GHCR.io:443/acme/app`), so that a rule for exactly this name meets it.
 */
export function dockerSpelling({ repository, canonical, given }: Reference): string {
  const first = given.slice(0, Math.max(given.indexOf('/'), 0));
  const isKept =
    isHostLike(first) && normalizeHost(first) === repository.host && repository.host !== DOCKER_HUB;
  return isKept ? `${first}${canonical.slice(repository.host.length)}` : canonical;
}

/** Path of the TUF target that stands for a tag (specification 1.1). */
export function targetPath(repository: Repository, tag: Tag): string {
  return `${repository.canonical}:${tag}`;
}

/**
 * Returns its argument unless it names a tag that holds trust data (specification 3.4).
 * @throws UsageError TAG_RESERVED
 */
export function assertNotTrustTag(reference: Reference): Reference {
  if (!isReservedTag(reference.tag)) return reference;
  throw new UsageError({
    code: 'TAG_RESERVED',
    message: `the tag ${reference.tag} holds the trust data of ${reference.repository.familiar} and is no image`,
    reference: reference.canonical,
  });
}

function splitHost(text: string): { host: string; remainder: string } {
  const slash = text.indexOf('/');
  const first = text.slice(0, Math.max(slash, 0));
  const named = slash !== -1 && isHostLike(first);
  const host = named ? normalizeHost(first) : DOCKER_HUB;
  if (host === undefined) throw invalid(text, 'invalid reference format: the registry is not a host name');
  const remainder = named ? text.slice(slash + 1) : text;
  // docker: on Docker Hub a name of one part is an official image.
  const official = host === DOCKER_HUB && !remainder.includes('/');
  return { host, remainder: official ? `library/${remainder}` : remainder };
}

function makeRepository(host: string, path: string, given: string): Repository {
  if (!PATH.test(path)) throw invalid(given, 'invalid reference format');
  if (path.length > MAX_PATH_LENGTH) {
    throw invalid(given, `repository name must not be more than ${MAX_PATH_LENGTH} characters`);
  }
  const canonical = `${host}/${path}`;
  return Object.freeze({ host, path, canonical, familiar: familiarName(host, path) });
}

/**
 * Docker's short name, where it reads back as the same repository. Docker shortens `docker.io/a.b/c` to `a.b/c`
 * too, which names another registry; such names stay whole here.
 */
function familiarName(host: string, path: string): string {
  const canonical = `${host}/${path}`;
  if (host !== DOCKER_HUB) return canonical;
  const official = /^library\/([^/]+)$/.exec(path)?.[1];
  if (official !== undefined) return IDENTIFIER.test(official) ? canonical : official;
  return isHostLike(path.slice(0, path.indexOf('/'))) ? canonical : path;
}

function makeReference(
  repository: Repository,
  parts: { readonly tag?: Tag | undefined; readonly digest?: Digest | undefined },
  given?: string,
): Reference {
  const { tag, digest } = parts;
  const suffix = (tag === undefined ? '' : `:${tag}`) + (digest === undefined ? '' : `@${digest}`);
  const familiar = repository.familiar + suffix;
  return Object.freeze({
    repository,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
    given: given ?? familiar,
    canonical: repository.canonical + (suffix === '' ? `:${DEFAULT_TAG}` : suffix),
    familiar,
  });
}

function invalid(given: string, message: string, expected?: string): UsageError {
  return new UsageError({
    code: 'REFERENCE_INVALID',
    message,
    found: escapeText(given.slice(0, 200)),
    ...(expected === undefined ? {} : { expected }),
  });
}
