/** What a signer may be called: Docker's rule, without the names that roles have. */
import { KeyError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';

const RESERVED: ReadonlySet<string> = new Set(['releases', 'root', 'targets', 'snapshot', 'timestamp']);

/** Returns the name. @throws KeyError KEY_NAME */
export function assertSignerName(name: string): string {
  if (!/^[a-z0-9][a-z0-9_-]{0,99}$/.test(name)) {
    throw refused(
      name,
      'must start with a lower-case letter or digit and hold only those, "-" and "_", 100 at most',
    );
  }
  if (RESERVED.has(name)) throw refused(name, 'is a reserved word');
  return name;
}

function refused(name: string, why: string): KeyError {
  return new KeyError({
    code: 'KEY_NAME',
    message: `key name "${escapeShort(name)}" ${why}`,
    hints: ['Use another name for the signer.'],
  });
}
