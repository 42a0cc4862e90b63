/**
 * The arguments with which the real docker makes a container: the user's own, but for the image.
 *
 * The image becomes what the admission stands for, `name@sha256:...` or a full image ID, and never a name that
 * could be given to another image between the check and the use. Docker itself fetches nothing: whatever was to be
 * fetched is here by now, so `--pull=never` is added where it is read last. Otherwise `--pull always` of an image ID
 * would fetch `docker.io/library/sha256:<the ID>`, and an image removed meanwhile would come without a look at its
 * manifest. `--disable-content-trust` is taken out: Docker CLI 29 warns of it, and the decision has been made.
 */
import assert from 'node:assert';
import type { ParsedArgv } from '../cli/argv.ts';
import { localName } from '../engine/pull.ts';
import { type Admission, assertAdmission } from '../reference/admission.ts';

type Places = Pick<ParsedArgv, 'rest' | 'restAt' | 'positionalsAt' | 'flagsEndAt' | 'contentTrustAt'>;

/** What stands behind `run` or `create` for an admitted image. */
export function pinnedArguments(parsed: Places, admission: Admission): string[] {
  const name = localName(assertAdmission(admission));
  const { rest, restAt, positionalsAt, flagsEndAt, contentTrustAt } = parsed;
  const imageAt = positionalsAt[0];
  assert(imageAt !== undefined, 'a container is made of an image');
  return rest.flatMap((arg, at) => {
    const before = at === flagsEndAt ? ['--pull=never'] : [];
    if (contentTrustAt.includes(at + restAt)) return before;
    return [...before, at === imageAt ? name : arg];
  });
}
