/** ONBUILD: instructions that a base brings along. */
import { BUILDKIT } from '../builders.ts';
import type { Case } from '../case.ts';

const OLD = { buildkit: 'BuildKit 0.13 takes only stages in a trigger' };
const BUILD = ['build', '--network=none', '.'];

export const TRIGGERS: readonly Case[] = [
  {
    name: 'ONBUILD COPY --from in a signed base',
    tries: 'an instruction that does not stand in the Dockerfile',
    signed: { base: { onBuild: ['COPY --from=<evil> <marker> /m'] } },
    files: { Dockerfile: 'FROM <signed:base>\nLABEL a=b\n' },
    args: BUILD,
    cannot: OLD,
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'ONBUILD in small letters, with a continuation',
    tries: 'another form of the same instruction',
    signed: { base: { onBuild: ['copy --from=<evil> <marker> \\\n /m'] } },
    files: { Dockerfile: 'FROM <signed:base>\nLABEL a=b\n' },
    args: BUILD,
    cannot: OLD,
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'ONBUILD RUN --mount in a signed base',
    tries: 'an image that is only mounted, and does not stand in the Dockerfile',
    builders: BUILDKIT,
    signed: { base: { onBuild: ['RUN --mount=from=<evil>,target=/e cp /e<marker> /m'] } },
    files: { Dockerfile: 'FROM <signed:base>\nLABEL a=b\n' },
    args: BUILD,
    cannot: OLD,
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'ONBUILD of a stage',
    tries: 'an instruction that runs when another stage begins with this one',
    files: {
      Dockerfile: 'FROM <base> AS first\nONBUILD COPY --from=<evil> <marker> /m\nFROM first\nLABEL a=b\n',
    },
    args: BUILD,
    cannot: OLD,
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'ONBUILD in the base of a base',
    tries: 'triggers of an image that itself came by a trigger',
    signed: {
      second: { onBuild: ['COPY --from=<evil> <marker> /m'] },
      first: { onBuild: ['COPY --from=<signed:second> /bin/true /t'] },
    },
    files: { Dockerfile: 'FROM <signed:first> AS a\nFROM <signed:second>\nCOPY --from=a /t /t\n' },
    args: BUILD,
    cannot: OLD,
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'ONBUILD of an image that is only copied from',
    tries: 'nothing: no build begins there',
    signed: { base: { onBuild: ['COPY --from=<evil> <marker> /m'] } },
    files: { Dockerfile: 'FROM <base>\nCOPY --from=<signed:base> /bin/true /t\n' },
    args: BUILD,
    cannot: { classic: 'the trigger does not run', buildkit: 'the trigger does not run' },
    gets: 'built',
  },
  {
    name: 'ONBUILD FROM',
    tries: 'a base behind the base',
    signed: { base: { onBuild: ['FROM <evil>'] } },
    files: { Dockerfile: 'FROM <signed:base>\nLABEL a=b\n' },
    args: BUILD,
    cannot: { classic: 'docker forbids it', buildkit: 'docker forbids it' },
    gets: 'DOCKERFILE_INVALID',
  },
];
