import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine/engine.ts';
import { createEngine } from '../../src/engine/engine-client.ts';
import type { EngineMessage } from '../../src/engine/messages.ts';
import { digestsOfTag } from '../../src/engine/push-result.ts';
import { EngineError } from '../../src/lib/errors.ts';
import { sealAdmission } from '../../src/reference/admission.ts';
import { type Digest, parseDigest } from '../../src/reference/digest.ts';
import { type Platform, parsePlatform } from '../../src/reference/platform.ts';
import { parseReference, parseRepository, parseTag } from '../../src/reference/reference.ts';
import {
  hostArchitecture,
  imageArchive,
  KNOWN_USER,
  needPeers,
  pushImage,
  pushIndex,
  type RunningEngine,
  type RunningRegistry,
  startEngine,
  startRegistry,
  textImage,
} from '../helpers/peers.ts';

const needed = await needPeers('engine 20.10', 'engine 26.1', 'registry');

const KINDS = [
  { version: '20.10', containerdStore: false },
  { version: '26.1', containerdStore: false },
  { version: '26.1', containerdStore: true },
] as const;

const OTHER = hostArchitecture() === 'amd64' ? 'arm64' : 'amd64';

function admit(name: string, digest: string, platform?: Platform) {
  const repository = parseRepository(name);
  return sealAdmission({
    fetch: { kind: 'digest', repository, digest: parseDigest(digest) },
    ...(platform === undefined ? {} : { platform }),
    why: 'named',
    evidence: { reference: `${repository.canonical}@${digest}` },
  });
}

async function rejection(promise: Promise<unknown>): Promise<EngineError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(EngineError);
  return error as EngineError;
}

