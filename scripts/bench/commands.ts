/** The measurements that run whole commands: dtrust beside plain docker, and beside Docker Content Trust. */
import { type Command, type Contender, peakMemory, race, runWell } from './measure.ts';
import { forget, type Setting } from './setting.ts';
import { milliseconds, type Row, ratioOf } from './table.ts';

const ROUND_TRIP_MS = 50;
const ROUNDS = 15;

type Progress = (text: string) => void;

interface Names {
  readonly dtrust: string;
  readonly dct: string;
  readonly plain: string;
}

const namesIn = ({ registry }: Setting): Names => ({
  dtrust: `${registry.host}/bench/dtrust:1.0`,
  dct: `${registry.host}/bench/dct:1.0`,
  plain: `${registry.host}/bench/plain:1.0`,
});

async function signEverything(setting: Setting, names: Names): Promise<void> {
  await setting.load(names.dtrust, 'bench dtrust');
  await runWell(setting.dtrust('push', names.dtrust));
  await setting.load(names.plain, 'bench plain');
  await runWell(setting.plain('push', names.plain));
  if (setting.contentTrust === undefined) return;
  await setting.load(names.dct, 'bench dct');
  await runWell(setting.trusting('push', names.dct));
}

async function benchPassing(setting: Setting): Promise<Row> {
  const medians = await race(
    { dtrust: { command: setting.dtrust('ps') }, docker: { command: setting.plain('ps') } },
    { rounds: 25, warmups: 3 },
  );
  const more = medians.dtrust - medians.docker;
  return {
    work: '`ps` against `docker ps`',
    dtrust: milliseconds(medians.dtrust),
    other: milliseconds(medians.docker),
    ratio: `${more.toFixed(0)} ms more`,
    budget: 'at most 40 ms more',
    isMet: more <= 40,
  };
}

interface PullOptions {
  readonly work: string;
  readonly roundTripMs: number;
  readonly isCold: boolean;
  /** Largest ratio to Docker Content Trust. */
  readonly budget: number;
}

async function benchPull(setting: Setting, names: Names, options: PullOptions): Promise<Row> {
  const { contentTrust, relay, home } = setting;
  relay.roundTripMs = options.roundTripMs;
  if (contentTrust !== undefined) contentTrust.relay.roundTripMs = options.roundTripMs;
  const contender = (command: Command, owner: string): Contender =>
    options.isCold ? { command, prepare: () => forget(owner) } : { command };
  const dtrust = contender(setting.dtrust('pull', names.dtrust), home);
  const other =
    contentTrust === undefined
      ? { command: setting.plain('pull', names.plain) }
      : contender(setting.trusting('pull', names.dct), contentTrust.home);
  const medians = await race({ dtrust, other }, { rounds: ROUNDS });
  relay.roundTripMs = 0;
  if (contentTrust !== undefined) contentTrust.relay.roundTripMs = 0;
  return {
    work: options.work,
    dtrust: milliseconds(medians.dtrust),
    other: `${milliseconds(medians.other)} ${contentTrust === undefined ? '(no trust)' : '(DCT)'}`,
    ratio: ratioOf(medians.dtrust, medians.other),
    budget: `${options.budget.toFixed(1)} x DCT`,
    isMet: contentTrust === undefined ? undefined : medians.dtrust <= options.budget * medians.other,
  };
}

/** Requests of dtrust's own in the registry's log, token and challenge left out. */
function requestsIn(log: string): readonly string[] {
  const pattern =
    /"(GET|HEAD|PUT|POST|PATCH) (\/v2\/bench\/dtrust\/\S+) HTTP\/1\.1" (\d+) \d+ "[^"]*" "dtrust/g;
  return [...log.matchAll(pattern)]
    .filter(([, , , status]) => status !== '401')
    .map(([, method, target]) => `${method} ${target}`);
}

async function benchRequests(setting: Setting, names: Names): Promise<readonly Row[]> {
  const count = async (): Promise<readonly string[]> => {
    const before = setting.registry.log().length;
    await runWell(setting.dtrust('pull', names.dtrust));
    return requestsIn(setting.registry.log().slice(before));
  };
  forget(setting.home);
  const counted = { cold: await count(), warm: await count() };
  return (['cold', 'warm'] as const).map((kind) => ({
    work: `requests for trust data, ${kind}`,
    dtrust: String(counted[kind].length),
    other: '-',
    ratio: counted[kind].map((request) => request.split(' ')[0]).join(', '),
    budget: kind === 'cold' ? '1' : '1 (HEAD)',
    isMet: counted[kind].length === 1 && (kind === 'cold' || counted[kind][0]?.startsWith('HEAD') === true),
  }));
}

