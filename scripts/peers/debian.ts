/**
 * Debian packages as real test peers: downloaded by apt, unpacked with dpkg, never installed.
 *
 * apt works on a sources list and folders of its own, so Debian 12 and 13 stand side by side, the machine's own
 * lists are neither needed nor changed, and apt still checks every file against Debian's signed release. Each
 * package lands in one folder that appears whole or not at all and is used again by later runs.
 */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A real part that this machine cannot have; the message is what the skipped test says it needs. */
export class PeerMissing extends Error {
  override readonly name = 'PeerMissing';
}

export type Suite = 'bookworm' | 'trixie';

const KEYRINGS = [
  '/usr/share/keyrings/debian-archive-keyring.gpg',
  '/usr/share/keyrings/debian-archive-keyring.pgp',
];

/** The folder all fetched parts live in; safe to delete, safe for a CI to keep. */
export function cacheFolder(): string {
  const base = process.env.XDG_CACHE_HOME;
  const home = base !== undefined && path.isAbsolute(base) ? base : path.join(os.homedir(), '.cache');
  return path.join(home, 'dtrust-peers');
}

const unpacked = new Map<string, Promise<string>>();

/**
 * The folder holding the unpacked package, fetched when it is not there yet.
 *
 * @throws PeerMissing when there is no apt, no Debian keyring, no network, or no such package.
 */
export function fetchPackage(suite: Suite, name: string): Promise<string> {
  const key = `${suite}/${name}`;
  const known = unpacked.get(key);
  if (known !== undefined) return known;
  const fetching = fetchOnce(suite, name);
  unpacked.set(key, fetching);
  return fetching;
}

async function fetchOnce(suite: Suite, name: string): Promise<string> {
  const target = path.join(cacheFolder(), suite, name);
  if (fs.existsSync(target)) return target;
  assertTools();
  fs.mkdirSync(path.dirname(target), { recursive: true });
  return await locked(path.join(cacheFolder(), `${suite}.lock`), async () => {
    if (fs.existsSync(target)) return target;
    await downloadInto(suite, name, target);
    return target;
  });
}

function assertTools(): void {
  for (const tool of ['/usr/bin/apt-get', '/usr/bin/dpkg-deb']) {
    if (!fs.existsSync(tool)) throw new PeerMissing(`${path.basename(tool)} (a Debian or Ubuntu machine)`);
  }
  if (keyring() === undefined) throw new PeerMissing('the package debian-archive-keyring');
}

const keyring = (): string | undefined => KEYRINGS.find((file) => fs.existsSync(file));

async function downloadInto(suite: Suite, name: string, target: string): Promise<void> {
  const scratch = fs.mkdtempSync(`${target}.`);
  try {
    const apt = await aptOptions(suite);
    await run('apt-get', [...apt, '-q', 'download', `${name}/${suite}`], { cwd: scratch });
    const archive = fs.readdirSync(scratch).find((file) => file.endsWith('.deb'));
    if (archive === undefined) throw new PeerMissing(`Debian package ${name} from ${suite}`);
    const whole = path.join(scratch, 'whole');
    await run('dpkg-deb', ['--extract', path.join(scratch, archive), whole]);
    fs.renameSync(whole, target);
  } catch (error) {
    if (error instanceof PeerMissing) throw error;
    throw new PeerMissing(`Debian package ${name} from ${suite}`, { cause: error });
  } finally {
    fs.rmSync(scratch, { recursive: true, force: true });
  }
}

/** apt's options for one suite; its lists are fetched when there are none. */
async function aptOptions(suite: Suite): Promise<string[]> {
  const home = path.join(cacheFolder(), 'apt', suite);
  for (const folder of ['lists/partial', 'cache/archives/partial']) {
    fs.mkdirSync(path.join(home, folder), { recursive: true });
  }
  const sources = path.join(home, 'sources.list');
  const mirror = `[signed-by=${keyring()}] http://deb.debian.org`;
  fs.writeFileSync(
    sources,
    `deb ${mirror}/debian ${suite} main\ndeb ${mirror}/debian-security ${suite}-security main\n`,
  );
  const status = path.join(home, 'status');
  fs.writeFileSync(status, '');
  const settings = [
    `Dir::Etc::sourcelist=${sources}`,
    'Dir::Etc::sourceparts=/dev/null',
    `Dir::State::lists=${path.join(home, 'lists')}`,
    `Dir::State::status=${status}`,
    `Dir::Cache=${path.join(home, 'cache')}`,
    'Dir::Cache::pkgcache=',
    'Dir::Cache::srcpkgcache=',
    'APT::Sandbox::User=root',
    'Acquire::Languages=none',
    'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false',
    'Acquire::Retries=3',
  ];
  const options = settings.flatMap((setting) => ['-o', setting]);
  const listed = fs.readdirSync(path.join(home, 'lists')).some((file) => file.includes('_Packages'));
  if (!listed) await run('apt-get', [...options, '-q', 'update']);
  return options;
}

/** One fetcher at a time over all processes; a lock whose owner is gone is taken over. */
async function locked<T>(lock: string, work: () => Promise<T>): Promise<T> {
  while (!takeLock(lock)) await delay(200);
  try {
    return await work();
  } finally {
    fs.rmSync(lock, { force: true });
  }
}

function takeLock(lock: string): boolean {
  try {
    fs.writeFileSync(lock, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  if (!ownerAlive(lock)) fs.rmSync(lock, { force: true });
  return false;
}

function ownerAlive(lock: string): boolean {
  try {
    const owner = fs.readFileSync(lock, 'utf8');
    // An empty file is a lock being written this very moment.
    return owner === '' || fs.existsSync(`/proc/${owner}`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
