/**
 * What a builder says afterwards that it has used, where its metadata file holds provenance (buildx 0.14 and later): each
 * image among the materials must be one that was admitted. A second look, at another place than the policy.
 *
 * Read: SLSA 0.2 (`materials`) and 1.0 (`buildDefinition.resolvedDependencies`), for one platform or for each.
 */
import { TrustError } from '../../lib/errors.ts';
import { escapeShort } from '../../lib/escape.ts';
import {
  isJsonArray,
  isJsonObject,
  JsonError,
  type JsonObject,
  type JsonValue,
  parseStrictJson,
} from '../../lib/strict-json.ts';

/** Materials that are images, as package URLs. */
const IMAGE_MATERIAL = /^(?:pkg:(?:docker|oci)\/|docker-image:|oci-layout:)/i;
const LOCAL_MATERIAL = /^pkg:docker\/dtrust\.invalid\/local@([\w.-]+)(?:\?[^#]*)?$/;
const PROVENANCE = 'buildx.build.provenance';

export interface Admitted {
  /** Digests, IDs and chain IDs of what the build was allowed to use. */
  readonly digests: ReadonlySet<string>;
  /** Tags below `dtrust.invalid/local` of this build; a builder may know no digest of what the engine holds. */
  readonly localTags: ReadonlySet<string>;
}

/** Whether the metadata holds provenance. */
export function hasProvenance(metadata: Uint8Array): boolean {
  return provenances(metadata).length > 0;
}

/**
 * Whether provenance was there; every image in it was admitted.
 * @throws TrustError BUILD_MATERIAL
 */
export function verifyMaterials(metadata: Uint8Array, admitted: Admitted): boolean {
  const statements = provenances(metadata);
  for (const material of statements.flatMap(materialsOf)) {
    const uri = material.get('uri');
    if (typeof uri !== 'string' || !IMAGE_MATERIAL.test(uri)) continue;
    const found = digestsOf(material);
    const isLocal = admitted.localTags.has(LOCAL_MATERIAL.exec(uri)?.[1] ?? '');
    if ((found.length > 0 || isLocal) && found.every((digest) => admitted.digests.has(digest))) continue;
    throw new TrustError({
      code: 'BUILD_MATERIAL',
      message: `the builder says that it has used ${escapeShort(uri, 300)}, which was not admitted; the result is not noted as yours and nothing is signed`,
      attack: 'arbitrary software',
      spec: 'protocol 8',
      expected: 'images that were decided on before the build',
      found: `${escapeShort(uri, 300)} (${found.map((digest) => escapeShort(digest)).join(', ') || 'no digest'})`,
      hints: ['Do not use the image that was built; find out what the builder is: dtrust buildx inspect'],
    });
  }
  return statements.length > 0;
}

function provenances(metadata: Uint8Array): readonly JsonObject[] {
  let value: JsonValue;
  try {
    value = parseStrictJson(metadata, 'build metadata', { numbers: 'finite', prototypeNames: 'keep' });
  } catch (error) {
    if (error instanceof JsonError) return [];
    throw error;
  }
  if (!isJsonObject(value)) return [];
  return [...value].flatMap(([name, each]) =>
    (name === PROVENANCE || name.startsWith(`${PROVENANCE}/`)) && isJsonObject(each) ? [each] : [],
  );
}

function materialsOf(statement: JsonObject): readonly JsonObject[] {
  const predicate = statement.get('predicate');
  return [statement, predicate].flatMap((each) => {
    if (!isJsonObject(each)) return [];
    const object = each;
    const definition = object.get('buildDefinition');
    const lists = [
      object.get('materials'),
      isJsonObject(definition) ? definition.get('resolvedDependencies') : undefined,
    ];
    return lists.flatMap((list) =>
      list !== undefined && isJsonArray(list) ? list.filter(isJsonObject) : [],
    );
  });
}

function digestsOf(material: JsonObject): readonly string[] {
  const digest = material.get('digest');
  if (!isJsonObject(digest)) return [];
  return [...digest].map(([algorithm, value]) => `${algorithm}:${typeof value === 'string' ? value : ''}`);
}
