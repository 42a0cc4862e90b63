/**
 * Flag tables: what each flag is called and whether it takes a value, for the commands whose arguments dtrust
 * reads. A table is the union of CLI 20.10 to 29.8; a flag of one release only is an error of docker's own in
 * the others, and no flag changed between taking a value and not (test/cli-grammar holds the tables to the
 * recordings).
 *
 * Notation: `q/quiet` is `-q, --quiet`, a boolean; `platform=` takes a value; `host=+` may be repeated.
 */

export interface FlagSpec {
  readonly name: string;
  readonly short?: string;
  readonly takesValue: boolean;
  readonly repeatable: boolean;
}

export interface FlagTable {
  readonly byName: ReadonlyMap<string, FlagSpec>;
  readonly byShort: ReadonlyMap<string, FlagSpec>;
  /** Whether flags are read behind the first positional too; not for `run`, whose rest is the container's. */
  readonly interspersed: boolean;
  /** Docker's usage line, without `Usage:`. */
  readonly usage: string;
  /** How many positionals docker takes; said for the commands dtrust does itself, which must parse. */
  readonly positionals?: number;
  /** At least and at most so many, for those that take more than one number of them. */
  readonly least?: number;
  readonly most?: number;
  /** The command has a `--help` of its own: one said before the command is not heard (`docker --help run x` runs). */
  readonly ownHelp?: boolean;
}

/** Every command of docker's has it, and it is one variable for nearly all of them: the last one said counts. */
const HELP = 'h/help';

/** A table whose notation is read when a flag is first looked up: a call needs one or two of them. */
function table(usage: string, notation: string, options: Partial<FlagTable> = {}): FlagTable {
  let maps: Pick<FlagTable, 'byName' | 'byShort'> | undefined;
  const read = () => {
    maps ??= readNotation(notation);
    return maps;
  };
  return {
    interspersed: true,
    usage,
    ...options,
    get byName() {
      return read().byName;
    },
    get byShort() {
      return read().byShort;
    },
  };
}

function readNotation(notation: string): Pick<FlagTable, 'byName' | 'byShort'> {
  const specs = `${HELP} ${notation}`.trim().split(/\s+/).map(parseSpec);
  const shorts = specs.flatMap((spec): [string, FlagSpec][] =>
    spec.short === undefined ? [] : [[spec.short, spec]],
  );
  return { byName: new Map(specs.map((spec) => [spec.name, spec])), byShort: new Map(shorts) };
}

function parseSpec(notation: string): FlagSpec {
  const repeatable = notation.endsWith('=+');
  const takesValue = notation.includes('=');
  const names = notation.replace(/=\+?$/, '').split('/');
  const name = names.at(-1) ?? '';
  const short = names.length > 1 ? names[0] : undefined;
  return { name, takesValue, repeatable, ...(short === undefined ? {} : { short }) };
}

/** Flags before the command. Docker reads them nowhere else; `-v` with a command is read and ignored. */
export const GLOBAL_FLAGS = table(
  'docker [OPTIONS] COMMAND [ARG...]',
  'config= c/context= D/debug H/host=+ l/log-level= tls tlscacert= tlscert= tlskey= tlsverify v/version',
  { interspersed: false },
);

const PULL = 'a/all-tags disable-content-trust platform= q/quiet';
const PUSH = 'a/all-tags disable-content-trust platform= q/quiet';

