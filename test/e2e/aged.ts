/** Trust data as it was left behind: signed anew with the real keys of machines, as at another day. */

import { KeyStore } from '../../src/keys/key-store.ts';
import { createPassphrases } from '../../src/keys/passphrases.ts';
import { realFileSystem } from '../../src/lib/file-system.ts';
import { type Edit, editCollection } from '../../src/trust/core/editor.ts';
import { metadataFileName, type RoleName } from '../../src/trust/core/metadata.ts';
import type { Signer } from '../../src/trust/core/signer.ts';
import { TrustedMetadata } from '../../src/trust/core/trusted-metadata.ts';
import type { Stage } from './harness.ts';
import { type Machine, REPOSITORY_PASSPHRASE, ROOT_PASSPHRASE } from './harness.ts';

const DAY_MS = 86_400_000;

/** Every private key on a machine, or those of one role, unlocked. */
export async function keysOf(machine: Machine, role?: string): Promise<readonly Signer[]> {
  const store = new KeyStore({ fs: realFileSystem, dockerConfig: machine.config, platform: 'linux' });
  const nobody = { canPrompt: () => false } as Parameters<typeof createPassphrases>[0]['terminal'];
  const passphrases = createPassphrases({
    environment: { rootPassphrase: ROOT_PASSPHRASE, repositoryPassphrase: REPOSITORY_PASSPHRASE },
    terminal: nobody,
    fs: realFileSystem,
  });
  const signers: Signer[] = [];
  const entries = store.list().filter((entry) => role === undefined || entry.role === role);
  for (const entry of entries) signers.push(await store.load(entry, passphrases));
  return signers;
}

/** Publishes the next state of a repository, signed by these keys as if these days ago. */
export async function publishDaysAgo(
  stage: Stage,
  repository: string,
  days: number,
  signers: readonly Signer[],
  edits: readonly Edit[],
): Promise<void> {
  const { files, trusted } = openServed(stage, repository);
  const next = await editCollection({ trusted, files }, edits, {
    signers,
    nowMs: Date.now() - days * DAY_MS,
  });
  await stage.publish(repository, next.files);
}

/** The files under `_trust` as it is now, by name. */
export function servedFiles(stage: Stage, repository: string): Map<string, Uint8Array> {
  const { tags, manifests } = stage.registry.repository(repository);
  const manifest = manifests.get(tags.get('_trust' as never) ?? '');
  const { layers } = JSON.parse(Buffer.from(manifest?.bytes ?? []).toString()) as {
    layers: { data: string; annotations: Record<string, string> }[];
  };
  return new Map(
    layers.map((each) => [each.annotations['tuf.io/filename'] ?? '', Buffer.from(each.data, 'base64')]),
  );
}

function openServed(stage: Stage, repository: string) {
  const collection = stage.name(repository);
  const files = servedFiles(stage, repository);
  const file = (name: string) => {
    const bytes = files.get(name);
    if (bytes === undefined) throw new Error(`no ${name} among ${[...files.keys()].join(' ')}`);
    return bytes;
  };
  const options = { startTimeMs: Date.now(), collection, expiry: 'unsafe-ignored' as const };
  const trusted = new TrustedMetadata(file('1.root.json'), options);
  for (let version = 2; files.has(`${version}.root.json`); version += 1) {
    trusted.updateRoot(file(`${version}.root.json`));
  }
  trusted.finishRoot();
  trusted.updateTimestamp(file('timestamp.json'));
  trusted.updateSnapshot(file(`${trusted.timestamp?.signed.snapshot.version}.snapshot.json`));
  const targets = 'targets' as RoleName;
  trusted.updateTargets(file(metadataFileName(targets, trusted.roleFile(targets).version)));
  return { files, trusted };
}
