/** Which images attestations are made with. */
import { describe, expect, test } from 'vitest';
import { DEFAULT_GENERATOR, sbomGenerators } from '../../../src/enforce/build/generators.ts';

describe('design 3: SBOM generators', () => {
  test.each<[string | undefined, readonly string[], readonly string[]]>([
    [undefined, [], []],
    ['', [], []],
    ['false', [], []],
    ['true', [], [DEFAULT_GENERATOR]],
    ['1', [], [DEFAULT_GENERATOR]],
    ['generator=acme/scan:1', [], ['acme/scan:1']],
    [undefined, ['type=sbom'], [DEFAULT_GENERATOR]],
    [undefined, ['type=sbom,generator=acme/scan:1'], ['acme/scan:1']],
    [undefined, ['generator=acme/scan:1,TYPE=sbom'], ['acme/scan:1']],
    [undefined, ['type=sbom,disabled=true'], []],
    [undefined, ['type=sbom,disabled=false'], [DEFAULT_GENERATOR]],
    [undefined, ['type=provenance,mode=max'], []],
    [undefined, ['type=sbom,"generator=acme/scan:1"', 'type=provenance'], ['acme/scan:1']],
    ['true', ['type=sbom,generator=acme/scan:1'], ['acme/scan:1', DEFAULT_GENERATOR]],
    [undefined, ['type="'], []],
  ])('--sbom=%s with --attest %j: %j', (sbom, attest, generators) => {
    expect(sbomGenerators(sbom, attest)).toEqual(generators);
  });
});
