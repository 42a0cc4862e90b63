/**
 * WWW-Authenticate, RFC 7235 2.1 and 4.1: one header may hold several challenges, and commas separate both them
 * and their parameters. The whole text must parse, from the first character to the last: a header that another
 * reader could read differently is refused, not guessed at.
 */
import { RegistryError } from '../lib/errors.ts';

export interface Challenge {
  /** Lower case: `bearer`, `basic`. */
  readonly scheme: string;
  /** Names in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
}

const MAX_LENGTH = 8192;
const MAX_CHALLENGES = 8;

// RFC 7230 3.2.6: token and quoted-string; control characters nowhere.
const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const QUOTED = '"(?:[\\t \\x21\\x23-\\x5b\\x5d-\\x7e\\x80-\\xff]|\\\\[\\t \\x21-\\x7e\\x80-\\xff])*"';
const END = '[ \\t]*(?:,|$)';

const SEPARATORS = /[ \t,]*/y;
const SCHEME = new RegExp(`(${TOKEN})(?:[ \\t]+|(?=${END}))`, 'y');
const PARAMETER = new RegExp(`(${TOKEN})[ \\t]*=[ \\t]*(${TOKEN}|${QUOTED})(?=${END})`, 'y');
// RFC 7235 2.1, token68: what Negotiate and the like carry instead of parameters.
const TOKEN68 = new RegExp(`[A-Za-z0-9._~+/-]+=*(?=${END})`, 'y');

/**
 * All challenges of a WWW-Authenticate header, in order.
 * @throws RegistryError REGISTRY_RESPONSE
 */
export function parseChallenges(header: string): readonly Challenge[] {
  if (header.length > MAX_LENGTH) throw malformed('it is too long');
  const reader = new Reader(header);
  const challenges: Challenge[] = [];
  reader.take(SEPARATORS);
  while (!reader.atEnd()) {
    if (challenges.length === MAX_CHALLENGES) throw malformed('it holds too many challenges');
    challenges.push(parseChallenge(reader));
  }
  return challenges;
}

function parseChallenge(reader: Reader): Challenge {
  const scheme = reader.take(SCHEME);
  if (scheme === undefined) throw malformed('no scheme where one is expected');
  const parameters = new Map<string, string>();
  // A word that stands alone after the scheme is a token68; `a=b` is tried first, `YWJj==` matches only this.
  if (!reader.at(PARAMETER)) reader.take(TOKEN68);
  reader.take(SEPARATORS);
  for (let found = reader.take(PARAMETER); found !== undefined; found = reader.take(PARAMETER)) {
    const name = (found[1] ?? '').toLowerCase();
    // Two realms: which one counts would be the reader's guess.
    if (parameters.has(name)) throw malformed(`parameter ${name} comes twice`);
    parameters.set(name, unquote(found[2] ?? ''));
    reader.take(SEPARATORS);
  }
  return { scheme: (scheme[1] ?? '').toLowerCase(), parameters };
}

function unquote(value: string): string {
  return value.startsWith('"') ? value.slice(1, -1).replace(/\\(.)/g, '$1') : value;
}

/** Moves through a text by sticky expressions. */
class Reader {
  readonly #text: string;
  #position = 0;

  constructor(text: string) {
    this.#text = text;
  }

  atEnd(): boolean {
    return this.#position === this.#text.length;
  }

  at(expression: RegExp): boolean {
    expression.lastIndex = this.#position;
    return expression.test(this.#text);
  }

  take(expression: RegExp): RegExpExecArray | undefined {
    expression.lastIndex = this.#position;
    const match = expression.exec(this.#text);
    if (match === null) return undefined;
    this.#position = expression.lastIndex;
    return match;
  }
}

function malformed(why: string): RegistryError {
  return new RegistryError({
    code: 'REGISTRY_RESPONSE',
    message: `the registry's WWW-Authenticate header cannot be read: ${why}`,
    status: 401,
  });
}
