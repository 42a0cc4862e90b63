/** The source policy of a build, judged by what BuildKit lets through under it. */
import { describe, expect, test } from 'vitest';
import { admitAllowed, admitDigest, admitLocal } from '../../../src/enforce/admit.ts';
import {
  type PolicyImage,
  type PolicyRule,
  renderPolicy,
  sourcePolicy,
} from '../../../src/enforce/build/source-policy.ts';
import { TrustError } from '../../../src/lib/errors.ts';
import type { Admission } from '../../../src/reference/admission.ts';
import type { Digest } from '../../../src/reference/digest.ts';
import { parseReference, withDefaultTag } from '../../../src/reference/reference.ts';
import { throwsCode } from '../../helpers/throws-code.ts';
import { decide } from './policy-model.ts';

const GOOD = `sha256:${'a'.repeat(64)}` as Digest;
const EVIL = `sha256:${'e'.repeat(64)}` as Digest;
const LOCAL = `sha256:${'1'.repeat(64)}` as Digest;

function tagged(text: string, digest: Digest): PolicyImage {
  const reference = parseReference(text);
  const { repository, tag } = withDefaultTag(reference);
  return { reference, admission: admitAllowed(repository, tag, digest, undefined) };
}

function byDigest(text: string): PolicyImage {
  const reference = parseReference(text);
  const { digest = GOOD } = reference;
  return { reference, admission: admitDigest({ ...reference, digest }, undefined) };
}

function local(text: string, id: Digest): PolicyImage {
  return { reference: parseReference(text), admission: admitLocal(id, text) };
}

const policy = (images: readonly PolicyImage[], user?: { converts: PolicyRule[]; denies: PolicyRule[] }) =>
  sourcePolicy({ images, nonce: 'n0nce', ...(user && { user }) });

describe('design 3: under the source policy of a build', () => {
  test('an admitted tag is its digest, whatever the tag stands for in the registry', () => {
    const rules = policy([tagged('alpine:3', GOOD)]);
    expect(decide(rules, 'docker-image://docker.io/library/alpine:3')).toBe(
      `docker-image://docker.io/library/alpine:3@${GOOD}`,
    );
  });

  test('a name without a tag is `latest`, as BuildKit writes it', () => {
    const rules = policy([tagged('ghcr.io/acme/base', GOOD)]);
    expect(decide(rules, 'docker-image://ghcr.io/acme/base:latest')).toBe(
      `docker-image://ghcr.io/acme/base:latest@${GOOD}`,
    );
  });

  test('an admitted digest passes under any name, and converts no tag (protocol 8)', () => {
    const rules = policy([byDigest(`alpine:3@${GOOD}`)]);
    for (const name of ['docker.io/library/alpine', 'docker.io/library/alpine:3', 'mirror.example/alpine']) {
      expect(decide(rules, `docker-image://${name}@${GOOD}`)).toBe(`docker-image://${name}@${GOOD}`);
    }
    expect(decide(rules, 'docker-image://docker.io/library/alpine:3')).toBeUndefined();
  });

  test.each([
    'docker-image://docker.io/library/alpine:4',
    'docker-image://docker.io/library/alpine3:3',
    'docker-image://docker.io/library/alpine:3x',
    'docker-image://evil.example/library/alpine:3',
    `docker-image://docker.io/library/alpine@${EVIL}`,
    `docker-image://docker.io/library/alpine:3@${EVIL}`,
    `docker-image://docker.io/library/alpine:3@${GOOD}0`,
    `oci-layout://docker.io/library/alpine@${GOOD}`,
    `docker-image+blob://docker.io/library/alpine@${GOOD}`,
    `oci-layout+blob://x@${EVIL}`,
    `docker-image://dtrust.invalid/local:${'1'.repeat(64)}-other`,
    `docker-image://dtrust.invalid/local:${'1'.repeat(64)}-n0nce@${EVIL}`,
  ])('%s is denied', (source) => {
    expect(decide(policy([tagged('alpine:3', GOOD), local('app:1', LOCAL)]), source)).toBeUndefined();
  });

  test('a build that names no image can use none', () => {
    for (const source of [`docker-image://x@${GOOD}`, 'docker-image://docker.io/library/x:latest']) {
      expect(decide(policy([]), source)).toBeUndefined();
    }
  });

  test.each(['local://context', 'https://example.org/x', 'git://example.org/x.git'])(
    '%s is no image and none of its business',
    (source) => expect(decide(policy([]), source)).toBe(source),
  );

  test('an image of the engine goes by a name of this build alone, on both stores', () => {
    const rules = policy([local('app:1', LOCAL)]);
    const name = `docker-image://dtrust.invalid/local:${'1'.repeat(64)}-n0nce`;
    expect(decide(rules, 'docker-image://docker.io/library/app:1')).toBe(name);
    expect(decide(rules, `${name}@${LOCAL}`)).toBe(`${name}@${LOCAL}`);
  });

  test('one name for two images is LOCAL_BASE: a policy knows no platforms', () => {
    const error = throwsCode(
      () => policy([tagged('app:1', GOOD), local('app:1', LOCAL)]),
      TrustError,
      'LOCAL_BASE',
    );
    expect(error.spec).toBe('protocol 8');
  });

  test('the same image twice is said once', () => {
    const rules = policy([tagged('alpine:3', GOOD), tagged('docker.io/library/alpine:3', GOOD)]);
    expect(rules.filter(({ action }) => action !== 'DENY')).toHaveLength(2);
  });

  test('what was not admitted by enforcement is a bug, not a rule', () => {
    const forged = { fetch: { kind: 'digest', repository: parseReference('x').repository, digest: EVIL } };
    expect(() => policy([{ admission: forged as unknown as Admission }])).toThrow('only an admission');
  });
});

