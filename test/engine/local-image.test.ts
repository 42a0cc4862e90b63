import { describe, expect, it } from 'vitest';
import { parseInfo } from '../../src/engine/engine-info.ts';
import { parseLocalImage } from '../../src/engine/local-image.ts';
import { EngineError } from '../../src/lib/errors.ts';

const ID = `sha256:${'a'.repeat(64)}`;
const OTHER = `sha256:${'b'.repeat(64)}`;
const base = {
  Id: ID,
  RepoTags: ['app:1'],
  RepoDigests: [`app@${OTHER}`],
  Os: 'linux',
  Architecture: 'arm64',
};
const neverAsked = () => Promise.reject(new Error('asked'));

describe('a local image', () => {
  it("is of the classic store when its ID is nobody's repository digest", async () => {
    const image = await parseLocalImage({ ...base, Variant: 'v8' }, neverAsked);
    expect(image).toMatchObject({ store: 'classic', configDigest: ID, target: undefined, manifests: [] });
    expect(image.platform).toEqual({ os: 'linux', architecture: 'arm64', variant: 'v8' });
  });

  it("is of containerd's store when it is its own repository digest or has a descriptor", async () => {
    const own = await parseLocalImage({ ...base, RepoDigests: [`app@${ID}`] }, neverAsked);
    expect(own).toMatchObject({ store: 'containerd', configDigest: undefined, target: ID });
    const manifests = [
      { ID: OTHER, Kind: 'image', Available: true },
      { ID, Kind: 'attestation' },
      { ID: 'nonsense', Kind: 'image' },
    ];
    const described = { ...base, Descriptor: { digest: ID }, Manifests: manifests };
    expect(await parseLocalImage(described, neverAsked)).toMatchObject({
      store: 'containerd',
      manifests: [OTHER],
    });
  });

  it('is of the store the engine says when it tells nothing itself', async () => {
    const bare = { ...base, RepoDigests: [] };
    expect((await parseLocalImage(bare, () => Promise.resolve('containerd'))).target).toBe(ID);
    expect((await parseLocalImage(bare, () => Promise.resolve('classic'))).configDigest).toBe(ID);
  });

  it('tells what it has others run that are built on it', async () => {
    const image = await parseLocalImage({ ...base, Config: { OnBuild: ['RUN a', 'COPY . /'] } }, neverAsked);
    expect(image.onBuild).toEqual(['RUN a', 'COPY . /']);
    for (const Config of [undefined, null, {}, { OnBuild: null }]) {
      expect((await parseLocalImage({ ...base, Config }, neverAsked)).onBuild).toEqual([]);
    }
  });

  it.each([[null], ['text'], [{}], [{ ...base, Id: 'sha256:short' }], [{ ...base, Id: 7 }]])(
    'is refused in another form: %j',
    async (answer) => {
      await expect(parseLocalImage(answer, () => Promise.resolve('classic'))).rejects.toBeInstanceOf(
        EngineError,
      );
    },
  );
});

describe("the engine's description", () => {
  it('says store, platform and whether it is rootless', () => {
    const info = parseInfo({
      ServerVersion: '28.0.1',
      OSType: 'linux',
      Architecture: 'aarch64',
      DriverStatus: [['driver-type', 'io.containerd.snapshotter.v1']],
      SecurityOptions: ['name=seccomp,profile=builtin', 'name=rootless'],
    });
    expect(info).toMatchObject({ serverVersion: '28.0.1', store: 'containerd', rootless: true });
    expect(info.platform).toEqual({ os: 'linux', architecture: 'arm64' });
  });

  it('is empty where it says nothing', () => {
    expect(parseInfo(undefined)).toMatchObject({ serverVersion: '', store: 'classic', rootless: false });
  });
});
