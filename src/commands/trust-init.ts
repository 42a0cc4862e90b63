/**
 * `dtrust trust init REPO`: begins the trust data of a repository deliberately (docs/specification.md, rule 4.4), also
 * where a pin says that there should be some: then with a root key that meets the pin.
 */
import { hasCode, TrustError } from '../lib/errors.ts';
import { assertMeetsPin } from '../publish/init-pin.ts';
import { newKeys, type Prepared, type PublishTools } from '../publish/prepare.ts';
import { publishEdits } from '../publish/publish-edits.ts';
import { parseRepository, type Repository } from '../reference/reference.ts';
import { openCollection } from '../trust/updater.ts';
import type { Context, ExitStatus } from './context.ts';
import { createPublishTools } from './publish-tools.ts';
import { runOwn } from './run-own.ts';

const SYNTAX = {
  usage: 'dtrust trust init REPO',
  summary: 'Make a repository ready for signing, deliberately',
  flags: {},
  least: 1,
  most: 1,
};

export function run(context: Context): Promise<ExitStatus> {
  return runOwn(context, SYNTAX, async (args, services) => {
    const repository = parseRepository(args.positionals[0] ?? '');
    const tools = await createPublishTools(services, repository);
    await assertNothingThere(tools);
    const prepared: Prepared = { kind: 'new', keys: await newKeys(tools) };
    const pin = services.pins.get(repository.canonical);
    if (pin !== undefined) assertMeetsPin(repository, pin, prepared.keys.rootKey.publicKey);
    // The pin was met just now; with it in place there would be nothing to begin from.
    const editOptions = { ...tools.editOptions, pins: new Map() };
    await publishEdits({ ...tools, editOptions }, prepared, []);
    context.out(`Finished initializing "${repository.canonical}"\n`);
    return 0;
  });
}

/** @throws TrustError TRUST_DATA_GONE, COLLECTION_MISMATCH and every other refusal of what is there */
async function assertNothingThere(tools: PublishTools): Promise<void> {
  const { editOptions, repository } = tools;
  try {
    await openCollection(editOptions);
  } catch (error) {
    const remembered = editOptions.memory.load(repository.canonical, editOptions.memoryScope) !== undefined;
    if (hasCode(error, 'NO_TRUST_DATA') || (hasCode(error, 'TRUST_DATA_GONE') && !remembered)) return;
    throw error;
  }
  throw alreadyThere(repository);
}

function alreadyThere({ canonical, familiar }: Repository): TrustError {
  return new TrustError({
    code: 'PUBLISH_CONFLICT',
    message: `${canonical} has trust data already`,
    reference: canonical,
    hints: [`Look at it: dtrust trust inspect --pretty ${familiar}`, `Sign: dtrust push ${familiar}:TAG`],
  });
}
