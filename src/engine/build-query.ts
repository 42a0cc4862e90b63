/**
 * What the classic builder is asked, from the flags of `docker build`: names, values and defaults as docker's command
 * line sends them (compared with it in test/engine/build-query.test.ts).
 *
 * The Dockerfile's name and `nocache` are the caller's: they hang on decisions. `pull` is never asked for, since what a
 * digest names is what it is; nor `q`, with which the engine names no images beside its output.
 */
import { isIP } from 'node:net';
import { type FlagMap, flagOn, flagValue } from '../cli/argv.ts';
import { CommandLineError } from '../cli/pflag.ts';
import { escapeShort } from '../lib/escape.ts';

export type BuildQuery = Readonly<Record<string, string | readonly string[]>>;

export interface QueryOptions {
  readonly flags: FlagMap;
  /** Docker's usage line, for what it refuses. */
  readonly usage: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** `proxies` of config.json for the engine in hand: HTTP_PROXY and so on. */
  readonly proxies: ReadonlyMap<string, string>;
  /** `linux/amd64`; absent where none is asked for. */
  readonly platform: string | undefined;
  /** Images whose history may serve as cache, each decided on. */
  readonly cacheFrom: readonly string[];
}

/** Flags that BuildKit alone has; docker does not know them where the classic builder builds. */
const BUILDKIT_ONLY = [
  'allow',
  'annotation',
  'attest',
  'build-context',
  'builder',
  'cache-to',
  'load',
  'metadata-file',
  'no-cache-filter',
  'output',
  'progress',
  'provenance',
  'push',
  'sbom',
  'secret',
  'ssh',
];

const ULIMITS: ReadonlySet<string> = new Set([
  ...['core', 'cpu', 'data', 'fsize', 'locks', 'memlock', 'msgqueue', 'nice', 'nofile', 'nproc'],
  ...['rss', 'rtprio', 'rttime', 'sigpending', 'stack'],
]);

/**
 * The query of the request.
 * @throws CommandLineError USAGE, for what docker's command line refuses
 */
export function buildQuery(options: QueryOptions): BuildQuery {
  const { flags, usage, platform } = options;
  const found = BUILDKIT_ONLY.find((name) => flags.has(name));
  if (found !== undefined) throw new CommandLineError(`unknown flag: --${found}`, usage);
  const read = new FlagReader(flags, usage);
  const isolation = read.text('isolation');
  const optional: Record<string, string | readonly string[] | undefined> = {
    t: nonEmpty(flags.get('tag')),
    securityopt: nonEmpty(flags.get('security-opt')),
    extrahosts: nonEmpty(read.each('add-host', extraHost)),
    forcerm: flagOn(flags, 'force-rm') ? '1' : undefined,
    squash: flagOn(flags, 'squash') ? '1' : undefined,
    isolation: isolation.toLowerCase() === 'default' ? undefined : isolation || undefined,
    platform,
  };
  return {
    ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined)),
    version: '1',
    rm: flags.has('rm') && !flagOn(flags, 'rm') ? '0' : '1',
    networkmode: flagValue(flags, 'network') ?? 'default',
    cpusetcpus: read.text('cpuset-cpus'),
    cpusetmems: read.text('cpuset-mems'),
    cpushares: read.one('cpu-shares', integer),
    cpuquota: read.one('cpu-quota', integer),
    cpuperiod: read.one('cpu-period', integer),
    memory: read.one('memory', size),
    memswap: read.one('memory-swap', (text) => (text === '-1' ? '-1' : size(text))),
    shmsize: read.one('shm-size', size),
    cgroupparent: read.text('cgroup-parent'),
    target: read.text('target'),
    ulimits: JSON.stringify([
      ...new Map(read.each('ulimit', ulimit).map((each) => [each.Name, each])).values(),
    ]),
    buildargs: JSON.stringify(buildArgs(options, read)),
    labels: JSON.stringify(Object.fromEntries(read.each('label', label))),
    cachefrom: JSON.stringify(options.cacheFrom),
  };
}

/** `proxies.default` or those of one engine, by the names of the variables that they become. */
export function proxyVariables(
  proxies: ReadonlyMap<string, string> | undefined,
): ReadonlyMap<string, string> {
  const names: Readonly<Record<string, string>> = {
    httpProxy: 'HTTP_PROXY',
    httpsProxy: 'HTTPS_PROXY',
    noProxy: 'NO_PROXY',
    ftpProxy: 'FTP_PROXY',
    allProxy: 'ALL_PROXY',
  };
  const found = [...(proxies ?? [])].flatMap(([key, value]): [string, string][] => {
    const name = names[key];
    return name === undefined || value === '' ? [] : [[name, value]];
  });
  return new Map(found);
}

/** What a flag's value does not hold to, in docker's words. */
class BadValue extends Error {}

class FlagReader {
  readonly #flags: FlagMap;
  readonly #usage: string;