/** A container from start to end: most of the time is the engine's, and the same for both. */
async function benchRun(setting: Setting, names: Names): Promise<Row> {
  const image = names.dtrust.replace(/:1\.0$/, ':run');
  await setting.loadRunnable(image);
  await runWell(setting.dtrust('push', image));
  const args = ['run', '--rm', '--network=none', image];
  const medians = await race(
    { dtrust: { command: setting.dtrust(...args) }, docker: { command: setting.plain(...args) } },
    { rounds: ROUNDS },
  );
  return {
    work: '`run` of a present image, checked a moment ago',
    dtrust: milliseconds(medians.dtrust),
    other: milliseconds(medians.docker),
    ratio: ratioOf(medians.dtrust, medians.docker),
    budget: 'none',
  };
}

async function benchPush(setting: Setting, names: Names): Promise<Row> {
  const { contentTrust } = setting;
  const contenders: Record<string, Contender> = {
    dtrust: { command: setting.dtrust('push', names.dtrust) },
    plain: { command: setting.plain('push', names.plain) },
    ...(contentTrust === undefined ? {} : { dct: { command: setting.trusting('push', names.dct) } }),
  };
  const medians = await race(contenders, { rounds: 5, warmups: 1 });
  const { dtrust = Number.NaN, plain = Number.NaN, dct } = medians;
  return {
    work: 'push of an image that the registry has: signed, against plain',
    dtrust: milliseconds(dtrust),
    other: `${milliseconds(plain)} (plain)${dct === undefined ? '' : `, ${milliseconds(dct)} (DCT)`}`,
    ratio: ratioOf(dtrust, plain),
    budget: 'none: two reads a turn apart are part of it',
  };
}

async function benchMemory(setting: Setting, names: Names): Promise<Row> {
  const dtrust = await peakMemory(setting.dtrust('pull', names.dtrust));
  const command = setting.contentTrust === undefined ? setting.plain('pull', names.plain) : undefined;
  const other = await peakMemory(command ?? setting.trusting('pull', names.dct));
  const shown = (value: number | undefined): string =>
    value === undefined ? '-' : `${value.toFixed(0)} MiB`;
  return {
    work: 'peak memory of a warm pull',
    dtrust: shown(dtrust),
    other: `${shown(other)} ${setting.contentTrust === undefined ? '(no trust)' : '(DCT)'}`,
    ratio: dtrust === undefined || other === undefined ? '-' : ratioOf(dtrust, other),
    budget: 'none',
  };
}

/** All rows of the table of commands. */
export async function benchCommands(setting: Setting, progress: Progress): Promise<readonly Row[]> {
  const names = namesIn(setting);
  progress('signing what is going to be pulled');
  await signEverything(setting, names);
  // Without memory, a pin is what lets a cold pull go ahead without a question; the versions in it are met.
  const { output } = await runWell(
    setting.dtrust('trust', 'pin', 'export', names.dtrust.replace(/:1\.0$/, '')),
  );
  const pin = output.split('\n').find((line) => line.startsWith('dtrust trust pin add ')) ?? '';
  await runWell(setting.dtrust(...pin.trim().split(' ').slice(1)));
  const rows: Row[] = [];
  progress('ps');
  rows.push(await benchPassing(setting));
  const pulls: readonly PullOptions[] = [
    { work: 'warm pull of a present image, no delay', roundTripMs: 0, isCold: false, budget: 2 },
    { work: `the same at ${ROUND_TRIP_MS} ms`, roundTripMs: ROUND_TRIP_MS, isCold: false, budget: 0.5 },
    { work: `cold pull at ${ROUND_TRIP_MS} ms`, roundTripMs: ROUND_TRIP_MS, isCold: true, budget: 0.4 },
  ];
  for (const pull of pulls) {
    progress(pull.work);
    rows.push(await benchPull(setting, names, pull));
  }
  progress('requests, push, memory');
  rows.push(...(await benchRequests(setting, names)));
  rows.push(await benchRun(setting, names));
  rows.push(await benchPush(setting, names));
  rows.push(await benchMemory(setting, names));
  return rows;
}
