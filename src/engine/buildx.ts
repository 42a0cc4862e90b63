/**
 * The real docker and its buildx plugin, asked what they are.
 *
 * Their answers choose the way of a build and name its builder; they are not evidence. Whether a builder refuses
 * what it is told to refuse is seen by trying (src/enforce/build/canary.ts).
 */

/** What a program printed, as src/lib/child.ts gives it. */
export interface Answer {
  readonly status: number | null;
  readonly stdout: Buffer;
}

/** `Docker version 26.1.5+dfsg1, build a72d7cd` gives 26; undefined for what is no docker. */
export function cliMajorVersion({ status, stdout }: Answer): number | undefined {
  const major = status === 0 ? /^Docker version (\d{1,4})\./.exec(stdout.toString())?.[1] : undefined;
  return major === undefined ? undefined : Number(major);
}

/** Whether `docker buildx version` was answered by buildx; other programs call a plugin of theirs so as well. */
export function isBuildx({ status, stdout }: Answer): boolean {
  return status === 0 && /^github\.com\/docker\/buildx /.test(stdout.toString());
}
