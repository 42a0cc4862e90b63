import { describe, expect, test } from 'vitest';
import { type OutputFlags, readOutputs } from '../../../src/enforce/build/outputs.ts';
import { UsageError } from '../../../src/lib/errors.ts';
import { throwsCode } from '../../helpers/throws-code.ts';

function read(flags: Partial<OutputFlags>) {
  return readOutputs({ tags: [], outputs: [], push: false, load: false, ...flags });
}

function pushed(flags: Partial<OutputFlags>): readonly string[] {
  return read(flags).pushed.map(({ canonical }) => canonical);
}

const APP = 'ghcr.io/acme/app:1';

describe('design 6, push: what a build pushes is what is to be signed', () => {
  test.each<[string, Partial<OutputFlags>, readonly string[]]>([
    ['nothing without --push', { tags: [APP] }, []],
    ['nothing with --load', { tags: [APP], load: true }, []],
    ['each tag with --push', { tags: [APP, 'acme/app'], push: true }, [APP, 'docker.io/acme/app:latest']],
    [
      'a tag once that is given twice',
      { tags: ['nginx', 'docker.io/library/nginx:latest'], push: true },
      ['docker.io/library/nginx:latest'],
    ],
    ['type=registry', { tags: [APP], outputs: ['type=registry'] }, [APP]],
    ['type=registry with a name of its own', { outputs: [`type=registry,name=${APP}`] }, [APP]],
    ['type=image with push=true', { tags: [APP], outputs: ['type=image,push=true'] }, [APP]],
    ['what Go takes for true', { outputs: [`type=image,name=${APP},push=1`] }, [APP]],
    ['what Go takes for true, in capitals', { outputs: [`type=image,name=${APP},push=T`] }, [APP]],
    ['type=image with push=false', { tags: [APP], outputs: ['type=image,push=false'] }, []],
    ['type=registry that is told not to', { tags: [APP], outputs: ['type=registry,push=false'] }, []],
    ['the last of two values', { tags: [APP], outputs: ['type=image,push=true,push=false'] }, []],
    ['keys in capitals and with space', { outputs: [`TYPE=image, NAME=${APP}, Push=true`] }, [APP]],
    ['--push over push=false', { tags: [APP], outputs: ['type=image,push=false'], push: true }, [APP]],
    [
      'several names in quotes',
      { outputs: [`type=registry,"name=${APP},ghcr.io/acme/app:2"`] },
      [APP, 'ghcr.io/acme/app:2'],
    ],
    ['--tag in place of name', { tags: [APP], outputs: ['type=registry,name=acme/other'] }, [APP]],
    ['--push beside a folder', { tags: [APP], outputs: ['out'], push: true }, [APP]],
    ['--push beside a tar file', { tags: [APP], outputs: ['type=tar,dest=x.tar'], push: true }, [APP]],
    ['nothing into files', { tags: [APP], outputs: ['type=oci,dest=x.tar', 'type=local,dest=d', '-'] }, []],
    ['nothing for the cache alone', { tags: [APP], outputs: ['type=cacheonly'] }, []],
    ['nothing by digest alone', { outputs: ['type=image,name=acme/app,push-by-digest=true,push=true'] }, []],
  ])('%s', (_, flags, expected) => {
    expect(pushed(flags)).toEqual(expected);
  });

  test('a push by digest alone is known as such', () => {
    const outputs = ['type=image,name=acme/app,push-by-digest=true,name-canonical=true,push=true'];
    expect(read({ outputs }).pushedByDigest).toBe(true);
    expect(read({ outputs: ['type=image,name=acme/app,push-by-digest=true'] }).pushedByDigest).toBe(false);
    expect(read({ tags: [APP], push: true }).pushedByDigest).toBe(false);
  });
});

