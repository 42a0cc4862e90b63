/**
 * Sends a request with what its registry wants to see: nothing, Basic, or a token. The registry says so in a
 * challenge (401), which is remembered per registry host, so that the next request brings its token along.
 *
 * At most two rounds: a second 401 is the caller's answer. Tokens are kept in memory alone, per registry host,
 * realm, service and scopes; never written, never shared between registries.
 */
import type { Clock } from '../lib/clock.ts';
import { DtrustError } from '../lib/errors.ts';
import type { Credentials } from '../settings/credentials.ts';
import type { InsecureMode } from '../settings/insecure-registries.ts';
import { parseChallenges } from './challenge.ts';
import { onAbort } from './deadline.ts';
import { checkRealm } from './realms.ts';
import type { RegistryOrigin } from './registry-origin.ts';
import type { RememberedChallenge, TokenMemory } from './token-memory.ts';
import { type AccessToken, basicAuthorization, fetchToken } from './token-service.ts';
import type { HttpRequest, HttpResponse, Transport } from './transport.ts';

export interface AuthorizerOptions {
  readonly send: Transport;
  readonly clock: Clock;
  readonly credentials: (host: string) => Promise<Credentials>;
  readonly insecure: (host: string) => Promise<InsecureMode | undefined>;
  readonly memory: TokenMemory;
}

/** Whom a request goes to, and what for. */
export interface Target {
  readonly host: string;
  readonly origin: RegistryOrigin;
  readonly scopes: readonly string[];
}

type BearerChallenge = Extract<RememberedChallenge, { scheme: 'bearer' }>;

interface KeptToken {
  readonly fetching: Promise<AccessToken>;
  /** On the monotonic clock; without end while the token is on its way. */
  validUntilMs: number;
}

type Headers = Readonly<Record<string, string>>;

export class Authorizer {
  readonly #options: AuthorizerOptions;
  readonly #tokens = new Map<string, KeptToken>();
  readonly #credentials = new Map<string, Promise<Credentials>>();
  /** Hosts whose challenge came over the wire in this process. */
  readonly #seen = new Set<string>();

  constructor(options: AuthorizerOptions) {
    this.#options = options;
  }

  async send(request: HttpRequest, target: Target): Promise<HttpResponse> {
    const remembered = this.#options.memory.get(target.host);
    const brought = await this.#bring(remembered, target, request.signal);
    const response = await this.#options.send(withHeaders(request, brought));
    // Another origin, that a redirect led to, has no say in where this registry's credentials go.
    if (response.status !== 401 || response.url.origin !== target.origin.url.origin) return response;
    const challenge = chooseChallenge(response.headers.get('www-authenticate'));
    this.#seen.add(target.host);
    if (challenge === undefined) {
      this.#options.memory.set(target.host, undefined);
      return response;
    }
    if (remembered !== undefined) this.#forgetToken(remembered, target);
    const wanted = await this.#authorize(challenge, target, request.signal);
    // The same again would be answered the same.
    if (wanted.authorization === undefined || wanted.authorization === brought.authorization) return response;
    const answer = await this.#options.send(withHeaders(request, wanted));
    // Only a challenge that was met is worth keeping: a call that is refused leaves nothing on disk.
    if (answer.status !== 401) this.#options.memory.set(target.host, challenge);
    return answer;
  }

  /** Headers by what is remembered. From an older process it may be out of date: then the registry is asked. */
  async #bring(
    remembered: RememberedChallenge | undefined,
    target: Target,
    signal?: AbortSignal,
  ): Promise<Headers> {
    if (remembered === undefined) return {};
    try {
      return await this.#authorize(remembered, target, signal);
    } catch (error) {
      if (!(error instanceof DtrustError) || error.class === 'local' || this.#seen.has(target.host))
        throw error;
      this.#options.memory.set(target.host, undefined);
      return {};
    }
  }

  async #authorize(challenge: RememberedChallenge, target: Target, signal?: AbortSignal): Promise<Headers> {
    const credentials = await this.#credentialsOf(target.host);
    if (challenge.scheme === 'basic') return basicAuthorization(credentials);
    if (credentials.kind === 'registryToken') return bearer(credentials.token);
    const kept = this.#keptToken(challenge, target) ?? this.#newToken(challenge, target);
    return bearer((await unlessAborted(kept.fetching, signal)).token);
  }

  /** A token that is still good, or on its way, for these scopes or for pushing as well. */
  #keptToken(challenge: BearerChallenge, target: Target): KeptToken | undefined {
    const wider = target.scopes.map((scope) => scope.replace(/:pull$/, ':pull,push'));
    return [target.scopes, wider]
      .map((scopes) => this.#tokens.get(tokenKey(challenge, { ...target, scopes })))
      .find((kept) => kept !== undefined && kept.validUntilMs > this.#options.clock.monotonic());
  }

  /** One request for a token, also when several requests wait for it; none of them can abort it for the others. */
  #newToken(challenge: BearerChallenge, target: Target): KeptToken {
    const key = tokenKey(challenge, target);
    const kept: KeptToken = {
      fetching: this.#fetch(challenge, target),
      validUntilMs: Number.POSITIVE_INFINITY,
    };
    this.#tokens.set(key, kept);
    kept.fetching.then(
      (token) => {
        kept.validUntilMs = token.validUntilMs;
      },
      () => this.#tokens.delete(key),
    );
    return kept;
  }

  async #fetch(
    { realm: text, service }: BearerChallenge,
    { host, origin, scopes }: Target,
  ): Promise<AccessToken> {
    const { clock, send, insecure } = this.#options;
    const { url: realm, tls } = await checkRealm(text, origin, insecure);
    const credentials = await this.#credentialsOf(host);
    return fetchToken({ realm, service, scopes, credentials }, (request) => send({ ...request, tls }), clock);
  }

  #credentialsOf(host: string): Promise<Credentials> {
    const known = this.#credentials.get(host) ?? this.#options.credentials(host);
    this.#credentials.set(host, known);
    return known;
  }

  #forgetToken(challenge: RememberedChallenge, target: Target): void {
    if (challenge.scheme === 'bearer') this.#tokens.delete(tokenKey(challenge, target));
  }
}

/** The strongest that dtrust speaks; undefined when there is none (the 401 is then the answer). */
function chooseChallenge(header: string | undefined): RememberedChallenge | undefined {
  if (header === undefined) return undefined;
  const challenges = parseChallenges(header);
  for (const { scheme, parameters } of challenges) {
    const realm = parameters.get('realm');
    if (scheme === 'bearer' && realm !== undefined)
      return { scheme, realm, service: parameters.get('service') };
  }
  return challenges.some(({ scheme }) => scheme === 'basic') ? { scheme: 'basic' } : undefined;
}

function tokenKey(challenge: BearerChallenge, target: Target): string {
  // JSON keeps the parts apart whatever they hold.
  return JSON.stringify([
    target.host,
    target.origin.url.origin,
    challenge.realm,
    challenge.service ?? null,
    target.scopes,
  ]);
}

function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  return new Promise((resolve, reject) => {
    const stopListening = onAbort(signal, reject);
    work.then(resolve, reject).finally(stopListening);
  });
}

function bearer(token: string): Headers {
  return { authorization: `Bearer ${token}` };
}

function withHeaders(request: HttpRequest, headers: Headers): HttpRequest {
  return { ...request, headers: { ...request.headers, ...headers } };
}
