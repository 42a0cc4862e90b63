/**
 * Signing: machines that push to one repository at the same moment, adding a signer, and what stands between a passphrase
 * and a signature. Each machine is a home of its own with a key of its own.
 */
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createEd25519Key, createRootKey } from '../../src/keys/create.ts';
import { KeyStore } from '../../src/keys/key-store.ts';
import { createPassphrases } from '../../src/keys/passphrases.ts';
import { Secret } from '../../src/keys/secret.ts';
import { realFileSystem } from '../../src/lib/file-system.ts';
import { type Command, median, run, runWell } from './measure.ts';
import type { ContentTrust, Setting } from './setting.ts';
import { milliseconds, type Row, ratioOf } from './table.ts';

const MOST = 10;
const COUNTS = [1, 2, MOST] as const;
const ROUNDS = 3;

type Progress = (text: string) => void;

/** The same command as somebody else, with the trust data of this repository. */
function as(command: Command, home: string, more: Readonly<Record<string, string>> = {}): Command {
  return {
    ...command,
    env: { ...command.env, HOME: home, DOCKER_CONFIG: path.join(home, '.docker'), ...more },
  };
}

interface Crowd {
  /** One push of each machine. */
  readonly pushes: readonly Command[];
  /** What adding each of the signers took. */
  readonly addedMs: readonly number[];
}

interface Several {
  /** Until the last that succeeded had said so. */
  readonly lastMs: number;
  readonly failed: number;
  /** Attempts beyond the first, of all together. */
  readonly retries: number;
}

async function makeCrowd(setting: Setting): Promise<Crowd> {
  const repository = `${setting.registry.host}/bench/many`;
  const trust = { DTRUST_TRUST_REPOSITORY: `127.0.0.1:${setting.relay.port}/bench/many`, DTRUST_DEBUG: '1' };
  const owner = (...args: readonly string[]) => as(setting.dtrust(...args), setting.home, trust);
  await setting.load(`${repository}:base`, 'bench many base');
  await runWell(owner('push', `${repository}:base`));
  const { output } = await runWell(owner('trust', 'pin', 'export', repository));
  const pin = output.split('\n').find((line) => line.startsWith('dtrust trust pin add ')) ?? '';
  const pushes: Command[] = [];
  const addedMs: number[] = [];
  for (let n = 0; n < MOST; n += 1) {
    const name = `dev${n}`;
    const home = path.join(setting.folder, name);
    mkdirSync(path.join(home, '.docker'), { recursive: true, mode: 0o700 });
    const dev = (...args: readonly string[]) => as(setting.dtrust(...args), home, trust);
    await runWell(dev(...pin.trim().split(' ').slice(1)));
    await runWell(dev('trust', 'key', 'generate', '--dir', home, name));
    const key = path.join(home, `${name}.pub`);
    addedMs.push(
      (await runWell(owner('trust', 'signer', 'add', '--key', key, name, repository))).milliseconds,
    );
    await setting.load(`${repository}:${name}`, `bench many ${name}`);
    pushes.push(dev('push', `${repository}:${name}`));
  }
  return { pushes, addedMs };
}

/** Docker's machines share the owner's keys: a push by a delegate needs what `docker trust` sets up on each. */
async function makeTrustingCrowd(setting: Setting, { home }: ContentTrust): Promise<Crowd> {
  const repository = `${setting.registry.host}/bench/dctmany`;
  const owner = (...args: readonly string[]) => as(setting.trusting(...args), home);
  await setting.load(`${repository}:base`, 'bench dct many base');
  await runWell(owner('push', `${repository}:base`));
  const addedMs: number[] = [];
  for (let n = 0; n < 3; n += 1) {
    await runWell(owner('trust', 'key', 'generate', '--dir', home, `dct${n}`));
    const key = path.join(home, `dct${n}.pub`);
    const adding = owner('trust', 'signer', 'add', '--key', key, `dct${n}`, repository);
    addedMs.push((await runWell(adding)).milliseconds);
  }
  const pushes: Command[] = [];
  for (let n = 0; n < MOST; n += 1) {
    const copy = path.join(setting.folder, `dct-dev${n}`);
    cpSync(home, copy, { recursive: true });
    await setting.load(`${repository}:dev${n}`, `bench dct many ${n}`);
    pushes.push(as(setting.trusting('push', `${repository}:dev${n}`), copy));
  }
  return { pushes, addedMs };
}

