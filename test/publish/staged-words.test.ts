/** A staged state in words: whole, escaped, and right about who signs. */
import { describe, expect, it } from 'vitest';
import type { JsonValue } from '../../src/lib/strict-json.ts';
import { describeChanges, describeMissing, missingSignatures } from '../../src/publish/staged-words.ts';
import type { Edit } from '../../src/trust/core/editor.ts';
import { parseSignedJson, type RoleName } from '../../src/trust/core/metadata.ts';
import { signStaged } from '../../src/trust/core/staged-view.ts';
import { APP, edit, entry, online, put, repository, root, TARGETS_KEY } from '../trust/core/editor-world.ts';
import {
  ALICE_KEY,
  addAlice,
  alice,
  begun,
  changed,
  member,
  SECOND_KEY,
  second,
  staged,
  THIRD_KEY,
  view,
} from '../trust/core/staged-world.ts';

const RELEASES = 'targets/releases' as RoleName;
const ALICE = 'targets/alice' as RoleName;

async function words(edits: Parameters<typeof staged>[1], before = [put('1.0')]): Promise<readonly string[]> {
  const state = await edit(await begun(), before, { signers: [root, second, repository, online] });
  return describeChanges(await view(state, await staged(state, edits, [root, repository])));
}

describe('protocol 4.6: what a cosigner reads', () => {
  it('says what the first signer changes, in sentences, each tag that moves by name', async () => {
    const id = (key: { keyid: string }) => key.keyid;
    expect(await words([addAlice])).toEqual([
      `snapshot: 1 of 1 keys -> 1 of 2 keys; adds alice (${id(ALICE_KEY)})`,
      `timestamp: 1 of 1 keys -> 1 of 2 keys; adds alice (${id(ALICE_KEY)})`,
      'targets: delegations, in the order of the search: none -> targets/releases, targets/alice',
      `targets/releases: 1 of 2 keys: the repository key (${id(TARGETS_KEY)}), alice (${id(ALICE_KEY)})`,
      'targets/releases: for all tags',
      'targets/releases: the search ends there',
      `targets/alice: 1 of 1 keys: alice (${id(ALICE_KEY)})`,
      'targets/alice: for all tags',
      'targets/alice: the search goes on after it',
      'targets/releases: good until none -> 2030-01-14T12:00:00Z',
      `keep ${APP}:1.0 ${entry('1.0').sha256} (12 bytes, application/vnd.oci.image.manifest.v1+json) (moves from targets to targets/releases, unchanged)`,
    ]);
  });

  it('says which digest a tag gets, had and loses', async () => {
    const media = 'application/vnd.oci.image.manifest.v1+json';
    const [line] = await words([put('1.0', 'other')]);
    expect(line).toBe(
      `change ${APP}:1.0 ${entry('1.0').sha256} (12 bytes, ${media}) -> ${entry('1.0', 'other').sha256} (5 bytes, ${media}) (in targets)`,
    );
    expect(await words([{ kind: 'removeTarget', path: `${APP}:1.0` }])).toEqual([
      `revoke ${APP}:1.0 ${entry('1.0').sha256} (12 bytes, ${media}) (in targets)`,
    ]);
  });

  it('hides nothing: no control character works, nothing is cut short, an entry of another form is shown whole', async () => {
    const state = await edit(await begun(), [addAlice], { signers: [root, second, repository, online] });
    const plain = await staged(state, [put('1.0')], [repository]);
    const long = `${APP}:${'x'.repeat(600)}end`;
    const odd = changed(plain, RELEASES, (json) => {
      const targets = member(json, 'targets');
      const [[, target] = ['', null]] = targets;
      const more = new Map<string, JsonValue>([...(target as Map<string, JsonValue>), ['x', '\u202e']]);
      json.set(
        'targets',
        new Map<string, JsonValue>([
          [`${APP}:1.0\n\u202eevil`, more],
          [long, target ?? null],
        ]),
      );
    });
    const lines = describeChanges(await view(state, odd));
    expect(lines.join('\n')).not.toMatch(/\u202e/);
    expect(lines).toHaveLength(2);
    expect(lines[0]).toContain(`sign ${APP}:1.0\\u000a\\u202eevil {"custom":`);
    expect(lines[0]).toContain('"x":"\\u202e"');
    expect(lines[1]).toContain(`${'x'.repeat(600)}end`);
  });

  it('an entry that comes out of a role which releases nothing is a new one', async () => {
    const state = await edit(await begun(), [addAlice], { signers: [root, second, repository, online] });
    const pushed = await edit(state, [put('2.0')], { signers: [alice] });
    const gone = await edit(pushed, [{ kind: 'removeTarget', path: `${APP}:2.0` }]);
    const both = await staged(gone, [put('3.0')], [alice]);
    const listed = pushed.trusted.targets(RELEASES)?.bytes ?? Buffer.alloc(0);
    const entries = parseSignedJson(listed, RELEASES).get('targets') ?? null;
    const released = changed(both, RELEASES, (json) => json.set('targets', entries));
    const out = changed(released, ALICE, (json) => json.set('targets', new Map()));
    expect(describeChanges(await view(gone, out))).toEqual([
      expect.stringMatching(/^sign .*:2\.0 sha256:.*\(in targets\/releases\)$/),
      expect.stringMatching(/^revoke .*:2\.0 sha256:.*\(in targets\/alice, which releases nothing\)$/),
    ]);
  });

  it('says of no tag that it stays which goes into a role where no search looks for it', async () => {
    const limited: Edit = {
      kind: 'addSigner',
      name: 'dev',
      keys: [SECOND_KEY.publicKey],
      paths: [`${APP}:dev-*`],
    };
    const state = await edit(await begun(), [put('1.0'), limited], {
      signers: [root, second, repository, online],
    });
    const dev = 'targets/dev' as RoleName;
    const plain = await staged(state, [{ ...put('dev-1'), role: dev } as Edit, put('2.0')], [repository]);
    const listed = state.trusted.targets(RELEASES)?.bytes ?? Buffer.alloc(0);
    const entries = parseSignedJson(listed, RELEASES).get('targets') ?? null;
    const out = changed(plain, RELEASES, (json) => json.set('targets', new Map()));
    const moved = changed(out, dev, (json) => json.set('targets', entries));
    expect(describeChanges(await view(state, moved))).toEqual([
      expect.stringMatching(
        /^sign .*:1\.0 sha256:.*\(in targets\/dev, which releases nothing of this name\)$/,
      ),
      expect.stringMatching(/^revoke .*:1\.0 sha256:.*\(in targets\/releases\)$/),
    ]);
  });

  it('names whose signatures are missing, once where both quorums of a root want the same', async () => {
    const state = await begun();
    const first = await view(state, await staged(state, [addAlice], [root, repository]));
    expect(describeMissing(first)).toEqual([
      `root needs 1 more of: the root key (${SECOND_KEY.keyid}), the root key (${THIRD_KEY.keyid})`,
    ]);
    expect(missingSignatures(first).map(({ by }) => by)).toEqual(['root 1', 'root 2']);
    const done = await view(state, await signStaged(first, [second]));
    expect(describeMissing(done)).toEqual([]);
  });
});
