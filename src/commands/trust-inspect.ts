/**
 * `dtrust trust inspect`: what is signed in a repository, and by which keys. Docker's own JSON by default, so that
 * scripts keep working; `--format json` is the same on one line with dtrust's facts beside it; `--pretty` is for
 * people.
 */
import { UsageError } from '../lib/errors.ts';
import { assertNotTrustTag, parseReference } from '../reference/reference.ts';
import type { Context, ExitStatus } from './context.ts';
import { assertJsonFormat } from './format.ts';
import { type Inspected, inspectCollection } from './inspect-collection.ts';
import { explainNoTrustData } from './no-trust-data.ts';
import { openFor, printWarnings, sourceFor } from './open-collection.ts';
import { renderDockerJson, renderJsonLine, renderPretty } from './render-inspected.ts';
import { runOwn } from './run-own.ts';
import type { Services } from './services.ts';

const SYNTAX = {
  usage: 'dtrust trust inspect [OPTIONS] IMAGE[:TAG] [IMAGE[:TAG]...]',
  summary: 'Return low-level information about keys and signatures',
  flags: {
    pretty: { type: 'boolean', describe: 'Print the information in a human friendly format' },
    format: { type: 'string', describe: "'json': everything that is known, on one line" },
  },
  least: 1,
  most: Number.POSITIVE_INFINITY,
} as const;

export function run(context: Context): Promise<ExitStatus> {
  return runOwn(context, SYNTAX, async (args, services) => {
    const json = assertJsonFormat(args.string('format'));
    const pretty = args.on('pretty');
    if (json && pretty)
      throw new UsageError({ code: 'USAGE', message: '--pretty and --format exclude each other' });
    const inspected: Inspected[] = [];
    // Nothing is printed before all of it is known: half an answer on stdout would be taken for the whole.
    for (const given of args.positionals) inspected.push(await inspect(services, given));
    if (pretty) context.out(inspected.map(renderPretty).join('\n\n'));
    else context.out(json ? renderJsonLine(inspected) : renderDockerJson(inspected));
    return 0;
  });
}

async function inspect(services: Services, given: string): Promise<Inspected> {
  const reference = assertNotTrustTag(parseReference(given));
  const { repository } = reference;
  const source = await sourceFor(services, repository);
  try {
    const collection = await openFor(services, repository, source, { purpose: 'own' });
    printWarnings(services, collection);
    return await inspectCollection(collection, reference, given);
  } catch (error) {
    throw await explainNoTrustData(services, reference, error);
  }
}
