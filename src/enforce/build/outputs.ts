/**
 * What a build does with its result, read from `--push`, `--load`, `--tag` and `--output` as buildx does (0.13; earlier
 * ones refuse what is new there): which names it will push, which have to be signed, and whether the engine may
 * hold the image afterwards.
 *
 * What has two readings is refused. One result that is pushed is one digest, and buildx reports one: a build that pushes
 * and writes another image beside it is refused, because the digest reported may be the other one's.
 */
import { readCsvRecord } from '../../cli/csv.ts';
import { UsageError } from '../../lib/errors.ts';
import { escapeShort } from '../../lib/escape.ts';
import {
  assertNotTrustTag,
  parseReference,
  type Reference,
  type Tag,
  withDefaultTag,
} from '../../reference/reference.ts';

export type TaggedReference = Reference & { readonly tag: Tag };

/** The flags, as the command line has them. */
export interface OutputFlags {
  readonly tags: readonly string[];
  readonly outputs: readonly string[];
  readonly push: boolean;
  readonly load: boolean;
}

export interface BuildOutputs {
  /** What will stand in a registry under a tag, and is to be signed; each name once, `latest` filled in. */
  readonly pushed: readonly TaggedReference[];
  /** Something is pushed under no tag, by its digest alone: there is no name to sign. */
  readonly pushedByDigest: boolean;
  /** The engine may hold the image afterwards when its own builder does the build (buildx's driver `docker`). */
  readonly heldByEngineBuilder: boolean;
  /** A `type=docker` without a file: another builder hands the image to the engine as well. */
  readonly loaded: boolean;
  /** Standard output carries the result (`-o -`). */
  readonly onStdout: boolean;
}

/** One `--output`, or what `--push` and `--load` stand for. */
interface Export {
  readonly type: string;
  readonly attributes: ReadonlyMap<string, string>;
  /** As typed, for messages. */
  readonly given: string;
}

/** Exporters that make an image, whose digest buildx then reports. */
const IMAGES = new Set(['image', 'docker', 'oci']);
/** The others of buildx 0.13; what is none of these might push as well, as BuildKit's own name `moby` does. */
const FILES = new Set(['local', 'tar', 'cacheonly']);

/**
 * Reads the flags.
 * @throws UsageError USAGE, REFERENCE_INVALID, TAG_RESERVED, NOT_YET_ENFORCED
 */
export function readOutputs(flags: OutputFlags): BuildOutputs {
  const exports = withSwitches(flags.outputs.map(readExport), flags);
  for (const each of exports) refuseUnknown(each);
  const pushing = exports.filter(pushes);
  const named = pushing.filter((each) => !isOn(each, 'push-by-digest'));
  const images = exports.filter(({ type }) => IMAGES.has(type));
  if (pushing.length > 0 && images.length > 1) throw severalImages(images);
  return Object.freeze({
    pushed: uniqueNames(named.flatMap((each) => namesOf(each, flags.tags))),
    pushedByDigest: pushing.length > named.length,
    heldByEngineBuilder: exports.length === 0 || exports.some(staysOnEngine),
    loaded: exports.some((each) => isLoaded(each) && !each.attributes.get('context')),
    onStdout: exports.some((each) => each.type !== 'image' && destination(each) === '-'),
  });
}

function readExport(given: string): Export {
  const fields = readCsvRecord(given);
  if (fields === undefined) throw invalid(given, 'it is no list of comma-separated values');
  if (fields.length === 1 && fields[0] === given && !given.startsWith('type=')) {
    const type = given === '-' ? 'tar' : 'local';
    return { type, attributes: new Map([['dest', given]]), given };
  }
  const attributes = new Map<string, string>();
  let type = '';
  for (const field of fields) {
    const at = field.indexOf('=');
    if (at === -1) throw invalid(given, `invalid value ${escapeShort(field)}`);
    const key = field.slice(0, at).toLowerCase().trim();
    if (key === 'type') type = field.slice(at + 1);
    else attributes.set(key, field.slice(at + 1));
  }
  if (type === '') throw invalid(given, 'type is required for output');
  if (type !== 'registry') return { type, attributes, given };
  if (!attributes.has('push')) attributes.set('push', 'true');
  return { type: 'image', attributes, given };
}

