/**
 * python-tuf, the reference implementation, as oracle both ways.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseStrictJson } from '../../../src/lib/strict-json.ts';
import { canonicalJson } from '../../../src/trust/core/canonical-json.ts';
import type { Edit, NewState } from '../../../src/trust/core/editor.ts';
import { runSearch, searchTarget } from '../../../src/trust/core/search.ts';
import { pythonTuf } from '../../helpers/python-tuf.ts';
import { sha256 } from '../../helpers/repository-simulator.ts';
import { labelledSimKey, makeSimKey, simSigner } from '../../helpers/sim-keys.ts';
import { ALL_SIGNERS, APP, create, edit, entry, put, verifyFiles } from './editor-world.ts';

const python = pythonTuf();
/** python-tuf has its own clock. */
const today = { nowMs: Date.now() };
let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dtrust-python-tuf-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function finds(state: NewState, tag: string, rootVersion = 1): unknown {
  for (const [name, bytes] of state.files) writeFileSync(join(folder, name), bytes);
  const root = join(folder, `${rootVersion}.root.json`);
  return JSON.parse(python.run('client.py', [folder, root, `${APP}:${tag}`]));
}

const expected = (content: string) => ({
  found: { length: content.length, sha256: sha256(Buffer.from(content)) },
});

describe.skipIf(python.skip)(python.title('python-tuf verifies what the editor writes'), () => {
  it.each(['ed25519', 'ecdsa-p256', 'ecdsa-p384', 'rsa'] as const)(
    'a new collection with %s keys',
    async (kind) => {
      const [rootKey, targetsKey, onlineKey] = [makeSimKey(kind), makeSimKey(kind), makeSimKey(kind)].map(
        simSigner,
      );
      if (!rootKey || !targetsKey || !onlineKey) throw new Error('three keys');
      const state = await create({
        ...today,
        rootKeys: [rootKey],
        targetsKey,
        onlineKey,
        targets: [entry('1.0')],
      });
      expect(finds(state, '1.0')).toEqual(expected('manifest 1.0'));
      expect(finds(state, '2.0')).toEqual({ found: null });
    },
  );

  it('edits, rotated keys and signers', async () => {
    const [newRoot, dev, alice] = ['new root', 'dev', 'alice'].map(labelledSimKey);
    if (!newRoot || !dev || !alice) throw new Error('three keys');
    const edits: Edit[] = [
      { kind: 'rotateKeys', role: 'root', keys: [newRoot.publicKey] },
      { kind: 'addSigner', name: 'alice', keys: [alice.publicKey] },
      { kind: 'addSigner', name: 'dev', keys: [dev.publicKey], paths: [`${APP}:dev-*`] },
    ];
    let state = await create({ ...today, targets: [entry('1.0')] });
    state = await edit(state, edits, { ...today, signers: [...ALL_SIGNERS, simSigner(newRoot)] });
    state = await edit(state, [put('dev-1')], { ...today, signers: [simSigner(dev)] });
    state = await edit(state, [put('2.0')], { ...today, signers: [simSigner(alice)] });
    for (const tag of ['1.0', '2.0', 'dev-1']) expect(finds(state, tag)).toEqual(expected(`manifest ${tag}`));
    expect(finds(state, '1.0', 2)).toEqual(expected('manifest 1.0'));
    expect(finds(state, 'dev-2')).toEqual({ found: null });
  });

  it('and refuses it, as dtrust does, when a byte is changed', async () => {
    const state = await create({ ...today, targets: [entry('1.0')] });
    const bytes = Buffer.from(state.files.get('1.targets.json') ?? '');
    bytes[bytes.length - 20] = (bytes[bytes.length - 20] ?? 0) ^ 1;
    const bad = { ...state, files: new Map([...state.files, ['1.targets.json', bytes]]) };
    expect(finds(bad, '1.0')).toHaveProperty('refused');
  });
});

describe.skipIf(python.skip)(python.title('dtrust verifies what python-tuf writes'), () => {
  it.each([
    ['ed25519', 'plain', 'targets'],
    ['ecdsa', 'plain', 'targets'],
    ['rsa', 'plain', 'targets'],
    ['ed25519', 'releases', 'targets/releases'],
    ['ecdsa', 'bins', expect.stringMatching(/^bin-[0-9a-f]{3}$/)],
  ])('with %s keys, %s', (keyType, layout, role) => {
    python.run('repository.py', [folder, APP, keyType, layout]);
    const files = new Map(
      readdirSync(folder).map((name) => [name, new Uint8Array(readFileSync(join(folder, name)))]),
    );
    const trusted = verifyFiles({ files });
    const result = runSearch(searchTarget(trusted, `${APP}:1.0`), (request) => files.get(request.fileName));
    const digest = sha256(Buffer.from(`manifest ${APP}:1.0`));
    expect(result).toMatchObject({ kind: 'found', target: { role, sha256: `sha256:${digest}` } });
  });
});

describe.skipIf(python.skip)(python.title('canonical JSON is that of securesystemslib'), () => {
  it('for a thousand values, surrogate pairs and control characters among them', () => {
    const leaf = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.maxSafeInteger(),
      fc.boolean(),
      fc.constant(null),
    );
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { depthSize: 'small' },
        leaf,
        fc.array(tie('any')),
        fc.dictionary(fc.string({ unit: 'binary' }), tie('any')),
      ),
    })).any;
    const texts = fc
      .sample(value, 1_000)
      .map((json) => JSON.stringify(json))
      .filter((text) => !/-0\b|"(?:__proto__|constructor|prototype)":/.test(text));
    const theirs = python
      .run('canonical.py', [], `${texts.join('\n')}\n`)
      .trim()
      .split('\n');
    const ours = texts.map((text) =>
      Buffer.from(canonicalJson(parseStrictJson(Buffer.from(text), 'x'))).toString('hex'),
    );
    expect(ours).toEqual(theirs);
    expect(ours.length).toBeGreaterThan(900);
  });
});
