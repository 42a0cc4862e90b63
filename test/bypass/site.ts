/**
 * One real engine, one real registry, an owner and a user for all cases of one builder.
 *
 * The registry stands behind a relay whose address is the host of all names, so that what anybody asks of it is
 * written down and can be held up.
 */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import {
  type BuiltImage,
  buildImage,
  busyboxBytes,
  type RunningEngine,
  type RunningRegistry,
  type Stored,
  startEngine,
  startRegistry,
} from '../helpers/peers.ts';
import { exportedPin, type Machine, OWNER_ENV, Workshop } from '../real/machines.ts';
import { type Relay, startRelay } from '../real/relay.ts';
import { type Builder, programsOf } from './builders.ts';
import { pushStored } from './marker.ts';

/** What a shell in a base image finds as commands. */
const APPLETS = [
  'adduser',
  'awk',
  'cat',
  'chmod',
  'cp',
  'date',
  'env',
  'find',
  'grep',
  'head',
  'id',
  'ln',
  'ls',
];
const MORE_APPLETS = [
  'mkdir',
  'mv',
  'printf',
  'rm',
  'sed',
  'sort',
  'tar',
  'test',
  'touch',
  'tr',
  'true',
  'wc',
];

/** Nothing is asked of any registry but the one here. */
const NO_WAY_OUT = {
  HTTP_PROXY: 'http://127.0.0.1:9',
  HTTPS_PROXY: 'http://127.0.0.1:9',
  NO_PROXY: '127.0.0.1,localhost',
};

export interface Site {
  readonly builder: Builder;
  readonly engine: RunningEngine;
  readonly registry: RunningRegistry;
  readonly relay: Relay;
  /** Of all names in the registry. */
  readonly host: string;
  readonly owner: Machine;
  /** Has pinned the signed repository. */
  readonly user: Machine;
  /** bin/dtrust.js. */
  readonly program: string;
  /** The real docker, with the same home and settings as the user. */
  readonly docker: string;
  /** A signed image with a shell. */
  readonly base: BuiltImage;
  readonly baseStored: Stored;
  readonly signedPath: string;
  /** Puts an image into the signed repository and signs it. */
  sign(image: BuiltImage, tag: string): Promise<Stored>;
  /** No images, no containers, no cache. */
  empty(): Promise<void>;
  /** Signs what is in the signed repository. */
  signDigest(tag: string, digest: string): Promise<void>;
}

/** Sets the site up in the block it is called in; the members are there while tests run. */
export function useSite(builder: Builder): Site {
  const site = { builder, signedPath: 'signed/base' } as { -readonly [member in keyof Site]: Site[member] };
  let workshop: Workshop;
  beforeAll(async () => {
    [workshop, site.engine, site.registry] = await Promise.all([
      Workshop.open(),
      startEngine(builder.engine),
      startRegistry(),
    ]);
    site.relay = await startRelay({ port: site.registry.port });
    site.host = site.relay.address;
    site.program = workshop.bin;
    site.owner = workshop.machine({ engine: site.engine.host, env: OWNER_ENV });
    await giveDocker(site, workshop);
    site.base = await baseImage();
    site.baseStored = await site.sign(site.base, '1');
    const name = `${site.host}/${site.signedPath}`;
    const pin = await site.user.run('trust', 'pin', 'add', ...(await exportedPin(site.owner, name)));
    expect(pin).toMatchObject({ status: 0 });
  });
  afterAll(async () => {
    await site.relay.stop();
    await Promise.all([site.engine.stop(), site.registry.stop()]);
    workshop.remove();
  });
  site.sign = async (image, tag) => {
    const stored = await pushStored(site.registry, site.signedPath, image, tag);
    await site.signDigest(tag, stored.digest);
    return stored;
  };
  site.signDigest = async (tag, digest) => {
    const name = `${site.host}/${site.signedPath}:${tag}@${digest}`;
    expect(await site.owner.run('trust', 'sign', name)).toMatchObject({ status: 0, code: undefined });
  };
  site.empty = async () => {
    await site.engine.clear();
    await site.engine.request('POST', '/build/prune?all=true');
  };
  return site;
}

async function giveDocker(site: { -readonly [member in keyof Site]: Site[member] }, workshop: Workshop) {
  const { docker, buildx } = await programsOf(site.builder);
  const bin = path.join(workshop.folder, 'docker-bin');
  fs.mkdirSync(bin);
  site.docker = path.join(bin, 'docker');
  fs.symlinkSync(docker.path, site.docker);
  site.user = workshop.machine({
    engine: site.engine.host,
    env: { PATH: `${bin}:/usr/bin:/bin`, ...NO_WAY_OUT, ...docker.env, ...buildx?.env, ...site.builder.env },
  });
  if (buildx === undefined) return;
  fs.mkdirSync(path.join(site.user.config, 'cli-plugins'));
  fs.symlinkSync(buildx.path, path.join(site.user.config, 'cli-plugins', 'docker-buildx'));
}

async function baseImage(): Promise<BuiltImage> {
  const link = (name: string) => ({
    path: `bin/${name}`,
    bytes: Buffer.alloc(0),
    type: '2' as const,
    link: 'busybox',
  });
  const busybox = { path: 'bin/busybox', bytes: await busyboxBytes(), mode: 0o755 };
  return buildImage({
    files: [busybox, ...['sh', ...APPLETS, ...MORE_APPLETS].map(link)],
    command: ['/bin/sh'],
  });
}
