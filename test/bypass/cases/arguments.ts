/** Names put together from arguments. */
import { BUILDKIT } from '../builders.ts';
import type { Case } from '../case.ts';

const BUILD = ['build', '--network=none', '.'];

export const ARGUMENTS: readonly Case[] = [
  {
    name: 'a default of ARG',
    tries: 'a name that does not stand at FROM',
    files: { Dockerfile: 'ARG IMAGE=<evil>\nFROM $IMAGE\nLABEL a=b\n' },
    args: BUILD,
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'a default in the expansion',
    tries: '${X:-...} of a variable that nobody sets',
    files: { Dockerfile: 'ARG IMAGE\nFROM ${IMAGE:-<evil>}\nLABEL a=b\n' },
    args: BUILD,
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'an alternative in the expansion',
    tries: '${X:+...} of a variable that is set to something good',
    files: { Dockerfile: 'ARG IMAGE=<base>\nFROM ${IMAGE:+<evil>}\nLABEL a=b\n' },
    args: BUILD,
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'expansions in expansions',
    tries: 'a parser that ends at the first brace',
    files: { Dockerfile: 'ARG A\nARG B=<evil>\nFROM ${A:-${A:-${B:-<base>}}}\nLABEL a=b\n' },
    args: BUILD,
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'a variable made of variables',
    tries: 'arguments that are used by later arguments',
    files: {
      Dockerfile: 'ARG HOST=<host>\nARG NAME=$HOST/<case>/evil\nARG TAG=1\nFROM ${NAME}:${TAG}\nLABEL a=b\n',
    },
    args: BUILD,
    gets: 'NO_TRUST_DATA',
  },
  {
    name: '--build-arg',
    tries: 'a default that is good and is not used',
    files: { Dockerfile: 'ARG IMAGE=<base>\nFROM $IMAGE\nLABEL a=b\n' },
    args: ['build', '--network=none', '--build-arg', 'IMAGE=<evil>', '.'],
    gets: 'NO_TRUST_DATA',
  },
  {
    name: '--build-arg from the environment',
    tries: 'a value that does not stand on the command line',
    files: { Dockerfile: 'ARG IMAGE=<base>\nFROM $IMAGE\nLABEL a=b\n' },
    args: ['build', '--network=none', '--build-arg=IMAGE', '.'],
    env: { IMAGE: '<evil>' },
    gets: 'NO_TRUST_DATA',
  },
  {
    name: '--build-arg twice',
    tries: 'the first value where docker takes the last',
    files: { Dockerfile: 'ARG IMAGE\nFROM $IMAGE\nLABEL a=b\n' },
    args: ['build', '--network=none', '--build-arg', 'IMAGE=<base>', '--build-arg', 'IMAGE=<evil>', '.'],
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'ARG twice',
    tries: 'the first default where docker takes the last',
    files: { Dockerfile: 'ARG IMAGE=<base>\nARG IMAGE=<evil>\nFROM $IMAGE\nLABEL a=b\n' },
    args: BUILD,
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'ARG behind FROM',
    tries: 'a value of a stage, where only the arguments before the first FROM count',
    files: {
      Dockerfile: 'ARG IMAGE=<evil>\nFROM <base> AS first\nARG IMAGE=<base>\nFROM $IMAGE\nLABEL a=b\n',
    },
    args: BUILD,
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'the name in quotes',
    tries: 'quotes that are no part of the value',
    files: { Dockerfile: 'ARG IMAGE="<evil>"\nFROM $IMAGE\nLABEL a=b\n' },
    args: BUILD,
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'several arguments on one line',
    tries: 'a parser that reads the first',
    files: { Dockerfile: 'ARG A=<base> IMAGE=<evil>\nFROM $IMAGE\nLABEL a=b\n' },
    args: BUILD,
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'an argument of the platform',
    tries: 'variables that BuildKit sets by itself',
    unsigned: { amd64: { evil: true }, arm64: { evil: true } },
    files: { Dockerfile: 'FROM <base-name>:<case>-$TARGETARCH\nLABEL a=b\n' },
    args: BUILD,
    cannot: { classic: 'the classic builder has no such variables' },
    gets: 'TARGET_NOT_SIGNED',
  },
  {
    name: 'a part cut away',
    tries: '${X#...} and ${X%...}',
    builders: BUILDKIT,
    files: {
      Dockerfile: 'ARG IMAGE=junk-<evil>-junk\nARG LEFT=${IMAGE#junk-}\nFROM ${LEFT%-junk}\nLABEL a=b\n',
    },
    args: BUILD,
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'a part replaced',
    tries: '${X/.../...}',
    builders: BUILDKIT,
    files: { Dockerfile: 'ARG IMAGE=<host>/<case>/good:1\nFROM ${IMAGE/good/evil}\nLABEL a=b\n' },
    args: BUILD,
    gets: 'NO_TRUST_DATA',
  },
];