// --net, --net-alias, --dns-opt and the Windows limits are hidden from docker's help.
const CREATE = `
  add-host=+ annotation=+ a/attach=+ blkio-weight= blkio-weight-device=+ cap-add=+ cap-drop=+ cgroup-parent=
  cgroupns= cidfile= cpu-count= cpu-percent= cpu-period= cpu-quota= cpu-rt-period= cpu-rt-runtime=
  c/cpu-shares= cpus= cpuset-cpus= cpuset-mems= device=+ device-cgroup-rule=+ device-read-bps=+
  device-read-iops=+ device-write-bps=+ device-write-iops=+ disable-content-trust dns=+ dns-opt=+ dns-option=+
  dns-search=+ domainname= entrypoint= e/env=+ env-file=+ expose=+ gpus=+ group-add=+ health-cmd=
  health-interval= health-retries= health-start-interval= health-start-period= health-timeout= h/hostname= init
  i/interactive io-maxbandwidth= io-maxiops= ip= ip6= ipc= isolation= kernel-memory= l/label=+ label-file=+
  link=+ link-local-ip=+ log-driver= log-opt=+ mac-address= m/memory= memory-reservation= memory-swap=
  memory-swappiness= mount=+ name= net=+ net-alias=+ network=+ network-alias=+ no-healthcheck oom-kill-disable
  oom-score-adj= pid= pids-limit= platform= privileged p/publish=+ P/publish-all pull= q/quiet read-only
  restart= rm runtime= security-opt=+ shm-size= stop-signal= stop-timeout= storage-opt=+ sysctl=+ tmpfs=+ t/tty
  ulimit=+ use-api-socket u/user= userns= uts= v/volume=+ volume-driver= volumes-from=+ w/workdir=`;
const RUN = `${CREATE} d/detach detach-keys= sig-proxy`;

// The old builder's and buildx's, --print (experimental), and --call, --check and --debug of later releases. Not
// here: --detach, --root and --server-config, which hand the build to a buildx that runs already.
const BUILD = `
  add-host=+ allow=+ annotation=+ attest=+ build-arg=+ build-context=+ builder= cache-from=+ cache-to=+ call=
  cgroup-parent= check compress cpu-period= cpu-quota= c/cpu-shares= cpuset-cpus= cpuset-mems= D/debug
  disable-content-trust f/file= force-rm iidfile= isolation= label=+ load m/memory= memory-swap= metadata-file=
  network= no-cache no-cache-filter=+ o/output=+ platform=+ print= progress= provenance= pull push q/quiet rm
  sbom= secret=+ security-opt=+ shm-size= squash ssh=+ t/tag=+ target= ulimit=+`;

// --metadata-file, --platform and --prefer-index came after buildx 0.13.
const IMAGETOOLS_CREATE =
  'annotation=+ append builder= D/debug dry-run f/file=+ metadata-file= p/platform=+ prefer-index progress= t/tag=+';

const START = 'a/attach checkpoint= checkpoint-dir= detach-keys= i/interactive';
// Called --time up to CLI 26, --timeout since.
const RESTART = 's/signal= t/time= t/timeout=';
const COMMIT = 'a/author= c/change=+ m/message= no-pause p/pause';

const IMAGE_ARGUMENT = 'NAME[:TAG|@DIGEST]';
const CONTAINER_ARGUMENTS = 'IMAGE [COMMAND] [ARG...]';
const forContainer = { interspersed: false, ownHelp: true, least: 1 };
const one = { positionals: 1 };
const CONTAINERS = 'CONTAINER [CONTAINER...]';

/** The short and the long form of a command on containers. */
function forms(
  name: string,
  usage: string,
  notation: string,
  options: Partial<FlagTable>,
): readonly [string, FlagTable][] {
  return [name, `container ${name}`].map((path) => [
    path,
    table(`docker ${path} ${usage}`, notation, options),
  ]);
}

/**
 * Tables for the commands dtrust does itself, and for those where docker reads `--disable-content-trust`
 * although dtrust does not do them yet. `-h` is the container's host name in `run` and `create`.
 */
