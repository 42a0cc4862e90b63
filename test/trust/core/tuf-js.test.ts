/**
 * tuf-js as oracle, both ways: its client verifies what dtrust's editor writes (over HTTP, as it does for Sigstore),
 * and dtrust verifies what @tufjs/models writes.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Key, Metadata, MetaFile, Root, Signature, Snapshot, Targets, Timestamp } from '@tufjs/models';
import { Updater } from 'tuf-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TrustError } from '../../../src/lib/errors.ts';
import type { Edit, NewState } from '../../../src/trust/core/editor.ts';
import { runSearch, searchTarget } from '../../../src/trust/core/search.ts';
import { stageEdits } from '../../../src/trust/core/staged.ts';
import { completeStaged, signStaged, viewStaged } from '../../../src/trust/core/staged-view.ts';
import { TrustedMetadata } from '../../../src/trust/core/trusted-metadata.ts';
import { SIM_NOW_MS, sha256 } from '../../helpers/repository-simulator.ts';
import { labelledSimKey, makeSimKey, type SimKey, simSigner } from '../../helpers/sim-keys.ts';
import { throwsCode } from '../../helpers/throws-code.ts';
import {
  ALL_SIGNERS,
  APP,
  create,
  edit,
  entry,
  ONLINE_KEY,
  online,
  put,
  repository,
} from './editor-world.ts';

const folders: string[] = [];
let files: ReadonlyMap<string, Uint8Array> = new Map();
let server: Server;

beforeAll(async () => {
  server = createServer((request, response) => {
    // tuf-js does not escape the slash of a role's name.
    const name = (request.url ?? '').slice('/metadata/'.length).replaceAll('/', '%2F');
    const bytes = files.get(name);
    response.writeHead(bytes === undefined ? 404 : 200).end(bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterAll(() => {
  server.close();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** What tuf-js finds for a tag, starting from root 1; with `folder` from what it kept there. */
async function tufJsFinds(
  state: NewState,
  tag: string,
  folder = startFolder(state),
): Promise<string | undefined> {
  files = state.files;
  const { port } = server.address() as AddressInfo;
  const updater = new Updater({
    metadataDir: folder,
    metadataBaseUrl: `http://127.0.0.1:${port}/metadata`,
    config: { fetchRetry: 0 },
  });
  await updater.refresh();
  const target = await updater.getTargetInfo(`${APP}:${tag}`);
  return target && `${target.length} ${target.hashes.sha256}`;
}

function startFolder(state: NewState): string {
  const folder = mkdtempSync(join(tmpdir(), 'dtrust-tuf-js-'));
  folders.push(folder);
  writeFileSync(join(folder, 'root.json'), state.files.get('1.root.json') ?? '');
  return folder;
}

const expected = (content: string): string => `${content.length} ${sha256(Buffer.from(content))}`;
/** tuf-js has its own clock. */
const today = { nowMs: Date.now() };

