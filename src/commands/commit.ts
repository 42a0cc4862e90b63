/**
 * `dtrust commit`: the real docker makes the image; where the container's image is known here, the new one is noted in
 * the ledger under its ID, and may run.
 */
import assert from 'node:assert';
import { assertPositionals } from '../cli/argv.ts';
import { recordImage } from '../enforce/ledger.ts';
import type { LocalContainer } from '../engine/local-container.ts';
import { hasCode } from '../lib/errors.ts';
import { isSha256 } from '../reference/digest.ts';
import { type Context, note, type Outcome } from './context.ts';
import { engineId, ledgerStore } from './ledger-of.ts';
import { Services } from './services.ts';
import { verifyContainer } from './vouched-container.ts';

/** @throws CommandLineError USAGE; LocalStateError LEDGER_DAMAGED and others; EngineError */
export async function run(context: Context): Promise<Outcome> {
  const { positionals, positionalsAt, rest } = assertPositionals(context.parsed);
  const [name = ''] = positionals;
  const services = new Services(context);
  try {
    const engine = await services.engine();
    const container = await engine.inspectContainer(name, { signal: context.signal });
    if (container === undefined || !(await isKnown(services, container, name))) return { rest };
    const pinned = rest.map((arg, at) => (at === positionalsAt[0] ? container.id : arg));
    assert(context.observeDocker !== undefined, 'docker is found before a command that ends in it');
    const { status, stdout } = await context.observeDocker(pinned);
    context.out(stdout);
    if (status === 0) await recordCommit(services, stdout.trim(), container);
    return status;
  } finally {
    await services.close();
  }
}

async function isKnown(services: Services, container: LocalContainer, name: string): Promise<boolean> {
  try {
    if ((await verifyContainer(services, container, name)) !== 'allowed') return true;
    // An entry of the ledger has no end: it would outlast the exception.
    note(
      services.context,
      'the image of this container is allowed for a time only, so the new one is not noted as yours',
    );
    return false;
  } catch (error) {
    if (!hasCode(error, 'IMAGE_UNVERIFIED', 'IMAGE_NOT_FOUND')) throw error;
    note(
      services.context,
      'nobody vouches for the image of this container, so the new one is not noted as yours',
    );
    return false;
  }
}

async function recordCommit(services: Services, image: string, container: LocalContainer): Promise<void> {
  const { context } = services;
  const engine = await engineId(services);
  const reference = `container ${container.id}`;
  try {
    if (!isSha256(image) || engine === '') {
      note(
        context,
        'the new image is not noted as yours: docker did not print its ID, or the engine has none',
      );
      return;
    }
    await recordImage(ledgerStore(services), { engine, image, why: 'committed', reference });
  } catch (error) {
    // The image has been made: what is lost is only that it may run.
    if (!hasCode(error, 'FILE_UNWRITABLE', 'DISK_FULL', 'LOCK_TIMEOUT')) throw error;
    note(
      context,
      `the new image is not noted as yours (${error.code}); to run it: dtrust trust accept ${image}`,
    );
  }
}
