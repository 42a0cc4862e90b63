/**
 * The trust data of what a Dockerfile names, asked for while the builder is still being looked at. Nothing is decided by
 * that and nothing is refused: whoever decides gets the same answers, failures included.
 */
import type { Dockerfile } from '../dockerfile/dockerfile.ts';
import { imageUses } from '../dockerfile/image-uses.ts';
import { inParallel } from '../lib/parallel.ts';
import { settle } from '../lib/settle.ts';
import { type Reference, type Tag, withDefaultTag } from '../reference/reference.ts';
import { AT_ONCE, type BuilderFacts, MOST_BASES } from './admit-bases.ts';
import { BaseCollections } from './base-collections.ts';
import { readBase } from './decide-base.ts';
import type { Discovery } from './discover-bases.ts';
import { hasOwnImage } from './own-image.ts';
import type { Services } from './services.ts';

export interface Ahead {
  readonly dockerfile: Dockerfile;
  readonly options: Omit<Discovery['options'], 'buildPlatform'>;
  readonly facts: Pick<BuilderFacts, 'grammar' | 'pull'>;
}

/** What is named for one platform alone is not known to be needed. */
const PLATFORMS = ['linux/amd64', 'linux/arm64'] as const;

/** Begins to open them, and returns at once. */
export function openAhead(services: Services, ahead: Ahead): BaseCollections {
  const collections = new BaseCollections(services);
  void settle(openAll(services, ahead, collections));
  return collections;
}

async function openAll(services: Services, ahead: Ahead, collections: BaseCollections): Promise<void> {
  // All in one place would be opened one after the other.
  if (services.context.env.trustRepository !== undefined) return;
  const [references = new Map<string, Named>(), others] = PLATFORMS.map((each) => tagsNamed(ahead, each));
  const needed = [...references].filter(([name]) => others?.has(name)).map(([, reference]) => reference);
  if (needed.length > MOST_BASES) return;
  await inParallel(needed, AT_ONCE, async (reference) => {
    // What the engine has from here is not asked a registry for.
    const isOwn = !ahead.facts.pull && (await settle(hasOwnImage(services, reference)));
    if (isOwn && (!('value' in isOwn) || isOwn.value)) return;
    await settle(collections.open(reference.repository));
  });
}

type Named = Reference & { readonly tag: Tag };

/** By their canonical names. */
function tagsNamed({ dockerfile, options, facts }: Ahead, platform: string): ReadonlyMap<string, Named> {
  const { grammar } = facts;
  const whole = { buildPlatform: platform, targetPlatform: platform, triggersOf: new Map(), grammar };
  const named = new Map<string, Named>();
  for (const { text } of imageUses(dockerfile, { ...options, ...whole })) {
    const read = readBase({ text, where: '', by: '' }, { grammar, platform });
    const reference = 'value' in read ? read.value.reference : undefined;
    if (reference === undefined || reference.digest !== undefined) continue;
    const tagged = withDefaultTag(reference);
    named.set(tagged.canonical, tagged);
  }
  return named;
}
