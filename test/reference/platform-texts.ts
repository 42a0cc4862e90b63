/** Platform texts that containerd accepts, for the tests here and beside it. */
const SYSTEMS = ['linux', 'Linux', 'windows', 'macos', 'darwin', 'freebsd', 'windows(10.0.1)', 'odd'];
const ARCHITECTURES = [
  ...['amd64', 'AMD64', 'x86_64', 'x86-64', 'i386', '386', 'arm64', 'aarch64', 'arm', 'armhf', 'armel'],
  ...['riscv64', 's390x', 'ppc64le', 'odd'],
];
const VARIANTS = ['', '/v1', '/v2', '/v3', '/v5', '/v6', '/v7', '/v8', '/5', '/6', '/7', '/8', '/V7', '/v9'];

export const PLATFORM_TEXTS: readonly string[] = SYSTEMS.flatMap((os) =>
  ARCHITECTURES.flatMap((architecture) => VARIANTS.map((variant) => `${os}/${architecture}${variant}`)),
);

/** Single names: a system or an architecture. */
export const SINGLE_NAMES: readonly string[] = ['linux', 'windows', 'macos', ...ARCHITECTURES];

export const OFFERS: readonly string[] = [
  ...['linux/amd64', 'linux/amd64/v1', 'linux/amd64/v2', 'linux/amd64/v3', 'linux/386', 'linux/arm64'],
  ...[
    'linux/arm64/v8',
    'linux/arm/v5',
    'linux/arm/v6',
    'linux/arm/v7',
    'linux/arm/v8',
    'linux/arm',
    'windows/amd64',
  ],
  ...['linux/s390x', 'darwin/arm64', 'linux/arm64/v9', 'linux/arm/v9'],
];
