/** Looking into a real registry, and changing it as an attacker would, with plain requests. */
import { MEDIA, type RunningRegistry, sha256 } from '../helpers/peers.ts';

export interface Served {
  readonly digest: string;
  readonly bytes: Buffer;
  readonly mediaType: string;
}

const ACCEPT = { accept: [MEDIA.manifest, MEDIA.list, MEDIA.ociManifest, MEDIA.ociIndex].join(', ') };

/** The manifest that a tag or digest has now; undefined when the registry does not know it. */
export async function servedManifest(
  registry: RunningRegistry,
  repository: string,
  reference: string,
): Promise<Served | undefined> {
  const answer = await registry.request('GET', `/v2/${repository}/manifests/${reference}`, undefined, ACCEPT);
  if (answer.status === 404) return undefined;
  if (answer.status !== 200) throw new Error(`the registry answered ${answer.status}: ${answer.body}`);
  return {
    digest: sha256(answer.bytes),
    bytes: answer.bytes,
    mediaType: String(answer.headers['content-type']),
  };
}

interface TrustManifest {
  readonly layers: readonly {
    readonly digest: string;
    readonly annotations: Readonly<Record<string, string>>;
  }[];
}

/** The TUF files of a repository's trust data, by the names that the manifest's annotations give them. */
export async function trustFiles(
  registry: RunningRegistry,
  repository: string,
): Promise<ReadonlyMap<string, Buffer>> {
  const served = await servedManifest(registry, repository, '_trust');
  if (served === undefined) throw new Error(`no trust data in ${repository}`);
  const manifest = JSON.parse(served.bytes.toString()) as TrustManifest;
  const files = new Map<string, Buffer>();
  for (const { digest, annotations } of manifest.layers) {
    const blob = await registry.request('GET', `/v2/${repository}/blobs/${digest}`);
    if (blob.status !== 200 || sha256(blob.bytes) !== digest)
      throw new Error(`blob ${digest}: ${blob.status}`);
    files.set(annotations['tuf.io/filename'] ?? '', blob.bytes);
  }
  return files;
}

/** What is signed in a repository, read without dtrust: tag to digest. */
export async function signedTags(
  registry: RunningRegistry,
  repository: string,
): Promise<Readonly<Record<string, string>>> {
  const files = await trustFiles(registry, repository);
  const entries = ['targets', 'targets%2Freleases'].flatMap((role) => entriesOf(files, role));
  return Object.fromEntries(
    entries.map(([path, { hashes }]) => [path.slice(path.lastIndexOf(':') + 1), `sha256:${hashes.sha256}`]),
  );
}

type Entry = readonly [path: string, file: { readonly hashes: { readonly sha256: string } }];

/** The entries of a role's newest file; a repository without signers has no released role, and nothing is left in it. */
function entriesOf(files: ReadonlyMap<string, Buffer>, role: string): readonly Entry[] {
  const [newest] = [...files.keys()]
    .filter((name) => /^\d+\.(.*)\.json$/.exec(name)?.[1] === role)
    .sort((left, right) => Number.parseInt(right, 10) - Number.parseInt(left, 10));
  if (newest === undefined) return [];
  const { signed } = JSON.parse(String(files.get(newest))) as {
    signed: { targets: Record<string, Entry[1]> };
  };
  return Object.entries(signed.targets);
}
