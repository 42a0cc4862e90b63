/** A file of exceptions that came with somebody else's commit, listed on a terminal. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CommandWorld, openWorld } from './command-world.ts';

let world: CommandWorld;

beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

test.each([[[]], [['--format', 'json']]])(
  'trust allow list %j shows a reason and runs none of it',
  async (format) => {
    const home = world.home();
    const folder = path.join(home, 'trust', 'dtrust');
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
    // A control sequence of eight-bit terminals, and a change of direction.
    const reason = 'base \u009b2J \u202eegami';
    const exception = {
      repository: 'docker.io/library/nginx',
      digest: `sha256:${'ab'.repeat(32)}`,
      reason,
      until: new Date(Date.now() + 86_400_000).toISOString().slice(0, 10),
    };
    fs.writeFileSync(path.join(folder, 'allow.json'), JSON.stringify({ format: 1, allow: [exception] }));
    const { out } = await world.succeed(home, ['trust', 'allow', 'list', ...format]);
    expect(out).toContain('base \\u009b2J \\u202eegami');
    expect(out).not.toMatch(/[\u0080-\u009f\u202a-\u202e]/);
    if (format.length > 0) expect(JSON.parse(out)).toMatchObject({ Reason: reason, State: 'in use' });
  },
);
