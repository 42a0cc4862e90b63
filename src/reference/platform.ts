/**
 * Platforms: `os[(version)][/architecture[/variant]]`, as docker's `--platform` and image indexes name them.
 *
 * Parsing, the spellings that mean the same (`aarch64` is `arm64`, `armhf` is `arm/v7`), and what a machine can
 * run besides its own platform are containerd's (github.com/containerd/platforms 0.2). One name alone is an
 * operating system or an architecture; the other half is then this machine's.
 */
import { arch, platform } from 'node:os';
import { UsageError } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly osVersion?: string;
}

const OS_FORM = /^([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_.-]*)\))?$/;
const COMPONENT_FORM = /^[A-Za-z0-9_-]+$/;

// containerd/platforms 0.2, database.go: the names that stand alone.
const KNOWN_OS = new Set(
  'aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris windows zos'.split(
    ' ',
  ),
);
const KNOWN_ARCHITECTURES = new Set(
  (
    '386 amd64 amd64p32 arm armbe arm64 arm64be ppc64 ppc64le loong64 mips mipsle mips64 mips64le mips64p32 ' +
    'mips64p32le ppc riscv riscv64 s390 s390x sparc sparc64 wasm'
  ).split(' '),
);

/** Node's names for what Go calls otherwise. */
const GO_NAMES: ReadonlyMap<string, string> = new Map([
  ['x64', 'amd64'],
  ['ia32', '386'],
  ['mipsel', 'mipsle'],
  ['win32', 'windows'],
  ['sunos', 'solaris'],
]);

/** A platform in Go's names from Node's (`linux` and `x64` are `linux/amd64`). */
export function platformOfNode(nodePlatform: string, nodeArchitecture: string): Platform {
  return {
    os: GO_NAMES.get(nodePlatform) ?? nodePlatform,
    architecture: GO_NAMES.get(nodeArchitecture) ?? nodeArchitecture,
  };
}

/**
 * The platform a text spells. `here` fills in the half that a single name leaves open; this machine when left out.
 * @throws UsageError PLATFORM_INVALID
 */
export function parsePlatform(text: string, here: Platform = platformOfNode(platform(), arch())): Platform {
  const parts = text.split('/', 4);
  const [first = '', second, third] = parts;
  const match = OS_FORM.exec(first);
  if (match === null || parts.length > 3 || !parts.slice(1).every((part) => COMPONENT_FORM.test(part))) {
    throw invalid(text, 'os[(version)][/architecture[/variant]]');
  }
  const os = normalizeOs(match[1] ?? '');
  const osVersion = match[2] === undefined || match[2] === '' ? {} : { osVersion: match[2] };
  if (second === undefined) return completed(text, first, os, osVersion, here);
  const { architecture, variant } = normalizeArchitecture(second, third ?? '');
  return make({ os, architecture, variant: shownVariant(architecture, variant, third), ...osVersion });
}

/** The text that parses back to this platform. */
export function formatPlatform(value: Platform): string {
  const os = value.osVersion === undefined ? value.os : `${value.os}(${value.osVersion})`;
  return [os, value.architecture, ...(value.variant === undefined ? [] : [value.variant])].join('/');
}

/** The platform with every spelling brought to the one that comparisons use (`linux/arm64/v8` is `linux/arm64`). */
export function normalizePlatform(value: Platform): Platform {
  const normal = normalizeArchitecture(value.architecture, value.variant ?? '');
  const osVersion = value.osVersion === undefined ? {} : { osVersion: value.osVersion };
  return make({ os: normalizeOs(value.os), ...normal, ...osVersion });
}

/**
 * Whether an image offered for `offered` is one for `wanted`: the same system, architecture and variant, and,
 * where an OS version is wanted, the same version. Never a lesser variant: see `runnablePlatforms`.
 */
export function matchesPlatform(wanted: Platform, offered: Platform): boolean {
  const a = normalizePlatform(wanted);
  const b = normalizePlatform(offered);
  const sameVersion = a.osVersion === undefined || a.osVersion === b.osVersion;
  return a.os === b.os && a.architecture === b.architecture && a.variant === b.variant && sameVersion;
}

