/**
 * What dtrust refuses, on a real engine and the real registry, whose content an attacker can change; and what the
 * engine was asked meanwhile.
 */
import { describe, expect, it } from 'vitest';
import { needPeers, pushImage, sha256 } from '../helpers/peers.ts';
import { digestsOf, imagesOf, layersOf } from './engine-view.ts';
import { servedManifest } from './registry-view.ts';
import { useStage } from './stage.ts';

const needed = await needPeers('engine 26.1', 'registry');

describe.skipIf(needed.skip)(needed.title('refusals of the real program'), () => {
  const stage = useStage({ version: '26.1', containerdStore: false });

  it('protocol 6.4: a machine without pin and terminal is refused, and the engine is asked nothing', async () => {
    await stage.signed('unknown');
    const pulled = await stage.other.run('pull', `${stage.name}:1.0`);
    expect(pulled).toMatchObject({ status: 1, stdout: '', code: 'FIRST_USE_REFUSED' });
    expect(stage.relay.changing()).toEqual([]);
    expect(await imagesOf(stage.engine)).toEqual([]);
    const rootKey =
      (await stage.owner.run('trust', 'pin', 'export', stage.name)).stdout.split(' ').at(5) ?? '';
    expect(rootKey).toMatch(/^[0-9a-f]{64}/);
    expect(pulled.stderr).not.toContain(rootKey.slice(0, 64));
  });

  it('refuses a tag that nobody has signed, and the engine is asked nothing', async () => {
    await stage.signed('signed');
    await pushImage(stage.registry, stage.path, stage.image('unsigned'), '2.0');
    await stage.other.pinFrom(stage.owner, stage.name);
    const pulled = await stage.other.run('pull', `${stage.name}:2.0`);
    expect(pulled).toMatchObject({ status: 1, stdout: '', code: 'TARGET_NOT_SIGNED' });
    expect(stage.relay.changing()).toEqual([]);
    expect(await imagesOf(stage.engine)).toEqual([]);
  });

  it('refuses a repository without trust data and shows the digest served now', async () => {
    const stored = await pushImage(stage.registry, stage.path, stage.image('plain'), '1.0');
    const pulled = await stage.other.run('pull', `${stage.name}:1.0`);
    expect(pulled).toMatchObject({ status: 1, stdout: '', code: 'NO_TRUST_DATA' });
    expect(pulled.stderr).toContain(`dtrust pull ${stage.name}@${stored.digest}`);
    expect(stage.relay.changing()).toEqual([]);
    const named = await stage.other.run('pull', `${stage.name}@${stored.digest}`);
    expect(named).toMatchObject({ status: 0, code: undefined });
    expect(named.stdout + named.stderr).not.toMatch(/verified|\bsigned/i);
    expect(await digestsOf(stage.engine, `${stage.name}@${stored.digest}`)).toEqual([
      `${stage.name}@${stored.digest}`,
    ]);
  });

  it('refuses old trust data put back: by memory, and by a raised pin', async () => {
    await stage.signed('old');
    await stage.other.pinFrom(stage.owner, stage.name);
    expect(await stage.other.run('pull', '-q', `${stage.name}:1.0`)).toMatchObject({ status: 0 });
    const old = await servedManifest(stage.registry, stage.path, '_trust');
    expect(await stage.owner.run('trust', 'revoke', `${stage.name}:1.0`)).toMatchObject({ status: 0 });
    const pinned = stage.workshop.machine({ engine: `unix://${stage.relay.address}` });
    await pinned.pinFrom(stage.owner, stage.name);
    expect(await stage.other.run('pull', `${stage.name}:1.0`)).toMatchObject({
      status: 1,
      code: 'TARGET_NOT_SIGNED',
    });
    await stage.engine.clear();
    stage.relay.forget();
    await stage.registry.request('PUT', `/v2/${stage.path}/manifests/_trust`, old?.bytes, {
      'content-type': old?.mediaType ?? '',
      'content-length': String(old?.bytes.length),
    });
    const refused = await stage.other.run('pull', `${stage.name}:1.0`);
    expect(refused).toMatchObject({ status: 1, stdout: '', code: 'TIMESTAMP_ROLLBACK' });
    const refusedByPin = await pinned.run('pull', `${stage.name}:1.0`);
    expect(refusedByPin).toMatchObject({ status: 1, stdout: '' });
    expect(refusedByPin.code).toMatch(/PIN|ROLLBACK/);
    expect(stage.relay.changing()).toEqual([]);
    expect(await imagesOf(stage.engine)).toEqual([]);
  });

  it('the commands under their long names do the same', async () => {
    const built = await stage.load('long', '1.0');
    expect(await stage.owner.run('image', 'push', `${stage.name}:1.0`)).toMatchObject({
      status: 0,
      code: undefined,
    });
    await stage.engine.clear();
    await pushImage(stage.registry, stage.path, stage.image('evil'), '1.0');
    expect(await stage.owner.run('image', 'pull', `${stage.name}:1.0`)).toMatchObject({
      status: 0,
      code: undefined,
    });
    expect(await layersOf(stage.engine, `${stage.name}:1.0`)).toEqual([sha256(built.layer)]);
    expect(await stage.other.run('image', 'pull', `${stage.name}:1.0`)).toMatchObject({
      code: 'FIRST_USE_REFUSED',
    });
  });

  it('keeps trust data in another repository where DTRUST_TRUST_REPOSITORY names one, and nowhere else', async () => {
    const built = await stage.load('elsewhere', '1.0');
    const env = { DTRUST_TRUST_REPOSITORY: `${stage.name}-trust` };
    const { name, owner, other, registry } = stage;
    expect(await owner.runWith(env, 'push', `${name}:1.0`)).toMatchObject({ status: 0, code: undefined });
    expect(await servedManifest(registry, stage.path, '_trust')).toBeUndefined();
    expect(await servedManifest(registry, `${stage.path}-trust`, '_trust')).toBeDefined();
    await stage.engine.clear();
    expect(await owner.runWith(env, 'pull', `${name}:1.0`)).toMatchObject({ status: 0, code: undefined });
    expect(await layersOf(stage.engine, `${name}:1.0`)).toEqual([sha256(built.layer)]);
    expect(await other.run('pull', `${name}:1.0`)).toMatchObject({ status: 1, code: 'NO_TRUST_DATA' });
    const gone = await owner.run('pull', `${name}:1.0`);
    expect(gone).toMatchObject({ status: 1, code: 'TRUST_DATA_GONE' });
  });

  it('protocol 8: a tag with a digest pulls the digest, and says when the tag is signed for another', async () => {
    await stage.signed('signed');
    const { name, owner, registry } = stage;
    const signed = await servedManifest(registry, stage.path, '1.0');
    const other = await pushImage(registry, stage.path, stage.image('named'));
    const same = await owner.run('pull', `${name}:1.0@${signed?.digest}`);
    expect(same).toMatchObject({ status: 0, code: undefined });
    expect(same.stderr).not.toContain('warning');
    const differing = await owner.run('pull', `${name}:1.0@${other.digest}`);
    expect(differing).toMatchObject({ status: 0, code: undefined });
    expect(differing.stderr).toContain(`is signed for ${signed?.digest}, not for ${other.digest}`);
    expect(await digestsOf(stage.engine, `${name}@${other.digest}`)).toEqual([`${name}@${other.digest}`]);
  });

  it('protocol 3.4: _trust is no image tag, and push -a does not put an image over the trust data', async () => {
    await stage.load('ordinary', '1.0');
    await stage.load('named so', '_trust');
    const { name, owner } = stage;
    for (const args of [
      ['pull', `${name}:_trust`],
      ['push', `${name}:_trust`],
      ['push', '-a', name],
    ]) {
      expect(await owner.run(...args)).toMatchObject({ status: 1, stdout: '', code: 'TAG_RESERVED' });
    }
    expect(await servedManifest(stage.registry, stage.path, '1.0')).toBeUndefined();
    expect(await servedManifest(stage.registry, stage.path, '_trust')).toBeUndefined();
  });

  it('protocol 4.4: trust data that was deleted is TRUST_DATA_GONE, and no push begins anew', async () => {
    await stage.signed('before');
    const { name, owner, registry } = stage;
    const trust = await servedManifest(registry, stage.path, '_trust');
    const removed = await registry.request('DELETE', `/v2/${stage.path}/manifests/${trust?.digest}`);
    expect(removed.status).toBe(202);
    await stage.load('after', '1.0');
    const image = await servedManifest(registry, stage.path, '1.0');
    expect(await owner.run('push', `${name}:1.0`)).toMatchObject({ status: 1, code: 'TRUST_DATA_GONE' });
    expect(await owner.run('pull', `${name}:1.0`)).toMatchObject({ status: 1, code: 'TRUST_DATA_GONE' });
    expect(await servedManifest(registry, stage.path, '_trust')).toBeUndefined();
    expect((await servedManifest(registry, stage.path, '1.0'))?.digest).toBe(image?.digest);
    expect(await owner.run('trust', 'restore', '--yes', name)).toMatchObject({ status: 0, code: undefined });
    await stage.engine.clear();
    expect(await owner.run('pull', `${name}:1.0`)).toMatchObject({ status: 0, code: undefined });
    expect(await layersOf(stage.engine, `${name}:1.0`)).toEqual([sha256(stage.image('before').layer)]);
  });
});
