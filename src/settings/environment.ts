/**
 * The one list of environment variables that dtrust reads, and the only file that reads them.
 *
 * `main.ts` hands over the process environment once; everybody else takes the frozen, typed result. A test
 * walks the sources for any other read, and the README's table is compared with `ENVIRONMENT_VARIABLES`.
 * An empty value counts as unset, as Docker does for its own variables, but for DOCKER_CONTENT_TRUST, where
 * src/cli/content-trust.ts decides and gets the text as it is, and for DTRUST_KEY, of which it is said that it is empty.
 *
 * Passing the environment on to a child is not reading it: the real docker gets the original object, untouched;
 * credential helpers and ssh get `helperEnvironment` of it.
 */

/** Name of the variable, and what it is for in a few words (printed in the README's table). */
export const ENVIRONMENT_VARIABLES = {
  // dtrust's own
  DTRUST_FIRST_USE: 'accept: take a repository without pin, rule or memory on its word, and say so',
  DTRUST_PROMPT: 'never: no question is ever asked',
  DTRUST_DOCKER: 'path of the real docker',
  DTRUST_DEPTH: 'set by dtrust for its children, stops a wrapper that calls dtrust again',
  DTRUST_KEY: 'a private key for CI: encrypted PEM, base64, one line; used from memory, never written',
  DTRUST_INIT: '1: a push without a terminal may initialise a repository and make a root key',
  DTRUST_TRUST_REPOSITORY: 'another repository that holds the trust data',
  DTRUST_RECHECK: 'how long a verified state of a present image may go unchecked',
  DTRUST_TIMEOUT: 'seconds that one request to a registry may take',
  DTRUST_ERRORS: 'json: the last line on stderr is one JSON object',
  DTRUST_DEBUG: '1: codes, specification steps and causes on stderr',
  // Docker's
  DOCKER_CONTENT_TRUST: 'a false value switches content trust off',
  DOCKER_CONTENT_TRUST_SERVER: 'a Notary server',
  DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: 'passphrase of the root key',
  DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE_FILE: 'file that holds it',
  DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: 'passphrase of repository, online and signer keys',
  DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE_FILE: 'file that holds it',
  DOCKER_CONFIG: "folder of Docker's configuration",
  DOCKER_AUTH_CONFIG: 'credentials as JSON, before those of config.json',
  DOCKER_HOST: 'the engine',
  DOCKER_CONTEXT: 'the context that names the engine',
  DOCKER_TLS: 'TLS to the engine',
  DOCKER_TLS_VERIFY: 'TLS to the engine, certificate checked',
  DOCKER_CERT_PATH: 'folder of ca.pem, cert.pem, key.pem for the engine',
  DOCKER_API_VERSION: "version of the engine's API",
  DOCKER_DEFAULT_PLATFORM: 'platform when --platform is not given',
  BUILDX_BUILDER: 'the builder, when --builder is not given',
  EXPERIMENTAL_BUILDKIT_SOURCE_POLICY: "a source policy of one's own, merged into that of a build",
  DOCKER_BUILDKIT: 'a false value builds with the classic builder',
  GIT_ALLOW_PROTOCOL: 'protocols that git may fetch a build context by',
  // the system's
  HOME: 'home folder',
  USERPROFILE: 'home folder on Windows',
  PROGRAMDATA: "folder of the engine's configuration on Windows",
  PATH: 'where the real docker and credential helpers are found',
  PATHEXT: 'the same, on Windows',
  XDG_CONFIG_HOME: 'certificates of registries for rootless engines, in docker/certs.d',
  XDG_CACHE_HOME: 'compile cache',
  XDG_RUNTIME_DIR: 'locks of one login session, and its bus where the next one is not set',
  DBUS_SESSION_BUS_ADDRESS: 'where the keychain of a Linux session is asked',
  CI: 'set and not false: no question is ever asked',
  TERM: 'dumb: no progress bars',
  HTTP_PROXY: 'proxy for http',
  http_proxy: 'proxy for http',
  HTTPS_PROXY: 'proxy for https',
  https_proxy: 'proxy for https',
  NO_PROXY: 'hosts that are reached without a proxy',
  no_proxy: 'hosts that are reached without a proxy',
  REQUEST_METHOD: 'set by CGI: HTTP_PROXY then comes from a request header and is not used',
  SSL_CERT_FILE: 'further certificate authorities',
  SSL_CERT_DIR: 'further certificate authorities',
  // Node's: read only to know that its built-in list of authorities may have been changed
  NODE_EXTRA_CA_CERTS: 'never adds trust here',
  NODE_USE_SYSTEM_CA: 'never adds trust here',
  NODE_OPTIONS: 'never adds trust here',
} as const;