describe('design 3: a host that was typed in another spelling', () => {
  test.each(['GHCR.io/acme/app:1', 'ghcr.io:443/acme/app:1', 'ghcr.io/acme/app:1'])('%s is met', (typed) => {
    const rules = policy([tagged(typed, GOOD)]);
    const target = `docker-image://ghcr.io/acme/app:1@${GOOD}`;
    expect(decide(rules, `docker-image://${typed}`)).toBe(target);
    expect(decide(rules, 'docker-image://ghcr.io/acme/app:1')).toBe(target);
  });
});

describe('design 3: with a policy of the user', () => {
  const convert = (from: string, to: string): PolicyRule => ({
    action: 'CONVERT',
    selector: { identifier: from },
    updates: { identifier: to },
  });

  test('his conversions come first, and what they lead to is judged', () => {
    const converts = [
      convert('docker-image://docker.io/library/old:1', 'docker-image://docker.io/library/alpine:3'),
      convert('docker-image://docker.io/library/x:1', 'docker-image://docker.io/library/evil:1'),
    ];
    const rules = policy([tagged('alpine:3', GOOD)], { converts, denies: [] });
    expect(decide(rules, 'docker-image://docker.io/library/old:1')).toBe(
      `docker-image://docker.io/library/alpine:3@${GOOD}`,
    );
    expect(decide(rules, 'docker-image://docker.io/library/x:1')).toBeUndefined();
  });

  test('his denials come last, and refuse what was admitted', () => {
    const denies: PolicyRule[] = [{ action: 'DENY', selector: { identifier: 'docker-image://docker.io/*' } }];
    const rules = policy([tagged('alpine:3', GOOD), tagged('ghcr.io/a/b:1', EVIL)], { converts: [], denies });
    expect(decide(rules, 'docker-image://docker.io/library/alpine:3')).toBeUndefined();
    expect(decide(rules, 'docker-image://ghcr.io/a/b:1')).toBe(`docker-image://ghcr.io/a/b:1@${EVIL}`);
  });
});

test('design 3: the policy is written as BuildKit reads it', () => {
  expect(JSON.parse(Buffer.from(renderPolicy(policy([tagged('alpine:3', GOOD)]))).toString())).toEqual({
    rules: [
      { action: 'DENY', selector: { identifier: 'docker-image://*' } },
      { action: 'DENY', selector: { identifier: 'oci-layout://*' } },
      { action: 'DENY', selector: { identifier: 'docker-image+blob://*' } },
      { action: 'DENY', selector: { identifier: 'oci-layout+blob://*' } },
      { action: 'ALLOW', selector: { identifier: `docker-image://*@${GOOD}` } },
      {
        action: 'CONVERT',
        selector: { identifier: 'docker-image://docker.io/library/alpine:3' },
        updates: { identifier: `docker-image://docker.io/library/alpine:3@${GOOD}` },
      },
    ],
  });
});
