/**
 * Which engine the command is for, decided once and as Docker CLI decides it:
 *
 *   --context, else -H, else DOCKER_HOST, else DOCKER_CONTEXT, else config.json's currentContext, else the
 *   default context. `-H` and DOCKER_HOST mean the default context; `--context` with `-H` is an error.
 *
 * The default context takes its address from -H or DOCKER_HOST and its TLS from --tls..., DOCKER_TLS,
 * DOCKER_TLS_VERIFY and DOCKER_CERT_PATH. Any other context takes both from the context store and ignores those.
 */
import { LocalStateError, UsageError } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';
import { type ContextFiles, loadContext } from './context-store.ts';
import type { DockerConfig } from './docker-config.ts';
import { defaultTls, type TlsFlags } from './engine-tls.ts';
import type { Environment } from './environment.ts';

/** PEM text, and whether the engine's certificate is checked. */
export interface EngineTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly verify: boolean;
}

export type EngineEndpoint =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'npipe'; readonly path: string }
  | {
      readonly kind: 'tcp';
      readonly host: string;
      readonly port: number;
      readonly tls?: EngineTls;
      /** Path before the API's own, without a final slash; hardly ever there. */
      readonly basePath?: string;
    }
  | { readonly kind: 'ssh'; readonly url: string };

/** Docker's global flags as far as they choose the engine; absent means not given. */
export interface EngineFlags extends TlsFlags {
  readonly hosts?: readonly string[];
  readonly context?: string;
}

export interface EndpointOptions {
  readonly env: Pick<
    Environment,
    'dockerHost' | 'dockerContext' | 'dockerTls' | 'dockerTlsVerify' | 'dockerCertPath'
  >;
  readonly flags: EngineFlags;
  readonly config: Pick<DockerConfig, 'directory' | 'currentContext'>;
  readonly fs: ContextFiles;
  readonly platform: NodeJS.Platform;
}

const DEFAULT_CONTEXT = 'default';

/**
 * The engine this command is for.
 * @throws UsageError USAGE for flags that contradict each other or an address that is none
 * @throws LocalStateError CONTEXT_INVALID, FILE_UNREADABLE
 */
export function resolveEngineEndpoint(options: EndpointOptions): EngineEndpoint {
  const name = contextName(options);
  if (name !== DEFAULT_CONTEXT) {
    const context = loadContext(options.fs, options.config.directory, name);
    return withTls(parseEngineAddress(context.host, options.platform, contextInvalid(name)), context.tls);
  }
  const tls = defaultTls(options);
  const address = engineAddress(options) ?? (tls === undefined ? '' : 'tcp://localhost:2376');
  return withTls(parseEngineAddress(address, options.platform, invalidAddress), tls);
}

/**
 * Name of the context in force, 'default' included.
 * @throws UsageError USAGE
 */
export function contextName({
  env,
  flags,
  config,
}: Pick<EndpointOptions, 'env' | 'flags' | 'config'>): string {
  const hosts = flags.hosts ?? [];
  if (flags.context && hosts.length > 0) {
    throw new UsageError({
      code: 'USAGE',
      message: 'conflicting options: cannot specify both --host and --context',
    });
  }
  if (flags.context) return flags.context;
  if (hosts.length > 0 || env.dockerHost !== undefined) return DEFAULT_CONTEXT;
  return env.dockerContext ?? config.currentContext ?? DEFAULT_CONTEXT;
}

function engineAddress({ env, flags }: EndpointOptions): string | undefined {
  const hosts = flags.hosts ?? [];
  if (hosts.length > 1) throw new UsageError({ code: 'USAGE', message: 'specify only one -H' });
  return hosts[0]?.trim() || env.dockerHost?.trim() || undefined;
}

type Refuse = (address: string) => Error;

function invalidAddress(address: string): UsageError {
  return new UsageError({ code: 'USAGE', message: `invalid engine address: ${escapeText(address)}` });
}

function contextInvalid(name: string): Refuse {
  return (address) =>
    new LocalStateError({
      code: 'CONTEXT_INVALID',
      message: `context ${escapeText(name)} has an invalid engine address: ${escapeText(address)}`,
    });
}

/** Docker's forms of an engine's address; '' is the default socket, no scheme is tcp. */
function parseEngineAddress(address: string, platform: NodeJS.Platform, refuse: Refuse): EngineEndpoint {
  const text = address === '' ? defaultSocket(platform) : address;
  const separator = text.indexOf('://');
  const scheme = separator < 0 ? 'tcp' : text.slice(0, separator);
  const rest = separator < 0 ? text : text.slice(separator + 3);
  switch (scheme) {
    case 'unix':
      return { kind: 'unix', path: rest || '/var/run/docker.sock' };
    case 'npipe':
      return { kind: 'npipe', path: rest || '//./pipe/docker_engine' };
    case 'tcp':
      return parseTcp(rest, text, refuse);
    case 'ssh':
      return parseSsh(text, refuse);
    default:
      throw refuse(address);
  }
}

function defaultSocket(platform: NodeJS.Platform): string {
  return platform === 'win32' ? 'npipe:////./pipe/docker_engine' : 'unix:///var/run/docker.sock';
}

// host, [IPv6] or nothing; a port or nothing; a path or nothing.
const TCP = /^(?<host>\[[0-9A-Fa-f:.]+\]|[^\s:/?#@[\]]*)(?::(?<port>[0-9]{1,5}))?(?<path>\/[^\s?#]*)?$/;

function parseTcp(rest: string, address: string, refuse: Refuse): EngineEndpoint {
  const parts = TCP.exec(rest)?.groups;
  if (parts === undefined) throw refuse(address);
  // Docker dials localhost where the address names no host, and 2375 where it names no port, TLS or not.
  const port = Number(parts.port ?? '2375');
  if (port < 1 || port > 65_535) throw refuse(address);
  const basePath = (parts.path ?? '').replace(/\/+$/, '');
  const host = (parts.host || 'localhost').replace(/^\[(.*)\]$/, '$1');
  return { kind: 'tcp', host, port, ...(basePath === '' ? {} : { basePath }) };
}

/** Checked here as far as ssh could misread it: a host that starts with a dash would be an option of ssh. */
function parseSsh(address: string, refuse: Refuse): EngineEndpoint {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (!url?.hostname || /^-/.test(url.hostname) || /^-/.test(decodeURIComponent(url.username)))
    throw refuse(address);
  if (url.password !== '' || url.search !== '' || url.hash !== '') throw refuse('ssh://...');
  return { kind: 'ssh', url: address };
}

/** TLS belongs to TCP alone; a socket's owner is checked by the system. */
function withTls(endpoint: EngineEndpoint, tls: EngineTls | undefined): EngineEndpoint {
  return endpoint.kind === 'tcp' && tls !== undefined ? { ...endpoint, tls } : endpoint;
}