export type VariableName = keyof typeof ENVIRONMENT_VARIABLES;

/** As `process.env`: names to text. */
export type RawEnvironment = Readonly<Record<string, string | undefined>>;

export interface ProxyEnvironment {
  readonly httpProxy: string | undefined;
  readonly httpsProxy: string | undefined;
  readonly noProxy: string | undefined;
}

export interface Environment {
  readonly firstUse: string | undefined;
  readonly prompt: string | undefined;
  readonly dockerProgram: string | undefined;
  readonly depth: string | undefined;
  /** As it is: undefined when unset, '' when empty, as a CI service sets a secret that a job may not have. */
  readonly signingKey: string | undefined;
  readonly init: string | undefined;
  readonly trustRepository: string | undefined;
  readonly recheck: string | undefined;
  readonly timeout: string | undefined;
  readonly errors: string | undefined;
  readonly debug: string | undefined;
  /** As it is: undefined when unset, '' when empty. */
  readonly contentTrust: string | undefined;
  readonly contentTrustServer: string | undefined;
  readonly rootPassphrase: string | undefined;
  readonly rootPassphraseFile: string | undefined;
  readonly repositoryPassphrase: string | undefined;
  readonly repositoryPassphraseFile: string | undefined;
  readonly dockerConfig: string | undefined;
  readonly dockerAuthConfig: string | undefined;
  readonly dockerHost: string | undefined;
  readonly dockerContext: string | undefined;
  readonly dockerTls: boolean;
  readonly dockerTlsVerify: boolean;
  readonly dockerCertPath: string | undefined;
  readonly dockerApiVersion: string | undefined;
  readonly dockerDefaultPlatform: string | undefined;
  readonly dockerBuildkit: string | undefined;
  readonly buildxBuilder: string | undefined;
  readonly gitAllowProtocol: string | undefined;
  readonly sourcePolicyFile: string | undefined;
  readonly home: string | undefined;
  readonly programData: string | undefined;
  readonly path: string | undefined;
  readonly pathExtensions: string | undefined;
  readonly xdgConfigHome: string | undefined;
  readonly xdgCacheHome: string | undefined;
  readonly xdgRuntimeDir: string | undefined;
  readonly sessionBus: string | undefined;
  readonly ci: string | undefined;
  readonly term: string | undefined;
  readonly proxy: ProxyEnvironment;
  readonly sslCertFile: string | undefined;
  readonly sslCertDir: string | undefined;
  /** Whether Node's default list of authorities may hold more than what is built into it. */
  readonly nodeTrustChanged: boolean;
}

/** Reads every variable of the list once. Never throws: what a value means is decided where it is used. */
export function readEnvironment(raw: RawEnvironment): Environment {
  const get = (name: VariableName): string | undefined => {
    const value = raw[name];
    return value === undefined || value === '' ? undefined : value;
  };
  return Object.freeze({
    ...readOwn(get),
    ...readDocker(get),
    contentTrust: raw.DOCKER_CONTENT_TRUST,
    signingKey: raw.DTRUST_KEY,
    ...readSystem(get),
  });
}

type Get = (name: VariableName) => string | undefined;

