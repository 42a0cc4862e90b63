/**
 * The decision to let an image reach the engine, with its reason and its evidence.
 *
 * Only `src/enforce/` may import `sealAdmission` (test/architecture.test.ts holds that); the engine accepts
 * nothing else, so an image that nobody decided on cannot reach it. The seal is checked when it is used:
 * a look-alike object made by hand is refused by `assertAdmission`.
 */
import assert from 'node:assert';
import type { Digest } from './digest.ts';
import type { Platform } from './platform.ts';
import type { Repository, Tag } from './reference.ts';

/** Why the image may be used; only `verified` is ever printed as signed. */
export type AdmissionReason = 'verified' | 'named' | 'local' | 'allowed' | 'audited';

/** What the engine is to fetch: bytes by their digest, or an image it already holds. */
export type Fetch =
  | { readonly kind: 'digest'; readonly repository: Repository; readonly digest: Digest }
  | { readonly kind: 'imageId'; readonly id: Digest };

/** What was checked, for printing and for the audit record. */
export interface AdmissionEvidence {
  /** Canonical reference that was asked for. */
  readonly reference: string;
  readonly collection?: string;
  readonly role?: string;
  readonly rootVersion?: number;
  readonly timestampVersion?: number;
  readonly timestampExpiresAtMs?: number;
  /** Start of the signed state's life is not recorded in TUF; age counts from the remembered first sight. */
  readonly signedLengthBytes?: number;
  readonly mediaType?: string;
}

declare const sealed: unique symbol;

export interface Admission {
  readonly [sealed]: true;
  readonly fetch: Fetch;
  readonly tagAs?: Tag;
  readonly platform?: Platform;
  readonly why: AdmissionReason;
  readonly evidence: AdmissionEvidence;
}

const admissions = new WeakSet<object>();

/** Makes an Admission. To be imported by src/enforce/ alone. */
export function sealAdmission(content: Omit<Admission, typeof sealed>): Admission {
  const admission = Object.freeze({ ...content }) as Admission;
  admissions.add(admission);
  return admission;
}

/** Returns its argument when `sealAdmission` made it; anything else is a bug and stops the process. */
export function assertAdmission(admission: Admission): Admission {
  assert(admissions.has(admission), 'only an admission reaches the engine');
  return admission;
}
