/** Which key a passphrase is for: how a prompt names it, and which keys share a variable or what was typed. */
import { escapeText } from '../lib/escape.ts';

export const ROOT_PASSPHRASE_VARIABLE = 'DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE';
export const REPOSITORY_PASSPHRASE_VARIABLE = 'DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE';

/** Which key a passphrase is for, as a prompt names it. */
export interface PassphraseRequest {
  /** `root`, `targets`, `snapshot`, a signer's name; undefined when the file does not say. */
  readonly role?: string | undefined;
  /** Canonical repository (GUN) that the key belongs to. */
  readonly repository?: string | undefined;
  /** Full key ID (hex); prompts show its first 7 digits, as Docker does. Absent for a file not yet read. */
  readonly keyId?: string | undefined;
  /** The variable that holds the key, where it is in no file. */
  readonly variable?: string | undefined;
}

export type Kind = 'root' | 'repository';

/** How a prompt names a key: Docker's words, and the repository where the key has one. */
export function describe(request: PassphraseRequest): string {
  const role = request.role === 'targets' || request.role === 'snapshot' ? 'repository' : request.role;
  const id = request.keyId === undefined ? '' : ` with ID ${request.keyId.slice(0, 7)}`;
  const repository = request.repository === undefined ? '' : ` (${escapeText(request.repository)})`;
  const variable = request.variable === undefined ? '' : ` in ${request.variable}`;
  return `${escapeText(role ?? 'encrypted')} key${id}${repository}${variable}`;
}

export function kindOf(request: PassphraseRequest): Kind {
  return request.role === 'root' ? 'root' : 'repository';
}

export function variableOf(kind: Kind): string {
  return kind === 'root' ? ROOT_PASSPHRASE_VARIABLE : REPOSITORY_PASSPHRASE_VARIABLE;
}

/** Keys that share a passphrase in one process: all root keys, the keys of one repository, one signer's. */
export function shelf(request: PassphraseRequest): string {
  return kindOf(request) === 'root' ? 'root' : `repository ${request.repository ?? ''}`;
}

/** Keys that one repository has for itself, and that no person unlocks elsewhere. */
export function isOfCollection({ role }: PassphraseRequest): boolean {
  return role === 'targets' || role === 'snapshot';
}
