/** What a builder reports to have used, beside what was admitted. */
import { describe, expect, test } from 'vitest';
import { verifyMaterials } from '../../../src/enforce/build/provenance.ts';
import { TrustError } from '../../../src/lib/errors.ts';
import { throwsCode } from '../../helpers/throws-code.ts';

const GOOD = 'a'.repeat(64);
const EVIL = 'e'.repeat(64);
const LOCAL = `${'1'.repeat(64)}-0a1b2c3d`;
const admitted = { digests: new Set([`sha256:${GOOD}`]), localTags: new Set([LOCAL]) };
const image = (digest: string, name = 'alpine@3') => ({
  uri: `pkg:docker/${name}`,
  digest: { sha256: digest },
});
const check = (value: unknown) => verifyMaterials(Buffer.from(JSON.stringify(value)), admitted);

describe('design 3: the materials of a build', () => {
  test.each<[string, unknown]>([
    ['SLSA 0.2', { 'buildx.build.provenance': { materials: [image(GOOD)] } }],
    ['SLSA 0.2 in a statement', { 'buildx.build.provenance': { predicate: { materials: [image(GOOD)] } } }],
    ['SLSA 1.0', { 'buildx.build.provenance': { buildDefinition: { resolvedDependencies: [image(GOOD)] } } }],
    [
      'a tag that was converted, as BuildKit 0.13 has it',
      {
        'buildx.build.provenance': {
          materials: [image(GOOD, `127.0.0.1%3A45829/good@1?digest=sha256:${GOOD}&platform=linux%2Famd64`)],
        },
      },
    ],
    [
      'an image of the engine, with its ID and without',
      {
        'buildx.build.provenance': {
          materials: [
            image(GOOD, `dtrust.invalid/local@${LOCAL}?platform=linux%2Famd64`),
            { uri: `pkg:docker/dtrust.invalid/local@${LOCAL}` },
          ],
        },
      },
    ],
    [
      'two platforms',
      {
        'buildx.build.provenance/linux/amd64': { materials: [image(GOOD)] },
        'buildx.build.provenance/linux/arm64': { materials: [image(GOOD)] },
      },
    ],
    [
      'what is no image',
      {
        'buildx.build.provenance': { materials: [{ uri: 'https://x/y.git', digest: { sha1: 'b' } }], n: 0.5 },
      },
    ],
  ])('that were admitted pass: %s', (_, value) => expect(check(value)).toBe(true));

  test.each<[string, unknown]>([
    ['another digest', { 'buildx.build.provenance': { materials: [image(GOOD), image(EVIL)] } }],
    [
      'a digest of its own for each kind',
      {
        'buildx.build.provenance': {
          materials: [{ ...image(GOOD), digest: { sha256: GOOD, sha512: EVIL } }],
        },
      },
    ],
    [
      'an image of the engine with another ID',
      { 'buildx.build.provenance': { materials: [image(EVIL, `dtrust.invalid/local@${LOCAL}`)] } },
    ],
    [
      'a local name of another build',
      { 'buildx.build.provenance': { materials: [{ uri: 'pkg:docker/dtrust.invalid/local@other' }] } },
    ],
    ['no digest', { 'buildx.build.provenance': { materials: [{ uri: 'pkg:docker/alpine@3' }] } }],
    [
      'a layout',
      { 'buildx.build.provenance': { materials: [{ uri: 'pkg:oci/x', digest: { sha256: EVIL } }] } },
    ],
    ['a second platform', { 'buildx.build.provenance/linux/arm64': { materials: [image(EVIL)] } }],
    ['SLSA 1.0', { 'buildx.build.provenance': { buildDefinition: { resolvedDependencies: [image(EVIL)] } } }],
  ])('that were not admitted are BUILD_MATERIAL: %s', (_, value) => {
    const error = throwsCode(() => check(value), TrustError, 'BUILD_MATERIAL');
    expect(error.message).toContain('pkg:');
    expect(error.attack).toBe('arbitrary software');
  });

  test('a name in it shows no escape sequence', () => {
    const value = { 'buildx.build.provenance': { materials: [image(EVIL, 'a\u001b[31m')] } };
    expect(throwsCode(() => check(value), TrustError, 'BUILD_MATERIAL').message).not.toContain('\u001b');
  });

  test.each<[string, Buffer]>([
    ['metadata without provenance', Buffer.from('{"containerimage.digest":"sha256:x"}')],
    ['no file', Buffer.alloc(0)],
    ['no JSON', Buffer.from('{')],
    ['no object', Buffer.from('[]')],
  ])('%s says nothing', (_, bytes) => expect(verifyMaterials(bytes, admitted)).toBe(false));
});
