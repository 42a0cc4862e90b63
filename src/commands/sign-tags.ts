/**
 * Signing tags of one repository in one publish: all checks first, while nothing has been uploaded yet, then the
 * publish with the lines that docker's own push printed.
 */
import { type Prepared, type PublishTools, prepare } from '../publish/prepare.ts';
import { publishEdits } from '../publish/publish-edits.ts';
import { rehearse } from '../publish/rehearse.ts';
import { type Repository, type Tag, targetPath } from '../reference/reference.ts';
import type { TargetEntry } from '../trust/core/editor.ts';
import { createPublishTools } from './publish-tools.ts';
import type { Services } from './services.ts';

export interface ReadyToSign {
  readonly repository: Repository;
  readonly tags: readonly Tag[];
  readonly tools: PublishTools;
  readonly prepared: Prepared;
}

/**
 * Checks keys, passphrases, source and expiry, and tries the change out; nothing is sent. Throws as `createPublishTools`,
 * `prepare` and `rehearse`.
 */
export async function readyToSign(
  services: Services,
  repository: Repository,
  tags: readonly Tag[],
): Promise<ReadyToSign> {
  const tools = await createPublishTools(services, repository);
  const paths = tags.map((tag) => targetPath(repository, tag));
  const prepared = await prepare(tools, { targets: true, mayInitialise: true, paths });
  await rehearse(tools, prepared, paths);
  return { repository, tags, tools, prepared };
}

/** Publishes the entries; `say` prints, and is left out where only the names are printed. Throws as `publishEdits`. */
export async function publishTags(
  { tools, prepared }: ReadyToSign,
  entries: readonly TargetEntry[],
  say: (line: string) => void,
): Promise<void> {
  say('Signing and pushing trust metadata');
  const edits = entries.map((target) => ({ kind: 'putTarget' as const, target }));
  await publishEdits(tools, prepared, edits);
  for (const { path } of entries) say(`Successfully signed ${path}`);
}

/** Rule 5.1: the registry's tag decides nothing; when it points elsewhere already, that is worth a line. */
export async function warnIfTagMoved(
  services: Services,
  repository: Repository,
  tag: Tag,
  entry: TargetEntry,
): Promise<void> {
  const { context } = services;
  const head = await (await services.registry()).headManifest(repository, tag, { signal: context.signal });
  if (head?.claimedDigest === undefined || head.claimedDigest === entry.sha256) return;
  context.err(
    `dtrust: warning: ${entry.path} in the registry points at ${head.claimedDigest} already; ` +
      `what you pushed, ${entry.sha256}, is what is signed\n`,
  );
}
