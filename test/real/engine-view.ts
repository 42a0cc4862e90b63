/** What a real engine holds, read with plain requests. */
import type { RunningEngine } from '../helpers/peers.ts';

interface ListedImage {
  readonly Id: string;
  readonly RepoTags: readonly string[] | null;
  readonly RepoDigests: readonly string[] | null;
}

/** As `docker images -a`. */
export async function imagesOf(engine: RunningEngine): Promise<readonly ListedImage[]> {
  return JSON.parse((await engine.request('GET', '/images/json?all=1')).body) as ListedImage[];
}

export async function tagsOf(engine: RunningEngine): Promise<readonly string[]> {
  const images = await imagesOf(engine);
  return (
    images
      .flatMap(({ RepoTags }) => RepoTags ?? [])
      // containerd's store lists the names with digests here as well.
      .filter((tag) => !tag.includes('<none>') && !tag.includes('@'))
      .sort()
  );
}

/** The repository digests of the image that a name stands for; undefined when there is none. */
export async function digestsOf(engine: RunningEngine, name: string): Promise<readonly string[] | undefined> {
  const answer = await engine.request('GET', `/images/${name}/json`);
  if (answer.status === 404) return undefined;
  // containerd's store of engine 26.1 says the same one twice.
  return [...new Set((JSON.parse(answer.body) as { RepoDigests: string[] }).RepoDigests)];
}

/** The layers of the image that a name stands for: digests of their unpacked bytes, whatever the store. */
export async function layersOf(engine: RunningEngine, name: string): Promise<readonly string[] | undefined> {
  const answer = await engine.request('GET', `/images/${name}/json`);
  if (answer.status === 404) return undefined;
  return (JSON.parse(answer.body) as { RootFS: { Layers: string[] } }).RootFS.Layers;
}

/** `docker rmi NAME:TAG`, without force. */
export async function removeTag(engine: RunningEngine, name: string): Promise<number> {
  return (await engine.request('DELETE', `/images/${name}`)).status;
}
