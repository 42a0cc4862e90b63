/** What the real program says and does where something else wrote the tag of the trust data, or its journal. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Machine, openStage, refused, type Stage } from './harness.ts';

let stage: Stage;
/** Has signed 1.0 in `repository`. */
let original: Machine;
const REPO = 'acme/app';
let begun: string;

const tags = () => stage.registry.repository(REPO).tags;

function local(tag: string): string {
  const image = stage.image(REPO, tag);
  stage.local(REPO, tag, image);
  return image.digest;
}

const push = (tag: string) => ['push', '-q', `${stage.name(REPO)}:${tag}`];

async function signedTags(machine: Machine): Promise<readonly string[]> {
  const { stdout } = await machine.succeed(['trust', 'inspect', '--format', 'json', stage.name(REPO)]);
  const [inspected] = JSON.parse(stdout) as { SignedTags: { SignedTag: string }[] }[];
  return inspected?.SignedTags.map(({ SignedTag }) => SignedTag) ?? [];
}

/** The owner's publish is overwritten, and others have gone on from the state before it. */
async function overwritten(args: readonly string[]): Promise<Machine> {
  tags().set('_trust', begun);
  const owner = stage.machine({ like: original });
  const other = stage.machine({ like: original });
  await owner.succeed(args);
  tags().set('_trust', begun);
  for (const tag of ['3.0', '4.0']) {
    local(tag);
    await other.succeed(push(tag));
  }
  return owner;
}

beforeAll(async () => {
  stage = await openStage();
  original = stage.machine({ env: { DTRUST_INIT: '1' } });
  local('1.0');
  await original.succeed(push('1.0'));
  begun = tags().get('_trust') ?? expect.unreachable('nothing was published');
});
afterEach(() => stage.calm());
afterAll(() => stage.close());

describe('protocol 4.3: a publish from here that something else has overwritten', () => {
  test('without a terminal is refused with the command that mends it, and that command mends it', async () => {
    const lost = local('2.0');
    const owner = await overwritten(push('2.0'));
    local('5.0');
    const run = await refused(owner, push('5.0'), { code: 'LOST_UPDATE', mayChange: /memory/ });
    const command = `trust sign ${stage.name(REPO)}:2.0@${lost}`;
    expect(run.stderr).toContain(`dtrust ${command}`);
    const mended = await owner.succeed(command.split(' '));
    expect(mended.stderr).toContain('no longer in the trust data');
    await owner.succeed(push('5.0'));
    expect(await signedTags(owner)).toEqual(['1.0', '2.0', '3.0', '4.0', '5.0']);
  });

  test('is mended by the same push, and nothing is said of it afterwards', async () => {
    local('2.0');
    const owner = await overwritten(push('2.0'));
    await owner.succeed(push('2.0'));
    expect(await signedTags(owner)).toEqual(['1.0', '2.0', '3.0', '4.0']);
    local('2.0');
    expect((await owner.succeed(push('2.0'))).stderr).not.toContain('no longer in the trust data');
  });

  test('was a refresh: that is said, and stops nobody', async () => {
    const owner = await overwritten(['trust', 'refresh', stage.name(REPO)]);
    local('6.0');
    const run = await owner.succeed(push('6.0'));
    expect(run.stderr).toContain('no longer in the trust data');
    expect(await signedTags(owner)).toEqual(['1.0', '3.0', '4.0', '6.0']);
  });
});

describe('protocol 4.3: a journal that is no good', () => {
  const journalOf = (machine: Machine): string => {
    const folder = path.join(machine.config, 'trust', 'dtrust', 'journal');
    const [name] = fs.readdirSync(folder).filter((each) => each.endsWith('.json'));
    return path.join(folder, name ?? '');
  };

  test.each<[string, (text: string) => string, string, RegExp]>([
    ['cut short', (text) => text.slice(0, -30), 'MEMORY_DAMAGED', /nothing is trusted because of it/],
    [
      'of another collection',
      (text) => text.replaceAll('acme/app', 'acme/apq'),
      'MEMORY_DAMAGED',
      /remove it/,
    ],
    ['of a newer dtrust', (text) => text.replace('"format":1', '"format":2'), 'MEMORY_NEWER', /newer dtrust/],
  ])('because it is %s stops the push before the upload', async (_, change, code, hint) => {
    tags().set('_trust', begun);
    const owner = stage.machine({ like: original });
    fs.writeFileSync(journalOf(owner), change(fs.readFileSync(journalOf(owner), 'utf8')));
    local('7.0');
    const run = await refused(owner, push('7.0'), { code });
    expect(run.error.hint).toMatch(hint);
    expect(tags().get('_trust')).toBe(begun);
  });
});
