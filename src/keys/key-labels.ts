/** Role and repository as they may stand in a key file's headers: one line, nothing that could forge another. */
import { KeyError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';

// Docker's signer names, and role names of Notary made of them (`targets/releases`).
const rolePattern = /^[a-z0-9][a-z0-9_-]{0,99}(?:\/[a-z0-9][a-z0-9_-]{0,99}){0,4}$/;
const repositoryPattern = /^[\x21-\x7e]{1,400}$/;

/**
 * @throws KeyError KEY_NAME
 */
export function assertLabels(labels: { readonly role: string; readonly repository?: string }): void {
  if (!rolePattern.test(labels.role)) {
    throw new KeyError({
      code: 'KEY_NAME',
      message: `key name "${escapeShort(labels.role)}" must start with a lower-case letter or digit and may go on with letters, digits, "-" and "_"`,
    });
  }
  if (labels.repository !== undefined && !repositoryPattern.test(labels.repository)) {
    throw new KeyError({
      code: 'KEY_NAME',
      message: `repository "${escapeShort(labels.repository)}" cannot be written into a key file`,
    });
  }
}
