/** The chain ID of layers. */
import { describe, expect, test } from 'vitest';
import { chainIdOf } from '../../../src/enforce/build/chain-id.ts';
import { digestOfText } from '../../e2e/harness.ts';

const A = digestOfText('a');
const B = digestOfText('b');
const C = digestOfText('c');

describe('OCI image specification, Layer ChainID', () => {
  test('of one layer it is the layer; of more, each upon the chain below it', () => {
    expect(chainIdOf([A])).toBe(A);
    const two = digestOfText(`${A} ${B}`);
    expect(chainIdOf([A, B])).toBe(two);
    expect(chainIdOf([A, B, C])).toBe(digestOfText(`${two} ${C}`));
    expect(chainIdOf([B, A])).not.toBe(two);
  });

  test.each([[[]], [['sha256:short']], [[A, 'sha512:x']]])('%j has none', (layers) => {
    expect(chainIdOf(layers)).toBeUndefined();
  });
});
