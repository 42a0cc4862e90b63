/**
 * What one case of the corpus is: data. Names in angle brackets are filled in when it is run (see world.ts), in
 * files, arguments, environment and stdin alike:
 *
 * - `<evil>` the unsigned image with its tag, `<evil-name>` without, `<evil-digest>`, `<evil-id>` of its configuration;
 * - `<marker>` the path of the one file in it;
 * - `<base>` a signed image with a shell, `<base-name>`, `<base-digest>`;
 * - `<signed:NAME>` an image that the case has signed, `<unsigned:NAME>` another tag of the same signed repository;
 * - `<host>` of the registry, `<case>` a path in it that is the case's own, `<here>` the folder of the context,
 *   `<beside>` a folder beside it that is no part of the context.
 */
import type { BuilderName } from './builders.ts';
import type { World } from './world.ts';

export type Content =
  | string
  | { readonly link: string }
  | { readonly text: string; readonly as: 'utf16le' | 'latin1' };

export interface Entry {
  readonly path: string;
  readonly text?: string;
  readonly type?: '0' | '1' | '2' | '5' | 'x' | 'g';
  readonly link?: string;
}

export type Input = string | { readonly tar: readonly Entry[]; readonly gzip?: true };

/** An image made for the case, beside the marker image. */
export interface CaseImage {
  readonly onBuild?: readonly string[];
  /** Holds the marker; else it is an innocent one. */
  readonly evil?: true;
  /** An index: what each architecture gets. */
  readonly index?: Readonly<Record<string, 'innocent' | 'evil'>>;
}

export type By<T> = Readonly<Partial<Record<BuilderName | 'classic' | 'buildkit', T>>>;

/**
 * What has to come of it under enforcement:
 *
 * - a code: dtrust refuses with it, before the builder is asked for anything;
 * - `denied`: the builder refuses, by the source policy it was sent;
 * - `docker`: docker or the builder refuses by itself, policy or not;
 * - `built`: it is built, without the marker;
 * - `named`: it is built with the marker, which the user named by its digest (docs/specification.md, rule 8).
 */
export type Gets = 'denied' | 'docker' | 'built' | 'named' | Uppercase<string>;

export interface Case {
  readonly name: string;
  /** What it counts on. */
  readonly tries: string;
  readonly builders?: readonly BuilderName[];
  /** Of the context; paths that begin with `../` land in `<beside>`. */
  readonly files?: Readonly<Record<string, Content>>;
  readonly args: readonly string[];
  /** With trust off, where those above are dtrust's own matter. */
  readonly plainArgs?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: Input;
  /** config.json of the user. */
  readonly config?: object;
  /** Images of the case by their name; signed as `<signed:NAME>`. */
  readonly signed?: Readonly<Record<string, CaseImage>>;
  readonly unsigned?: Readonly<Record<string, CaseImage>>;
  /** What else has to be in place: in the engine, in the registry. */
  readonly arrange?: (world: World) => Promise<void>;
  /** What happens when dtrust asks the registry the first time; before the build where trust is off. */
  readonly meanwhile?: (world: World) => Promise<void>;
  /** Why the marker does not get in with trust off either, where it does not. */
  readonly cannot?: By<string>;
  readonly gets: Gets | By<Gets>;
}

/** What a table says of a builder: of it by name, or of its kind. */
export function valueFor<T>(by: By<T>, name: BuilderName): T | undefined {
  return by[name] ?? by[name.startsWith('classic') ? 'classic' : 'buildkit'];
}
