/**
 * The shape of src/ as design decided it: which folder may import which, what each package and built-in is for,
 * who can make an Admission, and where `process` is touched. A failing row names the file and the line to move.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { transform } from 'esbuild';
import { beforeAll, describe, expect, test } from 'vitest';

const root = path.join(import.meta.dirname, '..');

/** Each folder of src/ and the folders it may import besides itself. The order is that of the ranks. */
const allowed: ReadonlyMap<string, readonly string[]> = new Map([
  ['lib', []],
  ['reference', ['lib']],
  ['cli', ['lib']],
  ['dockerfile', ['lib']],
  ['settings', ['reference', 'lib']],
  ['trust/core', ['lib']],
  ['policy', ['reference', 'lib']],
  // Host names are normalised in one place (protocol 1.3), and origins are compared by it.
  ['http', ['settings', 'reference', 'lib']],
  ['keys', ['trust/core', 'settings', 'lib']],
  ['engine', ['reference', 'cli', 'settings', 'lib']],
  ['registry', ['http', 'reference', 'lib']],
  ['trust', ['trust/core', 'registry', 'http', 'reference', 'lib']],
  [
    'enforce',
    ['policy', 'trust', 'trust/core', 'registry', 'engine', 'cli', 'dockerfile', 'reference', 'lib'],
  ],
  ['publish', ['policy', 'trust', 'trust/core', 'registry', 'engine', 'keys', 'reference', 'lib']],
]);

/** Packages by the folders that may load them. */
const packages: ReadonlyMap<string, readonly string[]> = new Map([
  ['undici', ['src/http/undici-transport.ts']],
  ['dockerode', ['src/engine/']],
  // dockerode's own transport, made without its constructor, which reads the environment.
  ['docker-modem', ['src/engine/']],
  ['@noble/ed25519', ['src/keys/']],
  ['keytar', ['src/keys/']],
  ['yargs', ['src/commands/']],
]);

interface SourceFile {
  /** Relative to the project, with slashes. */
  readonly name: string;
  readonly text: string;
  readonly imports: readonly string[];
}

