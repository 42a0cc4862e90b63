/** Whoever has stolen a signer's key, and what he does with it that dtrust itself would refuse to do. */
import fs from 'node:fs';
import { createRegistryTransport } from '../../src/http/registry-transport.ts';
import { HeldKey } from '../../src/keys/held-key.ts';
import { createPassphrases } from '../../src/keys/passphrases.ts';
import type { Terminal } from '../../src/keys/terminal.ts';
import { realFileSystem } from '../../src/lib/file-system.ts';
import { parseRepository, parseTag } from '../../src/reference/reference.ts';
import { createRegistryClient } from '../../src/registry/client.ts';
import { type Edit, editCollection } from '../../src/trust/core/editor.ts';
import { openMemory } from '../../src/trust/memory.ts';
import { createRegistrySource } from '../../src/trust/registry-source.ts';
import { openCollection } from '../../src/trust/updater.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { createTestTransport } from '../helpers/transport.ts';

export interface Theft {
  /** DTRUST_KEY and its passphrase, as they were printed for the CI's secrets. */
  readonly key: string;
  readonly passphrase: string;
  /** Repository with its registry's host. */
  readonly repository: string;
  /** Tags he signs, each for what the registry has under it. */
  readonly tags: readonly string[];
  /** The version he gives snapshot and timestamp. */
  readonly version: number;
}

/** Publishes as the holder of that key, with versions as high as he likes. */
export async function publishAsThief({ key, passphrase, repository: name, tags, version }: Theft) {
  const transport = createTestTransport();
  try {
    const http = createRegistryTransport({
      send: transport.send,
      clock: transport.clock,
      credentials: async () => ({ kind: 'anonymous' }),
      notice: () => {},
    });
    const repository = parseRepository(name);
    const client = createRegistryClient(http);
    const source = createRegistrySource({ client, repository });
    const memory = openMemory({
      fs: realFileSystem,
      directory: temporaryFolder(),
      clock: transport.clock,
    });
    const collection = await openCollection({
      repository,
      source,
      memory,
      pins: new Map(),
      startTimeMs: Date.now(),
      firstUse: async () => true,
    });
    const edits = await Promise.all(
      tags.map(async (tag): Promise<Edit> => {
        const served = await client.getManifest(repository, parseTag(tag));
        if (served === undefined) throw new Error(`the registry has no ${tag}`);
        const { bytes, digest, mediaType } = served;
        const path = `${repository.canonical}:${tag}`;
        return { kind: 'putTarget', target: { path, lengthBytes: bytes.length, sha256: digest, mediaType } };
      }),
    );
    const passphrases = createPassphrases({
      environment: { repositoryPassphrase: passphrase },
      terminal: { canPrompt: () => false } as Terminal,
      fs: realFileSystem,
    });
    const signer = await HeldKey.parse(key).unlock(passphrases);
    const current = { trusted: collection.trusted, files: await collection.loadAll() };
    const highest = ['timestamp', 'snapshot'].map((role) => [role, version - 1] as const);
    const state = await editCollection(current, edits, {
      signers: [signer],
      nowMs: Date.now(),
      highestVersions: new Map(highest),
    });
    await source.uploadFiles(state.files);
    await source.putState(state.files, { inline: true });
  } finally {
    await transport.close();
  }
}

/** The two lines that were printed for the CI's secrets, as an environment. */
export function secretsIn(file: string): { readonly DTRUST_KEY: string } & Record<string, string> {
  const lines = fs.readFileSync(file, 'utf8').trim().split('\n');
  const secrets = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );
  return { DTRUST_KEY: '', ...secrets };
}
