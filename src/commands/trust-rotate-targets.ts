/**
 * `dtrust trust rotate targets`: a new repository key, in `targets` and in every role that says what is released
 * (docs/specification.md, rules 2.3 and 2.8). The old one need not be here.
 */
import type { Context, ExitStatus } from './context.ts';
import { rotateOwn } from './rotate-own.ts';

export function run(context: Context): Promise<ExitStatus> {
  return rotateOwn(context, {
    verb: 'targets',
    what: 'repository key',
    summary: 'Put a new repository key in the place of the old one, which need not be here',
  });
}