const importPattern = /(?:^\s*(?:import|export)\b[^'"`;]*?\bfrom\s*|^\s*import\s*|\bimport\(\s*)'([^']+)'/gm;

/** Every specifier a file names: static, type-only, re-exported, dynamic. */
function importsOf(text: string): readonly string[] {
  return [...text.matchAll(importPattern)].map((match) => match[1] ?? '');
}

function filesBelow(folder: string): readonly SourceFile[] {
  return readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .sort()
    .map((name) => {
      const text = readFileSync(path.join(root, folder, name), 'utf8');
      return { name: `${folder}/${name.split(path.sep).join('/')}`, text, imports: importsOf(text) };
    });
}

/** The row of the table a file belongs to: `trust/core` before `trust`; undefined for commands and main. */
function layerOf(name: string): string | undefined {
  const inside = name.slice('src/'.length);
  const layers = [...allowed.keys()].sort((a, b) => b.length - a.length);
  return layers.find((layer) => inside.startsWith(`${layer}/`));
}

const resolved = (file: SourceFile, specifier: string): string =>
  path.posix.normalize(path.posix.join(path.posix.dirname(file.name), specifier));

/** `file -> what it may not import`, for each import that the table does not hold. */
function violations(files: readonly SourceFile[]): readonly string[] {
  return files.flatMap((file) => {
    const from = layerOf(file.name);
    const relative = file.imports.filter((specifier) => specifier.startsWith('.'));
    return relative.flatMap((specifier) => {
      const target = resolved(file, specifier);
      const to = layerOf(target);
      const isFine =
        to === undefined
          ? from === undefined && (file.name === 'src/main.ts' || target.startsWith('src/commands/'))
          : from === undefined || from === to || allowed.get(from)?.includes(to) === true;
      return isFine ? [] : [`${file.name} -> ${target}`];
    });
  });
}

/** What a file loads when it is loaded: no types, nothing dynamic. */
function loadedBy(text: string): readonly string[] {
  const pattern = /^(?:import|export)\b(?!\s+type\b)[^'"`;]*?(?:\bfrom\s*)?'([^']+)'/gm;
  return [...text.matchAll(pattern)].map((match) => match[1] ?? '');
}

/** The files of one import cycle, or an empty array. */
function findCycle(files: readonly SourceFile[]): readonly string[] {
  const byName = new Map(files.map((file) => [file.name, file]));
  const done = new Set<string>();
  const visit = (name: string, trail: readonly string[]): readonly string[] => {
    if (trail.includes(name)) return [...trail.slice(trail.indexOf(name)), name];
    const file = byName.get(name);
    if (file === undefined || done.has(name)) return [];
    for (const specifier of loadedBy(file.text).filter((each) => each.startsWith('.'))) {
      const cycle = visit(resolved(file, specifier), [...trail, name]);
      if (cycle.length > 0) return cycle;
    }
    done.add(name);
    return [];
  };
  for (const name of byName.keys()) {
    const cycle = visit(name, []);
    if (cycle.length > 0) return cycle;
  }
  return [];
}

/** Whether code (not a comment, a string, a property or a local name) uses the global `process`. */
async function touchesProcess(text: string): Promise<boolean> {
  const marker = 'theGlobalProcessIsUsed';
  const define = { process: marker, 'globalThis.process': marker, 'global.process': marker };
  const { code } = await transform(text, { loader: 'ts', define });
  return code.includes(marker);
}

const importsModule = (file: SourceFile, name: string): boolean =>
  file.imports.some((specifier) => specifier === name || specifier.startsWith(`${name}/`));

const at = (name: string, text: string): SourceFile => ({ name, text, imports: importsOf(text) });

let sources: readonly SourceFile[];
beforeAll(() => {
  sources = filesBelow('src');
});

describe('architecture: the checks themselves', () => {
  test('every form of import is seen', () => {
    const text = [
      "import a from './a.ts';",
      "import type { B } from './b.ts';",
      'import {\n  c,\n  d,\n} from "x";'.replaceAll('"', "'"),
      "export { e } from './e.ts';",
      "export * from './f.ts';",
      "import './g.ts';",
      "const h = await import('./h.ts');",
    ].join('\n');
    expect(importsOf(text)).toEqual(['./a.ts', './b.ts', 'x', './e.ts', './f.ts', './g.ts', './h.ts']);
  });

  test('an import upwards, or sideways, is found', () => {
    const text = "import { x } from '../trust/updater.ts';";
    expect(violations([at('src/lib/a.ts', text)])).toEqual(['src/lib/a.ts -> src/trust/updater.ts']);
    expect(violations([at('src/policy/a.ts', text)])).toHaveLength(1);
    expect(violations([at('src/trust/core/a.ts', "import '../updater.ts';")])).toHaveLength(1);
    expect(violations([at('src/trust/a.ts', "import '../main.ts';")])).toHaveLength(1);
    expect(violations([at('src/enforce/a.ts', text)])).toEqual([]);
  });

  test('a cycle is found', () => {
    const cycle = findCycle([at('src/lib/a.ts', "import './b.ts';"), at('src/lib/b.ts', "import './a.ts';")]);
    expect(cycle).toEqual(['src/lib/a.ts', 'src/lib/b.ts', 'src/lib/a.ts']);
    const types = at(
      'src/lib/a.ts',
      "import type { B } from './b.ts';\nimport {\n  type C,\n  d,\n} from './c.ts';",
    );
    expect(findCycle([types, at('src/lib/b.ts', "import { a } from './a.ts';")])).toEqual([]);
    expect(findCycle([types, at('src/lib/c.ts', "export * from './a.ts';")])).toHaveLength(3);
  });

  test('a use of process is found, a word or a property is not', async () => {
    expect(await touchesProcess('export const a = process.env.HOME;')).toBe(true);
    expect(await touchesProcess('export const a = globalThis.process;')).toBe(true);
    expect(await touchesProcess('// process\nexport const a = { process: "process" }; a.process;')).toBe(
      false,
    );
    expect(await touchesProcess('export function f(process: NodeJS.Process) { return process.pid; }')).toBe(
      false,
    );
  });
});

describe('architecture', () => {
  test('each folder of src/ has a row in the table', () => {
    const unknown = sources.filter(
      ({ name }) =>
        layerOf(name) === undefined && name !== 'src/main.ts' && !name.startsWith('src/commands/'),
    );
    expect(unknown.map(({ name }) => name)).toEqual([]);
  });

  test('a folder imports only what its row allows', () => {
    expect(violations(sources)).toEqual([]);
  });

  test('no file imports itself through others', () => {
    expect(findCycle(sources)).toEqual([]);
  });

  test('signatures go uncounted in the look at a staged state alone', () => {
    const calls = sources.filter(({ text }) => /\bverifyNewState\([^:)]*'unsafe-ignored'/.test(text));
    expect(calls.map(({ name }) => name)).toEqual(['src/trust/core/staged-view.ts']);
    const making = sources.filter(({ text }) => /new TrustedMetadata\([^;]*\bthresholds\b/.test(text));
    expect(making.map(({ name }) => name)).toEqual(['src/trust/core/editor.ts']);
  });

  test('only src/enforce imports the seal of admissions, and src/reference/admission.ts defines it', () => {
    const naming = sources.filter(({ text }) => /\bsealAdmission\b/.test(text)).map(({ name }) => name);
    expect(naming).toContain('src/reference/admission.ts');
    const others = naming.filter((name) => name !== 'src/reference/admission.ts');
    expect(others.filter((name) => !name.startsWith('src/enforce/'))).toEqual([]);
    const wholesale = sources.filter(({ text }) =>
      /\*(\s+as\s+\w+)?\s+from\s+'[^']*admission\.ts'/.test(text),
    );
    expect(wholesale.map(({ name }) => name)).toEqual([]);
  });

  test('only src/main.ts touches process, and the program that is run to ask the keychain', async () => {
    const touching: string[] = [];
    for (const file of sources) {
      if (importsModule(file, 'node:process') || (await touchesProcess(file.text))) touching.push(file.name);
    }
    expect(touching).toEqual(['src/keys/keychain-child.ts', 'src/main.ts']);
  });

  test('src/trust/core is pure: of the built-ins it has crypto, and assert for calls in the wrong order', () => {
    const used = sources
      .filter(({ name }) => name.startsWith('src/trust/core/'))
      .flatMap((file) => file.imports.filter((specifier) => !specifier.startsWith('.')))
      .filter((specifier) => !['node:crypto', 'node:assert'].includes(specifier));
    expect(used).toEqual([]);
  });

  test('each package is loaded by its own folder alone', () => {
    const strangers = sources.flatMap((file) =>
      file.imports
        .filter((specifier) => !specifier.startsWith('.') && !specifier.startsWith('node:'))
        .filter((specifier) => {
          const owner = [...packages].find(
            ([name]) => specifier === name || specifier.startsWith(`${name}/`),
          );
          return owner === undefined || !owner[1].some((folder) => file.name.startsWith(folder));
        })
        .map((specifier) => `${file.name} -> ${specifier}`),
    );
    expect(strangers).toEqual([]);
  });

  test('built-ins are imported as node:', () => {
    const bare =
      /^(assert|buffer|child_process|crypto|dns|events|fs|http|https|net|os|path|stream|tls|url|util|zlib)\b/;
    const found = sources.flatMap((file) => file.imports.filter((specifier) => bare.test(specifier)));
    expect(found).toEqual([]);
  });

  test('relative imports name the .ts file', () => {
    const found = sources.flatMap((file) =>
      file.imports.filter((specifier) => specifier.startsWith('.') && !/\.(ts|json)$/.test(specifier)),
    );
    expect(found).toEqual([]);
  });

  test('nothing is exported as default', () => {
    const found = sources.filter(({ text }) => /^export default\b|\bas default\b.*\}(;| from)/m.test(text));
    expect(found.map(({ name }) => name)).toEqual([]);
  });

  test('no file of src/ is longer than 400 lines, none of test/ than 600', () => {
    const lines = (text: string): number => text.split('\n').length - 1;
    const tooLong = [
      ...sources.filter(({ text }) => lines(text) > 400),
      ...filesBelow('test').filter(({ text }) => lines(text) > 600),
    ];
    expect(tooLong.map(({ name, text }) => `${name}: ${lines(text)}`)).toEqual([]);
  });
});
