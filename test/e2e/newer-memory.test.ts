/** An older dtrust in a home that a newer one has used: each command refuses what it does not know, and harms nothing. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, it, vi } from 'vitest';
import { type Machine, openStage, refused, type Stage } from './harness.ts';
import { beginRepository, pinArguments } from './owner.ts';

const REPO = 'acme/app';

let stage: Stage;
let owner: Machine;
let name: string;

vi.setConfig({ testTimeout: 120_000 });
beforeAll(async () => {
  stage = await openStage();
  const begun = await beginRepository(stage, REPO);
  owner = begun.machine;
  name = stage.name(REPO);
  await owner.succeed(pinArguments(begun.first.stderr));
  await owner.succeed(['pull', `${name}:1.0`]);
}, 60_000);
afterEach(() => stage.calm());
afterAll(() => stage.close());

/** The owner's machine where every file of that name is of format 9. */
function newerAt(pattern: string): Machine {
  const machine = stage.machine({ like: owner });
  const folder = path.join(machine.config, 'trust', 'dtrust');
  const found = fs.globSync(pattern, { cwd: folder });
  for (const file of found.length > 0 ? found : [pattern]) {
    fs.mkdirSync(path.dirname(path.join(folder, file)), { recursive: true, mode: 0o700 });
    fs.writeFileSync(path.join(folder, file), '{"format":9,"more":"to come"}\n', { mode: 0o600 });
  }
  return machine;
}

describe('contract (Disk): what a newer dtrust wrote is refused by name, byte for byte unchanged:', () => {
  const all = {
    pull: () => ['pull', `${name}:1.0`],
    run: () => ['run', `${name}:1.0`],
    push: () => ['push', `${name}:1.0`],
    sign: () => ['trust', 'sign', `${name}:1.0`],
    revoke: () => ['trust', 'revoke', `${name}:1.0`],
    inspect: () => ['trust', 'inspect', name],
    refresh: () => ['trust', 'refresh', name],
    restore: () => ['trust', 'restore', name],
    'signer list': () => ['trust', 'signer', 'list', name],
    'signer remove': () => ['trust', 'signer', 'remove', 'alice', name],
    'pin export': () => ['trust', 'pin', 'export', name],
    'pin list': () => ['trust', 'pin', 'list'],
    'pin remove': () => ['trust', 'pin', 'remove', name],
    'rotate root': () => ['trust', 'rotate', 'root', name],
    init: () => ['trust', 'init', stage.name('acme/new')],
  };
  const cases: readonly [file: string, commands: readonly (keyof typeof all)[]][] = [
    [
      'memory/*/memory.json',
      [
        'pull',
        'run',
        'push',
        'sign',
        'revoke',
        'inspect',
        'refresh',
        'restore',
        'signer list',
        'signer remove',
        'pin export',
      ],
    ],
    ['memory/*/last-check', ['pull', 'run', 'inspect', 'sign']],
    ['memory/repositories.json', ['pull', 'push', 'inspect']],
    ['pins.json', ['pull', 'run', 'push', 'inspect', 'pin list', 'pin remove', 'init']],
    ['journal/*.json', ['push', 'sign', 'refresh']],
    ['registries.json', ['pull', 'push', 'inspect']],
    ['current-keys.json', ['rotate root', 'init']],
  ];
  it.each(cases)('%s', async (file, commands) => {
    const machine = newerAt(file);
    for (const each of commands) {
      const args = all[each]();
      if (each === 'push' || each === 'run') stage.local(REPO, '1.0', stage.image(REPO, '1.0'));
      await refused(machine, args, {
        code: 'MEMORY_NEWER',
        status: each === 'run' ? 125 : 1,
        env: { DTRUST_INIT: '1' },
        // What stands before the check; no command says that it was done.
        stdout: /^((Removing|Rotating|Renewing|Refreshing|Restoring|Adding|Looking|Signing) .*\n)*$/,
      });
    }
  });
});
