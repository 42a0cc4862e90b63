/**
 * An esbuild plugin that leaves out of dist/ what dtrust never calls but what its packages load at once.
 *
 * dockerode loads an SSH client, gRPC, protocol buffers and tar for features that dtrust does not use (dtrust runs
 * the user's own `ssh`, because the packaged client accepts any host key), and undici loads HTTP/2, SQLite and
 * worker threads. Together they are about half of the start-up time of these packages. A module that is left
 * out throws when it is used, so a use that was overlooked is an error that says so and not a wrong result.
 */
import type { Plugin } from 'esbuild';

/** Throws on any use, save the few reads that happen while the importing module is evaluated. */
function throwing(what: string): string {
  const message = JSON.stringify(`${what} is left out of this build of dtrust`);
  return `module.exports = function () { throw new Error(${message}); };`;
}

/** Source of the replacement by the name that is imported. */
const packages: ReadonlyMap<string, string> = new Map([
  ['ssh2', `exports.Client = function () { throw new Error('ssh2 is left out of this build of dtrust'); };`],
  ['cpu-features', throwing('cpu-features')],
  ['@grpc/grpc-js', throwing('@grpc/grpc-js')],
  ['@grpc/proto-loader', throwing('@grpc/proto-loader')],
  ['protobufjs', throwing('protobufjs')],
  ['tar-fs', throwing('tar-fs')],
  ['@balena/dockerignore', throwing('@balena/dockerignore')],
  // docker-modem logs whole requests, credentials included, when DEBUG is set: it gets a log that drops all.
  ['debug', 'module.exports = () => { const drop = () => undefined; drop.enabled = false; return drop; };'],
]);

/** Built-ins, and what stands in for them, as one package sees them; everybody else gets the real ones. */
const builtins: ReadonlyMap<string, ReadonlyMap<string, string>> = new Map([
  [
    'undici',
    new Map([
      ['node:sqlite', 'module.exports = {};'],
      ['node:worker_threads', 'exports.markAsUncloneable = () => undefined;'],
      ['node:http2', 'exports.constants = {};'],
    ]),
  ],
  [
    'docker-modem',
    new Map([
      // Prints every request, to its last socket, into a string for the log that is dropped.
      ['util', "module.exports = Object.assign(Object.create(require('node:util')), { inspect: () => '' });"],
      ['url', legacyUrl()],
      // The same streams once more, as Node 10 had them.
      ['readable-stream', "module.exports = require('node:stream');"],
    ]),
  ],
]);

/** Node's old URL functions, as docker-modem uses them, print a deprecation warning outside of node_modules. */
function legacyUrl(): string {
  return `
    const url = require('node:url');
    const nothing = { protocol: null, hostname: null, port: null, pathname: null, path: null };
    exports.format = url.format;
    exports.resolve = (base, reference) => new URL(reference, base).href;
    exports.parse = (text) => {
      const parsed = URL.parse(text);
      if (parsed === null) return nothing;
      const hostname = parsed.hostname.replace(/^\\[(.*)\\]$/, '$1');
      const { protocol, port, pathname, search } = parsed;
      return { protocol, hostname, port: port || null, pathname, path: pathname + search };
    };`;
}

/** Files inside undici: HTTP/2, a SOCKS client, and fetch's bodies and forms. */
const undiciFiles: readonly RegExp[] = [
  /[\\/]client-h2\.js$/,
  /[\\/]h2c-client\.js$/,
  /[\\/]web[\\/]fetch[\\/](body|formdata)(\.js)?$/,
  /[\\/]web[\\/]webidl([\\/]index\.js)?$/,
];

const anyOf = (names: Iterable<string>): RegExp =>
  new RegExp(`^(${[...names].map((name) => name.replaceAll('/', '\\/')).join('|')})$`);

export const leaveOut: Plugin = {
  name: 'leave-out',
  setup(build) {
    build.onResolve({ filter: anyOf(packages.keys()) }, ({ path }) => ({ path, namespace: 'left-out' }));
    for (const [owner, modules] of builtins) {
      const within = new RegExp(`[\\\\/]node_modules[\\\\/]${owner}[\\\\/]`);
      build.onResolve({ filter: anyOf(modules.keys()) }, ({ path, importer }) =>
        within.test(importer) ? { path, namespace: 'left-out', pluginData: modules.get(path) } : undefined,
      );
    }
    build.onLoad({ filter: /./, namespace: 'left-out' }, ({ path, pluginData }) => ({
      contents: typeof pluginData === 'string' ? pluginData : (packages.get(path) ?? throwing(path)),
      loader: 'js',
    }));
    build.onLoad({ filter: /[\\/]node_modules[\\/]undici[\\/]/ }, ({ path }) =>
      undiciFiles.some((file) => file.test(path))
        ? { contents: throwing(path.slice(path.lastIndexOf('undici'))), loader: 'js' }
        : undefined,
    );
  },
};