/** All at the same moment. */
async function pushAtOnce(pushes: readonly Command[]): Promise<Several> {
  const outcomes = await Promise.all(pushes.map(run));
  const good = outcomes.filter(({ status }) => status === 0);
  const attempts = outcomes.map(({ output }) => Number(/ in (\d+) attempts$/m.exec(output)?.[1] ?? 1));
  return {
    lastMs: good.length === 0 ? Number.NaN : Math.max(...good.map((outcome) => outcome.milliseconds)),
    failed: outcomes.length - good.length,
    retries: attempts.reduce((sum, each) => sum + each - 1, 0),
  };
}

async function rounds(pushes: readonly Command[]): Promise<Several> {
  const all: Several[] = [];
  for (let round = 0; round < ROUNDS; round += 1) all.push(await pushAtOnce(pushes));
  return {
    lastMs: median(all.map(({ lastMs }) => lastMs)),
    failed: median(all.map(({ failed }) => failed)),
    retries: median(all.map(({ retries }) => retries)),
  };
}

async function benchAtOnce(count: number, ours: Crowd, theirs: Crowd | undefined): Promise<Row> {
  const own = await rounds(ours.pushes.slice(0, count));
  const other = theirs === undefined ? undefined : await rounds(theirs.pushes.slice(0, count));
  const machines = count === 1 ? 'one machine' : `${count} machines at once`;
  const failures = (several: Several): string => (several.failed === 0 ? '' : `, ${several.failed} failed`);
  return {
    work: `signed push by ${machines}, until the last has succeeded`,
    dtrust: `${milliseconds(own.lastMs)}, ${own.retries} retries${failures(own)}`,
    other: other === undefined ? '-' : `${milliseconds(other.lastMs)} (DCT)${failures(other)}`,
    ratio: other === undefined || Number.isNaN(other.lastMs) ? '-' : ratioOf(own.lastMs, other.lastMs),
    budget: 'none: nobody may fail',
    isMet: own.failed === 0,
  };
}

function addRow(ours: Crowd, theirs: Crowd | undefined): Row {
  const own = median(ours.addedMs);
  const other = theirs === undefined ? undefined : median(theirs.addedMs);
  return {
    work: '`trust signer add`',
    dtrust: milliseconds(own),
    other: other === undefined ? '-' : `${milliseconds(other)} (DCT)`,
    ratio: other === undefined ? '-' : ratioOf(own, other),
    budget: 'none',
  };
}

/** In this process: from the passphrase to a signature, and to three new key files that have been read back. */
async function benchKeys(): Promise<readonly Row[]> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'dtrust-bench-'));
  try {
    const secret = Secret.fromText('a passphrase for the bench');
    const given = { rootPassphrase: secret.reveal(), repositoryPassphrase: secret.reveal() };
    const terminal = {
      canPrompt: () => false,
      askSecret: async () => undefined,
      askYesNo: async () => false,
      askLine: async () => undefined,
      askNewSecret: async () => undefined,
      say: () => undefined,
    };
    const passphrases = createPassphrases({ environment: given, terminal, fs: realFileSystem });
    const stores = Array.from({ length: 5 }, (_, n) => {
      const dockerConfig = path.join(folder, `${n}`);
      return new KeyStore({ fs: realFileSystem, dockerConfig, platform: process.platform });
    });
    const savedMs: number[] = [];
    const signedMs: number[] = [];
    for (const store of stores) {
      const made = await Promise.all([createRootKey(), createEd25519Key(), createEd25519Key()]);
      const [first] = made;
      let started = performance.now();
      await Promise.all(
        made.map((key) => store.save(key, { role: key === first ? 'root' : 'targets' }, secret)),
      );
      savedMs.push(performance.now() - started);
      started = performance.now();
      await (await store.load(first.publicKey, passphrases)).sign(new Uint8Array(2000));
      signedMs.push(performance.now() - started);
    }
    const row = (work: string, values: readonly number[]): Row => ({
      work,
      dtrust: milliseconds(median(values)),
      other: '-',
      ratio: '-',
      budget: 'none: PBKDF2, 600,000 rounds',
    });
    return [
      row("the first key's passphrase to a signature, in one process", signedMs),
      row('three new keys to disk, read back and tried', savedMs),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** All rows about signing. */
export async function benchPublishers(setting: Setting, progress: Progress): Promise<readonly Row[]> {
  progress('a repository of ten signers');
  const ours = await makeCrowd(setting);
  const theirs =
    setting.contentTrust === undefined ? undefined : await makeTrustingCrowd(setting, setting.contentTrust);
  const rows: Row[] = [];
  for (const count of COUNTS) {
    progress(`${count} pushing at once`);
    rows.push(await benchAtOnce(count, ours, theirs));
  }
  rows.push(addRow(ours, theirs));
  progress('from a passphrase to a signature');
  rows.push(...(await benchKeys()));
  return rows;
}