export const COMMAND_FLAGS: ReadonlyMap<string, FlagTable> = new Map([
  ['pull', table(`docker pull [OPTIONS] ${IMAGE_ARGUMENT}`, PULL, one)],
  ['image pull', table(`docker image pull [OPTIONS] ${IMAGE_ARGUMENT}`, PULL, one)],
  ...['buildx', 'builder'].map((name): [string, FlagTable] => [
    `${name} imagetools create`,
    table('docker buildx imagetools create [OPTIONS] [SOURCE] [SOURCE...]', IMAGETOOLS_CREATE, { least: 0 }),
  ]),
  ['manifest push', table('docker manifest push [OPTIONS] MANIFEST_LIST', 'insecure p/purge', one)],
  ['push', table('docker push [OPTIONS] NAME[:TAG]', PUSH, one)],
  ['image push', table('docker image push [OPTIONS] NAME[:TAG]', PUSH, one)],
  ['run', table(`docker run [OPTIONS] ${CONTAINER_ARGUMENTS}`, RUN, forContainer)],
  ['container run', table(`docker container run [OPTIONS] ${CONTAINER_ARGUMENTS}`, RUN, forContainer)],
  ['create', table(`docker create [OPTIONS] ${CONTAINER_ARGUMENTS}`, CREATE, forContainer)],
  [
    'container create',
    table(`docker container create [OPTIONS] ${CONTAINER_ARGUMENTS}`, CREATE, forContainer),
  ],
  ...forms('start', `[OPTIONS] ${CONTAINERS}`, START, { least: 1 }),
  ...forms('restart', `[OPTIONS] ${CONTAINERS}`, RESTART, { least: 1 }),
  ...forms('commit', '[OPTIONS] CONTAINER [REPOSITORY[:TAG]]', COMMIT, { least: 1, most: 2 }),
  ...['build', 'image build', 'builder build', 'buildx build'].map((name): [string, FlagTable] => [
    name,
    table(`docker ${name} [OPTIONS] PATH | URL | -`, BUILD, one),
  ]),
  [
    'plugin install',
    table(
      'docker plugin install [OPTIONS] PLUGIN [KEY=VALUE...]',
      'alias= disable disable-content-trust grant-all-permissions',
    ),
  ],
  [
    'plugin upgrade',
    table(
      'docker plugin upgrade [OPTIONS] PLUGIN [REMOTE]',
      'disable-content-trust grant-all-permissions skip-remote-check',
    ),
  ],
  ['plugin push', table('docker plugin push [OPTIONS] PLUGIN[:TAG]', 'disable-content-trust')],
]);

const BUILDX = 'builder= D/debug';
const DEBUG = `${BUILDX} detach invoke= on= progress= root= server-config=`;
const NO_FLAGS = '';

/** Flags between a management command and its verb; where a command is not here, there are none but help. */
const MANAGEMENT_FLAGS: ReadonlyMap<string, FlagTable> = new Map([
  ['', GLOBAL_FLAGS],
  ...['buildx', 'builder'].flatMap((root): [string, FlagTable][] => [
    [root, table(`docker ${root} [OPTIONS] COMMAND`, BUILDX)],
    ...['imagetools', 'history', 'dap'].map((group): [string, FlagTable] => [
      `${root} ${group}`,
      table(`docker ${root} ${group} [OPTIONS] COMMAND`, BUILDX),
    ]),
    [`${root} debug`, table(`docker ${root} debug [OPTIONS] COMMAND`, DEBUG)],
  ]),
  [
    'compose',
    table(
      'docker compose [OPTIONS] COMMAND',
      'all-resources ansi= compatibility dry-run env-file=+ f/file=+ no-ansi parallel= profile=+ progress= ' +
        'project-directory= p/project-name= verbose v/version workdir=',
      { interspersed: false },
    ),
  ],
  ['compose alpha', table('docker compose alpha [OPTIONS] COMMAND', 'dry-run')],
  ['stack', table('docker stack [OPTIONS] COMMAND', 'orchestrator= kubeconfig=')],
]);

/** The flags docker reads on a management command itself, before its verb. */
export function managementFlags(path: readonly string[]): FlagTable {
  const name = path.join(' ');
  return MANAGEMENT_FLAGS.get(name) ?? table(`docker ${name} COMMAND`, NO_FLAGS);
}
