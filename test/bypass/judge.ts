/**
 * Whether the marker image got in, judged from outside: by what the engine lists, by every byte and every name in its
 * data folder, by what buildx says of its cache, by what was written out, and by what the registry was asked for.
 */
import fs from 'node:fs';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { runProgram } from '../real/machines.ts';
import type { World } from './world.ts';

/** What is there before a build, to tell what is new. */
export interface Before {
  readonly requests: number;
  readonly blobs: ReadonlySet<string>;
  /** Traces of what the case itself has brought into the engine. */
  readonly traces: ReadonlySet<string>;
  /** What the case itself has put into its folders. */
  readonly files: ReadonlySet<string>;
}

export async function lookBefore(world: World): Promise<Before> {
  const { relay, registry } = world.site;
  return {
    requests: relay.requests.length,
    blobs: new Set(blobsOf(registry.dataFolder)),
    traces: new Set(await inEngine(world)),
    files: new Set(filesWith(world)),
  };
}

/** Every trace of the marker image since then, one line each; none when it did not get in. */
export async function tracesOf(world: World, before: Before): Promise<readonly string[]> {
  return [
    ...requestsFor(world, before),
    ...(await inEngine(world)).filter((trace) => !before.traces.has(trace)),
    ...inRegistry(world, before),
    ...filesWith(world)
      .filter((file) => !before.files.has(file))
      .map((file) => `output ${file}`),
  ];
}

/** Configurations and layers that were fetched; a manifest is how anybody learns what they are. */
function requestsFor({ site, marker }: World, before: Before): readonly string[] {
  const asked = site.relay.requests.slice(before.requests);
  return asked.filter(
    (line) =>
      line.startsWith('GET ') &&
      [...marker.digests].some((digest) => line.includes(`/blobs/sha256:${digest}`)),
  );
}

async function inEngine(world: World): Promise<readonly string[]> {
  const found = await Promise.all([listedByEngine(world), keptByEngine(world), keptByBuildx(world)]);
  return found.flat();
}

interface Listed {
  readonly Id: string;
  readonly RepoTags: readonly string[] | null;
  readonly RepoDigests: readonly string[] | null;
}

async function listedByEngine({ site, marker, path: name }: World): Promise<readonly string[]> {
  const traces: string[] = [];
  const { engine } = site;
  const told = (text: string): boolean => [...marker.digests].some((digest) => text.includes(digest));
  const images = JSON.parse((await engine.request('GET', '/images/json?all=1')).body) as Listed[];
  for (const image of images) {
    // A history or a label may well quote the name; what an image is called and made of is what counts.
    const details = (await engine.request('GET', `/images/${image.Id}/json`)).body;
    const names = [...(image.RepoTags ?? []), ...(image.RepoDigests ?? [])];
    if (told(details) || names.some((each) => each.includes(`/${name}/evil`)))
      traces.push(`image ${image.Id}`);
  }
  const usage = JSON.parse((await engine.request('GET', '/system/df')).body) as {
    readonly BuildCache: readonly { readonly ID: string; readonly Description: string }[] | null;
  };
  for (const record of usage.BuildCache ?? []) {
    const pulled =
      record.Description.startsWith('pulled from') && record.Description.includes(`/${name}/evil`);
    if (pulled || told(JSON.stringify(record))) traces.push(`build cache: ${record.Description}`);
  }
  return traces;
}

/** The engine's and containerd's data, whatever format it has there. */
async function keptByEngine({ site, marker }: World): Promise<readonly string[]> {
  const scratch = path.dirname(site.engine.socketPath);
  const folders = ['data', 'containerd']
    .map((name) => path.join(scratch, name))
    .filter((folder) => fs.existsSync(folder));
  const names = [marker.file, ...marker.digests].flatMap((name) => ['-o', '-name', `*${name}*`]).slice(1);
  const named = await search('find', [...folders, '(', ...names, ')']);
  const held = await search('grep', ['-rlaF', '-e', marker.text.trim(), ...folders]);
  return [...named, ...held].map((file) => `data ${path.relative(scratch, file)}`);
}

/** The files that it prints. An engine that tidies up meanwhile takes some away under its hands. */
async function search(program: string, args: readonly string[]): Promise<readonly string[]> {
  const found = await runProgram(program, args, { PATH: '/usr/bin:/bin', LC_ALL: 'C' });
  const errors = found.stderr
    .split('\n')
    .filter((line) => line !== '' && !line.endsWith('No such file or directory'));
  if (errors.length > 0 || found.signal !== null) throw new Error(`${program}: ${errors.join('; ')}`);
  return found.stdout.split('\n').filter(Boolean);
}

async function keptByBuildx({ site, marker, path: name }: World): Promise<readonly string[]> {
  if (site.builder.kind !== 'buildkit') return [];
  const usage = await runProgram(site.docker, ['buildx', 'du', '--verbose'], site.user.env);
  if (usage.status !== 0) throw new Error(`buildx du: ${usage.stderr}`);
  return usage.stdout
    .split('\n')
    .filter(
      (line) =>
        (/pulled from/.test(line) && line.includes(`/${name}/evil`)) ||
        [...marker.digests].some((digest) => line.includes(digest)),
    )
    .map((line) => `buildx du: ${line}`);
}

/** The marker's blobs under names it did not have, and new blobs with its bytes in them. */
function inRegistry({ site, marker, repositories }: World, before: Before): readonly string[] {
  const { dataFolder } = site.registry;
  const root = path.join(dataFolder, 'docker', 'registry', 'v2', 'repositories');
  const links = fs
    .readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter(
      (name) => marker.digests.has(path.basename(name)) && path.dirname(name).endsWith('/_layers/sha256'),
    )
    .filter((name) => !repositories.includes(name.slice(0, name.indexOf('/_layers/'))));
  const blobs = blobsOf(dataFolder).filter((name) => !before.blobs.has(name));
  const folder = path.join(dataFolder, 'docker', 'registry', 'v2', 'blobs', 'sha256');
  const holding = blobs.filter((name) =>
    holds(fs.readFileSync(path.join(folder, name.slice(0, 2), name, 'data')), marker.text),
  );
  return [...links.map((name) => `registry link ${name}`), ...holding.map((name) => `registry blob ${name}`)];
}

function blobsOf(dataFolder: string): readonly string[] {
  const folder = path.join(dataFolder, 'docker', 'registry', 'v2', 'blobs', 'sha256');
  return fs.readdirSync(folder).flatMap((first) => fs.readdirSync(path.join(folder, first)));
}

function filesWith({ marker, here }: World): readonly string[] {
  return fs
    .readdirSync(path.dirname(here), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .filter((file) => path.basename(file) === marker.file || holds(fs.readFileSync(file), marker.text));
}

const GZIP = Buffer.from([0x1f, 0x8b, 0x08]);

/** The bytes as they are, and whatever is compressed in them: a layer, or a tar archive with layers in it. */
export function holds(bytes: Buffer, text: string): boolean {
  if (bytes.includes(text)) return true;
  for (let at = bytes.indexOf(GZIP); at !== -1; at = bytes.indexOf(GZIP, at + 1)) {
    const unpacked = gunzipFrom(bytes.subarray(at));
    if (unpacked?.includes(text)) return true;
  }
  return false;
}

function gunzipFrom(bytes: Buffer): Buffer | undefined {
  try {
    return gunzipSync(bytes);
  } catch (error) {
    // Three bytes that only look like the beginning of one.
    if (['Z_DATA_ERROR', 'Z_BUF_ERROR'].includes(String((error as NodeJS.ErrnoException).code)))
      return undefined;
    throw error;
  }
}
