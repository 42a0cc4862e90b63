/** Where a build may import a cache from: beside what buildx 0.13 reads. */
import { describe, expect, test } from 'vitest';
import { readCacheSource } from '../../../src/enforce/build/cache-sources.ts';
import { UsageError } from '../../../src/lib/errors.ts';
import { throwsCode } from '../../helpers/throws-code.ts';

describe('design 3: --cache-from', () => {
  test.each([
    ['acme/app:1', 'acme/app:1', 'PINNED'],
    ['type=registry,ref=acme/app:cache', 'acme/app:cache', 'type=registry,ref=PINNED'],
    ['ref=acme/app,TYPE=registry', 'acme/app', 'ref=PINNED,TYPE=registry'],
    ['"type=registry",ref=acme/app,"x=a,b"', 'acme/app', 'type=registry,ref=PINNED,"x=a,b"'],
  ])('%s is the cache in %s, and is pinned as %s', (given, reference, pinned) => {
    const source = readCacheSource(given);
    expect(source.reference).toBe(reference);
    expect(source.with('PINNED')).toBe(pinned);
  });

  test.each([
    'type=local,src=cache',
    'type=gha',
    'type=gha,url=https://x,token=y',
    'type=s3,region=x,bucket=y',
    'type=azblob,account_url=x',
    'type=inline',
    'type=Registry,ref=x',
    'type=registry',
    'type=registry,ref=',
    'type=registry,ref=a,ref=b',
    'type=registry,type=local,ref=a,src=b',
    'ref=a',
    'a,b',
  ])('%s is not done: nobody signed what lies there', (given) => {
    const { hints } = throwsCode(() => readCacheSource(given), UsageError, 'NOT_YET_ENFORCED');
    expect(hints).toHaveLength(1);
  });

  test.each(['', 'type="x', '"'])('%j cannot be read', (given) => {
    throwsCode(() => readCacheSource(given), UsageError, 'USAGE');
  });
});