function readOwn(get: Get) {
  return {
    firstUse: get('DTRUST_FIRST_USE'),
    prompt: get('DTRUST_PROMPT'),
    dockerProgram: get('DTRUST_DOCKER'),
    depth: get('DTRUST_DEPTH'),
    init: get('DTRUST_INIT'),
    trustRepository: get('DTRUST_TRUST_REPOSITORY'),
    recheck: get('DTRUST_RECHECK'),
    timeout: get('DTRUST_TIMEOUT'),
    errors: get('DTRUST_ERRORS'),
    debug: get('DTRUST_DEBUG'),
  };
}

function readDocker(get: Get) {
  return {
    contentTrustServer: get('DOCKER_CONTENT_TRUST_SERVER'),
    rootPassphrase: get('DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE'),
    rootPassphraseFile: get('DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE_FILE'),
    repositoryPassphrase: get('DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE'),
    repositoryPassphraseFile: get('DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE_FILE'),
    dockerConfig: get('DOCKER_CONFIG'),
    dockerAuthConfig: get('DOCKER_AUTH_CONFIG'),
    dockerHost: get('DOCKER_HOST'),
    dockerContext: get('DOCKER_CONTEXT'),
    dockerTls: get('DOCKER_TLS') !== undefined,
    dockerTlsVerify: get('DOCKER_TLS_VERIFY') !== undefined,
    dockerCertPath: get('DOCKER_CERT_PATH'),
    dockerApiVersion: get('DOCKER_API_VERSION'),
    dockerDefaultPlatform: get('DOCKER_DEFAULT_PLATFORM'),
    dockerBuildkit: get('DOCKER_BUILDKIT'),
    buildxBuilder: get('BUILDX_BUILDER'),
    gitAllowProtocol: get('GIT_ALLOW_PROTOCOL'),
    sourcePolicyFile: get('EXPERIMENTAL_BUILDKIT_SOURCE_POLICY'),
  };
}

function readSystem(get: Get) {
  return {
    home: get('HOME') ?? get('USERPROFILE'),
    programData: get('PROGRAMDATA'),
    path: get('PATH'),
    pathExtensions: get('PATHEXT'),
    xdgConfigHome: get('XDG_CONFIG_HOME'),
    xdgCacheHome: get('XDG_CACHE_HOME'),
    xdgRuntimeDir: get('XDG_RUNTIME_DIR'),
    sessionBus: get('DBUS_SESSION_BUS_ADDRESS'),
    ci: get('CI'),
    term: get('TERM'),
    proxy: Object.freeze(readProxies(get)),
    sslCertFile: get('SSL_CERT_FILE'),
    sslCertDir: get('SSL_CERT_DIR'),
    nodeTrustChanged:
      get('NODE_EXTRA_CA_CERTS') !== undefined ||
      get('NODE_USE_SYSTEM_CA') !== undefined ||
      get('NODE_OPTIONS') !== undefined,
  };
}

/** Go's httpproxy.FromEnvironment: upper case first; under CGI, HTTP_PROXY is a request header of the caller's. */
function readProxies(get: Get): ProxyEnvironment {
  const upper = get('REQUEST_METHOD') === undefined ? get('HTTP_PROXY') : undefined;
  return {
    httpProxy: upper ?? get('http_proxy'),
    httpsProxy: get('HTTPS_PROXY') ?? get('https_proxy'),
    noProxy: get('NO_PROXY') ?? get('no_proxy'),
  };
}

const SECRETS: ReadonlySet<string> = new Set<VariableName>([
  'DTRUST_KEY',
  'DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE',
  'DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE',
]);

/**
 * The environment for programs that dtrust starts for its own work, credential helpers and ssh: without the key and
 * the passphrases, which are none of theirs (docs/adr/0009-key-in-a-variable.md).
 */
export function helperEnvironment(raw: RawEnvironment): RawEnvironment {
  // Windows knows a variable in any case, and lists it as it was set.
  return Object.fromEntries(Object.entries(raw).filter(([name]) => !SECRETS.has(name.toUpperCase())));
}
