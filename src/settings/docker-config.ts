/**
 * Docker's `config.json`, read as Docker CLI reads it: unknown members ignored, members of the wrong type
 * refused, an absent file empty. Nothing of its content is ever put into a message: it holds passwords.
 *
 * Read with JSON.parse, not the strict parser: the file is the user's own, and Docker accepts what it accepts.
 * Names in it become Map keys, so that `__proto__` is a name like any other.
 */
import path from 'node:path';
import { LocalStateError } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';
import type { Environment } from './environment.ts';
import { type ReadableFiles, readFileIfPresent } from './local-files.ts';

/** One entry of `auths`; `auth` is already decoded into username and password. */
export interface AuthEntry {
  readonly username: string;
  readonly password: string;
  readonly identityToken: string;
  readonly registryToken: string;
}

export interface DockerConfig {
  /** The folder, whether or not it exists. */
  readonly directory: string;
  readonly file: string;
  readonly auths: ReadonlyMap<string, AuthEntry>;
  readonly credsStore: string | undefined;
  readonly credHelpers: ReadonlyMap<string, string>;
  /** Sent by Docker with each request to the engine; only those named X-Meta-... go on to a registry. */
  readonly httpHeaders: ReadonlyMap<string, string>;
  readonly currentContext: string | undefined;
  readonly aliases: ReadonlyMap<string, string>;
  readonly plugins: ReadonlyMap<string, ReadonlyMap<string, string>>;
  readonly features: ReadonlyMap<string, string>;
  readonly cliPluginsExtraDirs: readonly string[];
  /** For containers, not for the CLI's own requests: kept for completeness, used nowhere in src/http. */
  readonly proxies: ReadonlyMap<string, ReadonlyMap<string, string>>;
  readonly detachKeys: string | undefined;
}

/**
 * `--config`, else DOCKER_CONFIG, else `~/.docker`. Without a home folder: `.docker` below `fallbackHome`, which
 * main.ts takes from the user database.
 */
export function configDirectory(
  env: Pick<Environment, 'dockerConfig' | 'home'>,
  flag: string | undefined,
  fallbackHome = '/',
): string {
  return flag || env.dockerConfig || path.join(env.home ?? fallbackHome, '.docker');
}

/**
 * Reads `<directory>/config.json`.
 * @throws LocalStateError CONFIG_INVALID, FILE_UNREADABLE
 */
export function loadDockerConfig(fs: ReadableFiles, directory: string): DockerConfig {
  const file = path.join(directory, 'config.json');
  const bytes = readFileIfPresent(fs, file);
  // Docker takes an empty file as an empty configuration (it may have just been made).
  return parseDockerConfig(
    bytes === undefined || bytes.length === 0 ? '{}' : bytes.toString('utf8'),
    directory,
    file,
  );
}

/**
 * The text of a config.json; also used for DOCKER_AUTH_CONFIG, where `file` names the variable.
 * @throws LocalStateError CONFIG_INVALID
 */
export function parseDockerConfig(text: string, directory: string, file: string): DockerConfig {
  const members = new Members(parseObject(text, file), file);
  return Object.freeze({
    directory,
    file,
    auths: readAuths(members),
    credsStore: members.text('credsStore') || undefined,
    credHelpers: members.texts('credHelpers'),
    httpHeaders: members.texts('HttpHeaders'),
    currentContext: members.text('currentContext') || undefined,
    aliases: members.texts('aliases'),
    plugins: members.nestedTexts('plugins'),
    features: members.texts('features'),
    cliPluginsExtraDirs: members.list('cliPluginsExtraDirs'),
    proxies: members.nestedTexts('proxies'),
    detachKeys: members.text('detachKeys') || undefined,
  });
}

function parseObject(text: string, file: string): object {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    // No cause: the engine's message quotes the text around the error, and that text may be a password.
    throw invalid(file, 'it is not JSON');
  }
  if (!isObject(value)) throw invalid(file, 'it is not a JSON object');
  return value;
}

