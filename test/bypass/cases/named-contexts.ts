/** --build-context: names that the command line gives. */
import { BUILDKIT } from '../builders.ts';
import type { Case } from '../case.ts';
import { writeLayout } from './layout.ts';

export const NAMED_CONTEXTS: readonly Case[] = (
  [
    {
      name: '--build-context with an image',
      tries: 'a name that the Dockerfile does not know',
      files: { Dockerfile: 'FROM base\nLABEL a=b\n' },
      args: ['build', '--network=none', '--build-context', 'base=docker-image://<evil>', '.'],
      gets: 'NO_TRUST_DATA',
    },
    {
      name: '--build-context over a signed name',
      tries: 'an image that the Dockerfile does not name',
      files: { Dockerfile: 'FROM <base>\nLABEL a=b\n' },
      args: ['build', '--network=none', '--build-context', '<base>=docker-image://<evil>', '.'],
      gets: 'NO_TRUST_DATA',
    },
    {
      name: '--build-context for COPY --from',
      tries: 'a name that is neither stage nor image',
      files: { Dockerfile: 'FROM <base>\nCOPY --from=stuff <marker> /m\n' },
      args: ['build', '--network=none', '--build-context=stuff=docker-image://<evil>', '.'],
      gets: 'NO_TRUST_DATA',
    },
    {
      name: '--build-context over a stage',
      tries: 'a stage that is not built, for its name is given',
      files: { Dockerfile: 'FROM <base> AS tools\nFROM <base>\nCOPY --from=tools <marker> /m\n' },
      args: ['build', '--network=none', '--build-context=tools=docker-image://<evil>', '.'],
      gets: 'NO_TRUST_DATA',
    },
    {
      name: '--build-context with a layout',
      tries: 'an image in a folder',
      files: { Dockerfile: 'FROM base\nLABEL a=b\n' },
      args: ['build', '--network=none', '--build-context', 'base=oci-layout://<beside>:1', '.'],
      arrange: writeLayout,
      cannot: { 'buildkit on the classic store': 'it takes no layouts' },
      gets: 'BUILD_CONTEXT_INVALID',
    },
    {
      name: '--build-context with a repository that is not there',
      tries: 'a name that becomes an image when there is no repository',
      files: { Dockerfile: 'FROM base\nLABEL a=b\n' },
      args: ['build', '--network=none', '--build-context', 'base=http://127.0.0.1:<port>/x.git', '.'],
      cannot: { buildkit: 'there is none' },
      gets: 'docker',
    },
    {
      name: '--build-context in other letters',
      tries: 'a scheme that is compared by its letters',
      files: { Dockerfile: 'FROM Base\nLABEL a=b\n' },
      args: ['build', '--network=none', '--build-context', 'BASE=docker-image://<evil>', '.'],
      cannot: { buildkit: 'docker refuses the name' },
      gets: 'DOCKERFILE_INVALID',
    },
  ] satisfies Case[]
).map((each): Case => ({ ...each, builders: BUILDKIT }));
