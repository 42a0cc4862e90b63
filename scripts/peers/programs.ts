/**
 * The real programs, by the path of their unpacked binary: engines, command lines, registry, Notary.
 *
 * Debian 13's binaries ask for no newer glibc than Debian 12 has; its engine runs with Debian 12's runc.
 * Shared libraries that the machine lacks are unpacked beside and named in `env.LD_LIBRARY_PATH`.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fetchPackage, PeerMissing, type Suite } from './debian.ts';

export type EngineVersion = '20.10' | '26.1';
export type CliVersion = '20.10' | '26.1' | '28';

export interface Program {
  readonly path: string;
  /** To be added to the environment that the program runs in. */
  readonly env: Readonly<Record<string, string>>;
}

export interface EnginePrograms {
  readonly dockerd: Program;
  readonly containerd: Program;
  /** Folders of runc and the shims. */
  readonly path: readonly string[];
}

/** Debian package of each library that dockerd, containerd and runc may miss on a bare machine. */
const LIBRARIES: Readonly<Record<string, string>> = {
  'libdevmapper.so.1.02.1': 'libdevmapper1.02.1',
  'libseccomp.so.2': 'libseccomp2',
  'libsystemd.so.0': 'libsystemd0',
  'libudev.so.1': 'libudev1',
  'libselinux.so.1': 'libselinux1',
  'libpcre2-8.so.0': 'libpcre2-8-0',
  'libltdl.so.7': 'libltdl7',
  'libpkcs11-helper.so.1': 'libpkcs11-helper1',
  // Of D-Bus, the Secret Service and its client.
  'libapparmor.so.1': 'libapparmor1',
  'libaudit.so.1': 'libaudit1',
  'libblkid.so.1': 'libblkid1',
  'libcap-ng.so.0': 'libcap-ng0',
  'libcap.so.2': 'libcap2',
  'libdbus-1.so.3': 'libdbus-1-3',
  'libexpat.so.1': 'libexpat1',
  'libffi.so.8': 'libffi8',
  'libgck-1.so.0': 'libgck-1-0',
  'libgcr-base-3.so.1': 'libgcr-base-3-1',
  'libgcrypt.so.20': 'libgcrypt20',
  'libgio-2.0.so.0': 'libglib2.0-0',
  'libglib-2.0.so.0': 'libglib2.0-0',
  'libgmodule-2.0.so.0': 'libglib2.0-0',
  'libgobject-2.0.so.0': 'libglib2.0-0',
  'libgpg-error.so.0': 'libgpg-error0',
  'liblz4.so.1': 'liblz4-1',
  'liblzma.so.5': 'liblzma5',
  'libmount.so.1': 'libmount1',
  'libp11-kit.so.0': 'libp11-kit0',
  'libsecret-1.so.0': 'libsecret-1-0',
  'libz.so.1': 'zlib1g',
  'libzstd.so.1': 'libzstd1',
};

/** @throws PeerMissing when the packages cannot be had or a library stays missing. */
export async function enginePrograms(version: EngineVersion): Promise<EnginePrograms> {
  const suite: Suite = version === '20.10' ? 'bookworm' : 'trixie';
  const engine = await fetchPackage(suite, 'docker.io');
  const containerd = path.join(await fetchPackage(suite, 'containerd'), 'usr/bin');
  const runc = path.join(await fetchPackage('bookworm', 'runc'), 'usr/sbin');
  return {
    dockerd: await program(path.join(engine, 'usr/sbin/dockerd')),
    containerd: await program(path.join(containerd, 'containerd')),
    path: [containerd, runc],
  };
}

/** The `docker` command line; 28 is no package of Debian's, so it is the one on PATH when that is a 28. */
export async function dockerCli(version: CliVersion): Promise<Program> {
  if (version === '28') return dockerOnPath('28.');
  const suite: Suite = version === '20.10' ? 'bookworm' : 'trixie';
  const name = version === '20.10' ? 'docker.io' : 'docker-cli';
  return await program(path.join(await fetchPackage(suite, name), 'usr/bin/docker'));
}

