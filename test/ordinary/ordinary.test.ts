/**
 * What people type every day does the same through dtrust: stdout, stderr and exit status of hundreds of ordinary
 * invocations, in order, on a real engine with a real registry. With trust off nothing differs; with trust on, on
 * signed images, nothing but what docs/differences.md says.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { needPeers } from '../helpers/peers.ts';
import { Workshop } from '../real/machines.ts';
import { differenceOf, explain, type Place, type Row, readTable } from './differences.ts';
import { readInvocations } from './invocations.ts';
import { type Mode, type Said, Site } from './site.ts';

const MODES: readonly Mode[] = ['docker', 'trust off', 'trust on'];
const INVOCATIONS = readInvocations();
const ROWS = readTable();

/**
 * Seen on a busy machine, once in thousands of times: docker ends with the container's status, and without what it
 * had printed. Such a line leaves nothing behind, and is run once more.
 */
const OUTPUT_MAY_BE_LOST = /^docker run --rm /;
const isLost = (said: readonly (Said | undefined)[]): boolean =>
  new Set(said.map((each) => each?.status)).size === 1 &&
  new Set(said.map((each) => each?.stdout.join('\n'))).size > 1;

const needed = await needPeers('engine 26.1', 'registry', 'docker 26.1', 'buildx', 'compose', 'busybox');
describe.skipIf(needed.skip)(needed.title('ordinary invocations'), () => {
  const transcripts = new Map<Mode, readonly (Said | undefined)[]>();
  let workshop: Workshop;
  let sites: readonly Site[] = [];

  beforeAll(async () => {
    workshop = await Workshop.open();
    sites = await Promise.all(MODES.map((mode) => Site.open(workshop, mode)));
    const played: (Said | undefined)[][] = sites.map(() => []);
    for (const invocation of INVOCATIONS) {
      const play = () => Promise.all(sites.map((site) => site.play(invocation)));
      let said = await play();
      if (OUTPUT_MAY_BE_LOST.test(invocation.line) && isLost(said)) said = await play();
      for (const [i, each] of said.entries()) played[i]?.push(each);
    }
    for (const [i, mode] of MODES.entries()) transcripts.set(mode, played[i] ?? []);
  }, 600_000);
  afterAll(async () => {
    await Promise.all(sites.map((site) => site.close()));
    workshop.remove();
  });

  /** Every difference that no row explains, and the rows that explained something. */
  function compare(
    mode: Mode,
    rows: readonly Row[],
  ): { readonly left: readonly string[]; readonly used: ReadonlySet<Row> } {
    const left: string[] = [];
    const used = new Set<Row>();
    for (const [i, { line }] of INVOCATIONS.entries()) {
      const [plain, other] = [transcripts.get('docker')?.[i], transcripts.get(mode)?.[i]];
      if (plain === undefined || other === undefined) continue;
      const places: readonly [Place, readonly string[], readonly string[]][] = [
        ['status', [String(plain.status)], [String(other.status)]],
        ['stdout', plain.stdout, other.stdout],
        ['stderr', plain.stderr, other.stderr],
      ];
      for (const [place, before, after] of places) {
        const found = differenceOf(before, after);
        if (found === undefined) continue;
        const because = rows.length === 0 ? undefined : explain(line, place, found, rows);
        for (const row of because ?? []) used.add(row);
        if (because !== undefined) continue;
        const lines = [
          ...found.docker.map((each) => `- ${each}`),
          ...found.dtrust.map((each) => `+ ${each}`),
        ];
        left.push([`${line} (${place})`, ...lines].join('\n'));
      }
    }
    return { left, used };
  }

  test('the plain run does what its lines are there for', () => {
    const plain = transcripts.get('docker') ?? [];
    const good = plain.filter((said) => said?.status === 0);
    expect(good.length).toBeGreaterThan(150);
    expect(plain.length - good.length).toBeGreaterThan(50);
    const hello = INVOCATIONS.findIndex(({ line }) => line.endsWith('1.36 echo hello'));
    expect(plain[hello]).toMatchObject({ status: 0, stdout: ['hello'] });
  });

  test('at least 120 are compared with trust on', () => {
    const on = transcripts.get('trust on') ?? [];
    expect(on.filter((said) => said !== undefined).length).toBeGreaterThan(120);
  });

  test('with trust off nothing differs', () => {
    expect(compare('trust off', []).left.join('\n\n')).toBe('');
  });

  test('with trust on nothing differs but what docs/differences.md says, and all that it says is so', () => {
    const { left, used } = compare('trust on', ROWS);
    expect(left.join('\n\n')).toBe('');
    expect(ROWS.filter((row) => !used.has(row))).toEqual([]);
  });
});