/**
 * What a machine of this platform can run, best first: itself, then lower variants, then the older architecture
 * (amd64 runs 386, arm64 runs arm). An engine picks from an index in this order.
 */
export function runnablePlatforms(value: Platform): readonly Platform[] {
  const normal = normalizePlatform(value);
  const others = { ...normal, variant: undefined };
  const lower = (architecture: string, from: number, to: number): Platform[] =>
    Array.from({ length: Math.max(from - to + 1, 0) }, (_, i) =>
      make({ ...others, architecture, variant: `v${from - i}` }),
    );
  const version = /^v?([0-9]{1,2})$/.exec(normal.variant ?? '')?.[1];
  switch (normal.architecture) {
    case 'amd64':
      return [
        normal,
        ...lower('amd64', Number(version ?? 1) - 1, 1),
        make({ ...others, architecture: '386' }),
      ];
    case 'arm':
      return [normal, ...lower('arm', Number(version ?? 5) - 1, 5)];
    case 'arm64':
      return [normal, ...lower('arm', Number(version ?? 8), 5)];
    default:
      return [normal];
  }
}

/** One name alone: an operating system for this architecture, or an architecture of this system. */
function completed(
  text: string,
  name: string,
  os: string,
  osVersion: { readonly osVersion?: string },
  here: Platform,
): Platform {
  if (KNOWN_OS.has(os))
    return make({ os, architecture: here.architecture, variant: here.variant, ...osVersion });
  const { architecture, variant } = normalizeArchitecture(name, '');
  if (!KNOWN_ARCHITECTURES.has(architecture)) throw invalid(text, 'a known operating system or architecture');
  return make({ os: here.os, architecture, variant: shownVariant(architecture, variant) });
}

/** containerd's parser leaves the common variant of arm unsaid unless it was given, and says that of arm64. */
function shownVariant(architecture: string, variant: string | undefined, given?: string): string | undefined {
  if (given === undefined && architecture === 'arm' && variant === 'v7') return undefined;
  if (given !== undefined && architecture === 'arm64' && variant === undefined) return 'v8';
  return variant;
}

function normalizeOs(os: string): string {
  const lower = os.toLowerCase();
  return lower === 'macos' ? 'darwin' : lower;
}

function normalizeArchitecture(
  givenArchitecture: string,
  givenVariant: string,
): { architecture: string; variant: string | undefined } {
  const architecture = givenArchitecture.toLowerCase();
  const variant = givenVariant === '' ? undefined : givenVariant.toLowerCase();
  switch (architecture) {
    case 'i386':
      return { architecture: '386', variant: undefined };
    case 'x86_64':
    case 'x86-64':
    case 'amd64':
      return { architecture: 'amd64', variant: variant === 'v1' ? undefined : variant };
    case 'aarch64':
    case 'arm64':
      return { architecture: 'arm64', variant: variant === '8' || variant === 'v8' ? undefined : variant };
    case 'armhf':
      return { architecture: 'arm', variant: 'v7' };
    case 'armel':
      return { architecture: 'arm', variant: 'v6' };
    case 'arm':
      return { architecture, variant: /^[5678]$/.test(variant ?? '7') ? `v${variant ?? '7'}` : variant };
    default:
      return { architecture, variant };
  }
}

function make(parts: {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string | undefined;
  readonly osVersion?: string | undefined;
}): Platform {
  const { os, architecture, variant, osVersion } = parts;
  return Object.freeze({
    os,
    architecture,
    ...(variant === undefined ? {} : { variant }),
    ...(osVersion === undefined ? {} : { osVersion }),
  });
}

function invalid(text: string, expected: string): UsageError {
  const shown = escapeText(text.slice(0, 200));
  return new UsageError({
    code: 'PLATFORM_INVALID',
    message: `invalid platform: ${shown}`,
    expected,
    found: shown,
  });
}
