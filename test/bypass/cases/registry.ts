/** A registry that answers otherwise than it did. */
import type { Case } from '../case.ts';

const BUILD = ['build', '--network=none', '.'];
const DOCKERFILE = 'FROM <signed:app>\nLABEL a=b\n';

export const REGISTRY: readonly Case[] = [
  {
    name: 'a signed tag that was moved',
    tries: 'another image under a name that is signed',
    signed: { app: {} },
    files: { Dockerfile: DOCKERFILE },
    args: BUILD,
    arrange: (world) => world.moveTag('app'),
    gets: 'built',
  },
  {
    name: 'a signed tag that is moved in between',
    tries: 'a registry that answers otherwise the second time',
    signed: { app: {} },
    files: { Dockerfile: DOCKERFILE },
    args: BUILD,
    meanwhile: (world) => world.moveTag('app'),
    gets: 'built',
  },
  {
    name: 'a signed tag of COPY --from that was moved',
    tries: 'another image under a name that is signed',
    signed: { app: {} },
    files: { Dockerfile: 'FROM <base>\nCOPY --from=<signed:app> / /all/\n' },
    args: BUILD,
    arrange: (world) => world.moveTag('app'),
    gets: 'built',
  },
  {
    name: 'a signed index that was replaced',
    tries: 'another image for a name of several platforms',
    signed: { app: { index: { amd64: 'innocent', arm64: 'innocent' } } },
    files: { Dockerfile: DOCKERFILE },
    args: BUILD,
    arrange: (world) => world.moveTag('app'),
    gets: 'built',
  },
  {
    name: '--pull with a signed tag that was moved',
    tries: 'a fetch that the engine makes by name',
    signed: { app: {} },
    files: { Dockerfile: DOCKERFILE },
    args: ['build', '--network=none', '--pull', '.'],
    arrange: (world) => world.moveTag('app'),
    gets: 'built',
  },
  {
    name: 'the digest of a signed image in a repository that has it not',
    tries: 'trust in a digest for another name',
    files: { Dockerfile: 'FROM <evil-name>@<base-digest>\nLABEL a=b\n' },
    args: BUILD,
    cannot: { classic: 'there is no such image', buildkit: 'there is no such image' },
    gets: { classic: 'IMAGE_NOT_FOUND', buildkit: 'docker' },
  },
];