describe('what is left to no guess', () => {
  test.each<[string, Partial<OutputFlags>, string]>([
    ['no tag for a push', { push: true }, 'USAGE'],
    ['an empty name for a push', { outputs: ['type=registry,name='] }, 'USAGE'],
    ['one empty name among several', { outputs: [`type=registry,"name=${APP},"`] }, 'REFERENCE_INVALID'],
    ['a field that is no pair', { outputs: ['type=image,push'] }, 'USAGE'],
    ['a type that is missing', { outputs: ['name=acme/app,push=true'] }, 'USAGE'],
    ['an empty push, which is yes or no', { outputs: [`type=image,name=${APP},push=`] }, 'USAGE'],
    ['a push that is no boolean', { outputs: [`type=image,name=${APP},push=yes`] }, 'USAGE'],
    ['a quote in the middle', { outputs: ['type=registry,na"me=acme/app'] }, 'USAGE'],
    ['a quote that does not end', { outputs: ['type=registry,"name=acme/app'] }, 'USAGE'],
    ['a second line', { outputs: ['type=local,dest=x\ntype=registry'] }, 'USAGE'],
    ['an empty output', { outputs: [''] }, 'USAGE'],
    ['a name with a digest', { tags: [`acme/app@sha256:${'0'.repeat(64)}`], push: true }, 'USAGE'],
    ['the tag of trust data', { tags: ['acme/app:_trust'], push: true }, 'TAG_RESERVED'],
    ['a name that is none', { tags: ['Acme/App'], push: true }, 'REFERENCE_INVALID'],
    [
      "the engine's exporter by its own name",
      { outputs: ['type=moby,name=acme/app,push=true'] },
      'NOT_YET_ENFORCED',
    ],
    ['a type nobody knows', { outputs: ['type=new,name=acme/app'] }, 'NOT_YET_ENFORCED'],
    ['a push by type=docker', { tags: [APP], outputs: ['type=docker,push=true'] }, 'USAGE'],
    ['--push and --load', { tags: [APP], push: true, load: true }, 'NOT_YET_ENFORCED'],
    [
      'a push and an archive',
      { tags: [APP], push: true, outputs: ['type=oci,dest=x.tar'] },
      'NOT_YET_ENFORCED',
    ],
    ['two pushes', { outputs: ['type=registry,name=a/b', 'type=registry,name=c/d'] }, 'NOT_YET_ENFORCED'],
  ])('%s', (_, flags, code) => {
    throwsCode(() => read(flags), UsageError, code);
  });
});

describe('where the result stays', () => {
  test.each<[string, Partial<OutputFlags>, { engine: boolean; loaded: boolean; stdout: boolean }]>([
    ['without an output', {}, { engine: true, loaded: false, stdout: false }],
    ['with --load', { load: true }, { engine: true, loaded: true, stdout: false }],
    ['with --push', { tags: [APP], push: true }, { engine: true, loaded: false, stdout: false }],
    ['with type=docker', { outputs: ['type=docker'] }, { engine: true, loaded: true, stdout: false }],
    [
      'with type=docker and --load',
      { outputs: ['type=docker'], load: true },
      { engine: true, loaded: true, stdout: false },
    ],
    [
      "on another context's engine",
      { outputs: ['type=docker,context=x'] },
      { engine: true, loaded: false, stdout: false },
    ],
    ['in a file', { outputs: ['type=docker,dest=x.tar'] }, { engine: false, loaded: false, stdout: false }],
    ['in an archive on stdout', { outputs: ['type=oci'] }, { engine: false, loaded: false, stdout: true }],
    ['on stdout', { outputs: ['-'] }, { engine: false, loaded: false, stdout: true }],
    ['in a folder', { outputs: ['out'] }, { engine: false, loaded: false, stdout: false }],
    ['in a folder with = in its name', { outputs: ['a=b'] }, { engine: false, loaded: false, stdout: false }],
    ['nowhere', { outputs: ['type=cacheonly'] }, { engine: false, loaded: false, stdout: false }],
    [
      'in a folder and on the engine',
      { outputs: ['out'], load: true },
      { engine: true, loaded: true, stdout: false },
    ],
  ])('%s', (_, flags, expected) => {
    const { heldByEngineBuilder, loaded, onStdout } = read(flags);
    expect({ engine: heldByEngineBuilder, loaded, stdout: onStdout }).toEqual(expected);
  });
});