/** A CLI plugin's binary, for `~/.docker/cli-plugins` of a test. */
export async function cliPlugin(name: 'buildx' | 'compose'): Promise<Program> {
  const root = await fetchPackage('trixie', `docker-${name}`);
  return await program(path.join(root, `usr/libexec/docker/cli-plugins/docker-${name}`));
}

export async function registryProgram(): Promise<Program> {
  return await program(
    path.join(await fetchPackage('bookworm', 'docker-registry'), 'usr/bin/docker-registry'),
  );
}

/** The Notary v1 client, server or signer (0.7.0). */
export async function notaryProgram(
  name: 'notary' | 'notary-server' | 'notary-signer' = 'notary',
): Promise<Program> {
  return await program(path.join(await fetchPackage('bookworm', 'notary'), 'usr/bin', name));
}

export interface SecretServicePrograms {
  readonly busDaemon: Program;
  readonly busSend: Program;
  /** Takes a name on the bus and never answers. */
  readonly blackHole: Program;
  readonly keyring: Program;
}

/** A session bus and GNOME's keyring, the Secret Service of most Linux desktops. */
export async function secretServicePrograms(): Promise<SecretServicePrograms> {
  const binary = async (name: string, file: string) =>
    await program(path.join(await fetchPackage('bookworm', name), 'usr/bin', file));
  return {
    busDaemon: await binary('dbus-daemon', 'dbus-daemon'),
    busSend: await binary('dbus-bin', 'dbus-send'),
    blackHole: await binary('dbus-tests', 'dbus-test-tool'),
    keyring: await binary('gnome-keyring', 'gnome-keyring-daemon'),
  };
}

/** What a program has to find beside it to load a shared library, such as a native module of Node.js. */
export async function librariesFor(file: string): Promise<Readonly<Record<string, string>>> {
  return (await program(file)).env;
}

/** A static busybox: the one file of an image that really runs. */
export async function busyboxBytes(): Promise<Uint8Array> {
  return fs.readFileSync(path.join(await fetchPackage('bookworm', 'busybox-static'), 'bin/busybox'));
}

async function program(file: string): Promise<Program> {
  if (!fs.existsSync(file)) throw new PeerMissing(path.basename(file));
  const folders: string[] = [];
  for (;;) {
    const env: Record<string, string> = folders.length === 0 ? {} : { LD_LIBRARY_PATH: folders.join(':') };
    const missing = missingLibraries(file, env);
    if (missing.length === 0) return { path: file, env };
    const before = folders.length;
    for (const library of missing) {
      const folder = await libraryFolder(library);
      if (!folders.includes(folder)) folders.push(folder);
    }
    if (folders.length === before) throw new PeerMissing(`${missing.join(', ')} for ${path.basename(file)}`);
  }
}

function missingLibraries(file: string, env: Readonly<Record<string, string>>): string[] {
  if (!fs.existsSync('/usr/bin/ldd')) return [];
  let text: string;
  try {
    text = execFileSync('/usr/bin/ldd', [file], {
      encoding: 'utf8',
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  } catch {
    return []; // a static program: ldd exits 1
  }
  return [...text.matchAll(/^\s*(\S+) => not found/gm)].map((match) => match[1] ?? '');
}

async function libraryFolder(library: string): Promise<string> {
  const name = LIBRARIES[library];
  if (name === undefined) throw new PeerMissing(library);
  const root = await fetchPackage('bookworm', name);
  const holder = fs
    .readdirSync(root, { recursive: true, encoding: 'utf8' })
    .find((file) => path.basename(file) === library);
  if (holder === undefined) throw new PeerMissing(library);
  return path.dirname(path.join(root, holder));
}

function dockerOnPath(versionStart: string): Program {
  for (const folder of (process.env.PATH ?? '').split(':')) {
    const file = path.join(folder, 'docker');
    if (!path.isAbsolute(folder) || !fs.existsSync(file)) continue;
    const text = execFileSync(file, ['--version'], { encoding: 'utf8' });
    if (text.startsWith(`Docker version ${versionStart}`)) return { path: file, env: {} };
  }
  throw new PeerMissing(`Docker CLI ${versionStart}x on PATH`);
}
