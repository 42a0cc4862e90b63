/** A home that cannot be written, a disk that is full, files there that are damaged. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { needPeers } from '../helpers/peers.ts';
import { RepositorySimulator } from '../helpers/repository-simulator.ts';
import { type Machine, openStage, refused, type Stage } from './harness.ts';
import { beginRepository } from './owner.ts';

const REPO = 'acme/app';
const OWN = 'acme/own';

let stage: Stage;
let original: Machine;
let owner: Machine;
let sim: RepositorySimulator;
const pull = () => ['pull', `${stage.name(REPO)}:1.0`];
const push = () => ['push', `${stage.name(OWN)}:1.0`];

beforeAll(async () => {
  stage = await openStage();
  const collection = stage.name(REPO);
  sim = new RepositorySimulator({ collection, nowMs: Date.now() });
  sim.putTarget(`${collection}:1.0`, stage.image(REPO, '1.0')).publish();
  await stage.publish(REPO, sim.files());
  original = (await beginRepository(stage, OWN)).machine;
});
afterAll(() => stage.close());
beforeEach(() => {
  stage.calm();
  owner = stage.machine({ like: original });
  stage.local(OWN, '1.0', stage.image(OWN, '1.0'));
});

const trustFolder = (machine: Machine) => path.join(machine.config, 'trust', 'dtrust');

/** Every file of what is remembered. */
function memoryFiles(machine: Machine): readonly string[] {
  const root = path.join(trustFolder(machine), 'memory');
  return fs
    .readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== 'last-check')
    .map((entry) => path.join(entry.parentPath, entry.name));
}

const real = await needPeers('root');

describe.skipIf(real.skip)(real.title('a home on a file system of its own'), () => {
  const mounted: string[] = [];

  function mount(folder: string, options: string): void {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder]);
    mounted.push(folder);
  }

  /** The machine's home as it is, on a tmpfs with these options; copied there before it may become read-only. */
  function moved(machine: Machine, options: string): Machine {
    const copy = stage.machine({ like: machine });
    const aside = fs.mkdtempSync(path.join(os.tmpdir(), 'dtrust-aside-'));
    fs.cpSync(copy.home, aside, { recursive: true });
    mount(copy.home, options.replace('ro', 'rw'));
    copy.fill(aside);
    fs.rmSync(aside, { recursive: true, force: true });
    if (options.includes('ro')) execFileSync('mount', ['-o', 'remount,ro', copy.home]);
    return copy;
  }

  afterEach(() => {
    for (const folder of mounted.splice(0)) execFileSync('umount', [folder]);
  });

  describe('contract (Disk): read-only', () => {
    test('a pinned machine pulls, and says once that nothing is remembered', async () => {
      const machine = moved(stage.machine().pin(REPO, sim.pin()), 'ro');
      const run = await machine.succeed(pull());
      expect(run.stdout).toContain(`${stage.name(REPO)}:1.0\n`);
      expect(run.stderr.match(/would not be noticed here/g)).toHaveLength(1);
    });

    test('a machine that remembers pulls, and without a word', async () => {
      const warm = stage.machine().pin(REPO, sim.pin());
      await warm.succeed(pull());
      const run = await moved(warm, 'ro').succeed(pull());
      expect(run.stderr).not.toContain('dtrust:');
    });

    test('without a pin there is no first use, whatever is set: MEMORY_UNWRITABLE', async () => {
      const machine = moved(stage.machine(), 'ro');
      await refused(machine, pull(), { code: 'FIRST_USE_REFUSED' });
      await refused(machine, pull(), { code: 'MEMORY_UNWRITABLE', env: { DTRUST_FIRST_USE: 'accept' } });
    });

    test('publishing commands are refused before the upload', async () => {
      const machine = moved(owner, 'ro');
      await refused(machine, push(), { code: 'MEMORY_UNWRITABLE' });
      await refused(machine, ['trust', 'refresh', stage.name(OWN)], { code: 'MEMORY_UNWRITABLE' });
    });

    test('key and pin commands are refused', async () => {
      const machine = moved(stage.machine(), 'ro');
      await refused(machine, ['trust', 'pin', 'add', stage.name(REPO), 'ab'.repeat(32)], {
        code: 'FILE_UNWRITABLE',
      });
      await refused(machine, ['trust', 'key', 'generate', '--dir', stage.folder, 'alice'], {
        code: 'FILE_UNWRITABLE',
        stdout: /^Generating key for alice\.\.\.\n$/,
      });
      expect(fs.existsSync(path.join(stage.folder, 'alice.pub'))).toBe(false);
    });
  });

  describe('contract (Disk): full', () => {
    /** A home of 1 MiB with nothing free. */
    function full(machine: Machine): Machine {
      const copy = moved(machine, 'size=1m');
      const fd = fs.openSync(path.join(copy.home, 'ballast'), 'w');
      try {
        for (;;) fs.writeSync(fd, Buffer.alloc(4096, 1));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      } finally {
        fs.closeSync(fd);
      }
      return copy;
    }

    test('a pull that has something to remember is DISK_FULL, and no half state stays', async () => {
      await refused(full(stage.machine().pin(REPO, sim.pin())), pull(), {
        code: 'DISK_FULL',
        mayChange: /(trust|dtrust|memory) 700 folder/,
      });
    });

    test('a first use is DISK_FULL before anything is accepted', async () => {
      await refused(full(stage.machine()), pull(), {
        code: 'DISK_FULL',
        env: { DTRUST_FIRST_USE: 'accept' },
      });
    });

    test('a push is DISK_FULL before the upload', async () => {
      await refused(full(owner), push(), { code: 'DISK_FULL' });
    });

    test('a pin, or a key, is DISK_FULL', async () => {
      const machine = full(stage.machine());
      await refused(machine, ['trust', 'pin', 'add', stage.name(REPO), 'ab'.repeat(32)], {
        code: 'DISK_FULL',
        mayChange: /(trust|dtrust) 700 folder/,
      });
      await refused(machine, ['trust', 'key', 'generate', '--dir', stage.folder, 'bob'], {
        code: 'DISK_FULL',
        stdout: /^Generating key for bob\.\.\.\n$/,
        mayChange: /(trust|private|dtrust) 700 folder/,
      });
      expect(fs.existsSync(path.join(stage.folder, 'bob.pub'))).toBe(false);
    });
  });
});

