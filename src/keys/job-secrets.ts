/**
 * A key for a job of a CI service, made in memory: what goes into the service's secrets, and nothing else of it
 * anywhere. The passphrase is random, so that key and passphrase are worth something only together.
 */
import { randomBytes } from 'node:crypto';
import type { PublicKey } from '../trust/core/keys.ts';
import { createEd25519Key } from './create.ts';
import { KEY_VARIABLE } from './held-key.ts';
import { renderKeyFile } from './key-file.ts';
import { REPOSITORY_PASSPHRASE_VARIABLE } from './passphrase-request.ts';
import { KDF_ITERATIONS } from './pbes2.ts';
import { Secret } from './secret.ts';

/** 256 bits; hexadecimal, because services mask only what consists of few kinds of characters. */
const PASSPHRASE_BYTES = 32;

export interface JobSecrets {
  readonly publicKey: PublicKey;
  /** Two lines in the form of a dotenv file. */
  readonly lines: Secret;
}

/** A new Ed25519 key under a new passphrase; `name`: the signer's. */
export async function createJobSecrets(name: string): Promise<JobSecrets> {
  const key = await createEd25519Key();
  const passphrase = randomBytes(PASSPHRASE_BYTES).toString('hex');
  const file = await renderKeyFile(key, { role: name }, Secret.fromText(passphrase), KDF_ITERATIONS);
  const lines = `${KEY_VARIABLE}=${file.toString('base64')}\n${REPOSITORY_PASSPHRASE_VARIABLE}=${passphrase}\n`;
  return { publicKey: key.publicKey, lines: Secret.fromText(lines) };
}
