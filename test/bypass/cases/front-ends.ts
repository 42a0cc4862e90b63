/** Front ends: images that read the Dockerfile in BuildKit's place. The classic builder has none. */
import { BUILDKIT } from '../builders.ts';
import type { Case } from '../case.ts';

const BUILD = ['build', '--network=none', '.'];
const NONE = { classic: 'the classic builder has no front ends' };

export const FRONT_ENDS: readonly Case[] = [
  {
    name: '# syntax',
    tries: 'an unsigned image that reads the Dockerfile',
    files: { Dockerfile: '# syntax=<evil>\nFROM <base>\nLABEL a=b\n' },
    args: BUILD,
    cannot: NONE,
    gets: { classic: 'built', buildkit: 'NO_TRUST_DATA' },
  },
  {
    name: '# syntax in other letters and spaces',
    tries: 'a comparison with the usual form',
    files: { Dockerfile: '#   SynTax =   <evil>  \nFROM <base>\nLABEL a=b\n' },
    args: BUILD,
    cannot: NONE,
    gets: { classic: 'built', buildkit: 'NO_TRUST_DATA' },
  },
  {
    name: '# syntax behind a byte order mark',
    tries: 'a first line that does not begin with #',
    files: { Dockerfile: '\uFEFF# syntax=<evil>\nFROM <base>\nLABEL a=b\n' },
    args: BUILD,
    cannot: { ...NONE, buildkit: 'BuildKit 0.13 finds no directive there' },
    gets: { classic: 'built', buildkit: 'NO_TRUST_DATA' },
  },
  {
    name: '# syntax behind #!',
    tries: 'a directive that is not on the first line',
    builders: BUILDKIT,
    files: { Dockerfile: '#!/usr/bin/env docker\n# syntax=<evil>\nFROM <base>\nLABEL a=b\n' },
    args: BUILD,
    gets: 'NO_TRUST_DATA',
  },
  {
    name: '// syntax',
    tries: 'the comments of other languages',
    builders: BUILDKIT,
    files: { Dockerfile: '// syntax=<evil>\nFROM <base>\nLABEL a=b\n' },
    args: BUILD,
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'syntax in JSON',
    tries: 'a Dockerfile that is a JSON object',
    builders: BUILDKIT,
    files: { Dockerfile: '{"syntax": "<evil>", "FROM": "<base>"}\n' },
    args: BUILD,
    gets: 'NO_TRUST_DATA',
  },
  {
    name: '# syntax behind # escape',
    tries: 'the second of two directives',
    files: { Dockerfile: '# escape=`\n# syntax=<evil>\nFROM <base>\nLABEL a=b\n' },
    args: BUILD,
    cannot: NONE,
    gets: { classic: 'built', buildkit: 'NO_TRUST_DATA' },
  },
  {
    name: '# syntax with arguments',
    tries: 'what BuildKit takes from behind the name',
    builders: BUILDKIT,
    files: { Dockerfile: '# syntax=<evil> a=b\nFROM <base>\nLABEL a=b\n' },
    args: BUILD,
    gets: 'NO_TRUST_DATA',
  },
  {
    name: '# syntax behind a comment',
    tries: 'nothing: it is no directive there',
    files: { Dockerfile: '# hello\n# syntax=<evil>\nFROM <base>\nLABEL a=b\n' },
    args: BUILD,
    cannot: { ...NONE, buildkit: 'it is a comment there' },
    gets: 'built',
  },
  {
    name: 'BUILDKIT_SYNTAX',
    tries: 'a front end that the Dockerfile does not name',
    files: { Dockerfile: 'FROM <base>\nLABEL a=b\n' },
    args: ['build', '--network=none', '--build-arg', 'BUILDKIT_SYNTAX=<evil>', '.'],
    cannot: NONE,
    gets: { classic: 'built', buildkit: 'NO_TRUST_DATA' },
  },
  {
    name: 'BUILDKIT_SYNTAX from the environment, over a good # syntax',
    tries: 'a front end that neither the Dockerfile nor the command line names',
    builders: BUILDKIT,
    files: { Dockerfile: 'FROM <base>\nLABEL a=b\n' },
    args: ['build', '--network=none', '--build-arg=BUILDKIT_SYNTAX', '.'],
    env: { BUILDKIT_SYNTAX: '<evil>' },
    gets: 'NO_TRUST_DATA',
  },
];
