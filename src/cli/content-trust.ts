/**
 * Whether trust is on for one call: the environment variable and docker's own flag, nothing else.
 *
 * On unless switched off. A value that is not clearly "off" is on, a typo too: who meant to enforce must not find
 * out later that nothing was (docs: README, "Switching it off").
 */

const TRUE: ReadonlySet<string> = new Set(['1', 't', 'T', 'TRUE', 'true', 'True']);
const FALSE: ReadonlySet<string> = new Set(['0', 'f', 'F', 'FALSE', 'false', 'False']);

/** Go's strconv.ParseBool: undefined for what it refuses. */
export function parseGoBool(text: string): boolean | undefined {
  if (TRUE.has(text)) return true;
  return FALSE.has(text) ? false : undefined;
}

/**
 * Whether this call enforces trust. `environmentValue` is DOCKER_CONTENT_TRUST of the process, `flag` is what
 * docker's flag table for the command made of `--disable-content-trust`; the flag wins.
 */
export function contentTrustEnabled(
  environmentValue: string | undefined,
  flag: 'on' | 'off' | undefined,
): boolean {
  if (flag !== undefined) return flag === 'on';
  return parseGoBool(environmentValue ?? '') !== false;
}
