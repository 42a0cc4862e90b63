import { describe, expect, test } from 'vitest';
import { readBuiltDigest } from '../../../src/enforce/build/metadata.ts';
import { TrustError } from '../../../src/lib/errors.ts';
import { digestOfText } from '../../e2e/harness.ts';
import { throwsCode } from '../../helpers/throws-code.ts';

const OWN = digestOfText('what the builder made');
const SERVED = digestOfText('what the tag in the registry says');
const CONFIG = digestOfText('configuration');

function read(metadata: object | string, engineBuilder = true) {
  const text = typeof metadata === 'string' ? metadata : JSON.stringify(metadata);
  return readBuiltDigest(Buffer.from(text), engineBuilder);
}

describe('protocol 5.1: the digest of a build is the one that its producer names', () => {
  test("an exporter's descriptor, whatever buildx has read from the registry since", () => {
    const metadata = {
      'containerimage.descriptor': { mediaType: 'x', digest: OWN, size: 855 },
      'containerimage.config.digest': SERVED,
      'containerimage.digest': SERVED,
    };
    expect(read(metadata)).toEqual({ digest: OWN });
    expect(read(metadata, false)).toEqual({ digest: OWN });
  });

  test.each([true, false])(
    'without one, a digest only together with the configuration (engine: %s)',
    (engineBuilder) => {
      const metadata = { 'containerimage.config.digest': CONFIG, 'containerimage.digest': SERVED };
      expect(read(metadata, engineBuilder)).toEqual({ digest: SERVED, configDigest: CONFIG });
    },
  );

  test('a digest by itself only from a builder that pushes by itself', () => {
    expect(read({ 'containerimage.digest': OWN }, false)).toEqual({ digest: OWN });
    throwsCode(() => read({ 'containerimage.digest': SERVED }), TrustError, 'DIGEST_UNCONFIRMED');
  });

  test.each([
    ['nothing', ''],
    ['no object', '[]'],
    ['a member twice', `{"containerimage.digest":"${OWN}","containerimage.digest":"${SERVED}"}`],
    ['no digest', '{}'],
    ['a digest of another kind', `{"containerimage.digest":"sha512:${'0'.repeat(128)}"}`],
    ['a descriptor without one', `{"containerimage.descriptor":{},"containerimage.digest":"${OWN}"}`],
  ])('a file with %s signs nothing', (_, text) => {
    throwsCode(() => read(text, false), TrustError, 'DIGEST_UNCONFIRMED');
  });

  test("what else stands in buildx's file is no obstacle", () => {
    const more = '"buildx.build.provenance":{"__proto__":{"seconds":0.25}}';
    expect(read(`{"containerimage.digest":"${OWN}",${more}}`, false)).toEqual({ digest: OWN });
  });
});
