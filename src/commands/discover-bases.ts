/**
 * All images that a build of a Dockerfile takes, decided on: those that the file names, those that come in beside it
 * (named contexts, front ends, generators), and those that the ONBUILD of what it builds upon names in turn.
 *
 * Rounds: what is known to be needed is decided on, the ONBUILD of the bases is read, and the file is looked at again
 * with that, until nothing new turns up. Once for each platform that is built for.
 */
import type { Dockerfile } from '../dockerfile/dockerfile.ts';
import type { ImageUse, ImageUsesOptions } from '../dockerfile/image-use.ts';
import { imageUses } from '../dockerfile/image-uses.ts';
import { UsageError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { type AdmittedBase, BaseAdmitter, type BaseWanted, type BuilderFacts } from './admit-bases.ts';
import type { BaseCollections } from './base-collections.ts';
import type { Services } from './services.ts';

export interface Discovery {
  readonly dockerfile: Dockerfile;
  readonly options: Omit<ImageUsesOptions, 'grammar' | 'triggersOf' | 'targetPlatform'>;
  /** At least one. */
  readonly targetPlatforms: readonly string[];
  /** Images that something else than the Dockerfile names. */
  readonly others?: readonly BaseWanted[];
  /** Where collections may have been opened ahead. */
  readonly collections?: BaseCollections | undefined;
  /** Named contexts that are images, by their name; their ONBUILD runs where a FROM takes them. */
  readonly contexts?: ReadonlyMap<string, BaseWanted>;
}

/** The second round brings all that ONBUILD can: it cannot begin a stage. */
const MOST_ROUNDS = 10;

type UsesOf = (dockerfile: Dockerfile, options: ImageUsesOptions) => readonly ImageUse[];
/** By the text of the FROM, for one platform that is built for. */
type Triggers = ReadonlyMap<string, readonly string[]>;

/**
 * The admissions of everything that the build takes.
 * @throws UsageError DOCKERFILE_INVALID and what `admitBases` throws
 */
export async function discoverBases(
  services: Services,
  facts: Omit<BuilderFacts, 'platform'>,
  discovery: Discovery,
  usesOf: UsesOf = imageUses,
): Promise<readonly AdmittedBase[]> {
  const { dockerfile, targetPlatforms } = discovery;
  const admitter = new BaseAdmitter(
    services,
    { ...facts, platform: targetPlatforms[0] ?? '' },
    discovery.collections,
  );
  const beside = [...(discovery.others ?? []), ...contextsWanted(discovery)];
  let triggers: ReadonlyMap<string, Triggers> = new Map();
  let known: ReadonlySet<string> | undefined;
  for (let round = 0; round < MOST_ROUNDS; round += 1) {
    const wanted = targetPlatforms.flatMap((targetPlatform) => {
      const triggersOf: Triggers = triggers.get(targetPlatform) ?? new Map();
      const options = { ...discovery.options, grammar: facts.grammar, targetPlatform, triggersOf };
      return usesOf(dockerfile, options).map((use) => wantedFor(dockerfile, use, targetPlatform, known));
    });
    const admitted = await admitter.admit([...beside, ...wanted]);
    const found = triggersFound(discovery, admitted);
    if (isSame(found, triggers)) {
      await admitter.remember();
      return admitted;
    }
    triggers = found;
    known ??= new Set(wanted.map(keyOf));
  }
  throw new UsageError({
    code: 'DOCKERFILE_INVALID',
    message: `${escapeShort(dockerfile.file)}: ONBUILD names further images without end`,
    expected: `nothing new after ${MOST_ROUNDS} rounds`,
  });
}

function contextsWanted({ contexts, targetPlatforms }: Discovery): readonly BaseWanted[] {
  return targetPlatforms.flatMap((targetPlatform) =>
    [...(contexts?.values() ?? [])].map((wanted) => ({ ...wanted, targetPlatform, triggers: true })),
  );
}

/** `known` are the uses of the first round: what comes later is named by an ONBUILD, which messages say. */
function wantedFor(
  { file }: Dockerfile,
  { text, line, by, platform, triggers }: ImageUse,
  targetPlatform: string,
  known: ReadonlySet<string> | undefined,
): BaseWanted {
  const where = line === 0 ? 'a build argument' : `${file}:${line}`;
  const wanted = { text, platform, targetPlatform, where, by, triggers };
  return known === undefined || known.has(keyOf(wanted)) ? wanted : { ...wanted, by: `ONBUILD ${by}` };
}

function keyOf({ text, platform, targetPlatform, where, by }: BaseWanted): string {
  return JSON.stringify([text, platform, targetPlatform, where, by]);
}

/** What is built upon, with what it has others run; where one text stands for two platforms, both. */
function triggersFound(
  { contexts }: Discovery,
  admitted: readonly AdmittedBase[],
): ReadonlyMap<string, Triggers> {
  const found = new Map<string, Map<string, readonly string[]>>();
  for (const { text, by, where, targetPlatform = '', onBuild } of admitted) {
    if (onBuild.length === 0) continue;
    const context = [...(contexts ?? [])].find(([, wanted]) => wanted.where === where && wanted.by === by);
    const name = context?.[0] ?? text;
    const ofPlatform = found.get(targetPlatform) ?? new Map<string, readonly string[]>();
    found.set(
      targetPlatform,
      ofPlatform.set(name, [...new Set([...(ofPlatform.get(name) ?? []), ...onBuild])]),
    );
  }
  return found;
}

function isSame(left: ReadonlyMap<string, Triggers>, right: ReadonlyMap<string, Triggers>): boolean {
  const shown = (all: ReadonlyMap<string, Triggers>) =>
    JSON.stringify([...all].map(([name, each]) => [name, ...each]));
  return shown(left) === shown(right);
}
