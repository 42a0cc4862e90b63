/** Which own key is in use (docs/files.md): what a rotation writes down, and when it is done. */
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../src/lib/clock.ts';
import { LocalStateError } from '../../src/lib/errors.ts';
import { CurrentKeys } from '../../src/trust/current-keys.ts';
import { frameBody } from '../../src/trust/memory-frame.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { throwsCode } from '../helpers/throws-code.ts';

const ROOT = { role: 'root' } as const;
const [A, B] = ['a'.repeat(64), 'b'.repeat(64)];

function keysIn(directory = temporaryFolder()) {
  return { directory, keys: new CurrentKeys({ fs, directory, clock: systemClock }) };
}

describe('protocol 2.8: what is written down of a rotation', () => {
  test('the next key, until it was published in every repository; the current one from the first on', async () => {
    const { keys } = keysIn();
    expect([keys.current(ROOT), keys.next(ROOT)]).toEqual([undefined, undefined]);
    await keys.begin(ROOT, { keyId: A, repositories: ['x/one', 'x/two'] });
    expect([keys.current(ROOT), keys.next(ROOT)?.keyId]).toEqual([undefined, A]);
    await keys.publishedIn(ROOT, A, 'x/one');
    expect([keys.current(ROOT), keys.next(ROOT)]).toEqual([A, { keyId: A, repositories: ['x/two'] }]);
    await keys.publishedIn(ROOT, A, 'x/two');
    expect([keys.current(ROOT), keys.next(ROOT)]).toEqual([A, undefined]);
  });

  test('another rotation that has begun meanwhile stays', async () => {
    const { keys } = keysIn();
    await keys.begin(ROOT, { keyId: B, repositories: ['x/one'] });
    await keys.publishedIn(ROOT, A, 'x/one');
    expect([keys.current(ROOT), keys.next(ROOT)]).toEqual([A, { keyId: B, repositories: ['x/one'] }]);
  });

  test('each repository for itself, and its roles too', async () => {
    const { keys } = keysIn();
    await keys.publishedIn({ role: 'targets', repository: 'x/one' }, A, 'x/one');
    expect(keys.current({ role: 'targets', repository: 'x/one' })).toBe(A);
    for (const other of [
      ROOT,
      { role: 'targets', repository: 'x/two' },
      { role: 'snapshot', repository: 'x/one' },
    ]) {
      expect(keys.current(other as typeof ROOT)).toBeUndefined();
    }
  });

  test.each([
    ['not a list', '{"keys":{}}'],
    ['a role that there is not', '{"keys":[{"role":"timestamp"}]}'],
    ['a current key that is no ID', '{"keys":[{"role":"root","current":"a"}]}'],
    ['a repository that is no name', '{"keys":[{"role":"targets","repository":1}]}'],
    ['a next key without repositories', `{"keys":[{"role":"root","next":{"keyId":"${A}"}}]}`],
    [
      'a repository of it that is no name',
      `{"keys":[{"role":"root","next":{"keyId":"${A}","repositories":[1]}}]}`,
    ],
  ])('%s is MEMORY_DAMAGED', (_, body) => {
    const { directory, keys } = keysIn();
    fs.writeFileSync(path.join(directory, 'current-keys.json'), frameBody(body));
    throwsCode(() => keys.current(ROOT), LocalStateError, 'MEMORY_DAMAGED');
  });
});
