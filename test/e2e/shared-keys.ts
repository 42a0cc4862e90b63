/** Collections whose roles take keys of several machines: made from the private keys on them, all at once. */
import { KeyStore } from '../../src/keys/key-store.ts';
import { createPassphrases } from '../../src/keys/passphrases.ts';
import { readSignerKey } from '../../src/keys/signer-key-file.ts';
import { realFileSystem } from '../../src/lib/file-system.ts';
import type { JsonValue } from '../../src/lib/strict-json.ts';
import { parseRepository } from '../../src/reference/reference.ts';
import { createRegistryClient } from '../../src/registry/client.ts';
import { type Edit, editCollection, type NewState } from '../../src/trust/core/editor.ts';
import type { CurrentState } from '../../src/trust/core/edits.ts';
import type { PublicKey } from '../../src/trust/core/keys.ts';
import { metadataFileName, type RoleName } from '../../src/trust/core/metadata.ts';
import type { Signer } from '../../src/trust/core/signer.ts';
import { stageEdits } from '../../src/trust/core/staged.ts';
import { completeStaged, signStaged, viewStaged } from '../../src/trust/core/staged-view.ts';
import { TrustedMetadata } from '../../src/trust/core/trusted-metadata.ts';
import { createRegistrySource } from '../../src/trust/registry-source.ts';
import { noTerminal } from '../keys/helpers.ts';
import { changed, member } from '../trust/core/staged-world.ts';
import { type Machine, REPOSITORY_PASSPHRASE, ROOT_PASSPHRASE, type Stage } from './harness.ts';
import { publicHalf } from './team.ts';

export const RELEASES = 'targets/releases' as RoleName;
const TARGETS = 'targets' as RoleName;

export function publicKey(machine: Machine, name: string): PublicKey {
  return readSignerKey(realFileSystem, publicHalf(machine, name), Date.now());
}

/** Every private key on these machines. */
export async function signersOf(...machines: readonly Machine[]): Promise<readonly Signer[]> {
  const environment = { rootPassphrase: ROOT_PASSPHRASE, repositoryPassphrase: REPOSITORY_PASSPHRASE };
  const passphrases = createPassphrases({ environment, terminal: noTerminal, fs: realFileSystem });
  const signers: Signer[] = [];
  for (const { config } of machines) {
    const keys = new KeyStore({ fs: realFileSystem, dockerConfig: config, platform: 'linux' });
    for (const entry of keys.list()) signers.push(await keys.load(entry, passphrases));
  }
  return signers;
}

/** What `_trust` holds, verified from its first root on. */
export async function currentState(stage: Stage, repository: string): Promise<CurrentState> {
  const name = stage.name(repository);
  const source = createRegistrySource({
    client: createRegistryClient(stage.registry.http),
    repository: parseRepository(name),
  });
  const files = new Map<string, Uint8Array>();
  for (const [file, { digest }] of (await source.fetchState())?.files ?? []) {
    files.set(file, await source.fetchFile({ digest, maxBytes: 10_000_000 }));
  }
  const at = (file: string): Uint8Array => files.get(file) ?? Buffer.from(`no ${file}`);
  const trusted = new TrustedMetadata(at('1.root.json'), { startTimeMs: Date.now(), collection: name });
  for (let next = 2; files.has(`${next}.root.json`); next += 1) trusted.updateRoot(at(`${next}.root.json`));
  trusted.finishRoot();
  trusted.updateTimestamp(at('timestamp.json'));
  trusted.updateSnapshot(at(`${trusted.timestamp?.signed.snapshot.version}.snapshot.json`));
  trusted.updateTargets(at(metadataFileName(TARGETS, trusted.roleFile(TARGETS).version)));
  for (const role of trusted.targets()?.signed.delegations?.roles.keys() ?? []) {
    // Who was just added has signed nothing yet.
    if (trusted.snapshot?.signed.meta.has(`${role}.json`) !== true) continue;
    const file = metadataFileName(role, trusted.roleFile(role).version);
    trusted.updateDelegatedTargets(at(file), role, TARGETS);
  }
  return { trusted, files };
}

/** Publishes an edit with the keys of all these machines. */
export async function publishEdit(
  stage: Stage,
  repository: string,
  edits: readonly Edit[],
  machines: readonly Machine[],
): Promise<NewState> {
  const current = await currentState(stage, repository);
  const signers = await signersOf(...machines);
  const state = await editCollection(current, edits, { signers, nowMs: Date.now() });
  await stage.publish(repository, state.files);
  return state;
}

/** Root takes this many of the owner's key and these people's. */
export async function shareRoot(
  stage: Stage,
  repository: string,
  owner: Machine,
  others: readonly (readonly [Machine, string])[],
  threshold: number,
): Promise<void> {
  const { keys, roles } = (await currentState(stage, repository)).trusted.root.signed;
  const own = roles.root.keyids.flatMap((keyid) => keys.get(keyid) ?? []);
  const all = [...own, ...others.map(([machine, name]) => publicKey(machine, name))];
  const edit = { kind: 'rotateKeys', role: 'root', keys: all, threshold } as const;
  await publishEdit(stage, repository, [edit], [owner, ...others.map(([machine]) => machine)]);
}

/** `targets/releases` takes this many of its keys. */
export async function raiseReleases(
  stage: Stage,
  repository: string,
  threshold: number,
  machines: readonly Machine[],
): Promise<void> {
  const current = await currentState(stage, repository);
  const signers = await signersOf(...machines);
  const terms = { nowMs: Date.now(), highestVersions: new Map() };
  const renew = { kind: 'renew', roles: [TARGETS, RELEASES] } as const;
  const { state } = await stageEdits(current, [renew], { signers, nowMs: terms.nowMs });
  const raised = changed(state, TARGETS, (json) => {
    const delegations = member(json, 'delegations');
    const roles = (delegations.get('roles') as ReadonlyMap<string, JsonValue>[]).map((role) =>
      role.get('name') === RELEASES ? new Map([...role, ['threshold', threshold] as const]) : role,
    );
    json.set('delegations', delegations.set('roles', roles));
  });
  const signed = await signStaged(await viewStaged(current, raised, terms), signers);
  const next = await completeStaged(current, signed, { signers, nowMs: terms.nowMs });
  await stage.publish(repository, next.files);
}

/** The tag that holds what is staged. */
export function stagedTag(stage: Stage, repository: string): string | undefined {
  return stage.registry.repository(repository).tags.get('_trust-staged' as never);
}

export function idIn(stdout: string): string {
  return /Staged for \S+: (sha256:[0-9a-f]{64})/.exec(stdout)?.[1] ?? `no ID in ${stdout}`;
}
