/**
 * `dtrust trust rotate signer`: a signer's new key in the place of his old one, wherever that counts
 * (docs/specification.md, rule 2.8). Takes the root key and the repository key, as adding him did.
 */
import { KeyError, UsageError } from '../lib/errors.ts';
import { changeKeys } from '../publish/change-keys.ts';
import { assertNobodysKey, signerNamed } from '../publish/signers-keys.ts';
import { parseRepository, type Repository } from '../reference/reference.ts';
import type { VerifiedCollection } from '../trust/collection.ts';
import type { Edit } from '../trust/core/editor.ts';
import { isSameKey, type PublicKey, tufKeyId } from '../trust/core/keys.ts';
import type { Context, ExitStatus } from './context.ts';
import { forEachRepository } from './each-repository.ts';
import { readGivenKey } from './given-key.ts';
import { isJobName, listJobKey, sayIfItMayStand } from './job-key.ts';
import { createPublishTools } from './publish-tools.ts';
import { sayChanged, withStagingHint } from './rotation-words.ts';
import { runOwn } from './run-own.ts';
import type { Services } from './services.ts';
import { assertSignerName } from './signer-name.ts';

const SYNTAX = {
  usage: 'dtrust trust rotate signer [OPTIONS] NAME REPO...',
  summary: 'Put new keys of a signer in the place of those he has',
  flags: {
    key: {
      type: 'string',
      repeatable: true,
      describe: "Public key file of the signer's new key; not for ci, ci-NAME",
    },
  },
  least: 2,
  most: Number.POSITIVE_INFINITY,
} as const;

export function run(context: Context): Promise<ExitStatus> {
  return runOwn(context, SYNTAX, async (args, services) => {
    const [given = '', ...names] = args.positionals;
    const name = assertSignerName(given);
    const repositories = names.map(parseRepository);
    const files = args.strings('key');
    if (files.length === 0 && isJobName(name)) {
      const request = { name, doing: `rotate the key of ${name} in`, repositories };
      await listJobKey(context, request, (quiet, repository, keys) => {
        const rotating = rotate(quiet, repository, name, keys);
        return sayIfItMayStand(quiet, name, repository, 'rotate signer', rotating);
      });
      return 0;
    }
    if (files.length === 0) {
      throw new UsageError({
        code: 'USAGE',
        message: 'the public key that is to come is named with --key',
        hints: [
          `The signer makes it with: dtrust trust key generate ${name}`,
          'Of a job of a CI service (ci, ci-NAME) it is made here.',
        ],
      });
    }
    const keys = files.map((file) => readGivenKey(context, file));
    await forEachRepository(services, repositories, `rotate the key of ${name} in`, (repository) =>
      withStagingHint(`rotate signer --key FILE.pub ${name} ${repository.familiar}`, () =>
        rotate(services, repository, name, keys),
      ),
    );
    return 0;
  });
}

async function rotate(
  services: Services,
  repository: Repository,
  name: string,
  keys: readonly PublicKey[],
): Promise<void> {
  const { context } = services;
  const { canonical, familiar } = repository;
  const tools = await createPublishTools(services, repository);
  context.out(`Rotating the key of signer "${name}" in ${canonical}...\n`);
  const edits = (collection: VerifiedCollection): readonly Edit[] => {
    const signer = signerNamed(collection, name);
    assertNobodysKey(collection, { name, keys });
    const gone = signer.keys.filter((key) => !keys.some((other) => isSameKey(other, key)));
    const comes = keys.some((key) => !signer.keys.some((own) => isSameKey(own, key)));
    if (gone.length === 0 && !comes) throw unchanged(repository, name, keys);
    return [{ kind: 'replaceSignerKeys', name, gone, keys }];
  };
  sayChanged(tools, await changeKeys(tools, { edits, roles: ['snapshot', 'timestamp'], comes: keys }));
  tools.say(
    `if the old key was stolen: compare what is released with what it should be (dtrust trust inspect --pretty ${familiar}), and replace all keys that can publish: dtrust trust rotate --recover ${familiar}`,
  );
  context.out(`Successfully rotated the key of ${name} in ${canonical}: ${keys.map(tufKeyId).join(', ')}\n`);
}

function unchanged({ canonical }: Repository, name: string, keys: readonly PublicKey[]): KeyError {
  return new KeyError({
    code: 'KEY_EXISTS',
    message: `these are the keys that ${name} has in ${canonical} already`,
    reference: canonical,
    found: keys.map(tufKeyId).join(', '),
    hints: [`For a new key: dtrust trust key generate ${name}`],
  });
}