describe('contract (Disk): no home at all', () => {
  test('a pull that nobody vouches for is refused, and no folder is made for it', async () => {
    const machine = stage.machine();
    const nowhere = { HOME: '/nonexistent', DOCKER_CONFIG: '/nonexistent/docker' };
    await refused(machine, pull(), { code: 'FIRST_USE_REFUSED', env: nowhere });
    expect(fs.existsSync('/nonexistent')).toBe(false);
  });
});

describe('what is remembered, damaged', () => {
  let warm: Machine;

  beforeEach(async () => {
    warm = stage.machine().pin(REPO, sim.pin());
    await warm.succeed(pull());
  });

  test('each file changed, cut short or taken away is MEMORY_DAMAGED, never a first use', async () => {
    const spoil: readonly ((file: string) => void)[] = [
      (file) => fs.truncateSync(file, Math.floor(fs.statSync(file).size / 2)),
      (file) => {
        const bytes = fs.readFileSync(file);
        const at = bytes.length >> 1;
        bytes[at] = (bytes[at] ?? 0) ^ 1;
        fs.writeFileSync(file, bytes);
      },
      (file) => fs.rmSync(file),
    ];
    const files = memoryFiles(warm).map((file) => path.relative(warm.home, file));
    expect(files.length).toBeGreaterThan(3);
    for (const [at, file] of files.entries()) {
      const copy = stage.machine({ like: warm });
      spoil[at % spoil.length]?.(path.join(copy.home, file));
      await refused(copy, pull(), { code: 'MEMORY_DAMAGED', env: { DTRUST_FIRST_USE: 'accept' } });
    }
  });

  test('its index gone, changed or empty is MEMORY_DAMAGED', async () => {
    const index = memoryFiles(warm).find((file) => file.endsWith('memory.json')) ?? '';
    const bytes = fs.readFileSync(index);
    for (const content of [undefined, '', '{}', bytes.subarray(0, -10)]) {
      if (content === undefined) fs.rmSync(index);
      else fs.writeFileSync(index, content);
      await refused(warm, pull(), { code: 'MEMORY_DAMAGED', env: { DTRUST_FIRST_USE: 'accept' } });
    }
  });
});

describe("docker's own files, damaged", () => {
  test('a config.json that is no JSON is CONFIG_INVALID, and none of it is shown', async () => {
    const machine = stage.machine().pin(REPO, sim.pin());
    fs.writeFileSync(path.join(machine.config, 'config.json'), '{"auths": {"x": {"auth": "c2VjcmV0"');
    const run = await refused(machine, pull(), { code: 'CONFIG_INVALID' });
    expect(run.stderr).not.toContain('c2VjcmV0');
  });

  test('a credential helper that is not there, or fails, is CREDENTIAL_HELPER', async () => {
    const config = { credHelpers: { [stage.host]: 'nowhere' } };
    const { switches } = stage.registry as { switches: { authorization?: object } };
    switches.authorization = { expected: 'Basic other', challenge: 'Basic realm="registry"' };
    try {
      await refused(stage.machine({ config }).pin(REPO, sim.pin()), pull(), { code: 'CREDENTIAL_HELPER' });
    } finally {
      delete switches.authorization;
    }
  });

  test('a context that is not there is CONTEXT_INVALID', async () => {
    const machine = stage.machine().pin(REPO, sim.pin());
    await refused(machine, ['--context', 'nowhere', ...pull()], {
      code: 'CONTEXT_INVALID',
      env: { DOCKER_HOST: undefined },
    });
  });
});
