/**
 * The publish that is to come, on paper: the same edit with a digest nobody has, signed and verified and thrown away.
 * What would be refused after the upload (a root that has expired, a tag held by another role, a version that
 * jumped) is refused before it.
 */
import { OCI_MANIFEST } from '../registry/media-types.ts';
import { type Edit, editCollection } from '../trust/core/editor.ts';
import type { Prepared, PublishTools } from './prepare.ts';

const NOBODYS_SHA256 = `sha256:${'0'.repeat(64)}`;

/** @throws KeyError, TrustError as `editCollection`, with nothing sent */
export async function rehearse(
  tools: PublishTools,
  prepared: Prepared,
  paths: readonly string[],
): Promise<void> {
  // A collection that is about to begin has nothing that could stand in the way.
  if (prepared.kind === 'new') return;
  const { collection, signers, again } = prepared;
  const edits = paths.map(
    (path): Edit => ({
      kind: 'putTarget',
      target: { path, lengthBytes: 1, sha256: NOBODYS_SHA256, mediaType: OCI_MANIFEST },
    }),
  );
  if (prepared.short && tools.staging !== undefined) {
    return await tools.staging.rehearse(tools, prepared, [...again, ...edits]);
  }
  const current = { trusted: collection.trusted, files: await collection.loadAll() };
  const terms = { nowMs: tools.clock.now(), highestVersions: collection.highest };
  await editCollection(current, [...again, ...edits], { ...terms, signers });
}
