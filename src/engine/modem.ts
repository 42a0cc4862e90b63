/**
 * docker-modem, dockerode's transport, with every setting given and none read from the environment.
 *
 * Its constructor reads DOCKER_HOST, DOCKER_TLS_VERIFY, DOCKER_CERT_PATH and more itself, lets them fill whatever
 * was not given, and throws when a file they name is missing. Which engine a command is for is decided once, in
 * src/settings/contexts.ts; so the constructor is never run and all its fields are set here.
 *
 * TLS goes through an agent, whose options win over those of the request and over NODE_TLS_REJECT_UNAUTHORIZED.
 */
import http from 'node:http';
import https from 'node:https';
import tls from 'node:tls';
import Modem from 'docker-modem';
import type { EngineEndpoint } from '../settings/contexts.ts';
import { createSshAgent } from './ssh-agent.ts';

export interface ModemOptions {
  /** For ssh: handed on to the program as it is. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** All fields that docker-modem's methods read (docker-modem 5). */
interface ModemFields {
  host: string | undefined;
  port: number | undefined;
  protocol: 'http' | 'https';
  pathPrefix: string | undefined;
  socketPath: string | undefined;
  agent: http.Agent;
  headers: Record<string, string>;
  version: string | undefined;
  username: undefined;
  password: undefined;
  ca: undefined;
  cert: undefined;
  key: undefined;
  timeout: undefined;
  connectionTimeout: undefined;
  checkServerIdentity: undefined;
  sshOptions: Record<string, never>;
  socketPathCache: undefined;
}

/** Host name in requests that go through a pipe; Docker CLI uses it as well. */
const NAMELESS_HOST = 'docker.example.com';

export interface EngineModem {
  readonly modem: Modem;
  /** Fixes the API version of all later requests, `1.45`. */
  setApiVersion(version: string): void;
  /** Ends idle and running connections. */
  close(): void;
}

/** @throws EngineError ENGINE_UNREACHABLE for an ssh URL that names no host */
export function createModem(endpoint: EngineEndpoint, options: ModemOptions): EngineModem {
  const fields = modemFields(endpoint, options);
  const basePath = endpoint.kind === 'tcp' ? (endpoint.basePath ?? '').replace(/^\//, '') : '';
  // The modem resolves the API's path against the prefix, which drops the prefix; before the version it stays.
  if (basePath !== '') fields.version = basePath;
  const modem = Object.assign(Object.create(Modem.prototype) as Modem, fields, { Promise });
  return {
    modem,
    setApiVersion: (version) => {
      Object.assign(modem, { version: basePath === '' ? `v${version}` : `${basePath}/v${version}` });
    },
    close: () => fields.agent.destroy(),
  };
}

function modemFields(endpoint: EngineEndpoint, options: ModemOptions): ModemFields {
  const unset = {
    host: undefined,
    port: undefined,
    protocol: 'http' as const,
    pathPrefix: undefined,
    socketPath: undefined,
    headers: {},
    version: undefined,
    username: undefined,
    password: undefined,
    ca: undefined,
    cert: undefined,
    key: undefined,
    timeout: undefined,
    connectionTimeout: undefined,
    checkServerIdentity: undefined,
    sshOptions: {},
    socketPathCache: undefined,
  };
  switch (endpoint.kind) {
    case 'unix':
    case 'npipe':
      return { ...unset, socketPath: endpoint.path, agent: plainAgent() };
    case 'ssh':
      return { ...unset, host: NAMELESS_HOST, agent: createSshAgent(endpoint.url, options.environment) };
    case 'tcp':
      return {
        ...unset,
        host: endpoint.host,
        port: endpoint.port,
        protocol: endpoint.tls === undefined ? 'http' : 'https',
        agent: endpoint.tls === undefined ? plainAgent() : tlsAgent(endpoint.host, endpoint.tls),
      };
  }
}

/** With a server name it need not work one out, for which Node would load its resolver. */
function plainAgent(): http.Agent {
  return new http.Agent({ keepAlive: true, servername: '' } as http.AgentOptions);
}

type Tls = NonNullable<(EngineEndpoint & { kind: 'tcp' })['tls']>;

function tlsAgent(host: string, { ca, cert, key, verify }: Tls): https.Agent {
  return new https.Agent({
    keepAlive: true,
    rejectUnauthorized: verify,
    minVersion: 'TLSv1.2',
    servername: isAddress(host) ? '' : host,
    // Without an authority of its own, Go takes the system's; NODE_EXTRA_CA_CERTS adds nothing here.
    ca: ca ?? [...tls.getCACertificates('bundled'), ...tls.getCACertificates('system')],
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
  });
}

/** TLS knows no server name for an address (RFC 6066, 3). */
const isAddress = (host: string): boolean => /^[\d.]+$/.test(host) || host.includes(':');
