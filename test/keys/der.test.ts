import { describe, expect, test } from 'vitest';
import { DerError, DerReader, derElement, derInteger, derOid, derSequence } from '../../src/keys/der.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

describe('the DER reader accepts', () => {
  test.each([
    ['02 01 00', 0],
    ['02 01 7f', 127],
    ['02 02 00 80', 128],
    ['02 03 09 27 c0', 600_000],
    ['02 04 7f ff ff ff', 0x7fffffff],
  ])('integer %s as %i, and writes it so', (bytes, value) => {
    expect(new DerReader(hex(bytes)).smallInteger()).toBe(value);
    expect(derInteger(value)).toEqual(hex(bytes));
  });

  test.each(['1.2.840.113549.1.5.13', '2.16.840.1.101.3.4.1.42', '1.3.6.1.4.1.11591.15.1'])(
    'OID %s',
    (oid) => {
      expect(new DerReader(derOid(oid)).oid()).toBe(oid);
    },
  );

  test.each([0, 1, 127, 128, 255, 256, 65_535, 65_536])('content of %i bytes', (length) => {
    const reader = new DerReader(derElement(0x04, Buffer.alloc(length, 7)));
    expect(reader.read(0x04)).toHaveLength(length);
    expect(reader.atEnd).toBe(true);
  });
});

describe('the DER reader refuses', () => {
  test.each<[string, string, (reader: DerReader) => unknown]>([
    ['nothing at all', '', (r) => r.read(0x04)],
    ['another tag', '02 01 00', (r) => r.read(0x04)],
    ['a tag without a length', '04', (r) => r.read(0x04)],
    ['content longer than what is there', '04 05 00', (r) => r.read(0x04)],
    ['a length of four gigabytes', '04 84 ff ff ff ff 00', (r) => r.read(0x04)],
    ['a length of more than four bytes', '04 85 01 00 00 00 00', (r) => r.read(0x04)],
    ['an indefinite length', '30 80 00 00', (r) => r.sequence()],
    ['a length in a longer form than needed', '04 81 01 00', (r) => r.read(0x04)],
    ['a length with a leading zero', `04 82 00 80 ${'00'.repeat(128)}`, (r) => r.read(0x04)],
    ['a negative integer', '02 01 ff', (r) => r.smallInteger()],
    ['an empty integer', '02 00', (r) => r.smallInteger()],
    ['an integer above 31 bits', '02 05 00 80 00 00 00', (r) => r.smallInteger()],
    ['an OID cut short', '06 02 2a 86', (r) => r.oid()],
    ['an empty OID', '06 00', (r) => r.oid()],
    ['an OID arc without end', '06 06 2a ff ff ff ff 7f', (r) => r.oid()],
    ['bytes after the end', '02 01 00 00', (r) => [r.smallInteger(), r.end()]],
  ])('%s', (_, bytes, read) => {
    expect(() => read(new DerReader(hex(bytes)))).toThrow(DerError);
  });
});

test('sequences nest', () => {
  const reader = new DerReader(derSequence(derSequence(derInteger(5)), derInteger(6)));
  const outer = reader.sequence();
  reader.end();
  expect([outer.sequence().smallInteger(), outer.smallInteger()]).toEqual([5, 6]);
});
