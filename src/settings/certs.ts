/**
 * Certificates that the user keeps for one server: `certs.d/<host:port>/` as the engine reads it, and
 * `<docker config>/tls/<host:port>/` for trust servers, as Docker CLI <= 28 reads it.
 *
 * `*.crt` are further authorities, `X.cert` with `X.key` a certificate to show to the server. One half of a pair is an
 * error, as in Docker: a certificate named `.cert` by mistake would otherwise silently not be trusted.
 */
import path from 'node:path';
import { LocalStateError } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';
import type { Environment } from './environment.ts';
import { listFolderIfPresent, type ReadableFiles, readFileIfPresent } from './local-files.ts';

/** PEM text throughout. */
export interface ServerCertificates {
  readonly ca: readonly string[];
  readonly clients: readonly { readonly cert: string; readonly key: string }[];
}

export const NO_CERTIFICATES: ServerCertificates = Object.freeze({ ca: [], clients: [] });

export interface CertificateFolders {
  readonly env: Pick<Environment, 'home' | 'programData' | 'xdgConfigHome'>;
  readonly configDirectory: string;
  readonly platform: NodeJS.Platform;
}

/** The folders that hold one folder per registry: the rootless engine's, Docker Desktop's, the system's. */
export function registryCertificateFolders({
  env,
  configDirectory,
  platform,
}: CertificateFolders): readonly string[] {
  if (platform === 'win32') {
    return [
      path.join(env.programData ?? 'C:\\ProgramData', 'docker', 'certs.d'),
      path.join(configDirectory, 'certs.d'),
    ];
  }
  const configHome =
    env.xdgConfigHome ?? (env.home === undefined ? undefined : path.join(env.home, '.config'));
  return [
    ...(configHome === undefined ? [] : [path.join(configHome, 'docker', 'certs.d')]),
    path.join(configDirectory, 'certs.d'),
    '/etc/docker/certs.d',
  ];
}

/** The folder of trust servers. */
export function trustServerFolders({
  configDirectory,
}: Pick<CertificateFolders, 'configDirectory'>): readonly string[] {
  return [path.join(configDirectory, 'tls')];
}

/**
 * All certificates for one server, `registry.example.com:5000` or, on the default port, the bare name.
 * @throws LocalStateError CONFIG_INVALID, FILE_UNREADABLE
 */
export function loadServerCertificates(
  fs: ReadableFiles,
  folders: readonly string[],
  host: string,
  platform: NodeJS.Platform,
): ServerCertificates {
  // Docker drops the colon where a folder's name cannot hold one.
  const name = platform === 'win32' ? host.replaceAll(':', '') : host;
  // The host comes from a reference, but a name that could leave the folder is not looked up all the same.
  if (name.includes('/') || name.includes('\\') || name.startsWith('.')) return NO_CERTIFICATES;
  const found = folders.map((folder) => loadFolder(fs, path.join(folder, name)));
  return { ca: found.flatMap(({ ca }) => ca), clients: found.flatMap(({ clients }) => clients) };
}

function loadFolder(fs: ReadableFiles, folder: string): ServerCertificates {
  const names = listFolderIfPresent(fs, folder) ?? [];
  const read = (name: string) => readFileIfPresent(fs, path.join(folder, name))?.toString('utf8') ?? '';
  const stems = new Set(
    names.filter((name) => /\.(cert|key)$/.test(name)).map((name) => name.replace(/\.[a-z]+$/, '')),
  );
  return {
    ca: names.filter((name) => name.endsWith('.crt')).map(read),
    clients: [...stems].map((stem) => {
      if (!names.includes(`${stem}.key`)) throw halfPair(folder, `${stem}.cert`, `${stem}.key`);
      if (!names.includes(`${stem}.cert`)) throw halfPair(folder, `${stem}.key`, `${stem}.cert`);
      return { cert: read(`${stem}.cert`), key: read(`${stem}.key`) };
    }),
  };
}

function halfPair(folder: string, present: string, missing: string): LocalStateError {
  return new LocalStateError({
    code: 'CONFIG_INVALID',
    message: `${escapeText(path.join(folder, present))} is there, but ${escapeText(missing)} is not`,
    hints: [
      'certificate authorities have names that end in .crt; .cert and .key are a pair to show to the server',
    ],
  });
}
