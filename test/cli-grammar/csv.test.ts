import { describe, expect, test } from 'vitest';
import { readCsvRecord } from '../../src/cli/csv.ts';

describe("one record as Go's encoding/csv reads it", () => {
  test.each<[string, readonly string[]]>([
    ['type=local,dest=out', ['type=local', 'dest=out']],
    ['one', ['one']],
    ['a,,b,', ['a', '', 'b', '']],
    [' a , b ', [' a ', ' b ']],
    ['"a,b",c', ['a,b', 'c']],
    ['"say ""hi""",""', ['say "hi"', '']],
    ['"two\nlines"', ['two\nlines']],
    ['"two\r\nlines"', ['two\nlines']],
    ['\n\r\na,b\n', ['a', 'b']],
    ['a\rb', ['a\rb']],
  ])('%j', (text, fields) => {
    expect(readCsvRecord(text)).toEqual(fields);
  });

  test.each(['', '\n', 'a"b', '"a"b', '"a', '"a" ,b', 'a\nb', '"a""', ' "a"'])('%j is refused', (text) => {
    expect(readCsvRecord(text)).toBeUndefined();
  });
});