describe('tuf-js verifies what the editor writes', () => {
  it('protocol 4.6: a staged state, signed by three on three machines', async () => {
    const [one, two, three] = [1, 2, 3].map((each) => simSigner(labelledSimKey(`root ${each}`)));
    if (!one || !two || !three) throw new Error('three keys');
    const state = await create({ ...today, rootKeys: [one, two, three], rootThreshold: 3 });
    const alice = labelledSimKey('alice').publicKey;
    const edits: readonly Edit[] = [put('1.0'), { kind: 'addSigner', name: 'alice', keys: [alice] }];
    const terms = { ...today, highestVersions: new Map() };
    let { state: staged } = await stageEdits(state, edits, { ...today, signers: [one, repository] });
    for (const signer of [two, three]) {
      staged = await signStaged(await viewStaged(state, staged, terms), [signer]);
    }
    const done = await completeStaged(state, staged, { ...today, signers: [online] });
    expect(await tufJsFinds(done, '1.0')).toBe(expected('manifest 1.0'));
  });

  it('a new collection, with keys of each type', async () => {
    for (const kind of ['ed25519', 'ecdsa-p256', 'ecdsa-p384', 'rsa'] as const) {
      const keys = [1, 2, 3].map(() => simSigner(makeSimKey(kind)));
      const [rootKey, targetsKey, onlineKey] = keys;
      if (!rootKey || !targetsKey || !onlineKey) throw new Error('three keys');
      const state = await create({
        ...today,
        rootKeys: [rootKey],
        targetsKey,
        onlineKey,
        targets: [entry('1.0')],
      });
      expect(await tufJsFinds(state, '1.0')).toBe(expected('manifest 1.0'));
      expect(await tufJsFinds(state, '2.0')).toBeUndefined();
    }
  });

  it('a history of edits, followed by one client', async () => {
    const newRoot = simSigner(labelledSimKey('new root'));
    const everyone = { ...today, signers: [...ALL_SIGNERS, newRoot] };
    let state = await create({ ...today, targets: [entry('1.0')] });
    const folder = startFolder(state);
    expect(await tufJsFinds(state, '1.0', folder)).toBe(expected('manifest 1.0'));
    state = await edit(state, [put('1.0', 'moved'), put('2.0')], today);
    expect(await tufJsFinds(state, '1.0', folder)).toBe(expected('moved'));
    state = await edit(state, [{ kind: 'rotateKeys', role: 'root', keys: [newRoot.publicKey] }], everyone);
    state = await edit(state, [{ kind: 'removeTarget', path: `${APP}:2.0` }], today);
    expect(await tufJsFinds(state, '2.0', folder)).toBeUndefined();
    expect(await tufJsFinds(state, '1.0', folder)).toBe(expected('moved'));
  });

  it('signers: the restricted role, then releases, and nobody behind it', async () => {
    const dev = labelledSimKey('dev');
    const alice = labelledSimKey('alice');
    const edits: Edit[] = [
      { kind: 'addSigner', name: 'alice', keys: [alice.publicKey] },
      { kind: 'addSigner', name: 'dev', keys: [dev.publicKey], paths: [`${APP}:dev-*`] },
    ];
    let state = await create({ ...today, targets: [entry('1.0')] });
    state = await edit(state, edits, { ...today, signers: ALL_SIGNERS });
    state = await edit(state, [put('dev-1')], { ...today, signers: [simSigner(dev)] });
    state = await edit(state, [put('2.0')], { ...today, signers: [simSigner(alice)] });
    for (const tag of ['1.0', '2.0', 'dev-1']) {
      expect(await tufJsFinds(state, tag)).toBe(expected(`manifest ${tag}`));
    }
    expect(await tufJsFinds(state, 'dev-2')).toBeUndefined();
    state = await edit(state, [{ kind: 'removeSigner', name: 'alice' }], { ...today, signers: ALL_SIGNERS });
    expect(await tufJsFinds(state, '2.0')).toBe(expected('manifest 2.0'));
  });

  it('a recovery: who believed the thief follows to lower versions, and so does who slept through it', async () => {
    const [next, alice, newAlice] = ['online, next', 'alice', 'alice, next'].map(labelledSimKey);
    if (!next || !alice || !newAlice) throw new Error('three keys');
    const signer: Edit = { kind: 'addSigner', name: 'alice', keys: [alice.publicKey] };
    const good = await edit(await create({ ...today, targets: [entry('1.0')] }), [signer], {
      ...today,
      signers: ALL_SIGNERS,
    });
    const [asleep, fooled] = [startFolder(good), startFolder(good)];
    expect(await tufJsFinds(good, '1.0', asleep)).toBe(expected('manifest 1.0'));
    const end = Number.MAX_SAFE_INTEGER - 1;
    const highestVersions = new Map(['timestamp', 'snapshot'].map((role) => [role, end]));
    const bad = await edit(good, [], { ...today, signers: [online], highestVersions });
    expect(await tufJsFinds(bad, '1.0', fooled)).toBe(expected('manifest 1.0'));
    const recovery: Edit = {
      kind: 'recover',
      gone: [ONLINE_KEY.publicKey, alice.publicKey],
      onlineKey: next.publicKey,
      signers: [{ name: 'alice', gone: [alice.publicKey], keys: [newAlice.publicKey] }],
      goodVersions: good.versions,
    };
    const recovered = await edit(bad, [recovery], { ...today, signers: [...ALL_SIGNERS, simSigner(next)] });
    const state = await edit(recovered, [put('2.0')], { ...today, signers: [simSigner(newAlice)] });
    expect(state.versions.get('timestamp')).toBe(4);
    for (const folder of [asleep, fooled, startFolder(good)]) {
      expect(await tufJsFinds(state, '2.0', folder)).toBe(expected('manifest 2.0'));
    }
    await expect(tufJsFinds(bad, '1.0', fooled)).rejects.toThrow();
  });

  it('thresholds of two for root and releases', async () => {
    const second = labelledSimKey('second root');
    const alice = labelledSimKey('alice');
    const everyone = { ...today, signers: [...ALL_SIGNERS, simSigner(second), simSigner(alice)] };
    const edits: Edit[] = [
      { kind: 'addSigner', name: 'alice', keys: [alice.publicKey] },
      { kind: 'addKey', role: 'root', key: second.publicKey },
      { kind: 'setThreshold', role: 'root', threshold: 2 },
      { kind: 'setThreshold', role: 'targets/releases' as never, threshold: 2 },
    ];
    const base = await create({ ...today, targets: [entry('1.0')] });
    const folder = startFolder(base);
    let state = await edit(base, edits, everyone);
    expect(await tufJsFinds(state, '1.0', folder)).toBe(expected('manifest 1.0'));
    state = await edit(state, [put('2.0'), { kind: 'renew', roles: ['root'] }], everyone);
    expect(await tufJsFinds(state, '2.0', folder)).toBe(expected('manifest 2.0'));
  });

  it('refuses, as dtrust does, a timestamp with one byte changed', async () => {
    const state = await edit(await create(today), [put('1.0')], { ...today, signers: [repository, online] });
    const bytes = Buffer.from(state.files.get('timestamp.json') ?? '');
    bytes[bytes.length - 20] = (bytes[bytes.length - 20] ?? 0) ^ 1;
    const bad = { ...state, files: new Map([...state.files, ['timestamp.json', bytes]]) };
    await expect(tufJsFinds(bad, '1.0')).rejects.toThrow();
  });
});

