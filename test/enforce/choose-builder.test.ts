/** Which builder docker would use: what Docker CLI 20.10 and 23 and later do, as a table. */
import { describe, expect, test } from 'vitest';
import {
  asksEngineForBuilder,
  type BuilderFacts,
  chooseBuilder,
} from '../../src/enforce/build/choose-builder.ts';
import { EngineError, UsageError } from '../../src/lib/errors.ts';
import { throwsCode } from '../helpers/throws-code.ts';

const facts: BuilderFacts = {
  path: ['build'],
  dockerBuildkit: undefined,
  aliased: false,
  cliMajor: 26,
  hasBuildx: true,
  engineWantsBuildKit: false,
};
const without = { hasBuildx: false };
const old = { cliMajor: 20 };

describe('design 6: the builder that docker would use', () => {
  test.each<[string, Partial<BuilderFacts>, 'classic' | 'buildx']>([
    ['buildx where it is installed', {}, 'buildx'],
    ['the classic one where it is not', without, 'classic'],
    ['the classic one by DOCKER_BUILDKIT=0', { dockerBuildkit: '0' }, 'classic'],
    ['the classic one by DOCKER_BUILDKIT=F, alias or not', { dockerBuildkit: 'F', aliased: true }, 'classic'],
    ['buildx by DOCKER_BUILDKIT=1', { dockerBuildkit: '1' }, 'buildx'],
    [
      'buildx by its own name, whatever the variable says',
      { path: ['buildx', 'build'], dockerBuildkit: '0' },
      'buildx',
    ],
    ['20.10: the classic one', old, 'classic'],
    [
      '20.10: the classic one against the wish of the engine',
      { ...old, dockerBuildkit: '0', engineWantsBuildKit: true },
      'classic',
    ],
    ['20.10: buildx for an engine that wants BuildKit', { ...old, engineWantsBuildKit: true }, 'buildx'],
    ['20.10: buildx for DOCKER_BUILDKIT=1', { ...old, dockerBuildkit: '1' }, 'buildx'],
    [
      '20.10: buildx by the alias, whatever the variable says',
      { ...old, aliased: true, dockerBuildkit: '0' },
      'buildx',
    ],
    ['a docker that does not say its version: as 20.10', { cliMajor: undefined }, 'classic'],
  ])('%s', (_, given, wanted) => expect(chooseBuilder({ ...facts, ...given })).toBe(wanted));

  test.each<[string, Partial<BuilderFacts>]>([
    ['by DOCKER_BUILDKIT=1', { dockerBuildkit: '1' }],
    ['by the alias', { aliased: true }],
    ['by its name', { path: ['buildx', 'build'] }],
    ['20.10: by the alias', { ...old, aliased: true }],
  ])('a buildx that is asked for %s and is not there is BUILDX_MISSING', (_, given) => {
    throwsCode(() => chooseBuilder({ ...facts, ...without, ...given }), EngineError, 'BUILDX_MISSING');
  });

  test.each<[string, Partial<BuilderFacts>]>([
    ['by DOCKER_BUILDKIT=1', { dockerBuildkit: '1' }],
    ['by the engine', { engineWantsBuildKit: true }],
  ])("20.10's own BuildKit client, chosen %s, takes no policy: BUILDER_CANNOT_ENFORCE", (_, given) => {
    const work = () => chooseBuilder({ ...facts, ...old, ...without, ...given });
    const { hints } = throwsCode(work, EngineError, 'BUILDER_CANNOT_ENFORCE');
    expect(hints.join()).toContain('DOCKER_BUILDKIT=0');
  });

  test.each(['yes', 'on', '2', ' 0'])('DOCKER_BUILDKIT=%j is refused, as docker does', (dockerBuildkit) => {
    throwsCode(() => chooseBuilder({ ...facts, dockerBuildkit }), UsageError, 'USAGE');
  });

  test('the engine is asked only where docker leaves it to it', () => {
    expect(asksEngineForBuilder(20, undefined)).toBe(true);
    expect(asksEngineForBuilder(undefined, undefined)).toBe(true);
    expect(asksEngineForBuilder(20, '1')).toBe(false);
    expect(asksEngineForBuilder(23, undefined)).toBe(false);
  });
});
