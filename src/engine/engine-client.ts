/** The Docker Engine (engine.ts) over dockerode. */
import type { IncomingMessage } from 'node:http';
import type Modem from 'docker-modem';
import type Docker from 'dockerode';
import { EngineError } from '../lib/errors.ts';
import { type Admission, assertAdmission } from '../reference/admission.ts';
import type { Reference, Repository, Tag } from '../reference/reference.ts';
import { isTag } from '../reference/reference.ts';
import type { EngineEndpoint } from '../settings/contexts.ts';
import { assertVersion, atLeastVersion, negotiateVersion } from './api-version.ts';
import { type BuildRequest, startBuild } from './build.ts';
import type { BuildMessage } from './build-messages.ts';
import { describeEndpoint } from './endpoint-name.ts';
import type {
  CallOptions,
  Engine,
  EngineOptions,
  PushOptions,
  RemoveOptions,
  TransferOptions,
} from './engine.ts';
import { engineError } from './engine-error.ts';
import { type EngineInfo, parseInfo } from './engine-info.ts';
import { type ImageParents, parseImageParents } from './image-parents.ts';
import { type LocalContainer, parseLocalContainer } from './local-container.ts';
import { type ImageStore, type LocalImage, parseLocalImage } from './local-image.ts';
import { readMessages } from './messages.ts';
import { createModem } from './modem.ts';
import { platformParameter } from './platform-parameter.ts';
import { quietProgress } from './progress.ts';
import { isPresentFor, pullByDigest } from './pull.ts';
import { collectPushed, type PushResult } from './push-result.ts';

/** base64url of `{}`: engine 20.10 wants the header on a push even without credentials. */
const NO_AUTH = 'e30=';

/** The header's text as docker-modem takes it. The engine reads base64url only with its padding. */
function authConfig(auth = NO_AUTH): { key: string } {
  return { key: auth.padEnd(Math.ceil(auth.length / 4) * 4, '=') };
}

/**
 * Nothing is asked yet.
 * @throws EngineError ENGINE_UNREACHABLE for an ssh URL that names no host, ENGINE_ERROR for a version that is none
 */
export function createEngine(endpoint: EngineEndpoint, options: EngineOptions): Engine {
  return new DockerodeEngine(endpoint, options);
}

class DockerodeEngine implements Engine {
  readonly description: string;
  readonly #modem: Modem;
  readonly #setApiVersion: (version: string) => void;
  readonly #fixedVersion: string | undefined;
  readonly #close: () => void;
  #pinged: ReturnType<Engine['ping']> | undefined;
  #info: Promise<EngineInfo> | undefined;

  constructor(endpoint: EngineEndpoint, options: EngineOptions) {
    const { modem, setApiVersion, close } = createModem(endpoint, options);
    this.description = describeEndpoint(endpoint);
    this.#modem = modem;
    this.#setApiVersion = setApiVersion;
    this.#fixedVersion = options.apiVersion === undefined ? undefined : assertVersion(options.apiVersion);
    this.#close = close;
  }

