/** `dtrust trust key forget`: remembered passphrases leave the keychain; no key is lost by it. */
import { type ForgetRequest, type Forgotten, forgetPassphrase, rememberedAccounts } from '../keys/forget.ts';
import type { KeyStore } from '../keys/key-store.ts';
import type { Keychain } from '../keys/keychain.ts';
import { describe } from '../keys/passphrase-request.ts';
import { KeyError, UsageError } from '../lib/errors.ts';
import { type Context, type ExitStatus, note } from './context.ts';
import { keyNamed } from './key-named.ts';
import type { OwnArguments } from './own-options.ts';
import { runOwn } from './run-own.ts';

const SYNTAX = {
  usage: 'dtrust trust key forget [OPTIONS] [KEY...]',
  summary:
    'Remove remembered passphrases from the keychain of this system (a key ID, 7 digits of it or more, or a role)',
  flags: {
    all: { type: 'boolean', describe: 'All that are remembered' },
    force: { type: 'boolean', describe: 'Also the only copy of a passphrase: its key opens no more' },
  },
  least: 0,
  most: Number.POSITIVE_INFINITY,
} as const;

export function run(context: Context): Promise<ExitStatus> {
  return runOwn(context, SYNTAX, async (args, services) => {
    assertEither(args);
    const [keys, keychain, terminal] = await Promise.all([
      services.keys(),
      services.keychain(),
      services.terminal(),
    ]);
    // Every name is looked at before anything is removed.
    const named = args.positionals.map((text) => requestFor(keys, text));
    if (!terminal.canPrompt()) throw nobodyThere();
    const requests = args.on('all') ? await all(keys, keychain) : named;
    if (requests.length === 0) note(context, 'no passphrase is remembered');
    const { fs, platform } = context;
    const tools = { keychain, keys, terminal, fs, platform, force: args.on('force') };
    const kept: ForgetRequest[] = [];
    for (const request of requests) {
      const outcome = await forgetPassphrase(tools, request);
      if (outcome === 'kept') kept.push(request);
      else report(context, request, outcome);
    }
    if (kept.length > 0) throw onlyCopies(kept);
    return 0;
  });
}

function assertEither(args: OwnArguments): void {
  if (args.on('all') === args.positionals.length > 0) {
    throw new UsageError({
      code: 'USAGE',
      message: 'dtrust trust key forget takes one or more keys, or --all',
      hints: [`Usage: ${SYNTAX.usage}`],
    });
  }
}

function requestFor(keys: KeyStore, text: string): ForgetRequest {
  const entry = keyNamed(keys, text);
  return { account: entry.notaryKeyId, entry };
}

async function all(keys: KeyStore, keychain: Keychain): Promise<readonly ForgetRequest[]> {
  const entries = new Map(keys.files().map((entry) => [entry.notaryKeyId, entry]));
  const accounts = await rememberedAccounts(keychain);
  return accounts.map((account) => ({ account, entry: entries.get(account) }));
}

function report(context: Context, request: ForgetRequest, outcome: Forgotten): void {
  if (outcome === 'nothing') note(context, `no passphrase is remembered for ${labelOf(request)}`);
  else context.out(`Forgot the passphrase of ${labelOf(request)}\n`);
}

function labelOf({ account, entry }: ForgetRequest): string {
  if (entry === undefined) return `key ${account}, which is not here`;
  return `${describe({ role: entry.role, repository: entry.repository })} ${entry.tufKeyId ?? account}`;
}

function nobodyThere(): KeyError {
  return new KeyError({
    code: 'KEYCHAIN_UNAVAILABLE',
    message: 'the keychain of this system is asked on a terminal alone, and there is none',
    hints: ['Run the command on a terminal, in the foreground, without CI and DTRUST_PROMPT.'],
  });
}

function onlyCopies(kept: readonly ForgetRequest[]): KeyError {
  return new KeyError({
    code: 'KEYCHAIN_ONLY_COPY',
    message: `the keychain may hold the only copy of the passphrase of ${kept.map(labelOf).join('; ')}`,
    hints: [
      ...kept.flatMap(({ entry }) =>
        entry === undefined
          ? []
          : [`Set one that you know first: dtrust trust key passwd ${entry.notaryKeyId}`],
      ),
      'To give the key up with its passphrase, add --force.',
    ],
  });
}
