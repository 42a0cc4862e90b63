/** `trust key list`: what each key is good for and what its loss would mean, from memory alone. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Machine, openStage, type Stage } from './harness.ts';
import { publicHalf, Team } from './team.ts';

interface Listed {
  readonly Role: string;
  readonly ID: string;
  readonly Repository: string;
  readonly IfLost: string;
  readonly Uses: readonly {
    readonly Repository: string;
    readonly As: string;
    readonly Signer: string;
    readonly Paths: readonly string[];
    readonly OtherKeys: readonly string[];
    readonly Threshold: number;
  }[];
}

let stage: Stage;
let team: Team;
let owner: Machine;
let alice: Machine;
let app: string;

vi.setConfig({ testTimeout: 120_000 });
beforeAll(async () => {
  stage = await openStage();
  team = new Team(stage);
  owner = team.owner;
  app = await team.signed('app');
  alice = await team.developer('app', 'alice');
  await team.add(alice, 'alice', 'app', '--path', 'dev-*');
  await team.pushed(alice, 'app', 'dev-1');
}, 60_000);
afterEach(() => stage.calm());
afterAll(() => stage.close());

async function listed(machine: Machine): Promise<readonly Listed[]> {
  const { stdout } = await machine.succeed(['trust', 'key', 'list', '--format', 'json']);
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Listed);
}

const keyOf = (all: readonly Listed[], role: string): Listed => {
  const found = all.find(({ Role }) => Role === role);
  expect(found, role).toBeDefined();
  return found as Listed;
};

describe('contract (Keys): trust key list shows what each key is good for', () => {
  it('on the machine of the owner: root, repository and online key, and that nobody could do without the root key', async () => {
    const logged = stage.registry.log.length;
    const all = await listed(owner);
    const use = { Repository: app, Signer: '', Paths: [], OtherKeys: [], Threshold: 1 };
    expect(keyOf(all, 'root').Uses).toEqual([{ ...use, As: 'root' }]);
    expect(keyOf(all, 'root').IfLost).toMatch(/nobody can change keys/);
    expect(keyOf(all, 'targets').Uses).toEqual([{ ...use, As: 'repository' }]);
    expect(keyOf(all, 'targets').IfLost).toContain(`dtrust trust rotate targets ${app}`);
    // A signer keeps the collection fresh too, so the online key has company.
    const others = [keyOf(await listed(alice), 'alice').ID];
    expect(keyOf(all, 'snapshot').Uses).toEqual([{ ...use, As: 'online', OtherKeys: others }]);
    expect(stage.registry.log.slice(logged)).toEqual([]);
  });

  it('on the machine of a signer: his own name, and the tags he is limited to', async () => {
    const [only] = await listed(alice);
    expect(only?.Uses).toMatchObject([
      { Repository: app, As: 'signer', Signer: 'alice', Paths: [`${app}:dev-*`] },
    ]);
    const { stdout, stderr } = await alice.succeed(['trust', 'key', 'list']);
    const id = only?.ID ?? '';
    expect(stdout).toMatch(/^ROLE +REPOSITORY +KEY ID +GOOD FOR\n/);
    expect(stdout).toContain(`${id.slice(0, 12)}   signer alice of ${app} (${app}:dev-*)\n   if lost: `);
    expect(stdout).not.toContain(id);
    expect(stdout).toContain(`dtrust trust rotate signer alice ${app}`);
    const [head = '', row = ''] = stdout.split('\n');
    expect(Math.max(head.length, row.length)).toBeLessThan(120);
    const whole = await alice.succeed(['trust', 'key', 'list', '--no-trunc']);
    expect(whole.stdout).toMatch(/^ROLE +REPOSITORY +KEY ID +GOOD FOR +FILE\n/);
    expect(whole.stdout).toContain(`${id}   signer alice of`);
    expect(whole.stdout).toMatch(/ \/\S+\/private\/[0-9a-f]{64}\.key\n/);
    expect(stderr).toContain('dtrust trust key backup FILE');
  });

  it('with a second root key, another one goes on', async () => {
    const second = stage.machine({ env: { DTRUST_INIT: '1' } });
    await second.succeed(['trust', 'key', 'generate', 'root']);
    fs.copyFileSync(publicHalf(second, 'root'), publicHalf(owner, 'second'));
    const machine = stage.machine({ env: { DTRUST_INIT: '1' } });
    fs.copyFileSync(publicHalf(second, 'root'), publicHalf(machine, 'second'));
    await machine.succeed(['trust', 'init', '--second-root-key', 'second.pub', stage.name('two')]);
    const root = keyOf(await listed(machine), 'root');
    expect(root.Uses[0]?.OtherKeys).toEqual([keyOf(await listed(second), 'root').ID]);
    expect(root.IfLost).toMatch(/another root key takes its place/);
    expect(keyOf(await listed(second), 'root')).toMatchObject({
      Uses: [],
      IfLost: expect.stringMatching(/elsewhere/),
    });
  });

  it.each<[string, (folder: string) => void, string]>([
    ['damaged', (file) => fs.appendFileSync(file, 'x'), 'MEMORY_DAMAGED'],
    [
      'of a newer format',
      (file) => fs.writeFileSync(file, fs.readFileSync(file, 'utf8').replace('"format":1', '"format":9')),
      'MEMORY_NEWER',
    ],
  ])('where the memory is %s the keys are listed all the same, and it is said', async (_, harm, code) => {
    const machine = stage.machine({ like: owner });
    const memory = path.join(machine.config, 'trust', 'dtrust', 'memory');
    const [folder = ''] = fs.readdirSync(memory).filter((name) => /^[0-9a-f]{64}$/.test(name));
    harm(path.join(memory, folder, 'memory.json'));
    const before = machine.content();
    const run = await machine.succeed(['trust', 'key', 'list']);
    expect(run.stdout.split('\n').filter((line) => /^(root|targets|snapshot) /.test(line))).toHaveLength(3);
    expect(run.stdout).toContain('made as root key; for nothing that is known here');
    expect(run.stderr).toContain(code);
    expect(machine.content()).toEqual(before);
  });
});
