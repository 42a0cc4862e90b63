/**
 * One owner, one repository, and the states the editor makes of it.
 */
import {
  createCollection,
  type Edit,
  editCollection,
  type NewState,
} from '../../../src/trust/core/editor.ts';
import type { CreateOptions, EditOptions, TargetEntry } from '../../../src/trust/core/edits.ts';
import { metadataFileName, type RoleName } from '../../../src/trust/core/metadata.ts';
import { runSearch, searchTarget, verifyFound } from '../../../src/trust/core/search.ts';
import { TrustedMetadata, type TrustOptions } from '../../../src/trust/core/trusted-metadata.ts';
import { priorOf, SIM_NOW_MS, sha256 } from '../../helpers/repository-simulator.ts';
import { labelledSimKey, makeSimKey, simSigner } from '../../helpers/sim-keys.ts';

export const APP = 'docker.io/acme/app';
export const NOW = SIM_NOW_MS;
export const ROOT_KEY = makeSimKey('ecdsa-p256');
export const TARGETS_KEY = labelledSimKey('repository');
export const ONLINE_KEY = labelledSimKey('online');
export const root = simSigner(ROOT_KEY);
export const repository = simSigner(TARGETS_KEY);
export const online = simSigner(ONLINE_KEY);
export const ALL_SIGNERS = [root, repository, online];

export function entry(tag: string, content = `manifest ${tag}`): TargetEntry {
  return {
    path: `${APP}:${tag}`,
    lengthBytes: content.length,
    sha256: `sha256:${sha256(Buffer.from(content))}`,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
  };
}

export function put(tag: string, content?: string): Edit {
  return { kind: 'putTarget', target: entry(tag, content) };
}

export function create(options: Partial<CreateOptions> = {}): Promise<NewState> {
  return createCollection({
    collection: APP,
    rootKeys: [root],
    targetsKey: repository,
    onlineKey: online,
    turnSeconds: 2,
    nowMs: NOW,
    ...options,
  });
}

export function edit(
  state: NewState,
  edits: readonly Edit[],
  options: Partial<EditOptions> = {},
): Promise<NewState> {
  return editCollection(state, edits, { signers: [repository, online], nowMs: NOW, ...options });
}

/** The whole workflow over the files of a state, by a client that knows root 1 and perhaps an earlier state. */
export function verifyFiles(
  state: { readonly files: ReadonlyMap<string, Uint8Array> },
  options: Partial<TrustOptions> & { prior?: NewState; rootVersion?: number } = {},
): TrustedMetadata {
  const { prior, rootVersion = 1, ...rest } = options;
  const file = (name: string): Uint8Array => {
    const bytes = state.files.get(name);
    if (bytes === undefined) throw new Error(`no ${name} among ${[...state.files.keys()].join(' ')}`);
    return bytes;
  };
  const trusted = new TrustedMetadata(file(`${rootVersion}.root.json`), {
    startTimeMs: NOW,
    collection: APP,
    ...rest,
  });
  if (prior !== undefined) trusted.loadPrior(priorOf(new Map(prior.files)));
  for (let version = rootVersion + 1; state.files.has(`${version}.root.json`); version += 1) {
    trusted.updateRoot(file(`${version}.root.json`));
  }
  trusted.finishRoot();
  trusted.updateTimestamp(file('timestamp.json'));
  trusted.updateSnapshot(file(`${trusted.timestamp?.signed.snapshot.version ?? 0}.snapshot.json`));
  const targets = 'targets' as RoleName;
  trusted.updateTargets(file(metadataFileName(targets, trusted.roleFile(targets).version)));
  return trusted;
}

/** What a fresh client finds for a tag: role and digest. */
export function found(state: NewState, tag: string): string {
  const path = `${APP}:${tag}`;
  const search = searchTarget(verifyFiles(state), path);
  const target = verifyFound(
    runSearch(search, (request) => state.files.get(request.fileName)),
    path,
  );
  return `${target.role} ${target.sha256.slice(0, 15)}`;
}

/** How `found` shows this content in this role. */
export function shown(role: string, content: string): string {
  return `${role} sha256:${sha256(Buffer.from(content)).slice(0, 8)}`;
}