describe('dtrust verifies what @tufjs/models writes', () => {
  const common = { version: 1, specVersion: '1.0.31', expires: '2030-01-01T00:00:00Z' };
  const extension = { 'x-dtrust': { collection: APP, names: [APP] } };
  const keyOf = (key: SimKey): Key =>
    new Key({
      keyID: key.keyid,
      keyType: key.json.keytype,
      scheme: key.json.scheme,
      keyVal: key.json.keyval,
    });

  function write(metadata: Metadata<Root | Timestamp | Snapshot | Targets>, ...keys: SimKey[]): Buffer {
    for (const key of keys) {
      metadata.sign((bytes) => new Signature({ keyID: key.keyid, sig: key.signHex(bytes) }));
    }
    return Buffer.from(JSON.stringify(metadata.toJSON(), null, 1));
  }

  const fileOf = (bytes: Buffer): MetaFile =>
    new MetaFile({ version: 1, length: bytes.length, hashes: { sha256: sha256(bytes) } });

  function trust(rootKey: SimKey, others: SimKey, targetsFiles: Record<string, Buffer>): TrustedMetadata {
    const root = new Root({ ...common, consistentSnapshot: true, unrecognizedFields: extension });
    root.addKey(keyOf(rootKey), 'root');
    for (const role of ['timestamp', 'snapshot', 'targets']) root.addKey(keyOf(others), role);
    const meta = Object.fromEntries(
      Object.entries(targetsFiles).map(([name, bytes]) => [name, fileOf(bytes)]),
    );
    const snapshot = write(new Metadata(new Snapshot({ ...common, meta })), others);
    const timestamp = new Timestamp({ ...common, snapshotMeta: fileOf(snapshot) });
    const trusted = new TrustedMetadata(write(new Metadata(root), rootKey), {
      startTimeMs: SIM_NOW_MS,
      collection: APP,
    });
    trusted.finishRoot();
    trusted.updateTimestamp(write(new Metadata(timestamp), others));
    trusted.updateSnapshot(snapshot);
    trusted.updateTargets(targetsFiles['targets.json'] ?? Buffer.alloc(0));
    return trusted;
  }

  const target = (path: string) => ({
    [path]: {
      length: 3,
      hashes: { sha256: sha256(Buffer.from(path)) },
      custom: { mediaType: 'application/x' },
    },
  });

  function targetsOf(targets: ReturnType<typeof target>, delegations?: object): Targets {
    const { specVersion: spec_version, expires, version } = common;
    const json = {
      _type: 'targets',
      spec_version,
      expires,
      version,
      targets,
      ...(delegations && { delegations }),
    };
    return Targets.fromJSON(json as unknown as Parameters<typeof Targets.fromJSON>[0]);
  }

  it.each(['ed25519', 'ecdsa-p256', 'ecdsa-p384', 'rsa'] as const)('with %s keys', (kind) => {
    const [rootKey, others] = [makeSimKey(kind), makeSimKey(kind)];
    const targets = write(new Metadata(targetsOf(target(`${APP}:1.0`))), others);
    const trusted = trust(rootKey, others, { 'targets.json': targets });
    const result = runSearch(searchTarget(trusted, `${APP}:1.0`), () => undefined);
    expect(result).toMatchObject({
      kind: 'found',
      target: { sha256: `sha256:${sha256(Buffer.from(`${APP}:1.0`))}` },
    });
  });

  it('with a released role', () => {
    const [key, releaseKey] = [labelledSimKey('all'), labelledSimKey('release')];
    const released = {
      name: 'targets/releases',
      keyids: [releaseKey.keyid],
      threshold: 1,
      terminating: true,
      path_hash_prefixes: [...'0123456789abcdef'],
    };
    const delegations = { keys: { [releaseKey.keyid]: releaseKey.json }, roles: [released] };
    const top = write(new Metadata(targetsOf({}, delegations)), key);
    const below = write(new Metadata(targetsOf(target(`${APP}:1.0`))), releaseKey);
    const trusted = trust(key, key, { 'targets.json': top, 'targets/releases.json': below });
    const result = runSearch(searchTarget(trusted, `${APP}:1.0`), () => below);
    expect(result).toMatchObject({ kind: 'found', target: { role: 'targets/releases' } });
    const forged = write(new Metadata(targetsOf(target(`${APP}:1.0`))), key);
    const other = trust(key, key, { 'targets.json': top, 'targets/releases.json': forged });
    throwsCode(
      () => runSearch(searchTarget(other, `${APP}:1.0`), () => forged),
      TrustError,
      'TARGETS_THRESHOLD',
    );
  });

  it.each([1, 7, 16])('with %d bits of hash bins, agreeing on the bin of each path', (bit_length) => {
    const key = labelledSimKey('all');
    const succinct_roles = { keyids: [key.keyid], threshold: 1, bit_length, name_prefix: 'bin' };
    const signed = targetsOf({}, { keys: { [key.keyid]: key.json }, succinct_roles });
    const top = write(new Metadata(signed), key);
    for (const tag of ['1.0', 'latest', 'x', 'y']) {
      const [{ role: bin } = { role: '' }] = signed.delegations?.rolesForTarget(`${APP}:${tag}`) ?? [];
      const bytes = write(new Metadata(targetsOf(target(`${APP}:${tag}`))), key);
      const trusted = trust(key, key, { 'targets.json': top, [`${bin}.json`]: bytes });
      const result = runSearch(searchTarget(trusted, `${APP}:${tag}`), () => bytes);
      expect(result).toMatchObject({ kind: 'found', target: { role: bin } });
    }
  });
});
