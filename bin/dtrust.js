#!/usr/bin/env node
// Starts dtrust. Syntax that Node 10 parses (no static import, no `?.`, no top-level await): an older Node must
// get as far as the line that tells it so.
const major = Number(process.versions.node.split('.')[0]);
if (!(major >= 24)) {
  const line = `dtrust: error: dtrust needs Node.js 24 or newer, this is ${process.versions.node} (NODE_VERSION)`;
  process.stderr.write(`${line}\n`);
  process.exit(1);
}
if (['linux', 'darwin', 'win32'].indexOf(process.platform) === -1) {
  const line = `dtrust: error: dtrust runs on Linux, macOS and Windows, this is ${process.platform} (SYSTEM_UNKNOWN)`;
  process.stderr.write(`${line}\n`);
  process.exit(1);
}

const fs = process.getBuiltinModule('node:fs');
const path = process.getBuiltinModule('node:path');
const nodeModule = process.getBuiltinModule('node:module');

/** Whether nobody but this user and root can replace what is in a folder. */
function isSafe(stat, uid) {
  const ownedWell = stat.uid === uid || stat.uid === 0;
  // Others may write to a folder like /tmp, where the sticky bit keeps them from what they do not own.
  return stat.isDirectory() && ownedWell && ((stat.mode & 0o022) === 0 || (stat.mode & 0o1000) !== 0);
}

function isSafeUpToRoot(folder, uid) {
  if (!isSafe(fs.lstatSync(folder), uid)) return false;
  const above = path.dirname(folder);
  return above === folder || isSafeUpToRoot(above, uid);
}

function makeIfMissing(folder) {
  if (fs.lstatSync(folder, { throwIfNoEntry: false }) === undefined) fs.mkdirSync(folder, 0o700);
}

/** Where the XDG base directory specification puts caches; a relative path there is to be ignored. */
function baseFolder() {
  const { XDG_CACHE_HOME, HOME } = process.env;
  if (XDG_CACHE_HOME && path.isAbsolute(XDG_CACHE_HOME)) return XDG_CACHE_HOME;
  return HOME && path.isAbsolute(HOME) ? path.join(HOME, '.cache') : undefined;
}

/**
 * Compiled bytecode is code. It is kept only where nobody but this user or root can have put any: never at Node's
 * default place in the temporary folder and, when root runs with another user's home (sudo), not in that home.
 * Returns undefined where there is no such place: the start then takes a little longer, and that is all.
 */
function cacheFolder() {
  if (process.geteuid === undefined || process.geteuid() !== process.getuid()) return undefined;
  const uid = process.geteuid();
  const base = baseFolder();
  if (base === undefined) return undefined;
  try {
    if (!isSafeUpToRoot(fs.realpathSync(path.dirname(base)), uid)) return undefined;
    makeIfMissing(base);
    const parent = fs.realpathSync(base);
    if (!isSafeUpToRoot(parent, uid)) return undefined;
    const own = path.join(parent, 'dtrust');
    makeIfMissing(own);
    // A symbolic link is no directory to lstat.
    const stat = fs.lstatSync(own);
    return stat.isDirectory() && stat.uid === uid && (stat.mode & 0o077) === 0 ? own : undefined;
  } catch (error) {
    // Whatever the file system refuses (ENOENT, EACCES, EROFS, ENOSPC, EEXIST after a race) means: no cache.
    if (typeof error.code === 'string') return undefined;
    throw error;
  }
}

const cache = cacheFolder();
if (cache !== undefined) nodeModule.enableCompileCache(cache);

const main = new URL('../dist/main.js', import.meta.url);
import(main.href).then(
  (dtrust) => {
    // A command that is passed on replaces this process, and Node would never come to write its cache.
    return dtrust.main(cache === undefined ? {} : { beforeExecve: nodeModule.flushCompileCache });
  },
  (error) => {
    if (error.code !== 'ERR_MODULE_NOT_FOUND' || fs.existsSync(main)) throw error;
    process.stderr.write('dtrust: error: this copy of dtrust is not built\n');
    process.stderr.write('dtrust: hint: run `npm ci`, then `npm run build`, in its folder\n');
    process.exitCode = 1;
  },
);
