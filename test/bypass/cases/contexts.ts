/** Where the Dockerfile comes from. */

import { BUILDKIT } from '../builders.ts';
import type { Case } from '../case.ts';
import { serve } from './http-context.ts';

const GOOD = 'FROM <base>\nLABEL a=b\n';
const EVIL = 'FROM <evil>\nLABEL a=b\n';
const FROM_STDIN = ['build', '--network=none', '-'];
const BUILD = ['build', '--network=none', '.'];

export const CONTEXTS: readonly Case[] = [
  {
    name: 'the Dockerfile on stdin',
    tries: 'no file at all',
    args: FROM_STDIN,
    stdin: EVIL,
    gets: 'NO_TRUST_DATA',
  },
  {
    name: '-f -',
    tries: 'a good Dockerfile in the context',
    files: { Dockerfile: GOOD },
    args: ['build', '--network=none', '-f', '-', '.'],
    stdin: EVIL,
    gets: 'NO_TRUST_DATA',
  },
  {
    name: '-f outside the context',
    tries: 'a good Dockerfile in the context',
    files: { Dockerfile: GOOD, '../other': EVIL },
    args: ['build', '--network=none', '-f', '<beside>/other', '.'],
    gets: 'NO_TRUST_DATA',
  },
  {
    name: '-f twice',
    tries: 'the first where docker takes the last',
    files: { good: GOOD, evil: EVIL },
    args: ['build', '--network=none', '-f', 'good', '--file=evil', '.'],
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'a Dockerfile in small letters',
    tries: 'the name that docker takes when there is no other',
    files: { dockerfile: EVIL },
    args: BUILD,
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'a Dockerfile that is a symbolic link',
    tries: 'a file that is not in the context',
    files: { Dockerfile: { link: 'sub/real' }, 'sub/real': EVIL },
    args: BUILD,
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'a Dockerfile changed in between',
    tries: 'a check of other bytes than those that are built',
    files: { Dockerfile: GOOD },
    args: BUILD,
    meanwhile: async (world) => world.write('Dockerfile', EVIL),
    gets: { classic: 'built', buildkit: 'denied' },
  },
  {
    name: 'a front end that comes in between',
    tries: 'a Dockerfile that is read by somebody else than it was',
    files: { Dockerfile: GOOD },
    args: BUILD,
    meanwhile: async (world) => world.write('Dockerfile', `# syntax=<evil>\n${GOOD}`),
    cannot: { classic: 'the classic builder has no front ends' },
    gets: { classic: 'built', buildkit: 'denied' },
  },
  {
    name: 'a COPY that comes in between',
    tries: 'a check of other bytes than those that are built',
    files: { Dockerfile: GOOD },
    args: BUILD,
    meanwhile: async (world) => world.write('Dockerfile', `${GOOD}COPY --from=<evil> <marker> /m\n`),
    gets: { classic: 'built', buildkit: 'denied' },
  },
  {
    name: 'a mount that comes in between',
    tries: 'a check of other bytes than those that are built',
    builders: BUILDKIT,
    files: { Dockerfile: GOOD },
    args: BUILD,
    meanwhile: async (world) =>
      world.write('Dockerfile', `${GOOD}RUN --mount=from=<evil>,target=/e cp /e<marker> /m\n`),
    gets: 'denied',
  },
  {
    name: 'a link to the Dockerfile changed in between',
    tries: 'a check of another file than the one that is built',
    files: { Dockerfile: { link: 'good' }, good: GOOD, evil: EVIL },
    args: BUILD,
    meanwhile: async (world) => world.write('Dockerfile', { link: 'evil' }),
    gets: { classic: 'built', buildkit: 'denied' },
  },
  {
    name: 'a .dockerignore with the Dockerfile in it',
    tries: 'a Dockerfile that is not in the context',
    files: { Dockerfile: EVIL, '.dockerignore': '*\n' },
    args: BUILD,
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'an ignore file for one Dockerfile',
    tries: 'rules that only BuildKit reads',
    files: { 'x.Dockerfile': EVIL, 'x.Dockerfile.dockerignore': '**\n', '.dockerignore': '!x.Dockerfile\n' },
    args: ['build', '--network=none', '-f', 'x.Dockerfile', '.'],
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'a tar archive on stdin',
    tries: 'a context that is no folder',
    args: FROM_STDIN,
    stdin: { tar: [{ path: 'Dockerfile', text: EVIL }] },
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'a compressed archive on stdin',
    tries: 'a context that has to be unpacked',
    args: FROM_STDIN,
    stdin: { tar: [{ path: 'Dockerfile', text: EVIL }], gzip: true },
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'an archive and -f',
    tries: 'the usual name, which is not the one that is read',
    args: ['build', '--network=none', '-f', 'sub/other', '-'],
    stdin: {
      tar: [
        { path: 'Dockerfile', text: GOOD },
        { path: 'sub/other', text: EVIL },
      ],
    },
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'an archive with two Dockerfiles, the second unsigned',
    tries: 'the first, where unpacking keeps the last',
    args: FROM_STDIN,
    stdin: {
      tar: [
        { path: 'Dockerfile', text: GOOD },
        { path: 'Dockerfile', text: EVIL },
      ],
    },
    gets: 'BUILD_CONTEXT_INVALID',
  },
  {
    name: 'an archive with two Dockerfiles, spelled in two ways',
    tries: 'a search by one spelling',
    args: FROM_STDIN,
    stdin: {
      tar: [
        { path: 'Dockerfile', text: GOOD },
        { path: './sub/../Dockerfile', text: EVIL },
      ],
    },
    gets: 'BUILD_CONTEXT_INVALID',
  },
  {
    name: 'an archive with ./Dockerfile',
    tries: 'a search by one spelling',
    args: FROM_STDIN,
    stdin: { tar: [{ path: './Dockerfile', text: EVIL }] },
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'an archive with a hard link for a Dockerfile',
    tries: 'a file whose bytes stand elsewhere',
    args: FROM_STDIN,
    stdin: {
      tar: [
        { path: 'real', text: EVIL },
        { path: 'Dockerfile', type: '1', link: 'real' },
      ],
    },
    gets: 'BUILD_CONTEXT_INVALID',
  },
  {
    name: 'an archive with a symbolic link for a Dockerfile',
    tries: 'a file whose bytes stand elsewhere',
    args: FROM_STDIN,
    stdin: {
      tar: [
        { path: 'real', text: EVIL },
        { path: 'Dockerfile', type: '2', link: 'real' },
      ],
    },
    gets: 'BUILD_CONTEXT_INVALID',
  },
  {
    name: 'an archive with a name in a pax header',
    tries: 'a name that does not stand in the header of the file',
    args: FROM_STDIN,
    stdin: {
      tar: [
        { path: 'README', text: 'hello' },
        { path: 'PaxHeaders/x', type: 'x', text: '19 path=Dockerfile\n' },
        { path: 'innocent', text: EVIL },
      ],
    },
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'an archive with a pax header over a good Dockerfile',
    tries: 'two Dockerfiles, one of which does not look like one',
    args: FROM_STDIN,
    stdin: {
      tar: [
        { path: 'Dockerfile', text: GOOD },
        { path: 'PaxHeaders/x', type: 'x', text: '19 path=Dockerfile\n' },
        { path: 'innocent', text: EVIL },
      ],
    },
    gets: 'BUILD_CONTEXT_INVALID',
  },
  {
    name: 'a Dockerfile by http',
    tries: 'a context that the engine fetches by itself',
    args: ['build', '--network=none', '<served>/text'],
    arrange: (world) => serve(world, EVIL),
    gets: { classic: 'BUILD_CONTEXT_INVALID', buildkit: 'NO_TRUST_DATA' },
  },
  {
    name: 'a tar archive by http',
    tries: 'a context that the engine fetches by itself',
    args: ['build', '--network=none', '<served>/context.tar'],
    arrange: (world) => serve(world, EVIL),
    gets: { classic: 'BUILD_CONTEXT_INVALID', buildkit: 'NO_TRUST_DATA' },
  },
  {
    name: 'a tar archive by http that is another one for the builder',
    tries: 'a server that tells the two apart who fetch from it',
    args: ['build', '--network=none', '<served>/context.tar'],
    arrange: (world) => serve(world, EVIL, GOOD),
    gets: { classic: 'BUILD_CONTEXT_INVALID', buildkit: 'denied' },
  },
  {
    name: 'a git repository',
    tries: 'a context that the engine fetches by itself',
    args: ['build', '--network=none', 'http://127.0.0.1:<port>/<case>.git#main'],
    cannot: { classic: 'there is none', buildkit: 'there is none' },
    gets: 'BUILD_CONTEXT_INVALID',
  },
  {
    name: 'a context that is a link',
    tries: 'a folder that is not where it seems to be',
    files: { Dockerfile: GOOD, link: { link: '<beside>' }, '../Dockerfile': EVIL },
    args: ['build', '--network=none', 'link'],
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'a name that ends in a slash and dots',
    tries: 'another path to the same file',
    files: { 'sub/Dockerfile': GOOD, Dockerfile: EVIL },
    args: ['build', '--network=none', '-f', 'sub/../Dockerfile', './sub/..//'],
    gets: 'NO_TRUST_DATA',
  },
];
