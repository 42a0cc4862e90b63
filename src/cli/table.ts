/**
 * Every command of docker that is known, and what dtrust does with it: data, in groups, each with its reason.
 *
 * A command is *enforced* (dtrust does it itself), *passed* on to the real docker (it brings no image in), *not
 * yet* enforced (it could bring an image in without a decision, so it is refused while trust is on), or *not
 * built* (one of dtrust's own, to come). The line: a command that makes the engine, a builder or a cluster fetch,
 * load or start something by an image reference, or that hands such a request on, is never passed. A command
 * that works on what the engine already holds is.
 *
 * Known from the command trees of CLI 20.10, 26.1, 28.2 and 29.8 with buildx 0.13 and Compose 2.26
 * (test/recorded/), from docker's hidden commands, and from the plugins that Docker ships.
 *
 * Notation: `container ls|ps|list` is one command with two aliases.
 */

/** Commands of one class for one reason; `why` is a clause that can stand after "because". */
export interface CommandGroup {
  readonly why: string;
  readonly commands: readonly string[];
}

export interface RefusedGroup extends CommandGroup {
  /** What to do instead: a whole sentence. */
  readonly hint: string;
}

export interface PassedGroup extends CommandGroup {
  /** Flags that make such a command bring an image in; with one of them anywhere behind it, it is refused. */
  readonly unless?: { readonly flags: readonly string[]; readonly hint: string };
}

/** Commands that dtrust does itself, and the name of the module for each. */
export const ENFORCED: readonly CommandGroup[] = [
  { why: 'it fetches an image', commands: ['pull', 'image pull'] },
  { why: 'it publishes an image, which is to be signed', commands: ['push', 'image push'] },
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
      'trust pin',
      'trust pin add',
      'trust pin list|ls',
      'trust pin remove|rm',
      'trust pin export',
      'trust init',
      'trust refresh',
      'trust version',
    ],
  },
];

