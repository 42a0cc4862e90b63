/** A container as the engine describes it, read from `GET /containers/NAME/json`. */
import { EngineError } from '../lib/errors.ts';
import { type Digest, isSha256 } from '../reference/digest.ts';

export interface LocalContainer {
  /** In full: 64 hexadecimal digits. */
  readonly id: string;
  /** The image it was made of. */
  readonly imageId: Digest;
  /** How that image was called when the container was made: a name, a digest or an ID. */
  readonly image: string;
  readonly running: boolean;
}

/** @throws EngineError ENGINE_BROKEN when the answer is no container */
export function parseLocalContainer(answer: unknown): LocalContainer {
  const { Id, Image, Config, State } = record(answer);
  const image = record(Config).Image;
  const isWhole =
    typeof Id === 'string' && /^[0-9a-f]{64}$/.test(Id) && typeof Image === 'string' && isSha256(Image);
  if (!isWhole || typeof image !== 'string') throw notAContainer();
  return Object.freeze({ id: Id, imageId: Image, image, running: record(State).Running === true });
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) throw notAContainer();
  return value as Readonly<Record<string, unknown>>;
}

function notAContainer(): EngineError {
  return new EngineError({
    code: 'ENGINE_BROKEN',
    message: 'the engine described a container in no known form',
  });
}