/** `--push` makes every image output push, or is one of its own; `--load` is an output unless there is one already. */
function withSwitches(outputs: readonly Export[], { push, load }: OutputFlags): readonly Export[] {
  const on = new Map([['push', 'true']]);
  let exports = outputs;
  if (push) {
    exports = exports.map((each) =>
      each.type === 'image' ? { ...each, attributes: new Map([...each.attributes, ...on]) } : each,
    );
    if (!exports.some(({ type }) => type === 'image')) {
      exports = [...exports, { type: 'image', attributes: on, given: '--push' }];
    }
  }
  if (load && !exports.some(isLoaded)) {
    exports = [...exports, { type: 'docker', attributes: new Map(), given: '--load' }];
  }
  return exports;
}

function pushes(each: Export): boolean {
  return each.type === 'image' && isOn(each, 'push');
}

function refuseUnknown(each: Export): void {
  if (!IMAGES.has(each.type) && !FILES.has(each.type)) {
    throw new UsageError({
      code: 'NOT_YET_ENFORCED',
      message: `\`--output ${escapeShort(each.given)}\` is not done while content trust is on: the type ${escapeShort(each.type)} is not known, and may push what nobody signs`,
      hints: [
        'Use one of the types that buildx documents: image, registry, docker, oci, local, tar, cacheonly.',
      ],
    });
  }
  // On the engine's own builder `type=docker` is the same exporter as `type=image`, and would push.
  if (each.type !== 'image' && isOn(each, 'push')) {
    throw invalid(each.given, 'push belongs to type=image or type=registry');
  }
}

function isLoaded(each: Export): boolean {
  return each.type === 'docker' && destination(each) === '';
}

function staysOnEngine(each: Export): boolean {
  return each.type === 'image' || isLoaded(each);
}

function destination({ type, attributes }: Export): string {
  const dest = attributes.get('dest') ?? '';
  return dest === '' && (type === 'oci' || type === 'tar') ? '-' : dest;
}

/** As Go's ParseBool. Nothing at all is refused: for the one store it means yes, for the other no. */
function isOn({ attributes, given }: Export, name: string): boolean {
  const text = attributes.get(name);
  if (text === undefined || /^(?:0|f|F|false|FALSE|False)$/.test(text)) return false;
  if (/^(?:1|t|T|true|TRUE|True)$/.test(text)) return true;
  throw invalid(given, `${name} is neither true nor false`);
}

/** `--tag` stands for every image output; else each has its `name`, several with commas between them. */
function namesOf(each: Export, tags: readonly string[]): readonly TaggedReference[] {
  const texts = tags.length > 0 ? tags : (each.attributes.get('name') ?? '').split(',');
  if (texts.every((text) => text === '')) throw invalid(each.given, 'tag is needed when pushing to registry');
  return texts.map((text) => {
    const reference = assertNotTrustTag(parseReference(text));
    if (reference.digest === undefined) return withDefaultTag(reference);
    throw new UsageError({
      code: 'USAGE',
      message: `${escapeShort(text)} cannot be pushed: a digest is what a build has for its result`,
    });
  });
}

function uniqueNames(references: readonly TaggedReference[]): readonly TaggedReference[] {
  return [...new Map(references.map((each) => [each.canonical, each])).values()];
}

function invalid(given: string, problem: string): UsageError {
  return new UsageError({
    code: 'USAGE',
    message: `--output ${escapeShort(given)} cannot be read: ${problem}`,
  });
}

function severalImages(images: readonly Export[]): UsageError {
  const all = images.map(({ given }) => `\`${escapeShort(given)}\``).join(' and ');
  return new UsageError({
    code: 'NOT_YET_ENFORCED',
    message: `a build that pushes and makes another image beside it is not done while content trust is on: of ${all} buildx reports one digest, which may not be the one that is pushed`,
    hints: ['Build with `--push` alone; to have the image here as well: dtrust pull NAME:TAG'],
  });
}
