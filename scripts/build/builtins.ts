/**
 * An esbuild plugin for Node's own modules: each is asked for when something of it is used for the first time, and by
 * `process.getBuiltinModule`.
 *
 * An `import` of a built-in copies all its exports into a module record, which runs every getter among them: for
 * node:fs that loads its streams and promises, 4 ms at each start; and node:child_process, which most calls never
 * use, loads node:net with it, 8 ms. The names are read from the Node that builds.
 */
import { builtinModules } from 'node:module';
import type { Plugin } from 'esbuild';

const identifier = /^[A-Za-z_$][\w$]*$/;

/** CommonJS, so that each name is a getter for whoever imports it. */
function lazyModule(name: string): string {
  const exports = process.getBuiltinModule(name);
  if (exports === undefined) throw new Error(`${name} is no module of this Node`);
  const load = `process.getBuiltinModule(${JSON.stringify(name)})`;
  // node:assert, node:events and node:stream are a function or a class themselves.
  if (typeof exports === 'function') return `module.exports = ${load};`;
  const getters = Object.keys(exports)
    .filter((key) => identifier.test(key) && key !== 'default')
    .map((key) => `get ${key}() { return load().${key}; }`);
  return `let loaded; const load = () => (loaded ??= ${load});\nmodule.exports = { ${getters.join(',\n')} };`;
}

const known = new Set(builtinModules.map((name) => name.replace(/^node:/, '')));

export const lazyBuiltins: Plugin = {
  name: 'lazy-builtins',
  setup(build) {
    // Static imports of our own ES modules; CommonJS packages ask for what they need by `require`, when they do.
    build.onResolve({ filter: /^node:/ }, ({ path, kind, namespace }) =>
      kind === 'import-statement' && namespace === 'file' && known.has(path.slice('node:'.length))
        ? { path, namespace: 'lazy-builtin', sideEffects: false }
        : undefined,
    );
    build.onLoad({ filter: /./, namespace: 'lazy-builtin' }, ({ path }) => ({
      contents: lazyModule(path),
      loader: 'js',
    }));
  },
};
