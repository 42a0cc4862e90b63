/**
 * The main job on a real engine and the real registry: push signs, pull verifies, whatever the tag points at. Run
 * by one test file for each engine and image store.
 */
import { describe, expect, it } from 'vitest';
import { hostArchitecture, needPeers, pushImage, pushIndex, sha256 } from '../helpers/peers.ts';
import { digestsOf, imagesOf, layersOf, removeTag, tagsOf } from './engine-view.ts';
import { servedManifest, signedTags } from './registry-view.ts';
import { type EngineKind, useStage } from './stage.ts';

const OTHER = hostArchitecture() === 'amd64' ? 'arm64' : 'amd64';

/** The whole story as one block of tests. */
export async function describeMainJob(kind: EngineKind): Promise<void> {
  const needed = await needPeers(`engine ${kind.version}`, 'registry');
  const store = kind.containerdStore ? 'containerd store' : 'classic store';
  describe.skipIf(needed.skip)(needed.title(`dtrust with the real engine ${kind.version}, ${store}`), () => {
    const stage = useStage(kind);

    it('protocol 5.1: push signs the digest of the manifest that is in the registry, and the next push moves the signature', async () => {
      const built = await stage.load('first', '1.0');
      const pushed = await stage.owner.run('push', `${stage.name}:1.0`);
      expect(pushed).toMatchObject({ status: 0, code: undefined });
      const served = await servedManifest(stage.registry, stage.path, '1.0');
      expect(await signedTags(stage.registry, stage.path)).toEqual({ '1.0': served?.digest });
      expect(pushed.stdout).toContain(`The push refers to repository [${stage.name}]`);
      expect(pushed.stdout).toMatch(/Signing and pushing trust metadata\n/);
      expect(pushed.stdout.endsWith(`Successfully signed ${stage.name}:1.0\n`)).toBe(true);
      const manifest = JSON.parse(String(served?.bytes)) as { config: { digest: string } };
      expect(manifest.config.digest).toBe(sha256(built.config));
      await stage.engine.clear();
      const newer = await stage.signed('second');
      const moved = await servedManifest(stage.registry, stage.path, '1.0');
      expect(moved?.digest).not.toBe(served?.digest);
      expect(await signedTags(stage.registry, stage.path)).toEqual({ '1.0': moved?.digest });
      expect(await stage.owner.run('pull', `${stage.name}:1.0`)).toMatchObject({ status: 0 });
      expect(await layersOf(stage.engine, `${stage.name}:1.0`)).toEqual([sha256(newer.layer)]);
    });

    it('contract (Engine): pulls by the signed digest and tags it; rmi NAME:TAG leaves nothing of the image', async () => {
      const built = await stage.signed('pulled');
      const digest = (await servedManifest(stage.registry, stage.path, '1.0'))?.digest;
      await stage.other.pinFrom(stage.owner, stage.name);
      const pulled = await stage.other.run('pull', `${stage.name}:1.0`);
      expect(pulled).toMatchObject({ status: 0, code: undefined });
      const lines = pulled.stdout.trimEnd().split('\n');
      expect(lines[0]).toBe(`Pull (1 of 1): ${stage.name}:1.0@${digest}`);
      expect(lines).toContain(`Digest: ${digest}`);
      expect(lines).toContain(`Status: Downloaded newer image for ${stage.name}@${digest}`);
      expect(lines.at(-1)).toBe(`${stage.name}:1.0`);
      expect(pulled.stderr).toBe(`Tagging ${stage.name}@${digest} as ${stage.name}:1.0\n`);
      expect(await tagsOf(stage.engine)).toEqual([`${stage.name}:1.0`]);
      expect(await digestsOf(stage.engine, `${stage.name}:1.0`)).toEqual([`${stage.name}@${digest}`]);
      expect(await layersOf(stage.engine, `${stage.name}:1.0`)).toEqual([sha256(built.layer)]);
      expect(stage.relay.changing().map((line) => line.replace(/^POST \/v[\d.]+/, 'POST '))).toEqual([
        `POST /images/create?fromImage=${encodeURIComponent(stage.name)}&tag=${encodeURIComponent(digest ?? '')}`,
        `POST /images/${stage.name}@${digest}/tag?repo=${encodeURIComponent(stage.name)}&tag=1.0`,
      ]);
      const again = await stage.other.run('pull', '-q', `${stage.name}:1.0`);
      expect(again).toMatchObject({ status: 0, stdout: `${stage.name}:1.0\n`, stderr: '' });
      expect(await removeTag(stage.engine, `${stage.name}:1.0`)).toBe(200);
      expect(await imagesOf(stage.engine)).toEqual([]);
    });

    it('pulls the signed bytes when the tag was moved to others, in the registry and on the engine', async () => {
      const built = await stage.signed('honest');
      const evil = await pushImage(stage.registry, stage.path, stage.image('evil'), '1.0');
      await stage.other.pinFrom(stage.owner, stage.name);
      for (let turn = 0; turn < 2; turn += 1) {
        const pulled = await stage.other.run('pull', `${stage.name}:1.0`);
        expect(pulled).toMatchObject({ status: 0 });
        expect(pulled.stdout).not.toContain(evil.digest);
        expect(await layersOf(stage.engine, `${stage.name}:1.0`)).toEqual([sha256(built.layer)]);
        await removeTag(stage.engine, `${stage.name}:1.0`);
        expect(await imagesOf(stage.engine)).toEqual([]);
      }
      const from = `fromImage=${encodeURIComponent(stage.name)}&tag=1.0`;
      await stage.engine.request('POST', `/images/create?${from}`);
      expect(await layersOf(stage.engine, `${stage.name}:1.0`)).toEqual([sha256(stage.image('evil').layer)]);
      expect(await stage.other.run('pull', `${stage.name}:1.0`)).toMatchObject({ status: 0 });
      expect(await layersOf(stage.engine, `${stage.name}:1.0`)).toEqual([sha256(built.layer)]);
    });

    it('--platform pulls that part of an index that was signed as it is in the registry', async () => {
      const images = { [hostArchitecture()]: stage.image('own'), [OTHER]: stage.image('far', OTHER) };
      const index = await pushIndex(stage.registry, stage.path, images, 'multi');
      const sign = await stage.owner.run('trust', 'sign', `${stage.name}:multi@${index.digest}`);
      expect(sign).toMatchObject({ status: 0, code: undefined });
      expect(sign.stdout).toContain(`Successfully signed ${stage.name}:multi\n`);
      expect(await signedTags(stage.registry, stage.path)).toEqual({ multi: index.digest });
      // Not pushed again: the very bytes are still there, and the engine never held the image.
      expect((await servedManifest(stage.registry, stage.path, 'multi'))?.bytes.equals(index.bytes)).toBe(
        true,
      );
      expect(await imagesOf(stage.engine)).toEqual([]);
      await stage.other.pinFrom(stage.owner, stage.name);
      for (const architecture of [OTHER, hostArchitecture()]) {
        const pulled = await stage.other.run(
          'pull',
          '--platform',
          `linux/${architecture}`,
          `${stage.name}:multi`,
        );
        expect(pulled).toMatchObject({ status: 0, code: undefined });
        expect(await layersOf(stage.engine, `${stage.name}:multi`)).toEqual([
          sha256(images[architecture]!.layer),
        ]);
      }
      const missing = await stage.other.run('pull', '--platform', 'linux/s390x', `${stage.name}:multi`);
      expect(missing).toMatchObject({ status: 1 });
      expect(await layersOf(stage.engine, `${stage.name}:multi`)).toEqual([
        sha256(images[hostArchitecture()]!.layer),
      ]);
    });

    it('push -a signs every tag in one publish; pull -a pulls what is signed and nothing else', async () => {
      const built = {
        a: await stage.load('a', 'a'),
        b: await stage.load('b', 'b'),
        c: await stage.load('c', 'c'),
      };
      const pushed = await stage.owner.run('push', '-a', stage.name);
      expect(pushed).toMatchObject({ status: 0, code: undefined });
      const digests = await signedTags(stage.registry, stage.path);
      expect(Object.keys(digests).sort()).toEqual(['a', 'b', 'c']);
      for (const [tag, digest] of Object.entries(digests)) {
        expect((await servedManifest(stage.registry, stage.path, tag))?.digest).toBe(digest);
      }
      const trust = JSON.parse(String((await servedManifest(stage.registry, stage.path, '_trust'))?.bytes));
      const names = (trust.layers as { annotations: Record<string, string> }[]).map(
        ({ annotations }) => annotations['tuf.io/filename'],
      );
      expect(names.sort()).toEqual(['1.root.json', '1.snapshot.json', '1.targets.json', 'timestamp.json']);
      await stage.engine.clear();
      await pushImage(stage.registry, stage.path, stage.image('unsigned'), 'zz');
      const pulled = await stage.owner.run('pull', '-a', stage.name);
      expect(pulled).toMatchObject({ status: 0, code: undefined });
      expect(pulled.stdout).toContain(`Pull (3 of 3): ${stage.name}:c@${digests.c}\n`);
      expect(await tagsOf(stage.engine)).toEqual(['a', 'b', 'c'].map((tag) => `${stage.name}:${tag}`));
      expect(await layersOf(stage.engine, `${stage.name}:b`)).toEqual([sha256(built.b.layer)]);
    });

    it('push --platform is refused where the engine cannot do it, and nothing is signed', async () => {
      await stage.load('one', '1.0');
      const pushed = await stage.owner.run(
        'push',
        '--platform',
        `linux/${hostArchitecture()}`,
        `${stage.name}:1.0`,
      );
      expect(pushed).toMatchObject({ status: 1, code: 'ENGINE_ERROR' });
      expect(pushed.stderr).toContain('1.46');
      expect(await servedManifest(stage.registry, stage.path, '_trust')).toBeUndefined();
      expect(await servedManifest(stage.registry, stage.path, '1.0')).toBeUndefined();
    });

    it('trust sign of a local image pushes and signs it; trust inspect shows it; trust refresh keeps it', async () => {
      await stage.load('local', '1.0');
      const sign = await stage.owner.run('trust', 'sign', `${stage.name}:1.0`);
      expect(sign).toMatchObject({ status: 0, code: undefined });
      const served = await servedManifest(stage.registry, stage.path, '1.0');
      expect(await signedTags(stage.registry, stage.path)).toEqual({ '1.0': served?.digest });
      const inspected = await stage.owner.run('trust', 'inspect', stage.name);
      const [found] = JSON.parse(inspected.stdout) as {
        SignedTags: { SignedTag: string; Digest: string }[];
      }[];
      expect(found?.SignedTags).toEqual([
        expect.objectContaining({ SignedTag: '1.0', Digest: served?.digest.slice('sha256:'.length) }),
      ]);
      const before = await servedManifest(stage.registry, stage.path, '_trust');
      const refreshed = await stage.owner.run('trust', 'refresh', stage.name);
      expect(refreshed).toMatchObject({ status: 0, code: undefined });
      expect((await servedManifest(stage.registry, stage.path, '_trust'))?.digest).not.toBe(before?.digest);
      expect(await signedTags(stage.registry, stage.path)).toEqual({ '1.0': served?.digest });
      const pretty = await stage.owner.run('trust', 'inspect', '--pretty', `${stage.name}:1.0`);
      expect(pretty.stdout).toContain(served?.digest.slice('sha256:'.length, 32));
    });
  });
}