function readAuths(members: Members): ReadonlyMap<string, AuthEntry> {
  const auths = new Map<string, AuthEntry>();
  for (const [key, entry] of members.objects('auths')) auths.set(key, readAuth(entry, key));
  return auths;
}

function readAuth(entry: Members, key: string): AuthEntry {
  const encoded = entry.text('auth');
  const decoded = encoded === '' ? undefined : decodeAuth(encoded, entry.file, key);
  return Object.freeze({
    username: decoded?.username ?? entry.text('username'),
    password: decoded?.password ?? entry.text('password'),
    identityToken: entry.text('identitytoken'),
    registryToken: entry.text('registrytoken'),
  });
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** `user:password` in base64; the password keeps its colons and loses trailing NULs, as in Docker. */
function decodeAuth(encoded: string, file: string, key: string): { username: string; password: string } {
  const compact = encoded.replace(/[\r\n]/g, '');
  if (!BASE64.test(compact)) throw invalid(file, `the auth of ${escapeText(key)} is not base64`);
  const text = Buffer.from(compact, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 0) throw invalid(file, `the auth of ${escapeText(key)} holds no user and password`);
  return { username: text.slice(0, colon), password: text.slice(colon + 1).replace(/^\0+|\0+$/g, '') };
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(file: string, why: string): LocalStateError {
  return new LocalStateError({
    code: 'CONFIG_INVALID',
    message: `${escapeText(file)} cannot be used: ${why}`,
    hints: [`mend or remove ${escapeText(file)}`],
  });
}

/** Members of one JSON object by name: the exact name first, then any spelling of it, as Go's decoder does. */
class Members {
  readonly file: string;
  readonly #entries: readonly (readonly [string, unknown])[];
  readonly #where: string;

  constructor(value: object, file: string, where = '') {
    this.#entries = Object.entries(value);
    this.file = file;
    this.#where = where;
  }

  text(name: string): string {
    const value = this.#get(name);
    if (value === undefined || value === null) return '';
    if (typeof value !== 'string') throw this.#wrong(name, 'text');
    return value;
  }

  list(name: string): readonly string[] {
    const value = this.#get(name) ?? [];
    if (!Array.isArray(value)) throw this.#wrong(name, 'a list of texts');
    return value.map((item: unknown) => {
      if (typeof item !== 'string') throw this.#wrong(name, 'a list of texts');
      return item;
    });
  }

  texts(name: string): ReadonlyMap<string, string> {
    const texts = new Map<string, string>();
    for (const [key, value] of this.#object(name)) {
      // `features` holds booleans in older files; their text is what newer ones hold.
      if (typeof value !== 'string' && typeof value !== 'boolean')
        throw this.#wrong(name, 'names with texts');
      texts.set(key, String(value));
    }
    return texts;
  }

  objects(name: string): ReadonlyMap<string, Members> {
    const objects = new Map<string, Members>();
    for (const [key, value] of this.#object(name)) {
      if (!isObject(value)) throw this.#wrong(name, 'names with objects');
      objects.set(key, new Members(value, this.file, `${name}.${escapeText(key)}.`));
    }
    return objects;
  }

  nestedTexts(name: string): ReadonlyMap<string, ReadonlyMap<string, string>> {
    const nested = new Map<string, ReadonlyMap<string, string>>();
    for (const [key, value] of this.#object(name)) {
      if (!isObject(value)) throw this.#wrong(name, 'names with objects');
      const texts = Object.entries(value).filter(
        (entry): entry is [string, string] => typeof entry[1] === 'string',
      );
      nested.set(key, new Map(texts));
    }
    return nested;
  }

  #object(name: string): readonly (readonly [string, unknown])[] {
    const value = this.#get(name) ?? {};
    if (!isObject(value)) throw this.#wrong(name, 'an object');
    return Object.entries(value);
  }

  #get(name: string): unknown {
    const exact = this.#entries.find(([key]) => key === name);
    const folded = exact ?? this.#entries.find(([key]) => key.toLowerCase() === name.toLowerCase());
    return folded?.[1];
  }

  #wrong(name: string, wanted: string): LocalStateError {
    return invalid(this.file, `${this.#where}${name} is not ${wanted}`);
  }
}