describe.skipIf(needed.skip).each(KINDS)(
  needed.title('the real engine $version (containerd store: $containerdStore)'),
  ({ version, containerdStore }) => {
    let peer: RunningEngine;
    let registry: RunningRegistry;
    let locked: RunningRegistry;
    let engine: Engine;
    let count = 0;

    const repositoryName = (): string => `${registry.host}/real/r${count}`;
    const remainder = async (): Promise<unknown[]> =>
      JSON.parse((await peer.request('GET', '/images/json?all=1')).body);

    beforeAll(async () => {
      [peer, registry, locked] = await Promise.all([
        startEngine({ version, containerdStore }),
        startRegistry(),
        startRegistry({ auth: KNOWN_USER.htpasswd }),
      ]);
      engine = createEngine({ kind: 'unix', path: peer.socketPath }, { environment: {} });
    });
    afterEach(async () => {
      count++;
      await peer.clear();
    });
    afterAll(async () => {
      engine.close();
      await Promise.all([peer.stop(), registry.stop(), locked.stop()]);
    });

    it('says its version, its platform and its store', async () => {
      const info = await engine.info();
      expect(info.serverVersion.startsWith(version)).toBe(true);
      expect(info.store).toBe(containerdStore ? 'containerd' : 'classic');
      expect(info.platform).toEqual({ os: 'linux', architecture: hostArchitecture() });
      expect((await engine.ping()).apiVersion).toBe(version === '20.10' ? '1.41' : '1.45');
    });

    it('contract (Engine): after pull, tag and rmi NAME:TAG the engine holds nothing of the image', async () => {
      const name = repositoryName();
      const stored = await pushImage(registry, `real/r${count}`, textImage(`one ${count}`), '1.0');
      const image = await engine.pull(admit(name, stored.digest));
      await engine.tag(`${name}@${stored.digest}`, parseRepository(name), parseTag('1.0'));
      expect((await engine.inspectImage(`${name}:1.0`))?.id).toBe(image.id);
      expect(await engine.localTags(parseRepository(name))).toEqual(['1.0']);
      expect(await engine.removeImage(`${name}:1.0`)).toBe(true);
      expect(await remainder()).toEqual([]);
      expect(await engine.removeImage(`${name}:1.0`)).toBe(false);
    });

    it('contract (Engine): two tags of one pulled digest go one after the other, and nothing stays', async () => {
      const name = repositoryName();
      const repository = parseRepository(name);
      const images = { [hostArchitecture()]: textImage(`many ${count}`), [OTHER]: textImage('other', OTHER) };
      const index = await pushIndex(registry, `real/r${count}`, images, '1.0');
      await engine.pull(admit(name, index.digest));
      await engine.tag(`${name}@${index.digest}`, repository, parseTag('1.0'));
      await engine.tag(`${name}@${index.digest}`, repository, parseTag('1'));
      expect(await engine.localTags(repository)).toEqual(['1', '1.0']);
      await engine.removeImage(`${name}:1.0`);
      expect(await engine.inspectImage(`${name}:1`)).toBeDefined();
      await engine.removeImage(`${name}:1`);
      expect(await remainder()).toEqual([]);
    });

    it('returns the image as held, and finds it present afterwards', async () => {
      const name = repositoryName();
      const image = textImage(`held ${count}`);
      const stored = await pushImage(registry, `real/r${count}`, image, '1.0');
      const admission = admit(name, stored.digest);
      expect(await engine.presentImage(admission)).toBeUndefined();
      const held = await engine.pull(admission);
      expect(held.store).toBe(containerdStore ? 'containerd' : 'classic');
      expect(held.repoDigests).toEqual([`${name}@${stored.digest}`]);
      expect(held.target).toBe(containerdStore ? stored.digest : undefined);
      expect(held.configDigest).toBe(containerdStore ? undefined : held.id);
      expect((await engine.presentImage(admission))?.id).toBe(held.id);
      const otherPlatform = admit(name, stored.digest, parsePlatform(`linux/${OTHER}`));
      expect(await engine.presentImage(otherPlatform)).toBeUndefined();
    });

    it('fetches one platform of an index after another, and names the last one', async () => {
      const name = repositoryName();
      const images = { [hostArchitecture()]: textImage(`own ${count}`), [OTHER]: textImage('far', OTHER) };
      const index = await pushIndex(registry, `real/r${count}`, images, '1.0');
      const far = await engine.pull(admit(name, index.digest, parsePlatform(`linux/${OTHER}`)));
      expect(far.platform.architecture).toBe(OTHER);
      await engine.tag(`${name}@${index.digest}`, parseRepository(name), parseTag('1.0'));
      const own = await engine.pull(admit(name, index.digest));
      expect(own.platform.architecture).toBe(hostArchitecture());
      await engine.tag(`${name}@${index.digest}`, parseRepository(name), parseTag('1.0'));
      const named = await engine.inspectImage(`${name}:1.0`);
      expect(named?.platform.architecture).toBe(hostArchitecture());
    });

    it('shows what the engine says while it pulls', async () => {
      const stored = await pushImage(registry, `real/r${count}`, textImage(`shown ${count}`), '1.0');
      const seen: EngineMessage[] = [];
      await engine.pull(admit(repositoryName(), stored.digest), {
        progress: { show: (each) => seen.push(each) },
      });
      expect(seen.map((each) => each.status)).toContain(`Digest: ${stored.digest}`);
      expect(seen.some((each) => each.progress !== undefined)).toBe(true);
    });

    it('protocol 5.1: a push names exactly the digest that the registry then serves', async () => {
      const name = repositoryName();
      const tag = parseTag('pushed');
      await peer.load(imageArchive(textImage(`push ${count}`), [`${name}:pushed`]));
      const local = await engine.inspectImage(`${name}:pushed`);
      const result = await engine.push({ repository: parseRepository(name), tag });
      const digests = digestsOfTag(result, tag);
      expect(digests).toHaveLength(1);
      // Engine 26.1 sends no aux for its containerd store, only the line.
      expect(result.digests.map((each) => each.from)).toEqual(containerdStore ? ['status'] : ['aux']);
      const served = await registry.request('GET', `/v2/real/r${count}/manifests/${digests[0]}`, undefined, {
        accept: '*/*, application/vnd.docker.distribution.manifest.v2+json',
      });
      expect(served.status).toBe(200);
      if (containerdStore) expect(digests[0]).toBe(local?.target);
      else expect(JSON.parse(served.body).config.digest).toBe(local?.configDigest);
    });

    it('pushes all tags of a repository and names the digest of each', async () => {
      const name = repositoryName();
      await peer.load(imageArchive(textImage(`a ${count}`), [`${name}:a`]));
      await peer.load(imageArchive(textImage(`b ${count}`), [`${name}:b`]));
      const result = await engine.push({ repository: parseRepository(name) });
      const byTag = (tag: string): readonly Digest[] => digestsOfTag(result, parseTag(tag));
      expect(byTag('a')).toHaveLength(1);
      expect(byTag('b')).toHaveLength(1);
      expect(byTag('a')).not.toEqual(byTag('b'));
    });

    it('gives the registry the credentials it is handed, and none otherwise', async () => {
      const name = `${locked.host}/real/auth`;
      const stored = await pushImage(locked, 'real/auth', textImage(`locked ${count}`), '1.0');
      const { username, password } = KNOWN_USER;
      const auth = Buffer.from(JSON.stringify({ username, password, serveraddress: locked.host }));
      const refused = await rejection(engine.pull(admit(name, stored.digest)));
      expect(refused.message).toMatch(/no basic auth credentials|401|unauthorized/i);
      const held = await engine.pull(admit(name, stored.digest), { auth: auth.toString('base64url') });
      await engine.tag(`${name}@${stored.digest}`, parseRepository(name), parseTag('2.0'));
      const reference = { repository: parseRepository(name), tag: parseTag('2.0') };
      await rejection(engine.push(reference));
      const pushed = await engine.push(reference, { auth: auth.toString('base64url') });
      expect(digestsOfTag(pushed, parseTag('2.0'))).toHaveLength(1);
      expect(held.repoDigests).toHaveLength(1);
    });

    it('refuses a digest that the registry does not have, a platform it lacks, and an absent image', async () => {
      const name = repositoryName();
      const images = { [OTHER]: textImage('only far', OTHER) };
      const index = await pushIndex(registry, `real/r${count}`, images, '1.0');
      const absent = `sha256:${'0'.repeat(64)}`;
      expect((await rejection(engine.pull(admit(name, absent)))).code).toBe('IMAGE_NOT_FOUND');
      const far = await rejection(engine.pull(admit(name, index.digest, parsePlatform('linux/s390x'))));
      expect(['ENGINE_ERROR', 'IMAGE_NOT_FOUND']).toContain(far.code);
      const reference = parseReference(`${name}:none`);
      expect((await rejection(engine.push(reference))).code).toBe('ENGINE_ERROR');
      expect(await engine.inspectImage(`${name}:none`)).toBeUndefined();
      expect(
        (await rejection(engine.tag(`${name}@${absent}`, reference.repository, parseTag('x')))).code,
      ).toBe('IMAGE_NOT_FOUND');
    });

    it('takes an admission for a local image as it is', async () => {
      await peer.load(imageArchive(textImage(`local ${count}`), ['local:1']));
      const held = await engine.inspectImage('local:1');
      const admission = sealAdmission({
        fetch: { kind: 'imageId', id: held?.id as Digest },
        why: 'local',
        evidence: { reference: 'docker.io/library/local:1' },
      });
      expect((await engine.pull(admission)).id).toBe(held?.id);
      const gone = sealAdmission({
        fetch: { kind: 'imageId', id: parseDigest(`sha256:${'1'.repeat(64)}`) },
        why: 'local',
        evidence: { reference: 'docker.io/library/local:1' },
      });
      expect((await rejection(engine.pull(gone))).code).toBe('IMAGE_NOT_FOUND');
    });
  },
);
