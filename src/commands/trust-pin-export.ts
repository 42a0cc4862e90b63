/** `dtrust trust pin export REPO`: the line that holds another machine to what is known here (protocol 6.1). */
import { parseRepository } from '../reference/reference.ts';
import type { VerifiedCollection } from '../trust/collection.ts';
import { pinFor } from '../trust/core/pin.ts';
import { renderPinLine } from '../trust/pins.ts';
import type { Context, ExitStatus } from './context.ts';
import { openFor, printWarnings, sourceFor } from './open-collection.ts';
import { runOwn } from './run-own.ts';

const SYNTAX = {
  usage: 'dtrust trust pin export REPO',
  summary: 'Print the line that pins a repository on another machine',
  flags: {},
  least: 1,
  most: 1,
};

export function run(context: Context): Promise<ExitStatus> {
  return runOwn(context, SYNTAX, async (args, services) => {
    const repository = parseRepository(args.positionals[0] ?? '');
    const source = await sourceFor(services, repository);
    const collection = await openFor(services, repository, source, { purpose: 'own' });
    printWarnings(services, collection);
    context.out(`${pinLineOf(collection)}\n`);
    return 0;
  });
}

/** The pin line of a collection as it stands. */
export function pinLineOf({ trusted, repository }: VerifiedCollection): string {
  const version = trusted.timestamp?.signed.version ?? 1;
  return renderPinLine(repository.canonical, pinFor(trusted.root, version));
}