  constructor(flags: FlagMap, usage: string) {
    this.#flags = flags;
    this.#usage = usage;
  }

  text(name: string): string {
    return flagValue(this.#flags, name) ?? '';
  }

  /** The last value read; 0 where there is none. */
  one(name: string, read: (text: string) => string): string {
    return this.each(name, read).at(-1) ?? '0';
  }

  each<T>(name: string, read: (text: string) => T): readonly T[] {
    return (this.#flags.get(name) ?? []).map((text) => {
      try {
        return read(text);
      } catch (error) {
        if (!(error instanceof BadValue)) throw error;
        const shown = `invalid argument "${escapeShort(text)}" for "${FLAG_NAMES[name] ?? `--${name}`}" flag`;
        throw new CommandLineError(`${shown}: ${error.message}`, this.#usage);
      }
    });
  }
}

const FLAG_NAMES: Readonly<Record<string, string>> = {
  memory: '-m, --memory',
  'cpu-shares': '-c, --cpu-shares',
};

function nonEmpty(values: readonly string[] | undefined): readonly string[] | undefined {
  return values === undefined || values.length === 0 ? undefined : values;
}

function buildArgs(
  { environment, proxies }: QueryOptions,
  read: FlagReader,
): Readonly<Record<string, string | null>> {
  const found = new Map<string, string | null>();
  for (const [name, value] of read.each('build-arg', (text) => buildArg(text, environment)))
    found.set(name, value);
  for (const [name, value] of proxies) {
    const lower = name.toLowerCase();
    if (!found.has(name)) found.set(name, value);
    if (!found.has(lower)) found.set(lower, value);
  }
  return Object.fromEntries(found);
}

/** A name alone takes its value from the environment; without one there, it is unset. */
function buildArg(text: string, environment: QueryOptions['environment']): readonly [string, string | null] {
  const at = text.indexOf('=');
  const name = at < 0 ? text : text.slice(0, at);
  if (name === '') throw new BadValue(`invalid environment variable: ${escapeShort(text)}`);
  return [name, at < 0 ? (environment[name] ?? null) : text.slice(at + 1)];
}

function label(text: string): readonly [string, string] {
  const at = text.indexOf('=');
  const name = at < 0 ? text : text.slice(0, at);
  if (name.trim() === '') throw new BadValue(`invalid label '${escapeShort(text)}': empty name`);
  return [name, at < 0 ? '' : text.slice(at + 1)];
}

function integer(text: string): string {
  if (!/^[+-]?\d+$/.test(text))
    throw new BadValue(`strconv.ParseInt: parsing "${escapeShort(text)}": invalid syntax`);
  const value = BigInt(text.replace(/^\+/, ''));
  if (BigInt.asIntN(64, value) === value) return String(value);
  throw new BadValue(`strconv.ParseInt: parsing "${escapeShort(text)}": value out of range`);
}

/** Docker's sizes: binary units, a fraction perhaps. */
function size(text: string): string {
  const [, digits, unit = ''] = /^(\d+(?:\.\d+)*) ?([kKmMgGtTpP])?[iI]?[bB]?$/.exec(text) ?? [];
  const value = Number(digits);
  if (digits === undefined || !Number.isFinite(value))
    throw new BadValue(`invalid size: '${escapeShort(text)}'`);
  return String(BigInt(Math.trunc(value * 1024 ** ('kmgtp'.indexOf(unit.toLowerCase() || '-') + 1))));
}

/** `NAME:ADDRESS` or `NAME=ADDRESS`. */
function extraHost(text: string): string {
  const at = text.includes('=') ? text.indexOf('=') : text.indexOf(':');
  const name = at < 0 ? '' : text.slice(0, at);
  const address = text.slice(at + 1).replace(/^\[(.*)\]$/, '$1');
  if (name === '' || address === '') throw new BadValue(`bad format for add-host: "${escapeShort(text)}"`);
  if (address !== 'host-gateway' && isIP(address) === 0) {
    throw new BadValue(`invalid IP address in add-host: "${escapeShort(address)}"`);
  }
  return `${name}:${address}`;
}

interface Ulimit {
  readonly Name: string;
  readonly Hard: number;
  readonly Soft: number;
}

/** `NAME=SOFT[:HARD]` */
function ulimit(text: string): Ulimit {
  const [, name = '', soft = '', hard = soft] = /^([^=]*)=(-?\d+)(?::(-?\d+))?$/.exec(text) ?? [];
  if (name === '') throw new BadValue(`invalid ulimit argument: ${escapeShort(text)}`);
  if (!ULIMITS.has(name.toLowerCase())) throw new BadValue(`invalid ulimit type: ${escapeShort(name)}`);
  const [Soft, Hard] = [Number(soft), Number(hard)];
  if (Hard !== -1 && (Soft === -1 || Soft > Hard)) {
    throw new BadValue(`ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`);
  }
  return { Name: name.toLowerCase(), Hard, Soft };
}
