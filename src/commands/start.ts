/**
 * `dtrust start` and `dtrust restart`: every container's image is decided on before any container is started. Docker
 * then gets the full IDs of the containers, so that a name that moves meanwhile starts nothing else.
 *
 * A container that runs is restarted as it is: its image is running already.
 */
import { assertPositionals } from '../cli/argv.ts';
import type { LocalContainer } from '../engine/local-container.ts';
import type { Context, HandOver } from './context.ts';
import { Services } from './services.ts';
import { containerNamed, verifyContainer } from './vouched-container.ts';

/** @throws CommandLineError USAGE; TrustError IMAGE_UNVERIFIED; EngineError, LocalStateError */
export async function run(context: Context): Promise<HandOver> {
  const { positionals, positionalsAt, rest, path } = assertPositionals(context.parsed);
  const mayRun = path.at(-1) === 'restart';
  const services = new Services(context);
  try {
    const containers = new Map<number, LocalContainer>();
    for (const [i, name] of positionals.entries()) {
      const container = await containerNamed(services, name);
      if (!(mayRun && container.running)) await verifyContainer(services, container, name);
      containers.set(positionalsAt[i] ?? -1, container);
    }
    return { rest: rest.map((arg, at) => containers.get(at)?.id ?? arg) };
  } finally {
    await services.close();
  }
}
