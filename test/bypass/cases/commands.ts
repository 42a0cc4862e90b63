/** Forms of the command line. */
import { BUILDKIT } from '../builders.ts';
import type { Case } from '../case.ts';

const GOOD = 'FROM <base>\nLABEL a=b\n';
const EVIL = 'FROM <evil>\nLABEL a=b\n';

export const COMMANDS: readonly Case[] = [
  {
    name: 'image build',
    tries: 'another name of the command',
    files: { Dockerfile: EVIL },
    args: ['image', 'build', '--network=none', '.'],
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'builder build',
    tries: 'another name of the command',
    files: { Dockerfile: EVIL },
    args: ['builder', 'build', '--network=none', '.'],
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'buildx build',
    tries: 'the plugin itself',
    builders: BUILDKIT,
    files: { Dockerfile: EVIL },
    args: ['buildx', 'build', '--network=none', '.'],
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'buildx b',
    tries: 'the short form of the plugin',
    builders: BUILDKIT,
    files: { Dockerfile: EVIL },
    args: ['buildx', '--builder=default', 'b', '--network=none', '.'],
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'buildx bake',
    tries: 'a build by a file of builds',
    builders: BUILDKIT,
    files: {
      Dockerfile: EVIL,
      'docker-bake.json': '{"target":{"default":{"context":".","network":"none"}}}',
    },
    args: ['buildx', 'bake'],
    gets: 'NOT_YET_ENFORCED',
  },
  {
    name: 'short flags in one word',
    tries: 'a flag whose value is the end of a word',
    files: { Dockerfile: GOOD, evil: EVIL },
    args: ['build', '--network=none', '-qfevil', '-t<case>', '.'],
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'flags behind the context',
    tries: 'an end of the flags that is none',
    files: { Dockerfile: GOOD, evil: EVIL },
    args: ['build', '.', '--network=none', '-f', 'evil'],
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'what looks like a flag behind --',
    tries: 'trust switched off by a word that is no flag',
    files: { Dockerfile: EVIL },
    args: ['build', '--network=none', '--', '.'],
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'a flag as the value of a flag',
    tries: 'trust switched off by the name of a label',
    files: { Dockerfile: EVIL },
    args: ['build', '--network=none', '--label', '--disable-content-trust', '.'],
    gets: 'NO_TRUST_DATA',
  },
  {
    name: '--disable-content-trust twice',
    tries: 'the first where the last counts',
    files: { Dockerfile: EVIL },
    args: ['build', '--network=none', '--disable-content-trust', '--disable-content-trust=false', '.'],
    plainArgs: ['build', '--network=none', '.'],
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'a flag that is cut short',
    tries: 'a form that one of the two parsers takes',
    files: { Dockerfile: GOOD, evil: EVIL },
    args: ['build', '--network=none', '--fil', 'evil', '.'],
    cannot: { classic: 'docker does not take it', buildkit: 'docker does not take it' },
    gets: 'docker',
  },
  {
    name: 'run of an unsigned image',
    tries: 'no build at all',
    files: {},
    args: ['run', '--rm', '--network=none', '<evil>'],
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'create of an unsigned image',
    tries: 'no build at all',
    args: ['container', 'create', '--network=none', '<evil>'],
    gets: 'NO_TRUST_DATA',
  },
];
