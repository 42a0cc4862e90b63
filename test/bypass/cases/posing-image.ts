/** The marker image in the engine with the configuration that a step of a build leaves, as if it were that step. */
import fs from 'node:fs';
import path from 'node:path';
import { imageArchive } from '../../helpers/peers.ts';
import { runProgram } from '../../real/machines.ts';
import type { World } from '../world.ts';

/** Builds the first step with the real docker, takes it away, and loads the same with the marker for a layer. */
export async function loadPosingImage(world: World): Promise<void> {
  const { site, marker, here } = world;
  world.write('../step', 'FROM scratch\nLABEL a=b\n');
  const args = ['build', '-q', '-f', path.join(world.beside, 'step'), here];
  const built = await runProgram(site.docker, args, site.user.env);
  const id = /sha256:([0-9a-f]{64})/.exec(built.stdout)?.[1];
  if (built.status !== 0 || id === undefined) throw new Error(`no step to pose as: ${built.stderr}`);
  const data = path.join(path.dirname(site.engine.socketPath), 'data', 'image');
  const [driver = ''] = fs.readdirSync(data);
  const file = path.join(data, driver, 'imagedb', 'content', 'sha256', id);
  const config = JSON.parse(fs.readFileSync(file, 'utf8')) as Record<string, unknown>;
  await site.empty();
  const image = marker.posing(config);
  await site.engine.load(imageArchive(image, [`posing${world.path}:latest`]));
}
