/**
 * `dtrust trust init REPO`: begins the trust data of a repository deliberately (docs/specification.md, rule 4.4), also
 * where a pin says that there should be some: then with a root key that meets the pin.
 */
import { hasCode, KeyError, TrustError } from '../lib/errors.ts';
import { assertMeetsPin } from '../publish/init-pin.ts';
import type { CollectionKeys } from '../publish/initialise.ts';
import { newKeys, type Prepared, type PublishTools } from '../publish/prepare.ts';
import { publishEdits } from '../publish/publish-edits.ts';
import { parseRepository, type Repository } from '../reference/reference.ts';
import { isSameKey, type PublicKey, tufKeyId } from '../trust/core/keys.ts';
import { openCollection } from '../trust/updater.ts';
import type { Context, ExitStatus } from './context.ts';
import { readGivenKey } from './given-key.ts';
import { createPublishTools } from './publish-tools.ts';
import { runOwn } from './run-own.ts';

const SYNTAX = {
  usage: 'dtrust trust init [OPTIONS] REPO',
  summary: 'Make a repository ready for signing, deliberately',
  flags: {
    'second-root-key': {
      type: 'string',
      repeatable: true,
      describe: 'Public key file of a root key kept elsewhere, so that one lost key is not the end',
    },
  },
  least: 1,
  most: 1,
} as const;

export function run(context: Context): Promise<ExitStatus> {
  return runOwn(context, SYNTAX, async (args, services) => {
    const repository = parseRepository(args.positionals[0] ?? '');
    const files = args.strings('second-root-key');
    const otherRootKeys = files.map((file) => readGivenKey(context, file));
    const tools = await createPublishTools(services, repository);
    await assertNothingThere(tools);
    const keys = await newKeys(tools, otherRootKeys.length > 0);
    assertOthers(repository, keys, otherRootKeys);
    const prepared: Prepared = { kind: 'new', keys, otherRootKeys };
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

/** A key that is lost with the first root key is no second one. @throws KeyError KEY_EXISTS */
function assertOthers(
  { canonical }: Repository,
  { rootKey, targetsKey, onlineKey }: CollectionKeys,
  others: readonly PublicKey[],
): void {
  const all = [rootKey, targetsKey, onlineKey].map(({ publicKey }) => publicKey);
  for (const key of others) {
    if (all.some((each) => isSameKey(each, key))) {
      throw new KeyError({
        code: 'KEY_EXISTS',
        message: `this key is one of ${canonical} already, so it is no second root key`,
        reference: canonical,
        found: tufKeyId(key),
        hints: ['Make one on another machine: dtrust trust key generate root'],
      });
    }
    all.push(key);
  }
}

function alreadyThere({ canonical, familiar }: Repository): TrustError {
  return new TrustError({
    code: 'PUBLISH_CONFLICT',
    message: `${canonical} has trust data already`,
    reference: canonical,
    hints: [
      `Look at it: dtrust trust inspect --pretty ${familiar}`,
      `The line that others trust it with: dtrust trust pin export ${familiar}`,
      `Sign: dtrust push ${familiar}:TAG`,
      `To list a second root key: dtrust trust threshold --add-key FILE root 1 ${familiar}`,
    ],
  });
}
