/** Two people sign what is staged at one moment, one of them stopped at each of his requests in turn (protocol 4.6). */
import { expect, it } from 'vitest';
import type { RegistryHttp } from '../../src/http/registry-http.ts';
import { TrustError } from '../../src/lib/errors.ts';
import type { PublishTools } from '../../src/publish/prepare.ts';
import { putStaged } from '../../src/publish/stage.ts';
import { parseRepository } from '../../src/reference/reference.ts';
import { createRegistryClient } from '../../src/registry/client.ts';
import type { Signer } from '../../src/trust/core/signer.ts';
import { signStaged } from '../../src/trust/core/staged-view.ts';
import { createStagedStore, type StagedStore } from '../../src/trust/staged-store.ts';
import { createMemoryRegistry } from '../helpers/memory-registry.ts';
import { rejectsCode } from '../helpers/throws-code.ts';
import { put, ROOT_KEY, repository, root } from '../trust/core/editor-world.ts';
import {
  addAlice,
  begun,
  SECOND_KEY,
  second,
  staged,
  THIRD_KEY,
  third,
  view,
} from '../trust/core/staged-world.ts';
import { JumpingClock } from '../trust/publish-clock.ts';

const APP = parseRepository('docker.io/acme/app');
const refuse = (id: string | undefined) => {
  throw new Error(`something else is there: ${id}`);
};

async function world() {
  const state = await begun(3);
  const first = await view(state, await staged(state, [addAlice], [root, repository]));
  const signedBy = async (signer: Signer) => view(state, await signStaged(first, [signer]));
  const registry = createMemoryRegistry({});
  const clock = new JumpingClock();
  const tools = {
    clock,
    random: () => 0.5,
    signal: new AbortController().signal,
    repository: APP,
  } as unknown as PublishTools;
  const storeThrough = (http: RegistryHttp): StagedStore =>
    createStagedStore({ client: createRegistryClient(http), repository: APP });
  await clock.drive(putStaged(tools, storeThrough(registry.http), first, () => undefined));
  return { state, first, signedBy, registry, clock, tools, storeThrough };
}

it.each(Array.from({ length: 16 }, (_, at) => at))(
  'protocol 4.6: no signature is lost when the other signs before request %i',
  async (at) => {
    const { state, signedBy, registry, clock, tools, storeThrough } = await world();
    const [bySecond, byThird] = [await signedBy(second), await signedBy(third)];
    let count = 0;
    const other = () => putStaged(tools, storeThrough(registry.http), byThird, refuse);
    let done: Promise<unknown> | undefined;
    const gated: RegistryHttp = {
      ...registry.http,
      request: async (...args) => {
        if (count++ === at) {
          done = other();
          await done;
        }
        return await registry.http.request(...args);
      },
    };
    await clock.drive(
      (async () => {
        await putStaged(tools, storeThrough(gated), bySecond, refuse);
        await (done ?? other());
      })(),
    );
    const record = await storeThrough(registry.http).read();
    if (record?.kind !== 'waiting') throw new Error('it waits');
    const seen = await view(state, record.state);
    const signed = seen.roles[0]?.quorums[0]?.signed.map(({ keyid }) => keyid) ?? [];
    expect(signed.toSorted()).toEqual([ROOT_KEY, SECOND_KEY, THIRD_KEY].map(({ keyid }) => keyid).toSorted());
    expect(seen.complete).toBe(true);
  },
);

it('protocol 4.6: of two who stage different changes at once, one is told to wait: STAGED_PENDING', async () => {
  const { state, first, registry, clock, tools, storeThrough } = await world();
  const other = await view(state, await staged(state, [put('1.0')], [repository]));
  const pending = (id: string | undefined) => {
    if (id !== undefined) throw new TrustError({ code: 'STAGED_PENDING', message: id });
  };
  const work = putStaged(tools, storeThrough(registry.http), other, pending);
  const error = await rejectsCode(clock.drive(work), TrustError, 'STAGED_PENDING');
  expect(error.message).toBe(first.id);
});
