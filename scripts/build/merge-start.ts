/**
 * Makes one file of everything that is loaded at each start.
 *
 * esbuild puts what `main` shares with a chunk into a chunk of its own, and after a while `main` consists of a dozen
 * small files, each of which costs about a millisecond to find, read and link. Here they are put together again: the
 * start becomes one file that also exports, under names of their own, what other chunks take from it. A module is
 * still there once only; class identity (`instanceof`) depends on that.
 *
 * Chunks then import the entry itself, so the entry must be evaluated before it loads one: no top-level await in it.
 * bin/dtrust.js imports it and calls its `main` afterwards.
 */
import path from 'node:path';
import { type BuildOptions, build, type Metafile, type Plugin } from 'esbuild';

/** Name below the output folder, with slashes, and text. */
export type Files = ReadonlyMap<string, string>;

export interface MergeOptions {
  readonly files: Files;
  readonly metafile: Metafile;
  /** The output folder as the metafile names it. */
  readonly prefix: string;
  readonly entry: string;
  /** Files to be put together, the entry among them. */
  readonly start: readonly string[];
  /** How the first pass was run, as far as it concerns the form of the text. */
  readonly form: BuildOptions;
}

export interface Merged {
  readonly files: Files;
  readonly metafile: Metafile;
}

const aliasOf = (index: number, name: string): string => `shared${index}$${name}`;

/** `import {a as b} from "./chunk-X.js"`, with or without names, as esbuild writes it. */
const staticImport = /\b(import|export)\s*(?:(\{[^{}]*\})\s*from\s*)?"(\.{1,2}\/[^"]+\.js)"/g;

/** Serves the files of the start from memory and leaves all others to be loaded when they are asked for. */
function fromMemory({ files, start }: MergeOptions): Plugin {
  return {
    name: 'from-memory',
    setup(pass) {
      pass.onResolve({ filter: /^\.{1,2}\// }, ({ path: specifier, importer }) => {
        const target = path.posix.join(path.posix.dirname(importer || 'start'), specifier);
        return start.includes(target)
          ? { path: target, namespace: 'start' }
          : { path: `./${target}`, external: true };
      });
      pass.onLoad({ filter: /./, namespace: 'start' }, ({ path: name }) => ({
        contents: files.get(name) ?? '',
      }));
    },
  };
}

/** Lets a chunk that is not merged take from the start what it took from the start's parts. */
function redirect(name: string, text: string, options: MergeOptions): string {
  const { start, entry } = options;
  const toStart = path.posix.relative(path.posix.dirname(name), entry);
  const specifier = JSON.stringify(toStart.startsWith('.') ? toStart : `./${toStart}`);
  const changed = text.replace(
    staticImport,
    (whole, keyword: string, names: string | undefined, from: string) => {
      const index = start.indexOf(path.posix.join(path.posix.dirname(name), from));
      if (index < 0) return whole;
      if (names === undefined) return `${keyword}${specifier}`;
      return `${keyword}${renamed(names, index, keyword)}from${specifier}`;
    },
  );
  const forgotten = start.find((part) => part !== entry && changed.includes(path.posix.basename(part)));
  if (forgotten !== undefined) throw new Error(`${name} still names ${forgotten}, which is part of ${entry}`);
  return changed;
}

/** `{a,b as c}` with each name taken from its alias, and known by what it was known by before. */
function renamed(names: string, index: number, keyword: string): string {
  const items = names
    .slice(1, -1)
    .split(',')
    .filter((item) => item.trim() !== '');
  const changed = items.map((item) => {
    const [taken = '', as = taken] = item.trim().split(/\s+as\s+/);
    return `${aliasOf(index, taken)} as ${as}`;
  });
  if (changed.some((item) => item.includes('"')))
    throw new Error(`${keyword} of a name that is no identifier`);
  return `{${changed.join(',')}}`;
}

/** The metafile of what is written: the start has the inputs of all its parts. */
function mergedMetafile(
  { metafile, prefix, entry, start }: MergeOptions,
  bytes: ReadonlyMap<string, number>,
): Metafile {
  const full = (name: string): string => `${prefix}${name}`;
  const parts = new Set(start.map(full));
  const outputs: Metafile['outputs'] = {};
  for (const [name, output] of Object.entries(metafile.outputs)) {
    const imports = output.imports.map((each) =>
      parts.has(each.path) ? { ...each, path: full(entry) } : each,
    );
    if (!parts.has(name)) outputs[name] = { ...output, imports, bytes: bytes.get(name) ?? output.bytes };
  }
  const own = start.flatMap((name) => metafile.outputs[full(name)] ?? []);
  const main = metafile.outputs[full(entry)];
  if (main === undefined) throw new Error(`no output named ${full(entry)}`);
  outputs[full(entry)] = {
    ...main,
    bytes: bytes.get(full(entry)) ?? main.bytes,
    inputs: Object.assign({}, ...own.map((output) => output.inputs)),
    imports: own.flatMap((output) => output.imports).filter((each) => !parts.has(each.path)),
  };
  return { ...metafile, outputs };
}

/** Returns the files to write in place of the first pass's. */
export async function mergeStart(options: MergeOptions): Promise<Merged> {
  const { files, metafile, prefix, entry, start, form } = options;
  const exportsOf = (name: string): readonly string[] => metafile.outputs[`${prefix}${name}`]?.exports ?? [];
  const shared = start
    .map((name, index) => ({ name, index, names: exportsOf(name) }))
    .filter(({ name, names }) => name !== entry && names.length > 0)
    .map(({ name, index, names }) => {
      const list = names.map((each) => `${each} as ${aliasOf(index, each)}`).join(', ');
      return `export { ${list} } from './${name}';`;
    });
  const pass = await build({
    ...form,
    stdin: { contents: [`export * from './${entry}';`, ...shared].join('\n'), resolveDir: '/' },
    bundle: true,
    plugins: [fromMemory(options)],
    write: false,
    metafile: false,
  });
  const merged = new Map<string, string>([[entry, pass.outputFiles?.[0]?.text ?? '']]);
  for (const [name, text] of files) {
    if (!start.includes(name)) merged.set(name, redirect(name, text, options));
  }
  const bytes = new Map([...merged].map(([name, text]) => [`${prefix}${name}`, Buffer.byteLength(text)]));
  return { files: merged, metafile: mergedMetafile(options, bytes) };
}
