/** A real engine, a real registry and machines for one test file, with a repository of its own for each test. */
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import {
  type BuiltImage,
  imageArchive,
  type RunningEngine,
  type RunningRegistry,
  startEngine,
  startRegistry,
  textImage,
} from '../helpers/peers.ts';
import { type Machine, OWNER_ENV, Workshop } from './machines.ts';
import { type Relay, startRelay } from './relay.ts';

export interface EngineKind {
  readonly version: '20.10' | '26.1';
  readonly containerdStore: boolean;
}

export interface Stage {
  readonly workshop: Workshop;
  readonly engine: RunningEngine;
  readonly registry: RunningRegistry;
  /** Before the engine: what `other` asks of it. */
  readonly relay: Relay;
  /** Signs, without a terminal; speaks to the engine itself. */
  readonly owner: Machine;
  /** Fresh in each test; speaks to the engine through the relay. */
  readonly other: Machine;
  /** The repository of this test: its path in the registry, and the name that users write. */
  readonly path: string;
  readonly name: string;
  image(text: string, architecture?: string): BuiltImage;
  /** Loads a new image into the engine under a tag of the repository. */
  load(text: string, tag: string): Promise<BuiltImage>;
  /** Pushes and signs a new image, and takes it off the engine. */
  signed(text: string, tag?: string): Promise<BuiltImage>;
}

/** Sets the stage up in the block it is called in; the members are there while tests run. */
export function useStage(kind: EngineKind): Stage {
  const stage = {} as { -readonly [member in keyof Stage]: Stage[member] };
  let count = 0;
  beforeAll(async () => {
    [stage.workshop, stage.engine, stage.registry] = await Promise.all([
      Workshop.open(),
      startEngine(kind),
      startRegistry(),
    ]);
    const { workshop, engine } = stage;
    const socketPath = `${workshop.folder}/e.sock`;
    stage.relay = await startRelay({ socketPath: engine.socketPath }, { socketPath });
    stage.owner = workshop.machine({ engine: engine.host, env: OWNER_ENV });
  });
  beforeEach(() => {
    count += 1;
    stage.path = `team/app${count}`;
    stage.name = `${stage.registry.host}/${stage.path}`;
    stage.other = stage.workshop.machine({ engine: `unix://${stage.relay.address}` });
    stage.relay.forget();
  });
  afterEach(() => stage.engine.clear());
  afterAll(async () => {
    await stage.relay.stop();
    await Promise.all([stage.engine.stop(), stage.registry.stop()]);
    stage.workshop.remove();
  });
  stage.image = (text, architecture) => textImage(`${text} of test ${count}`, architecture);
  stage.load = async (text, tag) => {
    const built = stage.image(text);
    await stage.engine.load(imageArchive(built, [`${stage.name}:${tag}`]));
    return built;
  };
  stage.signed = async (text, tag = '1.0') => {
    const built = await stage.load(text, tag);
    const pushed = await stage.owner.run('push', '-q', `${stage.name}:${tag}`);
    expect(pushed).toMatchObject({ status: 0, stdout: `${stage.name}:${tag}\n` });
    await stage.engine.clear();
    return built;
  };
  return stage;
}
