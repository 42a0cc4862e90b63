/**
 * The Docker Engine as dtrust uses it; src/engine/engine-client.ts is the real one.
 *
 * An image reaches the engine through `pull` alone, which takes nothing but an Admission and asks for exactly
 * its digest. A name is set afterwards and by itself, so whatever ends a pull early leaves no name behind.
 * Whatever fails is an EngineError; a call that was aborted rejects with the signal's reason.
 */
import type { Admission } from '../reference/admission.ts';
import type { Platform } from '../reference/platform.ts';
import type { Reference, Repository, Tag } from '../reference/reference.ts';
import type { BuildRequest } from './build.ts';
import type { BuildMessage } from './build-messages.ts';
import type { EngineInfo } from './engine-info.ts';
import type { ImageParents } from './image-parents.ts';
import type { LocalContainer } from './local-container.ts';
import type { LocalImage } from './local-image.ts';
import type { Progress } from './progress.ts';
import type { PushResult } from './push-result.ts';

export interface EngineOptions {
  /** Handed on to `ssh` as it is. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** DOCKER_API_VERSION: used as given, instead of asking the engine. */
  readonly apiVersion?: string | undefined;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface TransferOptions extends CallOptions {
  /** X-Registry-Auth: base64url of the credentials' JSON, padded or not; absent for none. */
  readonly auth?: string | undefined;
  readonly progress?: Progress | undefined;
}

export interface PushOptions extends TransferOptions {
  /** Push this platform of a multi-platform image only (API 1.46). */
  readonly platform?: Platform | undefined;
}

export interface RemoveOptions extends CallOptions {
  readonly force?: boolean;
  readonly noPrune?: boolean;
}

export interface Engine {
  /** `unix:///var/run/docker.sock`, for messages. */
  readonly description: string;
  /**
   * Settles the API version; every other call does it first by itself. `wantsBuildKit`: a client that has both builders
   * should take BuildKit; false where DOCKER_API_VERSION spared the question.
   * @throws EngineError ENGINE_UNREACHABLE, ENGINE_REFUSED, ENGINE_TLS, ENGINE_BROKEN, ENGINE_ERROR (as all calls)
   */
  ping(options?: CallOptions): Promise<{ readonly apiVersion: string; readonly wantsBuildKit: boolean }>;
  /** Asked once per process. */
  info(options?: CallOptions): Promise<EngineInfo>;
  /** The local image of this name, ID or `name@digest`; undefined when the engine has none. */
  inspectImage(name: string, options?: CallOptions): Promise<LocalImage | undefined>;
  /** The container of this name or ID, shortened or not; undefined when the engine has none. */
  inspectContainer(name: string, options?: CallOptions): Promise<LocalContainer | undefined>;
  /** The image an admission stands for, when the engine holds it for the wanted platform; nothing is fetched. */
  presentImage(admission: Admission, options?: CallOptions): Promise<LocalImage | undefined>;
  /** Tags of the repository that the engine knows, sorted. */
  localTags(repository: Repository, options?: CallOptions): Promise<readonly Tag[]>;
  /**
   * Fetches the admission's digest (nothing when it stands for a local image) and returns the image as held.
   * @throws EngineError IMAGE_NOT_FOUND when registry or engine does not have it
   */
  pull(admission: Admission, options?: TransferOptions): Promise<LocalImage>;
  /** Names an image: `source` (ID or `name@digest`) becomes `repository:tag`, which moves if it was another. */
  tag(source: string, repository: Repository, tag: Tag, options?: CallOptions): Promise<void>;
  /**
   * Pushes `repository:tag`, or all its tags when the reference has none.
   * @throws EngineError ENGINE_ERROR, for an absent image too: the engine says that in its stream
   */
  push(reference: Pick<Reference, 'repository' | 'tag'>, options?: PushOptions): Promise<PushResult>;
  /** Every image with the one it was built upon. */
  imageParents(options?: CallOptions): Promise<ImageParents>;
  /** Builds with the classic builder; a build that fails ends with a message that says so. */
  build(request: BuildRequest, options?: CallOptions): AsyncGenerator<BuildMessage, void>;
  /** Removes a name, and the image when it was the last one. False when there was no such name. */
  removeImage(name: string, options?: RemoveOptions): Promise<boolean>;
  /** Ends all connections; idle ones never keep the process alive anyway. */
  close(): void;
}
