/**
 * Every command of docker that dtrust does itself or refuses, and dtrust's own: data, in groups, each with its
 * reason. Those that are passed on stand in table-passed.ts.
 *
 * A command is *enforced* (dtrust does it itself), *passed* on to the real docker (it brings no image in), *not
 * yet* enforced (it could bring an image in without a decision, so it is refused while trust is on), one that
 * *cannot* be enforced (refused likewise, for good), or *not built* (one of dtrust's own, to come). The line: a command that makes the engine, a builder or a cluster fetch,
 * load or start something by an image reference, or that hands such a request on, is never passed. A command
 * that works on what the engine already holds is.
 *
 * Known from the command trees of CLI 20.10, 26.1, 28.2 and 29.8 with buildx 0.13 and Compose 2.26
 * (test/recorded/), from docker's hidden commands, and from the plugins that Docker ships.
 *
 * Notation: `container ls|ps|list` is one command with two aliases.
 */
import {
  type CommandGroup,
  type RefusedGroup,
  UNVERIFIED,
  underBuildx,
  underCompose,
} from './command-group.ts';

/** Commands that dtrust does itself, and the name of the module for each. */
export const ENFORCED: readonly CommandGroup[] = [
  { why: 'it fetches an image', commands: ['pull', 'image pull'] },
  {
    why: 'it makes a container of an image, which it fetches when it is absent',
    commands: ['run', 'create', 'container run', 'container create'],
  },
  {
    why: 'it starts a container that may have been made without a decision on its image',
    commands: ['start', 'restart', 'container start', 'container restart'],
  },
  {
    why: 'it makes an image, which may run when that of the container is known',
    commands: ['commit', 'container commit'],
  },
  {
    why: 'it fetches the images that a Dockerfile builds on, and makes one that may run when those are known',
    commands: ['build|b', 'image build', ...underBuildx('build|b')],
  },
  { why: 'it publishes an image, which is to be signed', commands: ['push', 'image push'] },
  {
    why: 'it publishes an index of images, which is to be signed',
    commands: [...underBuildx('imagetools create'), 'manifest push'],
  },
  {
    why: 'the trust tree is its own',
    commands: [
      'trust',
      'trust inspect|view',
      'trust sign',
      'trust revoke',
      'trust key',
      'trust key generate',
      'trust key load',
      'trust key list|ls',
      'trust key export',
      'trust key passwd',
      'trust key forget',
      'trust key backup',
      'trust key restore',
      'trust signer',
      'trust signer add',
      'trust signer remove|rm',
      'trust signer list|ls',
      'trust pin',
      'trust pin add',
      'trust pin list|ls',
      'trust pin remove|rm',
      'trust pin export',
      'trust init',
      'trust refresh',
      'trust status',
      'trust restore',
      'trust stage',
      'trust cosign',
      'trust rotate',
      'trust threshold',
      'trust accept',
      'trust allow',
      'trust version',
    ],
  },
];

/** dtrust's own commands that are still to come: refused whether trust is on or off, the real docker has none. */
export const NOT_BUILT: readonly RefusedGroup[] = [
  {
    why: 'it is not built yet',
    hint: 'Run `dtrust trust --help` for the commands that there are.',
    commands: [
      'trust explain',
      'trust policy',
      'trust migrate',
      'trust promote',
      'trust vouch',
      'trust bundle',
      'trust audit',
    ],
  },
];

const BUILD_BY_DIGEST =
  'Run `dtrust pull` for each base image, name it by the digest printed (`FROM NAME@sha256:DIGEST`), ' +
  'and build with `DOCKER_CONTENT_TRUST=0 dtrust build ...`.';
const COMPOSE_BY_DIGEST =
  'Run `dtrust pull` for each image, write `image: NAME@sha256:DIGEST` with the digest printed, ' +
  'and use `DOCKER_CONTENT_TRUST=0 dtrust compose ...`.';
const SERVICE_BY_DIGEST =
  'Run `dtrust pull IMAGE`, then name the digest printed: `DOCKER_CONTENT_TRUST=0 dtrust service create ' +
  '--no-resolve-image NAME@sha256:DIGEST`.';

/** Commands that could bring an image in without a decision: refused while trust is on. */
export const NOT_YET: readonly RefusedGroup[] = [
  {
    why: 'a build fetches its base images, and whatever COPY --from, cache sources and build contexts name',
    hint: BUILD_BY_DIGEST,
    commands: ['bake', ...underBuildx('bake|f')],
  },
  {
    why: 'an archive brings an image in by the name that stands in it',
    hint: 'Fetch the image with `dtrust pull`; for an archive you trust put `DOCKER_CONTENT_TRUST=0` before the command.',
    commands: ['load', 'image load', 'import', 'image import'],
  },
  {
    why: 'Compose fetches, builds or starts what its files name',
    hint: COMPOSE_BY_DIGEST,
    commands: underCompose(
      'up',
      'run',
      'create',
      'pull',
      'build',
      'watch',
      'scale',
      'alpha',
      'alpha dry-run',
      'alpha generate',
      'alpha scale',
      'alpha viz',
      'alpha watch',
      'bridge',
    ),
  },
  {
    why: 'it would publish images without signing them',
    hint: 'Run `dtrust push` for each image.',
    commands: underCompose('push', 'publish', 'alpha publish'),
  },
  {
    why: "a service's image is fetched by every node that gets a task of it",
    hint: SERVICE_BY_DIGEST,
    commands: ['service create', 'service update', 'service rollback', 'service scale'],
  },
  {
    why: 'a stack is services, whose images every node fetches',
    hint: 'Name each image by digest in the file, and use `DOCKER_CONTENT_TRUST=0 dtrust stack deploy --resolve-image never`.',
    commands: ['stack deploy|up', 'deploy'],
  },
  {
    why: 'a plugin is an image that runs with the rights of the engine',
    hint: 'Name the plugin by digest and put `DOCKER_CONTENT_TRUST=0` before the command.',
    commands: ['plugin install', 'plugin upgrade', 'plugin create', 'plugin push'],
  },
];

/** Commands that bring images in by ways that dtrust cannot hold to a decision: refused while trust is on. */
export const CANNOT: readonly RefusedGroup[] = [
  {
    why: 'it starts a builder, whose own image is then fetched, and hands any build to it',
    hint: UNVERIFIED,
    commands: underBuildx('dial-stdio'),
  },
  {
    why: 'a build under the debugger is run by a server of its own, which takes no rules for images',
    hint: 'Use `dtrust buildx build`; to debug a build unverified this once, put `DOCKER_CONTENT_TRUST=0` before the command.',
    commands: underBuildx('debug', 'debug build|b', 'dap', 'dap build|b'),
  },
  {
    why: 'an engine that joins a swarm fetches what the managers schedule on it',
    hint: UNVERIFIED,
    commands: ['swarm join'],
  },
  {
    why: 'this plugin fetches images, or runs tools that come as images',
    hint: UNVERIFIED,
    commands: [
      'agent',
      'ai',
      'app',
      'cagent',
      'cloud',
      'debug',
      'dev',
      'engine',
      'extension',
      'mcp',
      'model',
      'offload',
      'sandbox',
      'sbom',
      'scan',
      'scout',
    ],
  },
];
