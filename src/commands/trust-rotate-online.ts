/**
 * `dtrust trust rotate online`: a new key for snapshot and timestamp (docs/specification.md, rules 2.5 and 2.8).
 * Signers' keys stay listed there; what else is goes, such as the key of a signer who was removed without the root key.
 */
import type { Context, ExitStatus } from './context.ts';
import { rotateOwn } from './rotate-own.ts';

export function run(context: Context): Promise<ExitStatus> {
  return rotateOwn(context, {
    verb: 'online',
    what: 'online key',
    summary: 'Put a new online key in the place of the old one, which need not be here',
  });
}
