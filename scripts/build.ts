/**
 * `npm run build`: packs src/ and the packages it uses into dist/, as bundles that are loaded when they are needed.
 *
 * Why these: docs/adr/0001-chunks.md. Run by Node itself (type stripping), so it uses erasable
 * syntax only. A module of its own, without side effects on import, so that tests can build into a folder of
 * their own and read the metafile.
 */
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build as esbuild, type Metafile, type Plugin } from 'esbuild';
import { lazyBuiltins } from './build/builtins.ts';
import { leaveOut } from './build/leave-out.ts';
import { thirdPartyNotice } from './build/licenses.ts';

export const projectRoot: string = fileURLToPath(new URL('..', import.meta.url));

/**
 * CommonJS packages ask for built-ins by `require`, which ES modules do not have. Everything else that they ask for is
 * packed or left out.
 */
const requireForCommonJs = [
  'const require = (name) => {',
  'const found = process.getBuiltinModule(name);',
  "if (found === undefined) throw new Error(name + ' is not in this build of dtrust');",
  'return found; };',
].join(' ');

/** How the text of a bundle is written; names stay readable, so that a stack trace says where it happened. */
const form = {
  format: 'esm',
  platform: 'node',
  target: 'node24',
  minifyWhitespace: true,
  minifySyntax: true,
  minifyIdentifiers: false,
  legalComments: 'none',
  logLevel: 'warning',
} as const;

export interface BuildOptions {
  /** Absolute; created when missing. Files of an earlier build that are not made again are removed. */
  readonly outdir: string;
  /** Entry points; `src/main.ts` by default. */
  readonly entryPoints?: readonly string[];
}

/** The files of dist/ and what each is made from. They load one another by dynamic import alone. */
const BUNDLES: Readonly<Record<string, string>> = {
  main: 'src/main.ts',
  pull: 'src/commands/bundle-pull.ts',
  own: 'src/commands/bundle-all.ts',
  // A program of its own, run as a child (docs/adr/0001-chunks.md).
  'keychain-child': 'src/keys/keychain-child.ts',
};

/** Leaves a bundle that another one asks for where it is. */
const otherBundles: Plugin = {
  name: 'other-bundles',
  setup(pass) {
    const files = new Map(
      Object.entries(BUNDLES).map(([name, file]) => [path.join(projectRoot, file), name]),
    );
    pass.onResolve({ filter: /\/bundle-\w+\.ts$/ }, ({ path: specifier, importer, kind }) => {
      const name = files.get(path.resolve(path.dirname(importer), specifier));
      return kind === 'dynamic-import' && name !== undefined
        ? { path: `./${name}.js`, external: true }
        : undefined;
    });
  },
};

/** Builds and returns esbuild's metafile; file names in it are relative to the project's folder. */
export async function build(options: BuildOptions): Promise<Metafile> {
  const { outputFiles, metafile } = await esbuild({
    ...form,
    absWorkingDir: projectRoot,
    entryPoints: options.entryPoints === undefined ? { ...BUNDLES } : [...options.entryPoints],
    outdir: options.outdir,
    bundle: true,
    banner: { js: requireForCommonJs },
    // The optional native package is found at run time, or not.
    external: ['keytar', '@github/keytar'],
    // undici asks for this name to tell a bundle without its second, experimental HTTP parser.
    define: { esbuildDetection: 'true' },
    plugins: [otherBundles, leaveOut, lazyBuiltins],
    metafile: true,
    write: false,
  });
  const files = outputFiles.map((file): [string, string] => [
    path.relative(options.outdir, file.path),
    file.text,
  ]);
  writeFiles(new Map(files), metafile, options.outdir);
  return metafile;
}

/** Writes each file under a temporary name first: a dtrust that runs meanwhile never reads half a file. */
function writeFiles(code: ReadonlyMap<string, string>, metafile: Metafile, outdir: string): void {
  const files = new Map(code);
  files.set('meta.json', `${JSON.stringify(metafile)}\n`);
  files.set('THIRD-PARTY-LICENSES.txt', thirdPartyNotice(metafile, projectRoot));
  for (const [name, contents] of files) {
    const target = path.join(outdir, name);
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(`${target}.${process.pid}.part`, contents);
    renameSync(`${target}.${process.pid}.part`, target);
  }
  for (const name of readdirSync(outdir, { recursive: true, encoding: 'utf8' })) {
    const stale = /\.(js|txt|json)$/.test(name) && !files.has(name);
    if (stale) rmSync(path.join(outdir, name), { force: true });
  }
}

/** What a user waits for at each start: `main` and every file it imports statically. */
export function staticOutputs(metafile: Metafile, entry: string): readonly string[] {
  const reached = new Set<string>();
  const queue = [entry];
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    if (reached.has(name)) continue;
    reached.add(name);
    for (const imported of metafile.outputs[name]?.imports ?? []) {
      if (imported.kind !== 'dynamic-import' && imported.external !== true) queue.push(imported.path);
    }
  }
  return [...reached].sort();
}

async function main(): Promise<void> {
  const outdir = path.join(projectRoot, 'dist');
  const started = performance.now();
  const metafile = await build({ outdir });
  const bytes = (names: readonly string[]): string =>
    `${Math.ceil(names.reduce((sum, name) => sum + (metafile.outputs[name]?.bytes ?? 0), 0) / 1024)} KiB`;
  const atStart = staticOutputs(metafile, 'dist/main.js');
  const all = Object.keys(metafile.outputs);
  const milliseconds = Math.round(performance.now() - started);
  process.stdout.write(
    `dist/: ${all.length} files, ${bytes(all)}; loaded at start: ${atStart.length}, ${bytes(atStart)} (${milliseconds} ms)\n`,
  );
}

if (import.meta.main) await main();
