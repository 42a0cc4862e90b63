/**
 * The key of a signer that is a job of a CI service, without a key file: `trust signer add ci REPOSITORY`, and `trust
 * rotate signer ci REPOSITORY` for another one. It is made here, in memory, and printed once, when every repository that
 * took it has been read back (contracts, Keys).
 */
import { createJobSecrets } from '../keys/job-secrets.ts';
import type { Secret } from '../keys/secret.ts';
import { KeyError, LocalStateError } from '../lib/errors.ts';
import { Interrupted } from '../lib/interrupted.ts';
import { Staged } from '../publish/staged.ts';
import type { Repository } from '../reference/reference.ts';
import type { VerifiedCollection } from '../trust/collection.ts';
import type { PublicKey } from '../trust/core/keys.ts';
import { signersOf } from '../trust/signers.ts';
import { type Context, note } from './context.ts';
import { forEachRepository } from './each-repository.ts';
import { Services } from './services.ts';

/** `ci`, `ci-release`: names that say what is wanted. A person's key is made where the person is. */
export function isJobName(name: string): boolean {
  return /^ci(?:[-_].+)?$/.test(name);
}

export interface JobKeyRequest {
  /** The signer's. */
  readonly name: string;
  readonly doing: string;
  readonly repositories: readonly Repository[];
}

/**
 * Lists one new key in all repositories; `doing`: what `work` does, as `forEachRepository` says it. On stdout stand the two lines for the service's secrets and nothing else, and
 * only when there is a repository that lists the key, or a staged change that will list it.
 *
 * @throws DtrustError the first failure, once all were tried; LocalStateError FILE_UNWRITABLE
 */
export async function listJobKey(
  context: Context,
  { name, doing, repositories }: JobKeyRequest,
  work: (services: Services, repository: Repository, keys: readonly PublicKey[]) => Promise<void>,
): Promise<void> {
  // What the command says beside the two lines is not for the pipe that they go into.
  const services = new Services({ ...context, out: context.err });
  const { publicKey, lines } = await createJobSecrets(name);
  const listed: string[] = [];
  const staged: string[] = [];
  try {
    await forEachRepository(services, repositories, doing, async (repository) => {
      try {
        await work(services, repository, [publicKey]);
        listed.push(repository.canonical);
      } catch (error) {
        if (error instanceof Staged) staged.push(repository.canonical);
        throw error;
      }
    });
  } finally {
    if (listed.length + staged.length > 0) {
      if (listed.length > 0) note(context, `the key of ${name} is listed in: ${listed.join(', ')}`);
      if (staged.length > 0) {
        note(context, `once what is staged is published, it is listed in: ${staged.join(', ')}`);
      }
      print(context, name, lines);
    }
    lines.wipe();
    await services.close();
  }
}

/** @throws LocalStateError FILE_UNWRITABLE when whoever was to read the lines has gone: the key is lost then */
function print(context: Context, name: string, lines: Secret): void {
  note(context, 'the two lines on stdout are for the secrets of the CI service; they are kept nowhere else');
  if (context.out(lines.reveal()) !== false) return;
  throw new LocalStateError({
    code: 'FILE_UNWRITABLE',
    message: `nobody reads stdout any more: the key of ${name} could not be handed over and is gone`,
    hints: [`Put another one in its place: dtrust trust rotate signer ${name} REPOSITORY`],
  });
}

/** A job's key is in one place only; who has lost it gives the job another one. @throws KeyError KEY_EXISTS */
export function assertNoSuchSigner({ trusted, repository }: VerifiedCollection, name: string): void {
  if (!signersOf(trusted).some((signer) => signer.name === name)) return;
  const { canonical, familiar } = repository;
  throw new KeyError({
    code: 'KEY_EXISTS',
    message: `there is a signer ${name} in ${canonical} already, whose key only the job has`,
    reference: canonical,
    hints: [
      `For another key in the place of its own: dtrust trust rotate signer ${name} ${familiar}`,
      `For a second job, use a second name: dtrust trust signer add ci-NAME ${familiar}`,
    ],
  });
}

/** A publish that failed may stand all the same; nobody has the key then. `way`: the command that mends it. */
export async function sayIfItMayStand<T>(
  services: Services,
  name: string,
  { familiar }: Repository,
  way: string,
  publishing: Promise<T>,
): Promise<T> {
  try {
    return await publishing;
  } catch (error) {
    if (error instanceof Staged) throw error;
    const isStopped = error instanceof Interrupted;
    note(
      services.context,
      `the key that was made for ${name} is gone${isStopped ? ', and the publish may stand' : ''}; should ` +
        `\`dtrust trust signer list ${familiar}\` show ${name} with a key from now: dtrust trust ${way} ${name} ${familiar}`,
    );
    throw error;
  }
}
