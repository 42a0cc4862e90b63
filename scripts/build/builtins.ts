/**
 * An esbuild plugin for Node's own modules: what is slow to load is asked for when something of it is used for the
 * first time, and all by `process.getBuiltinModule`.
 *
 * An `import` of a built-in copies all its exports into a module record, which runs every getter among them: for
 * node:fs that loads its streams and promises, 4 ms at each start; and node:child_process, which most calls never
 * use, loads node:net with it, 8 ms. Packages ask for all they may ever need at once: docker-modem for TLS (11 ms),
 * dockerode for zlib. And node:assert loads process.stderr with it (8 ms, and a pipe made non-blocking), so that its
 * passing checks are done here and only a failing one asks for it. The names are read from the Node that builds.
 */
import { builtinModules } from 'node:module';
import type { OnLoadResult, Plugin } from 'esbuild';

const identifier = /^[A-Za-z_$][\w$]*$/;

/** Part of every start of Node: nothing is saved by asking later. */
const LOADED_ANYHOW: ReadonlySet<string> = new Set(['fs', 'path', 'url', 'util', 'buffer', 'events']);
/** What packages ask for at once and dtrust's calls use rarely, late, or not at all. */
const LATE_FOR_PACKAGES = /^(node:)?(assert|https|tls|zlib)$/;

const loadExpression = (name: string): string => `process.getBuiltinModule(${JSON.stringify(name)})`;

/** Names of a module's exports that can stand in source text. */
function exportNames(name: string): readonly string[] {
  const exports = process.getBuiltinModule(name);
  if (exports === undefined) throw new Error(`${name} is no module of this Node`);
  return Object.keys(exports).filter((key) => identifier.test(key) && key !== 'default');
}

/** An ES module whose exports are read at once, save those nobody imports, which esbuild drops. */
function eagerModule(name: string): string {
  const read = exportNames(name).map(
    (key, index) =>
      `const e${index} = /* @__PURE__ */ (() => all.${key})();\nexport { e${index} as ${key} };`,
  );
  return `const all = ${loadExpression(name)};\nexport default all;\n${read.join('\n')}`;
}

/** What inherits from such a module may have properties of its own by the same names, as docker-modem's http has. */
const gettersOf = (name: string): string =>
  exportNames(name)
    .map((key) => `get ${key}() { return load().${key}; }, set ${key}(value) { own(this, '${key}', value); }`)
    .join(',\n');

const ownProperty =
  'const own = (object, key, value) => Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });';

/** CommonJS, so that each name is a getter for whoever imports it. */
function lazyModule(name: string): string {
  const load = loadExpression(name);
  if (/^(node:)?assert$/.test(name)) return lazyAssert(name);
  // node:events and node:stream are a class themselves.
  if (typeof process.getBuiltinModule(name) === 'function') return `module.exports = ${load};`;
  return `${ownProperty}\nlet loaded; const load = () => (loaded ??= ${load});\nmodule.exports = { ${gettersOf(name)} };`;
}

function lazyAssert(name: string): string {
  return `
    ${ownProperty}
    const load = () => ${loadExpression(name)};
    function assert(...args) { if (!args[0]) load()(...args); }
    module.exports = Object.defineProperties(assert, Object.getOwnPropertyDescriptors({ ${gettersOf(name)} }));`;
}

const known = new Set(builtinModules);

export const lazyBuiltins: Plugin = {
  name: 'lazy-builtins',
  setup(build) {
    // Static imports of our own ES modules; CommonJS packages ask for what they need by `require`.
    build.onResolve({ filter: /^node:/ }, ({ path, kind, namespace }) =>
      kind === 'import-statement' && namespace === 'file' && known.has(path.slice('node:'.length))
        ? { path, namespace: 'lazy-builtin', sideEffects: false }
        : undefined,
    );
    build.onResolve({ filter: LATE_FOR_PACKAGES }, ({ path, kind, namespace }) =>
      kind === 'require-call' && namespace === 'file' ? { path, namespace: 'lazy-builtin' } : undefined,
    );
    build.onLoad({ filter: /./, namespace: 'lazy-builtin' }, ({ path }): OnLoadResult => {
      const isLoaded = LOADED_ANYHOW.has(path.replace(/^node:/, ''));
      return { contents: isLoaded ? eagerModule(path) : lazyModule(path), loader: 'js' };
    });
  },
};
