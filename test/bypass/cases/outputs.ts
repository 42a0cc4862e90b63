/** Where the result goes, and what is made beside it. */
import { BUILDKIT } from '../builders.ts';
import type { Case } from '../case.ts';

const GOOD = 'FROM <base>\nLABEL a=b\n';
const EVIL = 'FROM <evil>\nLABEL a=b\n';
const STORE = { 'buildkit on the classic store': 'its builder makes no attestations' };

export const OUTPUTS: readonly Case[] = (
  [
    {
      name: '--output to a folder',
      tries: 'a result that is no image',
      files: { Dockerfile: EVIL },
      args: ['build', '--network=none', '--output', 'type=local,dest=<beside>/out', '.'],
      gets: 'NO_TRUST_DATA',
    },
    {
      name: '-o in the short form',
      tries: 'a result that is no image',
      files: { Dockerfile: 'FROM <base> AS x\nFROM scratch\nCOPY --from=<evil> <marker> /m\n' },
      args: ['build', '--network=none', '-o<beside>/out', '.'],
      gets: 'NO_TRUST_DATA',
    },
    {
      name: '--output as an archive',
      tries: 'a result that is no image',
      files: { Dockerfile: EVIL },
      args: ['build', '--network=none', '--output=type=tar,dest=<beside>/out.tar', '.'],
      gets: 'NO_TRUST_DATA',
    },
    {
      name: '--output that holds the result back',
      tries: 'a build whose result only stays in the cache',
      files: { Dockerfile: EVIL },
      args: ['build', '--network=none', '--output=type=cacheonly', '.'],
      gets: 'NO_TRUST_DATA',
    },
    {
      name: '--push',
      tries: 'the marker in the registry under a new name',
      files: { Dockerfile: EVIL },
      args: ['build', '--network=none', '--push', '-t', '<host>/<case>/new:1', '.'],
      gets: 'NO_TRUST_DATA',
    },
    {
      name: '--sbom with a generator',
      tries: 'an image that looks through the result',
      files: { Dockerfile: GOOD },
      args: ['build', '--network=none', '--sbom=generator=<evil>', '-t', '<case>', '.'],
      cannot: STORE,
      gets: 'NO_TRUST_DATA',
    },
    {
      name: '--attest with a generator',
      tries: 'an image that looks through the result',
      files: { Dockerfile: GOOD },
      args: ['build', '--network=none', '--attest', 'type=sbom,generator=<evil>', '-t', '<case>', '.'],
      cannot: STORE,
      gets: 'NO_TRUST_DATA',
    },
    {
      name: 'several platforms, one unsigned',
      tries: 'a check for one platform of several',
      unsigned: { arm64: { evil: true } },
      signed: { amd64: {} },
      files: { Dockerfile: 'FROM <base-name>:<case>-$TARGETARCH\nLABEL a=b\n' },
      args: ['build', '--network=none', '--platform', 'linux/amd64,linux/arm64', '-t', '<case>', '.'],
      cannot: { 'buildkit on the classic store': 'it builds for one platform' },
      gets: 'TARGET_NOT_SIGNED',
    },
  ] satisfies Case[]
).map((each): Case => ({ ...each, builders: BUILDKIT }));
