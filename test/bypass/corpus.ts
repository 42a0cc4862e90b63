/**
 * The corpus on one builder.
 *
 * Each case runs twice, with a marker image of its own each time: with trust off the marker gets in, which shows that
 * the case has power and that the judge sees it; under enforcement it does not. Ordinary builds run twice as well, and
 * give the same.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { needPeers } from '../helpers/peers.ts';
import { BUILDERS, type BuilderName } from './builders.ts';
import { type Case, type Gets, valueFor } from './case.ts';
import { CASES } from './cases.ts';
import { lookBefore, tracesOf } from './judge.ts';
import { ORDINARY } from './ordinary.ts';
import { resultOf } from './result-view.ts';
import { type Site, useSite } from './site.ts';
import { type Ended, World } from './world.ts';

export async function describeCorpus(name: BuilderName): Promise<void> {
  const builder = BUILDERS[name];
  const needed = await needPeers(...builder.peers);
  const isFor = ({ builders }: { readonly builders?: readonly BuilderName[] }) =>
    builders?.includes(name) ?? true;

  describe.skipIf(needed.skip)(needed.title(`builds with ${name}`), () => {
    const site = useSite(builder);
    afterEach(() => site.empty());

    for (const [index, each] of CASES.entries()) {
      if (!isFor(each)) continue;
      describe(`${each.name} (tries ${each.tries})`, () => {
        const why = valueFor(each.cannot ?? {}, name);
        it(
          why === undefined ? 'gets an unsigned image in with trust off' : `gets nothing in: ${why}`,
          async () => {
            const { ended, traces } = await runPlain(site, each, `c${index}off`);
            if (why === undefined) expect(traces, said(ended)).not.toEqual([]);
            else expect(traces, said(ended)).toEqual([]);
          },
        );

        it('gets nothing unsigned in under enforcement', async () => {
          const { ended, traces } = await runEnforced(site, each, `c${index}on`);
          const gets = typeof each.gets === 'string' ? each.gets : valueFor(each.gets, name);
          expect(outcomeOf(ended), said(ended)).toBe(gets === 'named' ? 'built' : gets);
          if (gets === 'named') expect(traces, said(ended)).not.toEqual([]);
          else expect(traces, said(ended)).toEqual([]);
        });
      });
    }

    for (const [index, each] of ORDINARY.entries()) {
      if (!isFor(each)) continue;
      it(`builds the same as docker: ${each.name}`, async () => {
        const ordinary = { ...each, tries: 'nothing', gets: 'built' } as const;
        const results: unknown[] = [];
        for (const through of ['plain', 'enforced'] as const) {
          const world = new World(site, ordinary, `o${index}`);
          await world.arrange(through === 'enforced');
          const ended = await world[through]();
          expect(ended.status, said(ended)).toBe(0);
          results.push(await resultOf(world, each));
          world.remove();
          await site.empty();
        }
        expect(results[1]).toEqual(results[0]);
      });
    }
  });
}

async function runPlain(site: Site, each: Case, path: string) {
  const world = new World(site, each, path);
  await world.arrange(false);
  // What happens in between has happened already: so docker meets what dtrust has not looked at.
  await each.meanwhile?.(world);
  const before = await lookBefore(world);
  const ended = await world.plain();
  return { ended, traces: await tracesOf(world, before) };
}

async function runEnforced(site: Site, each: Case, path: string) {
  const world = new World(site, each, path);
  await world.arrange(true);
  const before = await lookBefore(world);
  const ended = await meanwhile(world, each, () => world.enforced());
  return { ended, traces: await tracesOf(world, before) };
}

/** Runs it, with what the case has happen when dtrust first asks the registry. */
async function meanwhile(world: World, { meanwhile: happens }: Case, work: () => Promise<Ended>) {
  if (happens === undefined) return await work();
  const held = world.site.relay.hold(/ /);
  const ending = work();
  await Promise.race([held.reached, ending]);
  await happens(world);
  held.release();
  return await ending;
}

function outcomeOf({ status, stderr, code }: Ended): Gets {
  if (status === 0) return 'built';
  if (code !== undefined) return code as Gets;
  return /denied by policy|not allowed by policy/.test(stderr) ? 'denied' : 'docker';
}

const said = ({ status, stdout, stderr }: Ended): string => `exit ${status}\n${stdout}\n${stderr}`;
