/** An inline cache whose last layer somebody has replaced by the marker. */
import { MEDIA, pushBlob, pushManifest, sha256 } from '../../helpers/peers.ts';
import { runProgram } from '../../real/machines.ts';
import { servedManifest } from '../../real/registry-view.ts';
import type { World } from '../world.ts';

interface Manifest {
  readonly config: { digest: string; size: number; mediaType: string };
  readonly layers: { digest: string; size: number; mediaType: string }[];
}

/** Builds what the case builds with the real docker, pushes it with its cache, and swaps the layer in the registry. */
export async function poisonInlineCache(world: World): Promise<void> {
  const { site, marker, path: name, here } = world;
  const tag = world.fill('<evil-name>:honest');
  const args = [
    'build',
    '--network=none',
    '--build-arg=BUILDKIT_INLINE_CACHE=1',
    '--provenance=false',
    '--push',
    '-t',
    tag,
  ];
  const built = await runProgram(site.docker, [...args, here], site.user.env);
  if (built.status !== 0) throw new Error(`no cache to poison: ${built.stderr}`);
  const repository = `${name}/evil`;
  const served = await servedManifest(site.registry, repository, 'honest');
  const manifest = JSON.parse(String(served?.bytes)) as Manifest;
  const blob = await site.registry.request('GET', `/v2/${repository}/blobs/${manifest.config.digest}`);
  const config = JSON.parse(blob.body) as { rootfs: { diff_ids: string[] } };
  const { stored, diffId } = marker.layer();
  config.rootfs.diff_ids[config.rootfs.diff_ids.length - 1] = diffId;
  const configBytes = Buffer.from(JSON.stringify(config));
  for (const each of [configBytes, stored]) await pushBlob(site.registry, repository, each);
  marker.digests.add(sha256(configBytes).slice('sha256:'.length));
  const layers = [
    ...manifest.layers.slice(0, -1),
    { mediaType: manifest.layers[0]?.mediaType ?? MEDIA.layer, digest: sha256(stored), size: stored.length },
  ];
  const poisoned = {
    ...manifest,
    config: { ...manifest.config, digest: sha256(configBytes), size: configBytes.length },
    layers,
  };
  const bytes = Buffer.from(JSON.stringify(poisoned));
  await pushManifest(site.registry, repository, bytes, served?.mediaType ?? MEDIA.manifest, 'cache');
  await site.empty();
}
