/** Caches that somebody else has filled. */
import { BUILDKIT, CLASSIC } from '../builders.ts';
import type { Case } from '../case.ts';
import { loadMarker } from './loaded.ts';
import { poisonInlineCache } from './poisoned-cache.ts';
import { loadPosingImage } from './posing-image.ts';

const DOCKERFILE = 'FROM <base>\nRUN echo honest >/message\n';

export const CACHES: readonly Case[] = [
  {
    name: 'an image of the engine that poses as a step',
    tries: 'an archive with the configuration that a step leaves, which old engines take for its result',
    builders: CLASSIC,
    files: { Dockerfile: 'FROM scratch\nLABEL a=b\nCOPY Dockerfile /d\n' },
    args: ['build', '.'],
    arrange: loadPosingImage,
    cannot: { 'classic 26.1': 'it takes only what was built there' },
    gets: 'built',
  },
  {
    name: '--cache-from an image with another layer in it',
    tries: 'a result that is not what the instruction makes',
    builders: BUILDKIT,
    files: { Dockerfile: DOCKERFILE },
    args: [
      'build',
      '--network=none',
      '--cache-from',
      'type=registry,ref=<evil-name>:cache',
      '-t',
      '<case>',
      '.',
    ],
    arrange: poisonInlineCache,
    gets: 'NO_TRUST_DATA',
  },
  {
    name: '--cache-from in the short form',
    tries: 'a cache of a registry that does not say that it is one',
    builders: BUILDKIT,
    files: { Dockerfile: DOCKERFILE },
    args: ['build', '--network=none', '--cache-from', '<evil-name>:cache', '-t', '<case>', '.'],
    arrange: poisonInlineCache,
    gets: 'NO_TRUST_DATA',
  },
  {
    name: '--cache-from an image of the engine',
    tries: 'an image that only has to be there',
    builders: CLASSIC,
    files: { Dockerfile: DOCKERFILE },
    args: ['build', '--network=none', '--cache-from', 'loaded<case>', '.'],
    arrange: (world) => loadMarker(world, [`loaded${world.path}:latest`]),
    cannot: { classic: 'it has no history that fits' },
    gets: 'NETWORK_PROXY',
  },
  {
    name: '--cache-from a folder',
    tries: 'a cache that is in no registry',
    builders: BUILDKIT,
    files: { Dockerfile: DOCKERFILE },
    args: ['build', '--network=none', '--cache-from', 'type=local,src=<beside>', '.'],
    cannot: { buildkit: 'there is none' },
    gets: 'NOT_YET_ENFORCED',
  },
];
