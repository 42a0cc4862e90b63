/**
 * A build of ten stages, each upon a base of its own from a repository of its own: dtrust, which has every base decided
 * on, beside plain docker with the same BuildKit. The registry is as far away for one as for the other.
 */
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { cliPlugin } from '../peers/programs.ts';
import { type Command, type Contender, race, runWell } from './measure.ts';
import { forget, type Setting } from './setting.ts';
import { milliseconds, type Row, ratioOf } from './table.ts';

const BASES = 10;
/** A cold build takes seconds, most of them the builder's. */
const ROUNDS = { warm: 7, cold: 3 };
const ROUND_TRIP_MS = 50;

type Progress = (text: string) => void;

interface BuildRow {
  readonly work: string;
  readonly isCold: boolean;
  readonly roundTripMs: number;
}

const TABLE: readonly BuildRow[] = [
  { work: '`build` of ten stages with ten bases, warm', isCold: false, roundTripMs: 0 },
  { work: 'the same, cold', isCold: true, roundTripMs: 0 },
  {
    work: `warm, the registry at ${ROUND_TRIP_MS} ms for both`,
    isCold: false,
    roundTripMs: ROUND_TRIP_MS,
  },
  { work: `cold, the registry at ${ROUND_TRIP_MS} ms for both`, isCold: true, roundTripMs: ROUND_TRIP_MS },
];

/** Each base beside its own trust data; whoever never saw it takes the first key, as nobody could be asked here. */
function unbound(command: Command): Command {
  const { DTRUST_TRUST_REPOSITORY: _elsewhere, ...env } = command.env;
  return { ...command, env: { ...env, DTRUST_FIRST_USE: 'accept' } };
}

function dockerfile(bases: readonly string[]): string {
  const stages = bases.map((base, i) => `FROM ${base} AS stage${i}\nCOPY mark /mark${i}`);
  const copies = bases.slice(0, -1).map((_, i) => `COPY --from=stage${i} /message /message${i}`);
  return `${[...stages, ...copies].join('\n')}\n`;
}

/** Pushes the bases, signed, and writes what is going to be built. */
async function makeContext(setting: Setting): Promise<string> {
  const bases = Array.from({ length: BASES }, (_, i) => `127.0.0.1:${setting.relay.port}/bench/base${i}:1.0`);
  const push = async (base: string): Promise<void> => {
    await setting.load(base, `bench ${base}`);
    await runWell(unbound(setting.dtrust('push', base)));
  };
  const [first = '', ...others] = bases;
  await push(first);
  await Promise.all(others.map(push));
  const context = path.join(setting.folder, 'build');
  mkdirSync(context);
  writeFileSync(path.join(context, 'mark'), 'bench');
  writeFileSync(path.join(context, 'Dockerfile'), dockerfile(bases));
  return context;
}

async function installBuildx(setting: Setting): Promise<void> {
  const folder = path.join(setting.home, '.docker', 'cli-plugins');
  mkdirSync(folder, { recursive: true });
  symlinkSync((await cliPlugin('buildx')).path, path.join(folder, 'docker-buildx'));
}

/** Nothing of the bases is known to the builder, nor to dtrust, which has proved the builder before. */
async function startAfresh(setting: Setting): Promise<void> {
  await setting.engine.clear();
  const answer = await setting.engine.request('POST', '/build/prune?all=1');
  if (answer.status !== 200) throw new Error(`the builder's cache stays: ${answer.body}`);
  forget(setting.home);
  rmSync(path.join(setting.home, '.docker', 'trust', 'dtrust', 'bases.json'), { force: true });
}

async function benchBuild(setting: Setting, context: string, row: BuildRow): Promise<Row> {
  const { work, isCold, roundTripMs } = row;
  const args = ['buildx', 'build', '--tag', 'bench/built', context];
  const contender = (command: Command): Contender =>
    isCold ? { command, prepare: () => startAfresh(setting) } : { command };
  setting.relay.roundTripMs = roundTripMs;
  const medians = await race(
    { dtrust: contender(unbound(setting.dtrust(...args))), docker: contender(setting.plain(...args)) },
    isCold ? { rounds: ROUNDS.cold, warmups: 0 } : { rounds: ROUNDS.warm, warmups: 1 },
  );
  setting.relay.roundTripMs = 0;
  return {
    work,
    dtrust: milliseconds(medians.dtrust),
    other: `${milliseconds(medians.docker)} (plain)`,
    ratio: ratioOf(medians.dtrust, medians.docker),
    budget: 'none',
  };
}

/** One row for each way to build. */
export async function benchBuilds(setting: Setting, progress: Progress): Promise<readonly Row[]> {
  progress('signing ten bases');
  await installBuildx(setting);
  const context = await makeContext(setting);
  const rows: Row[] = [];
  for (const row of TABLE) {
    progress(row.work);
    rows.push(await benchBuild(setting, context, row));
  }
  return rows;
}
