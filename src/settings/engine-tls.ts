/**
 * TLS to the engine of the default context, from flags and environment, with Docker's rules: any mention of
 * --tlsverify switches TLS on; certificate and key at their default place may be absent, named ones may not;
 * without verification the authority's file is not read.
 */
import path from 'node:path';
import { LocalStateError } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';
import type { EndpointOptions, EngineTls } from './contexts.ts';
import { type ReadableFiles, readFileIfPresent } from './local-files.ts';

/** The TLS flags of Docker CLI; absent means not given. */
export interface TlsFlags {
  readonly tls?: boolean;
  readonly tlsVerify?: boolean;
  readonly tlsCaCert?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
}

/**
 * TLS of the default context, or undefined when it is not asked for.
 * @throws LocalStateError CONTEXT_INVALID, FILE_UNREADABLE
 */
export function defaultTls({ env, flags, config, fs }: EndpointOptions): EngineTls | undefined {
  const verify = flags.tlsVerify ?? env.dockerTlsVerify;
  if (!(verify || flags.tlsVerify !== undefined || (flags.tls ?? env.dockerTls))) return undefined;
  const folder = env.dockerCertPath ?? config.directory;
  const ca = verify ? required(fs, flags.tlsCaCert ?? path.join(folder, 'ca.pem')) : undefined;
  const cert = ownFile(fs, flags.tlsCert, path.join(folder, 'cert.pem'));
  const key = ownFile(fs, flags.tlsKey, path.join(folder, 'key.pem'));
  return pair({ ca, cert, key, verify }, `TLS files in ${folder}`);
}

/**
 * The parts that are there, certificate and key both or neither.
 * @throws LocalStateError CONTEXT_INVALID
 */
export function pair(
  parts: {
    readonly ca: string | undefined;
    readonly cert: string | undefined;
    readonly key: string | undefined;
    readonly verify: boolean;
  },
  what: string,
): EngineTls {
  if ((parts.cert === undefined) !== (parts.key === undefined)) {
    throw new LocalStateError({
      code: 'CONTEXT_INVALID',
      message: `${escapeText(what)}: certificate and key are needed both, or neither`,
    });
  }
  return {
    ...(parts.ca === undefined ? {} : { ca: parts.ca }),
    ...(parts.cert === undefined || parts.key === undefined ? {} : { cert: parts.cert, key: parts.key }),
    verify: parts.verify,
  };
}

function ownFile(fs: ReadableFiles, named: string | undefined, usual: string): string | undefined {
  return named ? required(fs, named) : readFileIfPresent(fs, usual)?.toString('utf8');
}

function required(fs: ReadableFiles, file: string): string {
  const bytes = readFileIfPresent(fs, file);
  if (bytes !== undefined) return bytes.toString('utf8');
  throw new LocalStateError({
    code: 'CONTEXT_INVALID',
    message: `TLS to the engine needs ${escapeText(file)}, which does not exist`,
  });
}
