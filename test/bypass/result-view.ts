/** What a build made, without what differs each time: IDs, times, the digests of layers whose files have times. */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { contentOf } from '../helpers/temporary-folder.ts';
import type { Ordinary } from './ordinary/ordinary-build.ts';
import type { World } from './world.ts';

const run = promisify(execFile);

export interface Result {
  /** Configuration, platform, number of layers, history; none for a result that is no image. */
  readonly image: unknown;
  /** Type, mode, owner, size and path of each file. */
  readonly listing: readonly string[];
  /** Each file with its mode and the hash of its bytes. */
  readonly files: readonly string[];
}

export async function resultOf(world: World, { result }: Ordinary): Promise<Result> {
  const out = path.join(world.beside, 'out');
  if (result === 'folder') return { image: undefined, listing: [], files: contentOf(out) };
  if (result === 'archive') return { image: undefined, ...(await unpacked(world, fs.readFileSync(out))) };
  const { engine } = world.site;
  const details = await engine.request('GET', `/images/${world.path}:latest/json`);
  const history = await engine.request('GET', `/images/${world.path}:latest/history`);
  if (details.status !== 200) throw new Error(`there is no image: ${details.body}`);
  // The containerd store tells the history of this machine's platform only.
  const steps = history.status === 200 ? history.body : '[]';
  return {
    image: imageOf(details.body, steps),
    ...(await unpacked(world, await filesOf(world, JSON.parse(details.body) as Details))),
  };
}

interface Details {
  readonly Config: Readonly<Record<string, unknown>>;
  readonly Architecture: string;
  readonly Variant?: string;
  readonly Os: string;
  readonly Author?: string;
  readonly RootFS: { readonly Layers?: readonly string[] };
}

function imageOf(details: string, history: string): unknown {
  const { Config, Architecture, Variant, Os, Author, RootFS } = JSON.parse(details) as Details;
  const steps = (JSON.parse(history) as { CreatedBy: string; Comment: string }[]).map((step) => [
    step.CreatedBy,
    step.Comment,
  ]);
  const text = JSON.stringify({
    Config,
    Architecture,
    Variant,
    Os,
    Author,
    layers: RootFS.Layers?.length,
    steps,
  });
  return JSON.parse(text.replaceAll(/\b[0-9a-f]{64}\b/g, 'HASH')) as unknown;
}

/** Its files as an archive, by way of a container that never runs. */
async function filesOf({ site, path: name }: World, { Os, Architecture }: Details): Promise<Buffer> {
  const body = JSON.stringify({ Image: `${name}:latest`, Cmd: ['x'], NetworkDisabled: true });
  const headers = { 'content-type': 'application/json' };
  const made = await site.engine.request(
    'POST',
    `/containers/create?platform=${Os}/${Architecture}`,
    body,
    headers,
  );
  if (made.status !== 201) throw new Error(`no container: ${made.body}`);
  const { Id } = JSON.parse(made.body) as { Id: string };
  const exported = await site.engine.request('GET', `/containers/${Id}/export`);
  await site.engine.request('DELETE', `/containers/${Id}?force=1&v=1`);
  return exported.bytes;
}

async function unpacked(world: World, archive: Buffer): Promise<Pick<Result, 'listing' | 'files'>> {
  const folder = path.join(path.dirname(world.here), 'unpacked');
  fs.mkdirSync(folder);
  fs.writeFileSync(`${folder}.tar`, archive);
  const listed = await run('tar', ['--numeric-owner', '-tvf', `${folder}.tar`]);
  await run('tar', ['-xf', `${folder}.tar`, '-C', folder]);
  const listing = listed.stdout.split('\n').map((line) => line.replace(/\d{4}-\d\d-\d\d \d\d:\d\d /, ''));
  return { listing: listing.sort(), files: contentOf(folder) };
}
