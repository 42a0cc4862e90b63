/**
 * `--mount type=image,source=NAME` puts the files of another image into the container (Docker 28). Nobody has decided
 * on that image, so it is refused, by its digest too: docker would look the name up by itself.
 */
import { UsageError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';

/**
 * Refuses mounts of images. Refusing too much is the safe side: docker reads the value as CSV, in any case, and
 * Go's lower case of the Turkish capital I is a plain i.
 *
 * @throws UsageError NOT_YET_ENFORCED
 */
export function refuseImageMounts(mounts: readonly string[]): void {
  for (const mount of mounts) {
    const plain = mount.replaceAll('\u0130', 'i').toLowerCase().replace(/[\s"]/g, '');
    if (!plain.includes('type=image')) continue;
    throw new UsageError({
      code: 'NOT_YET_ENFORCED',
      message: `\`--mount ${escapeShort(mount)}\` is not done while content trust is on: it mounts an image that nobody verified`,
      hints: [
        'Copy what is needed into an image that is signed, or put `DOCKER_CONTENT_TRUST=0` before the command.',
      ],
    });
  }
}
