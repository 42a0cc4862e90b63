/** The builders that the corpus is run on, each with the docker that people have beside it. */
import { type CliVersion, cliPlugin, dockerCli } from '../../scripts/peers/programs.ts';
import type { Peer } from '../helpers/peers.ts';
import type { EngineKind } from '../real/stage.ts';

export type BuilderName =
  | 'classic 20.10'
  | 'classic 26.1'
  | 'buildkit on the classic store'
  | 'buildkit on the containerd store';

export interface Builder {
  readonly name: BuilderName;
  readonly kind: 'classic' | 'buildkit';
  readonly engine: EngineKind;
  readonly cli: CliVersion;
  /** What the environment says of the builder. */
  readonly env: Readonly<Record<string, string>>;
  readonly peers: readonly Peer[];
}

const classic = (version: '20.10' | '26.1'): Builder => ({
  name: `classic ${version}`,
  kind: 'classic',
  engine: { version, containerdStore: false },
  cli: version,
  env: { DOCKER_BUILDKIT: '0' },
  peers: [
    `engine ${version}`,
    `docker ${version}`,
    ...(version === '20.10' ? (['buildx'] as const) : []),
    'registry',
    'busybox',
  ],
});

const buildkit = (store: 'classic' | 'containerd'): Builder => ({
  name: `buildkit on the ${store} store`,
  kind: 'buildkit',
  engine: { version: '26.1', containerdStore: store === 'containerd' },
  cli: '26.1',
  env: {},
  peers: ['engine 26.1', 'docker 26.1', 'buildx', 'registry', 'busybox'],
});

export const BUILDERS: Readonly<Record<BuilderName, Builder>> = {
  'classic 20.10': classic('20.10'),
  'classic 26.1': classic('26.1'),
  'buildkit on the classic store': buildkit('classic'),
  'buildkit on the containerd store': buildkit('containerd'),
};

export const CLASSIC: readonly BuilderName[] = ['classic 20.10', 'classic 26.1'];
export const BUILDKIT: readonly BuilderName[] = [
  'buildkit on the classic store',
  'buildkit on the containerd store',
];

/** Paths of the builder's real programs. */
export async function programsOf(builder: Builder) {
  return {
    docker: await dockerCli(builder.cli),
    // Beside the engine that knows no policies as well; its classic builder does not mind.
    buildx: builder.peers.includes('buildx') ? await cliPlugin('buildx') : undefined,
  };
}
