/**
 * Mutations: whatever is done to the bytes of a state, a client either refuses it or finds exactly what was signed.
 */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { TrustError } from '../../../src/lib/errors.ts';
import type { NewState } from '../../../src/trust/core/editor.ts';
import { listTargets } from '../../../src/trust/core/list.ts';
import { runSearch } from '../../../src/trust/core/search.ts';
import { labelledSimKey } from '../../helpers/sim-keys.ts';
import { ALL_SIGNERS, APP, create, edit, entry, verifyFiles } from './editor-world.ts';

let state: NewState;
let signed: string;
let fileNames: string[];

/** Everything a fresh client would accept from these files, or the code of the refusal. */
function outcome(files: ReadonlyMap<string, Uint8Array>): string {
  try {
    const trusted = verifyFiles({ files });
    const targets = runSearch(listTargets(trusted), (request) => files.get(request.fileName));
    return JSON.stringify(
      targets.map(({ path, sha256, lengthBytes, mediaType }) => [path, sha256, lengthBytes, mediaType]),
    );
  } catch (error) {
    if (error instanceof TrustError) return error.code;
    throw error;
  }
}

function withFile(name: string, bytes: Uint8Array): ReadonlyMap<string, Uint8Array> {
  return new Map([...state.files, [name, bytes]]);
}

/** Nothing but what was signed, or a refusal. */
function expectHarmless(result: string): void {
  if (result !== signed) expect(result).toMatch(/^[A-Z_]+$/);
}

beforeAll(async () => {
  const dev = {
    kind: 'addSigner',
    name: 'dev',
    keys: [labelledSimKey('dev').publicKey],
    paths: [`${APP}:dev-*`],
  } as const;
  state = await edit(await create({ targets: [entry('1.0'), entry('2.0')] }), [dev], {
    signers: ALL_SIGNERS,
  });
  signed = outcome(state.files);
  fileNames = [...state.files.keys()].filter((name) => name !== '1.root.json');
});

describe('mutations of a state', () => {
  it('the state itself is found as signed', () => {
    expect(JSON.parse(signed)).toHaveLength(2);
  });

  it('one byte changed: every position of timestamp and root, every seventh of what a hash holds', () => {
    for (const name of fileNames) {
      const original = state.files.get(name) ?? new Uint8Array();
      const hashed = name !== 'timestamp.json' && !name.endsWith('root.json');
      for (let at = 0; at < original.length; at += hashed ? 7 : 1) {
        const bytes = Uint8Array.from(original);
        bytes[at] = (bytes[at] ?? 0) ^ (1 << (at & 7));
        const result = outcome(withFile(name, bytes));
        if (hashed) expect(result).toMatch(/_HASH$/);
        else expectHarmless(result);
      }
    }
  }, 120_000);

  it('bytes cut out, doubled, put in and swapped', () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.nat(),
        fc.nat(64),
        fc.uint8Array({ maxLength: 8 }),
        fc.boolean(),
        (pick, position, count, put, doubled) => {
          const name = fileNames[pick % fileNames.length] ?? '';
          const original = Buffer.from(state.files.get(name) ?? '');
          const at = position % original.length;
          const piece = doubled ? original.subarray(at, at + count) : put;
          const rest = original.subarray(doubled ? at : at + count);
          expectHarmless(outcome(withFile(name, Buffer.concat([original.subarray(0, at), piece, rest]))));
        },
      ),
      { numRuns: 600 },
    );
  });

  it('JSON values changed, and written again', () => {
    const values = fc.constantFrom<unknown>(
      null,
      0,
      1,
      2,
      -1,
      99,
      '',
      'a',
      [],
      {},
      true,
      '2099-01-01T00:00:00Z',
    );
    fc.assert(
      fc.property(fc.nat(), fc.nat(), values, fc.boolean(), (pick, position, value, remove) => {
        const name = fileNames[pick % fileNames.length] ?? '';
        const json = JSON.parse(Buffer.from(state.files.get(name) ?? '').toString());
        const places: [Record<string, unknown>, string][] = [];
        const collect = (node: unknown): void => {
          if (typeof node !== 'object' || node === null) return;
          for (const key of Object.keys(node)) {
            places.push([node as Record<string, unknown>, key]);
            collect((node as Record<string, unknown>)[key]);
          }
        };
        collect(json);
        const [node, key] = places[position % places.length] ?? [{}, ''];
        if (remove) delete node[key];
        else node[key] = value;
        expectHarmless(outcome(withFile(name, Buffer.from(JSON.stringify(json)))));
      }),
      { numRuns: 600 },
    );
  });

  it('files of two states mixed in any way', async () => {
    const other = await edit(state, [{ kind: 'putTarget', target: entry('1.0', 'later') }], {
      signers: ALL_SIGNERS,
    });
    const later = outcome(other.files);
    fc.assert(
      fc.property(fc.subarray([...other.files.keys()]), fc.nat(), (taken, swap) => {
        const files = new Map(state.files);
        for (const name of taken) files.set(name, other.files.get(name) ?? new Uint8Array());
        const names = [...files.keys()].filter((name) => name !== '1.root.json');
        const [one, two] = [names[swap % names.length] ?? '', names[(swap >> 4) % names.length] ?? ''];
        const held = files.get(one) ?? new Uint8Array();
        files.set(one, files.get(two) ?? new Uint8Array());
        files.set(two, held);
        let result: string;
        try {
          result = outcome(files);
        } catch (error) {
          // A file the client asked for is not there: the updater's to say.
          expect(String(error)).toMatch(/^Error: no /);
          return;
        }
        if (result !== later) expectHarmless(result);
      }),
      { numRuns: 500 },
    );
  });

  it('bytes from nowhere are refused in every place, as a refusal and not as a crash', () => {
    const junk = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.json().map((text) => Uint8Array.from(Buffer.from(text))),
    );
    fc.assert(
      fc.property(fc.nat(), junk, (pick, bytes) => {
        const name = fileNames[pick % fileNames.length] ?? '';
        expect(outcome(withFile(name, bytes))).toMatch(/^[A-Z_]+$/);
      }),
      { numRuns: 600 },
    );
  });
});