/** dtrust's own commands that are still to come: refused whether trust is on or off, the real docker has none. */
export const NOT_BUILT: readonly RefusedGroup[] = [
  {
    why: 'signers are not built yet',
    hint: 'Until then the repository key signs: run `dtrust push` or `dtrust trust sign` where that key is.',
    commands: ['trust signer', 'trust signer add', 'trust signer remove|rm', 'trust signer list|ls'],
  },
  {
    why: 'it is not built yet',
    hint: 'Run `dtrust trust --help` for the commands that there are.',
    commands: [
      'trust restore',
      'trust rotate',
      'trust allow',
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

const RUN_BY_DIGEST =
  'Run `dtrust pull IMAGE`, then what it verified: `DOCKER_CONTENT_TRUST=0 dtrust run NAME@sha256:DIGEST`.';
const BUILD_BY_DIGEST =
  'Run `dtrust pull` for each base image, name it by the digest printed (`FROM NAME@sha256:DIGEST`), ' +
  'and build with `DOCKER_CONTENT_TRUST=0 dtrust build ...`.';
const COMPOSE_BY_DIGEST =
  'Run `dtrust pull` for each image, write `image: NAME@sha256:DIGEST` with the digest printed, ' +
  'and use `DOCKER_CONTENT_TRUST=0 dtrust compose ...`.';
const SERVICE_BY_DIGEST =
  'Run `dtrust pull IMAGE`, then name the digest printed: `DOCKER_CONTENT_TRUST=0 dtrust service create ' +
  '--no-resolve-image NAME@sha256:DIGEST`.';
const UNVERIFIED = 'To do it unverified this once, put `DOCKER_CONTENT_TRUST=0` before the command.';

/** The two names of buildx: `builder` is forwarded to the plugin since CLI 23. */
function underBuildx(...commands: readonly string[]): string[] {
  return ['buildx', 'builder'].flatMap((root) => commands.map((command) => `${root} ${command}`));
}

function underCompose(...commands: readonly string[]): string[] {
  return commands.map((command) => `compose ${command}`);
}

/** Commands that could bring an image in without a decision: refused while trust is on. */
export const NOT_YET: readonly RefusedGroup[] = [
  {
    why: 'it fetches an image that is absent, and `--pull` fetches one that is present',
    hint: RUN_BY_DIGEST,
    commands: ['run', 'create', 'container run', 'container create'],
  },
  {
    why: 'a build fetches its base images, and whatever COPY --from, cache sources and build contexts name',
    hint: BUILD_BY_DIGEST,
    commands: ['build|b', 'image build', 'bake', ...underBuildx('build|b', 'bake|f')],
  },
  {
    why: 'it starts a builder, whose own image is then fetched, and hands any build to it',
    hint: UNVERIFIED,
    commands: [...underBuildx('dial-stdio')],
  },
  {
    why: 'it puts images that nobody verified under another name in a registry',
    hint: 'Run it with `DOCKER_CONTENT_TRUST=0`, then sign the result: `dtrust trust sign NAME:TAG@sha256:DIGEST`.',
    commands: [...underBuildx('imagetools create')],
  },
  {
    why: 'an archive brings an image in by the name that stands in it',
    hint: 'Fetch the image with `dtrust pull`; for an archive you trust put `DOCKER_CONTENT_TRUST=0` before the command.',
    commands: ['load', 'image load', 'import', 'image import'],
  },
  {
    why: 'Compose fetches, builds or starts what its files name',
    hint: COMPOSE_BY_DIGEST,
    commands: underCompose('up', 'run', 'create', 'pull', 'build', 'watch', 'scale', 'alpha', 'bridge'),
  },
  {
    why: 'it would publish images without signing them',
    hint: 'Run `dtrust push` for each image.',
    commands: underCompose('push', 'publish'),
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
    why: 'an engine that joins a swarm fetches what the managers schedule on it',
    hint: UNVERIFIED,
    commands: ['swarm join'],
  },
  {
    why: 'a plugin is an image that runs with the rights of the engine',
    hint: 'Name the plugin by digest and put `DOCKER_CONTENT_TRUST=0` before the command.',
    commands: ['plugin install', 'plugin upgrade', 'plugin create', 'plugin push'],
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

/** Commands that bring no image in: the real docker does them, untouched. */
export const PASSED: readonly PassedGroup[] = [
  {
    why: 'it prints something about docker or this machine',
    commands: [
      'help',
      'version',
      'info',
      'system info',
      'system df',
      'events',
      'system events',
      'inspect',
      'completion',
      'completion bash',
      'completion fish',
      'completion powershell',
      'completion zsh',
      '__complete',
      '__completeNoDesc',
      'docker-cli-plugin-metadata',
      'docker-cli-plugin-hooks',
    ],
  },
  {
    // `start` and `restart` use the image the container was made from; nothing is fetched when it is gone.
    why: 'it works on a container that exists, whose image was decided on when it was made',
    commands: [
      'attach',
      'commit',
      'cp',
      'diff',
      'exec',
      'export',
      'kill',
      'logs',
      'pause',
      'port',
      'ps',
      'rename',
      'restart',
      'rm|remove',
      'start',
      'stats',
      'stop',
      'top',
      'unpause',
      'update',
      'wait',
      'container attach',
      'container commit',
      'container cp',
      'container diff',
      'container exec',
      'container export',
      'container inspect',
      'container kill',
      'container logs',
      'container ls|ps|list',
      'container pause',
      'container port',
      'container prune',
      'container rename',
      'container restart',
      'container rm|remove',
      'container start',
      'container stats',
      'container stop',
      'container top',
      'container unpause',
      'container update',
      'container wait',
      'checkpoint create',
      'checkpoint ls|list',
      'checkpoint rm|remove',
    ],
  },
  {
    why: 'it works on images the engine holds: names, removes, shows or writes them out',
    commands: [
      'history',
      'images',
      'rmi',
      'save',
      'tag',
      'image history',
      'image inspect',
      'image ls|list',
      'image prune',
      'image rm|rmi|remove',
      'image save',
      'image tag',
      'system prune',
    ],
  },
  {
    // `manifest push` puts up a list that nobody verified, but only of what the registry has under that name;
    // unlike `imagetools create` it copies no image. Unsigned until `trust sign` names its digest.
    why: 'it reads or writes manifests in a registry; the engine gets nothing',
    commands: [
      'search',
      'manifest annotate',
      'manifest create',
      'manifest inspect',
      'manifest push',
      'manifest rm',
      ...underBuildx('imagetools inspect'),
    ],
  },
  {
    why: 'it deals in credentials or in which engine is spoken to',
    commands: [
      'login',
      'logout',
      'context create',
      'context export',
      'context import',
      'context inspect',
      'context ls|list',
      'context rm|remove',
      'context show',
      'context update',
      'context use',
    ],
  },
  {
    // The engine's socket, over stdio, for docker's own ssh transport: no more than the socket itself gives.
    why: 'it carries the requests of another docker client, which decides for itself',
    commands: ['system dial-stdio'],
  },
  {
    why: 'networks and volumes hold no image',
    commands: [
      'network connect',
      'network create',
      'network disconnect',
      'network inspect',
      'network ls|list',
      'network prune',
      'network rm|remove',
      'volume create',
      'volume inspect',
      'volume ls|list',
      'volume prune',
      'volume rm|remove',
      'volume update',
    ],
  },
  {
    // Members, keys and roles: tasks move only of services whose image was decided on by `service create`.
    why: 'it changes or shows the cluster, its secrets and settings, and names no image',
    commands: [
      'config create',
      'config inspect',
      'config ls|list',
      'config rm|remove',
      'secret create',
      'secret inspect',
      'secret ls|list',
      'secret rm|remove',
      'node demote',
      'node inspect',
      'node ls|list',
      'node promote',
      'node ps',
      'node rm|remove',
      'node update',
      'service inspect',
      'service logs',
      'service ls|list',
      'service ps',
      'service rm|remove',
      'stack config',
      'stack ls|list',
      'stack ps',
      'stack rm|remove|down',
      'stack services',
      'swarm ca',
      'swarm init',
      'swarm join-token',
      'swarm leave',
      'swarm unlock',
      'swarm unlock-key',
      'swarm update',
    ],
  },
  {
    why: 'it works on a plugin that is installed',
    commands: [
      'plugin disable',
      'plugin enable',
      'plugin inspect',
      'plugin ls|list',
      'plugin rm|remove',
      'plugin set',
    ],
  },
  {
    why: 'it shows, chooses or removes builders and their caches',
    commands: underBuildx(
      'du',
      'ls',
      'prune',
      'rm',
      'stop',
      'use',
      'version',
      'install',
      'uninstall',
      'help',
    ),
  },
  {
    why: 'it describes a builder without starting it',
    unless: { flags: ['bootstrap'], hint: UNVERIFIED },
    commands: underBuildx('create', 'inspect'),
  },
  {
    why: 'it shows a Compose project or works on its containers that exist',
    commands: underCompose(
      'attach',
      'commit',
      'config|convert',
      'cp',
      'down',
      'events',
      'exec',
      'export',
      'help',
      'images',
      'kill',
      'logs',
      'ls',
      'pause',
      'port',
      'ps',
      'restart',
      'rm',
      'start',
      'stats',
      'stop',
      'top',
      'unpause',
      'version',
      'volumes',
      'wait',
    ),
  },
  {
    why: 'this plugin touches no image',
    commands: ['desktop', 'feedback', 'init', 'pass'],
  },
];
