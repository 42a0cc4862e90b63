import { describe, expect, test } from 'vitest';
import { type Member, verifyCombined } from '../../src/enforce/combined-index.ts';
import { TrustError } from '../../src/lib/errors.ts';
import { parseManifest } from '../../src/registry/manifest.ts';
import { OCI_INDEX, OCI_MANIFEST } from '../../src/registry/media-types.ts';
import { digestOfText } from '../e2e/harness.ts';
import { throwsCode } from '../helpers/throws-code.ts';

function member(name: string, more: Partial<Member> = {}): Member {
  return {
    digest: digestOfText(name),
    sizeBytes: 100,
    mediaType: OCI_MANIFEST,
    platform: { os: 'linux', architecture: 'amd64' },
    annotations: new Map(),
    ...more,
  };
}

function entry(name: string, more: object = {}): object {
  const platform = { os: 'linux', architecture: 'amd64' };
  return { mediaType: OCI_MANIFEST, digest: digestOfText(name), size: 100, platform, ...more };
}

function index(...manifests: readonly object[]) {
  return parseManifest(Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests })));
}

function refuses(found: ReturnType<typeof index>, expected: Parameters<typeof verifyCombined>[1]): void {
  throwsCode(() => verifyCombined(found, expected), TrustError, 'DIGEST_UNCONFIRMED');
}

describe('protocol 5.1: an index counts with exactly the manifests of its sources', () => {
  const members = [member('a'), member('b')];

  test('in any order, each once', () => {
    const found = index(entry('b'), entry('a'));
    expect(verifyCombined(found, { members })).toBe(found);
  });

  test('and none missing, unless some platforms were asked for', () => {
    refuses(index(entry('a')), { members });
    expect(verifyCombined(index(entry('a')), { members, some: true }).kind).toBe('index');
  });

  test.each<[string, object]>([
    ['digest', { digest: digestOfText('c') }],
    ['size', { size: 101 }],
    ['media type', { mediaType: OCI_INDEX }],
    ['system', { platform: { os: 'windows', architecture: 'amd64' } }],
    ['architecture', { platform: { os: 'linux', architecture: 'arm64' } }],
    ['variant', { platform: { os: 'linux', architecture: 'amd64', variant: 'v3' } }],
    ['platform', { platform: undefined }],
    ['annotation', { annotations: { a: 'b' } }],
  ])('never with another %s', (_, more) => {
    refuses(index(entry('a'), entry('b', more)), { members });
  });

  test('one platform is written in several ways', () => {
    const arm = { platform: { os: 'linux', architecture: 'arm64' } };
    const found = index(entry('a', { platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } }));
    expect(verifyCombined(found, { members: [member('a', arm)] })).toBe(found);
  });

  test('annotations are those of the sources with this digest, and those asked for', () => {
    const twice = [
      member('a', { annotations: new Map([['of', 'one']]) }),
      member('a', { annotations: new Map([['from', 'another']]) }),
    ];
    const found = index(
      entry('a', { annotations: { of: 'one', from: 'another', asked: 'for', typed: 'so' } }),
    );
    const annotations = ['manifest-descriptor[linux/amd64]:asked=for', 'typed=so'];
    expect(verifyCombined(found, { members: twice, annotations })).toBe(found);
    refuses(found, { members: twice, annotations: ['typed=so'] });
    refuses(found, {
      members: [...twice.slice(1), member('b', { annotations: new Map([['of', 'one']]) })],
      annotations,
    });
  });

  test('an image is no index', () => {
    const config = { mediaType: 'x', digest: digestOfText('a'), size: 1 };
    refuses(parseManifest(Buffer.from(JSON.stringify({ schemaVersion: 2, config, layers: [] }))), {
      members,
    });
  });
});
