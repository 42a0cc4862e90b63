/**
 * Digests that trust data cannot name. They are good references, so they get as far as the code that decides, and must
 * be refused there in words: a crash at that place would hide the refusal that was due.
 */
import { describe, expect, test } from 'vitest';
import { explainNoTrustData } from '../../src/commands/no-trust-data.ts';
import type { Services } from '../../src/commands/services.ts';
import { TrustError } from '../../src/lib/errors.ts';
import { describeManifest } from '../../src/publish/describe-manifest.ts';
import { parseDigest } from '../../src/reference/digest.ts';
import { parseReference, parseRepository, parseTag } from '../../src/reference/reference.ts';
import type { RegistryClient } from '../../src/registry/client.ts';
import { rejectsCode } from '../helpers/throws-code.ts';

const APP = parseRepository('docker.io/acme/app');
const SHA512 = parseDigest(`sha512:${'ab'.repeat(64)}`);

describe('a digest that is not sha256', () => {
  test('protocol 5.1: is not signed, and the registry is not asked for it', async () => {
    const client = {
      getManifest: () => expect.unreachable('nothing is asked for'),
    } as unknown as RegistryClient;
    const signing = describeManifest(client, APP, parseTag('1.0'), SHA512, new AbortController().signal);
    await rejectsCode(signing, TrustError, 'DIGEST_UNCONFIRMED');
  });
});

describe('protocol 3.3: no trust data', () => {
  test('for a reference that names a digest alone, the refusal is still the one that is shown', async () => {
    const refusal = new TrustError({ code: 'NO_TRUST_DATA', message: 'no trust data' });
    const services = { registry: () => expect.unreachable('no tag to ask for') } as unknown as Services;
    const reference = parseReference(`acme/app@sha256:${'cd'.repeat(32)}`);
    expect(await explainNoTrustData(services, reference, refusal)).toBe(refusal);
    expect(refusal.hints.join('\n')).toContain('DTRUST_TRUST_REPOSITORY');
  });
});
