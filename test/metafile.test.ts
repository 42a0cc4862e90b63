/**
 * What a user waits for at each start, read from esbuild's metafile: the chunks that `main` reaches by static
 * imports. The slow packages must not be in them (contracts, "Packages and start-up").
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Metafile } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { packedPackages } from '../scripts/build/licenses.ts';
import { build, projectRoot, staticOutputs } from '../scripts/build.ts';

const slow =
  /(^|\/)node_modules\/(undici|dockerode|docker-modem|yargs|yargs-parser|@noble|yaml|keytar|@github)\//;

/** Inputs of all chunks that are evaluated when `entry` is. */
function staticInputs(metafile: Metafile, entry: string): readonly string[] {
  return staticOutputs(metafile, entry).flatMap((name) => Object.keys(metafile.outputs[name]?.inputs ?? {}));
}

/** Package and built-in names that those chunks import statically from outside the bundle. */
function staticExternals(metafile: Metafile, entry: string): readonly string[] {
  return staticOutputs(metafile, entry).flatMap((name) =>
    (metafile.outputs[name]?.imports ?? [])
      .filter(({ external, kind }) => external === true && kind !== 'dynamic-import')
      .map(({ path: name }) => name),
  );
}

const entryOf = (metafile: Metafile, source: string): string => {
  const found = Object.entries(metafile.outputs).find(([, { entryPoint }]) => entryPoint?.endsWith(source));
  if (found === undefined) throw new Error(`no output for ${source}`);
  return found[0];
};

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'dtrust-metafile-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('contract (Packages and start-up): what main reaches statically', () => {
  let metafile: Metafile;
  let entry: string;
  beforeAll(async () => {
    metafile = await build({ outdir: path.join(folder, 'dist') });
    entry = entryOf(metafile, 'src/main.ts');
  });

  test('holds no undici, dockerode, yargs, noble, yaml or keytar', () => {
    expect(staticInputs(metafile, entry)).toContain('src/main.ts');
    expect(staticInputs(metafile, entry).filter((name) => slow.test(name))).toEqual([]);
    expect(staticExternals(metafile, entry).filter((name) => !name.startsWith('node:'))).toEqual([]);
  });

  test('contract (Keys): the keychain is asked by a program of its own, to which keytar is not packed', () => {
    const child = entryOf(metafile, 'src/keys/keychain-child.ts');
    expect(path.basename(child)).toBe('keychain-child.js');
    const inputs = Object.keys(metafile.outputs[child]?.inputs ?? {});
    expect(inputs.filter((name) => !name.startsWith('lazy-builtin:'))).toEqual([
      'src/keys/keychain-child.ts',
    ]);
    expect(
      metafile.outputs[child]?.imports.filter(({ external }) => external).map((each) => each.path),
    ).toEqual(['keytar']);
    const holders = Object.entries(metafile.outputs).filter(([, { imports }]) =>
      imports.some((each) => each.path.includes('keytar')),
    );
    expect(holders.map(([name]) => name)).toEqual([child]);
  });

  test('is one file', () => {
    expect(staticOutputs(metafile, entry)).toEqual([entry]);
  });

  test('loads no built-in that is slow to load: they come with what needs them', async () => {
    const main = path.join(folder, 'dist', 'main.js');
    const script = `import(${JSON.stringify(main)}).then(() => console.log(process.moduleLoadList.join('\\n')));`;
    const { stdout } = await promisify(execFile)(process.execPath, ['-e', script]);
    const loaded = stdout.split('\n').map((line) => line.replace(/^NativeModule /, ''));
    expect(loaded).toContain('path');
    expect(loaded.filter((name) => /^(tls|https?|http2|net|child_process|zlib|sqlite)$/.test(name))).toEqual(
      [],
    );
  });

  test('is small', () => {
    const bytes = staticOutputs(metafile, entry).reduce(
      (sum, name) => sum + (metafile.outputs[name]?.bytes ?? 0),
      0,
    );
    expect(bytes).toBeLessThan(200 * 1024);
  });

  test('no chunk at all holds what is left out', () => {
    const inputs = Object.values(metafile.outputs).flatMap((output) => Object.keys(output.inputs));
    const leftOut = /node_modules\/(ssh2|cpu-features|@grpc|protobufjs|tar-fs|tar-stream|debug|asn1|nan)\//;
    expect(inputs.filter((name) => leftOut.test(name))).toEqual([]);
  });

  test('the metafile names no folder of the machine that built it', () => {
    expect(readFileSync(path.join(folder, 'dist', 'meta.json'), 'utf8')).not.toContain(projectRoot);
  });
});

