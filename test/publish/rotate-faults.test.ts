/** A rotation killed, or out of disk, at each of its writes (protocol 2.8): the old state or the new one, and one new key. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/lib/clock.ts';
import { DtrustError } from '../../src/lib/errors.ts';
import { CurrentKeys, type OwnKey } from '../../src/trust/current-keys.ts';
import { ProcessDied } from '../helpers/faulty-file-system.ts';
import { type Begun, type CommandWorld, openWorld, writesAmong } from './command-world.ts';

const REPO = 'acme/app';

let world: CommandWorld;
/** The owner's home, which remembers the repository; copied for each run. */
let home: string;
let begun: Begun;
let tag: string | undefined;

beforeAll(async () => {
  world = await openWorld();
  home = world.home();
  begun = await world.begin(home, REPO);
  tag = world.tag(REPO);
  await world.open(begun, home);
});
afterAll(() => world.close());

/** The home and the registry as they were. */
function afresh(): string {
  world.setTag(REPO, tag);
  return world.home(home);
}

async function keyOf(role: 'root' | 'snapshot', folder?: string): Promise<string> {
  const { trusted } = await world.open(begun, folder);
  const { keyids } = trusted.root.signed.roles[role];
  expect(keyids).toHaveLength(1);
  return keyids.join();
}

const rotate = (folder: string, verb: string, fault?: Parameters<CommandWorld['run']>[2]) =>
  world.run(folder, ['trust', 'rotate', verb, begun.name], { env: { DTRUST_INIT: '1' }, ...fault });

/** Whether this machine knows of a rotation that is not done. */
function isUnfinished(folder: string, role: 'root' | 'snapshot'): boolean {
  const directory = path.join(folder, 'trust', 'dtrust');
  const own: OwnKey = role === 'root' ? { role } : { role, repository: begun.name };
  return new CurrentKeys({ fs, directory, clock: systemClock }).next(own) !== undefined;
}

describe('protocol 2.8: a rotation that is interrupted', () => {
  test('rotate root, killed at each of its writes, is finished by the same command with the same key', async () => {
    const whole = await rotate(afresh(), 'root');
    expect(whole.error).toBeUndefined();
    const before = begun.state.trusted.root.signed.roles.root.keyids.join();
    const outcomes = new Set<string>();
    for (const at of writesAmong(whole.calls)) {
      const folder = afresh();
      const { error } = await rotate(folder, 'root', { fault: { at, kind: 'die' } });
      expect(error, `call ${at}`).toBeInstanceOf(ProcessDied);
      const found = await keyOf('root');
      expect(await keyOf('root', folder), `call ${at}`).toBe(found);
      const made = world.keyFiles(folder, 'root').length;
      outcomes.add(`${made} ${found === before ? 'old' : 'new'}`);
      // Killed when everything was done: the same command again is another rotation.
      if (found !== before && !isUnfinished(folder, 'root')) continue;
      const again = await rotate(folder, 'root');
      expect(again.error, `call ${at}: ${again.err}`).toBeUndefined();
      const after = await keyOf('root', folder);
      if (found === before) expect(after, `call ${at}`).not.toBe(before);
      else expect(after, `call ${at}`).toBe(found);
      expect(world.keyFiles(folder, 'root'), `call ${at}`).toHaveLength(2);
    }
    expect([...outcomes].sort()).toEqual(['1 old', '2 new', '2 old']);
  }, 120_000);

  test('rotate online, with a disk that is full from any of its writes on, says so by name', async () => {
    const whole = await rotate(afresh(), 'online');
    const codes = new Set<string>();
    for (const at of writesAmong(whole.calls)) {
      const folder = afresh();
      const fault = { at, kind: 'error', errno: 'ENOSPC', lasting: true } as const;
      const { error } = await rotate(folder, 'online', { fault });
      if (error !== undefined) {
        expect(error, `call ${at}`).toBeInstanceOf(DtrustError);
        codes.add((error as DtrustError).code);
      }
      const found = await keyOf('snapshot');
      expect(await keyOf('snapshot', folder), `call ${at}`).toBe(found);
      if (error === undefined || !isUnfinished(folder, 'snapshot')) continue;
      expect((await rotate(folder, 'online')).error, `call ${at}`).toBeUndefined();
      expect(world.keyFiles(folder, 'snapshot'), `call ${at}`).toHaveLength(2);
    }
    expect([...codes]).toEqual(['DISK_FULL']);
  }, 120_000);
});