  /** Loaded by the first call that changes something: what only asks goes by the modem, which loads faster. */
  async #docker(): Promise<Docker> {
    const { default: Dockerode } = await import('dockerode');
    return new Dockerode({ modem: this.#modem } as Docker.DockerOptions);
  }

  ping(options: CallOptions = {}): ReturnType<Engine['ping']> {
    this.#pinged ??= this.#ping(options).catch((error: unknown) => {
      // A later call asks again: this one may only have been aborted.
      this.#pinged = undefined;
      throw error;
    });
    return this.#pinged;
  }

  async #ping({ signal }: CallOptions): ReturnType<Engine['ping']> {
    if (this.#fixedVersion !== undefined) {
      this.#setApiVersion(this.#fixedVersion);
      return { apiVersion: this.#fixedVersion, wantsBuildKit: false };
    }
    const headers = await this.#asked('asking for its version', signal, async () => {
      const answer = await this.#dial({ path: '/_ping', method: 'GET', isStream: true, signal });
      const message = answer as IncomingMessage;
      // To its end, so that the connection is free for what follows.
      for await (const _ of message);
      return message.headers;
    });
    const apiVersion = negotiateVersion(headers['api-version']);
    this.#setApiVersion(apiVersion);
    return { apiVersion, wantsBuildKit: headers['builder-version'] === '2' };
  }

  info(options: CallOptions = {}): Promise<EngineInfo> {
    this.#info ??= this.#call('asking for its description', options.signal, async () =>
      parseInfo(await this.#dial({ path: '/info', method: 'GET', signal: options.signal })),
    ).catch((error: unknown) => {
      this.#info = undefined;
      throw error;
    });
    return this.#info;
  }

  #store(signal: AbortSignal | undefined): () => Promise<ImageStore> {
    return async () => (await this.info({ signal })).store;
  }

  async inspectImage(name: string, options: CallOptions = {}): Promise<LocalImage | undefined> {
    const { signal } = options;
    return await this.#call(`looking at ${name}`, signal, async () => {
      const { apiVersion } = await this.ping(options);
      const query = atLeastVersion(apiVersion, '1.48') ? { manifests: 'true' } : {};
      try {
        const answer = await this.#dial({ path: `/images/${name}/json?`, method: 'GET', query, signal });
        return await parseLocalImage(answer, this.#store(signal));
      } catch (error) {
        if (statusOf(error) === 404) return undefined;
        throw error;
      }
    });
  }

  async inspectContainer(name: string, options: CallOptions = {}): Promise<LocalContainer | undefined> {
    const { signal } = options;
    return await this.#call(`looking at the container ${name}`, signal, async () => {
      try {
        const path = `/containers/${encodeURIComponent(name)}/json?`;
        return parseLocalContainer(await this.#dial({ path, method: 'GET', signal }));
      } catch (error) {
        if (statusOf(error) === 404) return undefined;
        throw error;
      }
    });
  }

  async presentImage(admission: Admission, options: CallOptions = {}): Promise<LocalImage | undefined> {
    assertAdmission(admission);
    return await isPresentFor(admission, this, options);
  }

  async localTags(repository: Repository, options: CallOptions = {}): Promise<readonly Tag[]> {
    const prefix = `${repository.familiar}:`;
    return await this.#call(`listing ${repository.familiar}`, options.signal, async () => {
      const filters = { reference: [repository.familiar] };
      const images = await (await this.#docker()).listImages({ filters, ...aborted(options.signal) });
      const names = images.flatMap((image) => image.RepoTags ?? []);
      const tags = names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
      return [...new Set(tags)].filter(isTag).sort();
    });
  }

  async pull(admission: Admission, options: TransferOptions = {}): Promise<LocalImage> {
    assertAdmission(admission);
    return await pullByDigest(admission, this, { signal: options.signal }, () =>
      this.#fetch(admission, options),
    );
  }

  /** One `POST /images/create`, to its end. */
  async #fetch(admission: Admission, options: TransferOptions): Promise<void> {
    if (admission.fetch.kind !== 'digest') return;
    const { signal, progress = quietProgress } = options;
    const { repository, digest } = admission.fetch;
    await this.#call(`pulling ${repository.familiar}@${digest}`, signal, async () => {
      const stream = await (await this.#docker()).createImage({
        fromImage: repository.familiar,
        tag: digest,
        ...(admission.platform === undefined ? {} : { platform: platformParameter(admission.platform) }),
        authconfig: authConfig(options.auth),
        ...aborted(signal),
      });
      for await (const message of readMessages(stream as unknown as IncomingMessage)) progress.show(message);
    });
  }

  async tag(source: string, repository: Repository, tag: Tag, options: CallOptions = {}): Promise<void> {
    const { signal } = options;
    await this.#call(`tagging ${source} as ${repository.familiar}:${tag}`, signal, async () => {
      await (await this.#docker())
        .getImage(source)
        .tag({ repo: repository.familiar, tag, ...aborted(signal) });
    });
  }

  async push(
    { repository, tag }: Pick<Reference, 'repository' | 'tag'>,
    options: PushOptions = {},
  ): Promise<PushResult> {
    const { signal, progress = quietProgress, platform } = options;
    const name = tag === undefined ? repository.familiar : `${repository.familiar}:${tag}`;
    return await this.#call(`pushing ${name}`, signal, async () => {
      if (platform !== undefined) await this.#needVersion('1.46', 'pushing one platform', options);
      const request: object = {
        ...(tag === undefined ? {} : { tag }),
        ...(platform === undefined ? {} : { platform: JSON.stringify(platform) }),
        authconfig: authConfig(options.auth),
        ...aborted(signal),
      };
      const stream = await (await this.#docker()).getImage(repository.familiar).push(request);
      return await collectPushed(readMessages(stream as unknown as IncomingMessage), progress);
    });
  }

  async removeImage(name: string, options: RemoveOptions = {}): Promise<boolean> {
    const { signal, force = false, noPrune = false } = options;
    return await this.#call(`removing ${name}`, signal, async () => {
      try {
        await (await this.#docker()).getImage(name).remove({
          ...(force ? { force: 'true' } : {}),
          ...(noPrune ? { noprune: 'true' } : {}),
          ...aborted(signal),
        });
        return true;
      } catch (error) {
        if (statusOf(error) === 404) return false;
        throw error;
      }
    });
  }

  async imageParents({ signal }: CallOptions = {}): Promise<ImageParents> {
    return await this.#call('listing its images', signal, async () => {
      const query = { all: '1' };
      return parseImageParents(await this.#dial({ path: '/images/json?', method: 'GET', query, signal }));
    });
  }

  async *build(request: BuildRequest, options: CallOptions = {}): AsyncGenerator<BuildMessage, void> {
    const { signal } = options;
    const doing = 'building';
    await this.ping(options);
    try {
      signal?.throwIfAborted();
      yield* startBuild(await this.#docker(), request, signal);
    } catch (error) {
      throw engineError(error, { engine: this.description, doing, signal });
    }
  }

  close(): void {
    this.#close();
  }

  async #needVersion(least: string, what: string, options: CallOptions): Promise<void> {
    const { apiVersion } = await this.ping(options);
    if (atLeastVersion(apiVersion, least)) return;
    throw new EngineError({
      code: 'ENGINE_ERROR',
      message: `${what} needs an engine with API ${least} or later`,
      expected: least,
      found: apiVersion,
    });
  }

  /** Runs a call behind the ping that settles the API version. */
  async #call<T>(doing: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    await this.ping({ signal });
    return await this.#asked(doing, signal, work);
  }

  async #asked<T>(doing: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    try {
      signal?.throwIfAborted();
      return await work();
    } catch (error) {
      throw engineError(error, { engine: this.description, doing, signal });
    }
  }

  #dial(request: {
    readonly path: string;
    readonly method: string;
    readonly query?: Readonly<Record<string, string>>;
    readonly isStream?: boolean;
    readonly signal: AbortSignal | undefined;
  }): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#modem.dial(
        {
          path: request.path,
          method: request.method,
          options: { ...request.query },
          isStream: request.isStream ?? false,
          statusCodes: { 200: true },
          ...aborted(request.signal),
        },
        (error, answer) => (error === null ? resolve(answer) : reject(error)),
      );
    });
  }
}

/** The signal under docker-modem's name; left out rather than undefined, which it would put into the query. */
function aborted(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal };
}

function statusOf(error: unknown): number | undefined {
  const status: unknown = error instanceof Error ? Reflect.get(error, 'statusCode') : undefined;
  return typeof status === 'number' ? status : undefined;
}
