/**
 * `dtrust start` and `dtrust restart`: every container's image is decided on before any container is started. Docker
 * then gets the full IDs of the containers, so that a name that moves meanwhile starts nothing else. Where docker would
 * print what the user typed it prints those IDs, and dtrust what was typed.
 *
 * A container that runs is restarted as it is: its image is running already.
 */
import assert from 'node:assert';
import { assertPositionals, flagOn } from '../cli/argv.ts';
import type { LocalContainer } from '../engine/local-container.ts';
import type { Context, Outcome } from './context.ts';
import { Services } from './services.ts';
import { containerNamed, verifyContainer } from './vouched-container.ts';

/** @throws CommandLineError USAGE; TrustError IMAGE_UNVERIFIED; EngineError, LocalStateError */
export async function run(context: Context): Promise<Outcome> {
  const { flags, positionals, positionalsAt, rest, path } = assertPositionals(context.parsed);
  const mayRun = path.at(-1) === 'restart';
  const services = new Services(context);
  try {
    const containers = new Map<number, LocalContainer>();
    for (const [i, name] of positionals.entries()) {
      const container = await containerNamed(services, name);
      if (!(mayRun && container.running)) await verifyContainer(services, container, name);
      containers.set(positionalsAt[i] ?? -1, container);
    }
    const pinned = rest.map((arg, at) => containers.get(at)?.id ?? arg);
    // Attached, stdout is the container's own.
    if (flagOn(flags, 'attach') || flagOn(flags, 'interactive')) return { rest: pinned };
    assert(context.observeDocker !== undefined, 'docker is found before a command that ends in it');
    const { status, stdout } = await context.observeDocker(pinned);
    context.out(asTyped(stdout, rest, pinned));
    return status;
  } finally {
    await services.close();
  }
}

/** One line of docker's for each container: the ID that it was given, where it would print what the user typed. */
function asTyped(stdout: string, typed: readonly string[], pinned: readonly string[]): string {
  const names = new Map<string, string[]>();
  for (const [at, arg] of pinned.entries()) {
    const name = typed[at] ?? arg;
    if (name !== arg) names.set(arg, [...(names.get(arg) ?? []), name]);
  }
  return stdout
    .split('\n')
    .map((line) => names.get(line)?.shift() ?? line)
    .join('\n');
}
