/** `bases.json`: what was read of a base once is not read again, and lets nothing in. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { contentOf } from '../helpers/temporary-folder.ts';
import { type BaseWorld, openBaseWorld } from './base-world.ts';

let world: BaseWorld;

beforeAll(async () => {
  world = await openBaseWorld();
});
afterAll(() => world.close());
beforeEach(() => world.reset());

const file = () => path.join(world.trustDirectory, 'bases.json');
const built = (text: string, platform?: string) => ({ text, triggers: true, platform });

describe('design 7: a build that was made before asks whether the tags are signed as they were', () => {
  test('one HEAD for each repository, and nothing else', async () => {
    const names = Array.from({ length: 10 }, (_, i) => `acme/app${i}:1`);
    for (const name of names) await world.signed(name, [`RUN ${name}`]);
    const uses = [...names.map((name) => built(name)), 'acme/app0:1'];
    const cold = await world.admit(uses);
    world.requests();
    const warm = await world.admit(uses);
    expect(world.requests().sort()).toEqual(
      names.map((name) => `HEAD ${name.slice(0, -2)} manifests/_trust`).sort(),
    );
    expect(warm.map(({ onBuild }) => onBuild)).toEqual(cold.map(({ onBuild }) => onBuild));
    expect(warm[3]?.onBuild).toEqual(['RUN acme/app3:1']);
  });

  test('each platform is read for itself, and named bytes and exceptions are remembered too', async () => {
    const { digest } = world.image('acme/named', '1', ['RUN named']);
    const index = world.index('acme/app', '1', {
      'linux/amd64': world.image('acme/app', 'x', ['RUN x']),
      'linux/arm64': world.image('acme/app', 'y', ['RUN y']),
    });
    await world.sign('acme/app', { 1: index });
    const lists = async () => {
      const uses = [
        built('acme/app:1'),
        built('acme/app:1', 'linux/arm64/v8'),
        built(`acme/named@${digest}`),
      ];
      return (await world.admit(uses, { quiet: true })).map(({ onBuild }) => onBuild);
    };
    expect(await lists()).toEqual([['RUN x'], ['RUN y'], ['RUN named']]);
    world.requests();
    expect(await lists()).toEqual([['RUN x'], ['RUN y'], ['RUN named']]);
    expect(world.requests()).toEqual(['HEAD acme/app manifests/_trust']);
  });

  test('a tag that was only copied from is read when it is built upon', async () => {
    await world.signed('acme/app:1', ['RUN x']);
    await world.admit(['acme/app:1']);
    expect(await world.admit([built('acme/app:1')])).toMatchObject([{ onBuild: ['RUN x'] }]);
  });
});

describe('contract (Disk): what is remembered of bases lets nothing in', () => {
  test('a refused build writes nothing', async () => {
    await world.signed('acme/app:1', ['RUN x']);
    await world.admit(['acme/app:1']);
    fs.rmSync(file());
    const before = contentOf(world.trustDirectory).filter((line) => !line.includes('memory/'));
    await expect(world.admit([built('acme/app:1'), 'acme/nobody:1'])).rejects.toMatchObject({
      code: 'NO_TRUST_DATA',
    });
    expect(contentOf(world.trustDirectory).filter((line) => !line.includes('memory/'))).toEqual(before);
  });

  test('TUF 5.7.3: what is signed now about the same bytes is what counts', async () => {
    const image = world.image('acme/app', '1', ['RUN x']);
    await world.sign('acme/app', { 1: image });
    await world.admit([built('acme/app:1')]);
    const { mediaType } = world.index('acme/other', '1', {});
    await world.sign('acme/again', { 1: { ...image, mediaType } });
    world.registry.putManifest('acme/again', '1', image.bytes, image.mediaType);
    await expect(world.admit(['acme/again:1'])).rejects.toMatchObject({ code: 'TARGET_MISMATCH' });
  });

  test.each(['', '{"format":1}', '{"format":1,"sha256":"00","body":{}}\n'])(
    'damaged, it is read from the registry again: %j',
    async (text) => {
      await world.signed('acme/app:1', ['RUN x']);
      await world.admit([built('acme/app:1')]);
      fs.writeFileSync(file(), text);
      expect(await world.admit([built('acme/app:1')])).toMatchObject([{ onBuild: ['RUN x'] }]);
      world.requests();
      await world.admit([built('acme/app:1')]);
      expect(world.requests()).toEqual(['HEAD acme/app manifests/_trust']);
    },
  );

  test('of a newer format, it is refused and left as it is', async () => {
    await world.signed('acme/app:1');
    fs.writeFileSync(file(), '{"format":9,"more":"to come"}\n');
    await expect(world.admit([built('acme/app:1')])).rejects.toMatchObject({ code: 'MEMORY_NEWER' });
    expect(fs.readFileSync(file(), 'utf8')).toBe('{"format":9,"more":"to come"}\n');
  });

  test('where it cannot be written, the build goes on', async () => {
    await world.signed('acme/app:1', ['RUN x']);
    fs.mkdirSync(file());
    expect(await world.admit([built('acme/app:1')])).toMatchObject([{ onBuild: ['RUN x'] }]);
  });
});
