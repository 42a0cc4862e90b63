/** A platform as the pull request's query names it. */
import { formatPlatform, type Platform } from '../reference/platform.ts';

/** `linux/arm/v7`; without an OS version, for which the query has no place. */
export function platformParameter({ os, architecture, variant }: Platform): string {
  return formatPlatform({ os, architecture, ...(variant === undefined ? {} : { variant }) });
}
