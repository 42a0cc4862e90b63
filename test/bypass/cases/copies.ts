/** Files taken from an image that is no stage. */
import { BUILDKIT } from '../builders.ts';
import type { Case } from '../case.ts';
import { loadMarker } from './loaded.ts';

const BUILD = ['build', '--network=none', '.'];
const NO_ADD_FROM = 'ADD has no --from';
const NO_EXPANSION = 'nothing is expanded there';

export const COPIES: readonly Case[] = [
  {
    name: 'COPY --from',
    tries: 'an image that is no base',
    files: { Dockerfile: 'FROM <base>\nCOPY --from=<evil> <marker> /m\n' },
    args: BUILD,
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'copy --from in small letters',
    tries: 'a comparison with COPY',
    files: { Dockerfile: 'from <base>\ncopy --from=<evil> <marker> /m\n' },
    args: BUILD,
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'COPY --from behind other flags',
    tries: 'a look at the first flag only',
    files: { Dockerfile: 'FROM <base>\nCOPY --chown=0:0 --from=<evil> <marker> /m\n' },
    args: BUILD,
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'COPY --link --from',
    tries: 'a layer that does not depend on the base',
    builders: BUILDKIT,
    files: { Dockerfile: 'FROM scratch\nCOPY --link --from=<evil> <marker> /m\n' },
    args: BUILD,
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'COPY --from a variable',
    tries: 'a name that the parser does not expand',
    files: { Dockerfile: 'FROM <base>\nARG IMAGE=<evil>\nCOPY --from=$IMAGE <marker> /m\n' },
    args: BUILD,
    cannot: { classic: NO_EXPANSION, buildkit: NO_EXPANSION },
    gets: 'DOCKERFILE_INVALID',
  },
  {
    name: 'COPY --from a stage that comes later',
    tries: 'stage names that are collected before the stages are read in order',
    files: {
      Dockerfile:
        'FROM <base> AS first\nCOPY --from=tool<case> <marker> /m\nFROM <base> AS tool<case>\nFROM first\n',
    },
    args: BUILD,
    arrange: (world) => loadMarker(world, [`tool${world.path}:latest`]),
    cannot: { buildkit: 'BuildKit refuses it' },
    gets: { classic: 'NETWORK_PROXY', buildkit: 'docker' },
  },
  {
    name: 'COPY --from in the JSON form',
    tries: 'arguments that are an array',
    files: { Dockerfile: 'FROM <base>\nCOPY --from=<evil> ["<marker>", "/m"]\n' },
    args: BUILD,
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'ADD --from',
    tries: 'the flag of another instruction',
    files: { Dockerfile: 'FROM <base>\nADD --from=<evil> <marker> /m\n' },
    args: BUILD,
    cannot: { classic: NO_ADD_FROM, buildkit: NO_ADD_FROM },
    gets: 'DOCKERFILE_INVALID',
  },
  {
    name: 'RUN --mount=type=bind,from',
    tries: 'an image that is only mounted',
    builders: BUILDKIT,
    files: { Dockerfile: 'FROM <base>\nRUN --mount=type=bind,from=<evil>,target=/e cp /e<marker> /m\n' },
    args: BUILD,
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'RUN --mount=from without a type',
    tries: 'the type that is not written',
    builders: BUILDKIT,
    files: { Dockerfile: 'FROM <base>\nRUN --mount=from=<evil>,target=/e cp /e<marker> /m\n' },
    args: BUILD,
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'RUN --mount=type=cache,from',
    tries: 'a cache that begins with what an image has',
    builders: BUILDKIT,
    files: { Dockerfile: 'FROM <base>\nRUN --mount=type=cache,from=<evil>,target=/e cp /e<marker> /m\n' },
    args: BUILD,
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'the second of two mounts',
    tries: 'a look at the first only',
    builders: BUILDKIT,
    files: {
      Dockerfile:
        'FROM <base> AS good\nFROM <base>\nRUN --mount=from=good,target=/o --mount=target=/e,from=<evil> cp /e<marker> /m\n',
    },
    args: BUILD,
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'a mount in quotes of CSV',
    tries: 'a parser that splits at commas',
    builders: BUILDKIT,
    files: { Dockerfile: 'FROM <base>\nRUN --mount="from=<evil>",target=/e cp /e<marker> /m\n' },
    args: BUILD,
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'a mount from a variable',
    tries: 'a name that the parser does not expand',
    builders: BUILDKIT,
    files: {
      Dockerfile:
        'ARG IMAGE=<evil>\nFROM <base>\nARG IMAGE\nRUN --mount=from=$IMAGE,target=/e cp /e<marker> /m\n',
    },
    args: BUILD,
    cannot: { buildkit: NO_EXPANSION },
    gets: 'DOCKERFILE_INVALID',
  },
];