describe('the build', () => {
  const usesBoth = `
    import http from 'node:http';
    import Client from '${projectRoot}node_modules/undici/lib/dispatcher/client.js';
    import Docker from '${projectRoot}node_modules/dockerode/lib/docker.js';
    const server = http.createServer((request, response) => response.end(request.method + request.url));
    server.listen(0, '127.0.0.1', async () => {
      const { port } = server.address();
      const client = new Client('http://127.0.0.1:' + port, { allowH2: false });
      const chunks = [];
      await new Promise((resolve, reject) => client.dispatch({ method: 'PUT', path: '/x', body: Buffer.from('b') }, {
        onRequestStart() {}, onResponseStart() {}, onResponseData(_, chunk) { chunks.push(chunk); },
        onResponseEnd: resolve, onResponseError: (_, error) => reject(error),
      }));
      await client.close();
      const docker = new Docker({ host: '127.0.0.1', port, protocol: 'http', socketPath: undefined });
      const info = await docker.ping();
      server.close();
      console.log(Buffer.concat(chunks) + ' ' + info);
    });
  `;

  test('what is left out of undici and dockerode is not missed, and nothing is said on stderr', async () => {
    const source = path.join(folder, 'uses-both.mjs');
    writeFileSync(source, usesBoth);
    const metafile = await build({ outdir: path.join(folder, 'both'), entryPoints: [source] });
    const env = { PATH: process.env.PATH, DEBUG: '*' };
    const run = await promisify(execFile)(process.execPath, [path.join(folder, 'both', 'uses-both.js')], {
      env,
    });
    expect(run).toEqual({ stdout: 'PUT/x GET/_ping\n', stderr: '' });
    const entry = entryOf(metafile, 'uses-both.mjs');
    const found = staticInputs(metafile, entry).filter((name) => slow.test(name));
    expect(found.length).toBeGreaterThan(0);
  });

  test('writes the licence of every packed package beside the code', async () => {
    const notice = readFileSync(path.join(folder, 'both', 'THIRD-PARTY-LICENSES.txt'), 'utf8');
    expect(notice).toContain('undici 8.');
    expect(notice).toContain('dockerode 5.');
    const metafile = JSON.parse(readFileSync(path.join(folder, 'both', 'meta.json'), 'utf8')) as Metafile;
    expect(packedPackages(metafile).length).toBeGreaterThanOrEqual(4);
  });

  test('makes one file, in which what is loaded later shares the modules of the start', async () => {
    const files = {
      'start.mjs': `
        import { Shared } from './shared.mjs';
        import { count as counted } from './counted.mjs';
        export async function main() {
          const { make, again } = await import('./later.mjs');
          console.log(make() instanceof Shared, again() === counted, (await import('./shared.mjs')).Shared === Shared);
        }
        setImmediate(main);`,
      'shared.mjs': "import { count } from './counted.mjs'; export class Shared { number = count; }",
      'counted.mjs': 'export let count = Symbol();',
      'later.mjs': `
        import { Shared } from './shared.mjs';
        import { count } from './counted.mjs';
        export const make = () => new Shared();
        export const again = () => count;`,
    };
    for (const [name, text] of Object.entries(files)) writeFileSync(path.join(folder, name), text);
    const outdir = path.join(folder, 'start');
    const metafile = await build({ outdir, entryPoints: [path.join(folder, 'start.mjs')] });
    expect(staticOutputs(metafile, entryOf(metafile, 'start.mjs'))).toHaveLength(1);
    const run = await promisify(execFile)(process.execPath, [path.join(outdir, 'start.js')]);
    expect(run.stdout).toBe('true true true\n');
  });

  test('removes what an earlier build wrote, and leaves no half-written file', async () => {
    const outdir = path.join(folder, 'again');
    for (const name of ['one', 'two']) {
      writeFileSync(path.join(folder, `${name}.mjs`), 'console.log(1);');
      await build({ outdir, entryPoints: [path.join(folder, `${name}.mjs`)] });
    }
    expect(readdirSync(outdir).sort()).toEqual(['THIRD-PARTY-LICENSES.txt', 'meta.json', 'two.js']);
  });

  test('asks for a built-in that is slow to load when something of it is used', async () => {
    const source = path.join(folder, 'late.mjs');
    writeFileSync(path.join(folder, 'node_modules-late.cjs'), `module.exports = require('https');`);
    writeFileSync(
      source,
      `import assert from 'node:assert';
       import https from './node_modules-late.cjs';
       import net from 'node:net';
       const loaded = () => process.moduleLoadList.filter((name) => /^NativeModule (net|https|assert)$/.test(name)).length;
       assert(true, 'fine');
       const inherits = Object.create(https);
       inherits.request = 1;
       const before = loaded();
       let thrown;
       try { assert(false, 'not fine'); } catch (error) { thrown = error; }
       console.log(before, thrown instanceof assert.AssertionError, thrown.message, net.isIP('::1'),
         typeof https.request, inherits.request, loaded());`,
    );
    const outdir = path.join(folder, 'late');
    await build({ outdir, entryPoints: [source] });
    const { stdout } = await promisify(execFile)(process.execPath, [path.join(outdir, 'late.js')]);
    expect(stdout).toBe('0 true not fine 6 function 1 3\n');
  });
});
