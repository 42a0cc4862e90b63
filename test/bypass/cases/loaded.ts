/** The marker image in the engine before the build, as an archive brings it. */
import { imageArchive } from '../../helpers/peers.ts';
import type { World } from '../world.ts';

export async function loadMarker({ site, marker }: World, names: readonly string[]): Promise<void> {
  await site.engine.load(imageArchive(marker.image(), names));
}

/** An image `own<case>` that dtrust has built here, and the marker under the name that a build gives to that. */
export async function takeLedgerName(world: World): Promise<void> {
  const { site, path: name, beside } = world;
  world.write('../own/Dockerfile', 'FROM <base>\nLABEL own=yes\n');
  const args = ['build', '--network=none', '-t', `own${name}`, `${beside}/own`];
  const built = await site.user.run(...args);
  if (built.status !== 0) throw new Error(`nothing of our own: ${built.stderr}`);
  const image = await site.engine.request('GET', `/images/own${name}/json`);
  const { Id } = JSON.parse(image.body) as { Id: string };
  await loadMarker(world, [`dtrust.invalid/local:${Id.slice('sha256:'.length)}`]);
}
