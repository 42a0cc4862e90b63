/** The arguments docker gets for an admitted image: a property over what users type. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseDockerArgv } from '../../src/cli/argv.ts';
import { admitDigest } from '../../src/enforce/admit.ts';
import { refuseImageMounts } from '../../src/enforce/image-mounts.ts';
import { pinnedArguments } from '../../src/enforce/run-arguments.ts';
import { UsageError } from '../../src/lib/errors.ts';
import { type Admission, sealAdmission } from '../../src/reference/admission.ts';
import { digestOf } from '../../src/reference/digest.ts';
import { parseReference } from '../../src/reference/reference.ts';
import { throwsCode } from '../helpers/throws-code.ts';

const DIGEST = digestOf(Buffer.from('the image'));
const PINNED = `acme/app@${DIGEST}`;

function admission(): Admission {
  return admitDigest({ ...parseReference(PINNED), digest: DIGEST }, undefined);
}

const pinnedFor = (argv: readonly string[]) => pinnedArguments(parseDockerArgv(argv), admission());

/** Anything, flags and switches included. */
const word = fc.oneof(
  fc.string(),
  fc.constantFrom(
    '--',
    '-',
    '--pull',
    '--pull=always',
    '--disable-content-trust',
    '-d',
    'acme/app',
    '--name=x',
    '',
  ),
);
/** Flags in front of the image, each as its arguments; the switch apart, because it is taken out. */
const flags = fc.array(
  fc.oneof(
    fc.constantFrom(
      ['-d'],
      ['-it'],
      ['--rm'],
      ['--init=false'],
      ['--pull', 'always'],
      ['--pull=missing'],
      ['-P'],
    ),
    word.map((value) => ['--name', value]),
    word.map((value) => ['-e', value]),
    word.map((value) => [`--entrypoint=${value}`]),
    word.filter((value) => value !== '').map((value) => [`-l${value}`]),
  ),
);
const image = fc.constantFrom('acme/app', 'acme/app:1.0', 'a', `acme/app@${DIGEST}`, '0123abcd');

describe('contract (Passing on): the arguments for an admitted image', () => {
  test('are those that were typed, byte for byte, but for the image', () => {
    fc.assert(
      fc.property(flags, fc.boolean(), image, fc.array(word), (given, dashes, name, command) => {
        const before = given.flat();
        const argv = ['run', ...before, ...(dashes ? ['--'] : []), name, ...command];
        expect(pinnedFor(argv)).toEqual([
          ...before,
          '--pull=never',
          ...(dashes ? ['--'] : []),
          PINNED,
          ...command,
        ]);
      }),
    );
  });

  test('lose the switch wherever docker reads it, and nowhere else', () => {
    const value = fc.constantFrom('', '=true', '=false', '=0', '=T');
    fc.assert(
      fc.property(flags, value, flags, fc.array(word), (first, text, second, command) => {
        const argv = [
          'run',
          ...first.flat(),
          `--disable-content-trust${text}`,
          ...second.flat(),
          'acme/app',
          ...command,
        ];
        expect(pinnedFor(argv)).toEqual([
          ...first.flat(),
          ...second.flat(),
          '--pull=never',
          PINNED,
          ...command,
        ]);
      }),
    );
  });

  test('read again as docker reads them, name the same image, never pull, and have the same command', () => {
    fc.assert(
      fc.property(flags, image, fc.array(word), (given, name, command) => {
        const again = parseDockerArgv(['run', ...pinnedFor(['run', ...given.flat(), name, ...command])]);
        expect(again.positionals).toEqual([PINNED, ...command]);
        expect(again.flags.get('pull')?.at(-1)).toBe('never');
      }),
    );
  });

  test('take no look-alike of an admission', () => {
    const alike = { ...admission() };
    expect(() => pinnedArguments(parseDockerArgv(['run', 'a']), alike)).toThrow(/only an admission/);
  });

  test('name a local image by its full ID', () => {
    const content = {
      fetch: { kind: 'imageId', id: DIGEST },
      why: 'local',
      evidence: { reference: DIGEST },
    } as const;
    expect(pinnedArguments(parseDockerArgv(['run', 'a', 'b']), sealAdmission(content))).toEqual([
      '--pull=never',
      DIGEST,
      'b',
    ]);
  });
});

describe('mounts of images', () => {
  test.each(['type=bind,src=/image,dst=/x', 'type=volume,src=image,dst=/type', 'type=tmpfs,dst=/image'])(
    '%s is none',
    (mount) => {
      expect(() => refuseImageMounts([mount])).not.toThrow();
    },
  );

  test.each(['type=image,src=x', 'src=x,type=image', 'TYPE=IMAGE', '"type=image",dst=/x', 'type = image'])(
    '%s is refused',
    (mount) => {
      throwsCode(() => refuseImageMounts(['type=bind,src=/a,dst=/b', mount]), UsageError, 'NOT_YET_ENFORCED');
    },
  );
});
