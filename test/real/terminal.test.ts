/** A person at a terminal: the first push asks for passphrases, the first pull elsewhere for the fingerprint. */
import { describe, expect, it } from 'vitest';
import { needPeers, sha256 } from '../helpers/peers.ts';
import { hasScript, PtyRun } from '../keys/pty.ts';
import { imagesOf, layersOf } from './engine-view.ts';
import type { Machine } from './machines.ts';
import { servedManifest, signedTags } from './registry-view.ts';
import { useStage } from './stage.ts';

const needed = await needPeers('engine 26.1', 'registry');
const skip = needed.skip || !hasScript();

/** A command on a terminal of its own; the last line shown is its exit status. */
function onTerminal(machine: Machine, args: string): PtyRun {
  return new PtyRun(`${machine.command} ${args}; echo status=$?`, { TERM: 'xterm', ...machine.env });
}

describe.skipIf(skip)(
  needed.title(hasScript() ? 'on a terminal' : 'on a terminal (skipped: needs script)'),
  () => {
    const stage = useStage({ version: '26.1', containerdStore: false });

    it('contract (Terminal): a first push asks for two passphrases, each twice, and signs; no and yes to a fingerprint', async () => {
      const built = await stage.load('typed', '1.0');
      const person = stage.workshop.machine({ engine: stage.engine.host });
      const push = onTerminal(person, `push ${stage.name}:1.0`);
      for (const [prompt, answer] of [
        ['Enter passphrase for new root key', 'root secret of a person'],
        ['Repeat passphrase for new root key', 'root secret of a person'],
        ['Enter passphrase for new repository key', 'other secret of a person'],
        ['Repeat passphrase for new repository key', 'other secret of a person'],
      ] as const) {
        await push.waitFor(prompt);
        await push.waitFor(': ');
        push.type(`${answer}\r`);
      }
      const shown = await push.shown();
      expect(shown).toContain(`Successfully signed ${stage.name}:1.0`);
      expect(shown).toContain('status=0');
      expect(shown).not.toContain('secret of a person');
      const served = await servedManifest(stage.registry, stage.path, '1.0');
      expect(await signedTags(stage.registry, stage.path)).toEqual({ '1.0': served?.digest });
      const rootKey = /\b[0-9a-f]{64}\b/.exec(
        (await person.run('trust', 'pin', 'export', stage.name)).stdout,
      )?.[0];
      await stage.engine.clear();

      stage.relay.forget();
      const no = onTerminal(stage.other, `pull ${stage.name}:1.0`);
      await no.waitFor(`root key ${rootKey}`);
      await no.waitFor('[y/N] ');
      no.type('no\r');
      const refused = await no.shown();
      expect(refused).toContain('(FIRST_USE_DECLINED)');
      expect(refused).toContain('status=1');
      expect(stage.relay.changing()).toEqual([]);
      expect(await imagesOf(stage.engine)).toEqual([]);

      const yes = onTerminal(stage.other, `pull ${stage.name}:1.0`);
      await yes.waitFor('[y/N] ');
      yes.type('y\r');
      const accepted = await yes.shown();
      expect(accepted).toContain('status=0');
      expect(await layersOf(stage.engine, `${stage.name}:1.0`)).toEqual([sha256(built.layer)]);

      // Known now: no question, and not even a terminal is needed.
      expect(await stage.other.run('pull', `${stage.name}:1.0`)).toMatchObject({
        status: 0,
        code: undefined,
      });
    });

    it('a later push asks for the repository passphrase, once more after a typo; Ctrl-C at a question is 130', async () => {
      await stage.signed('made without a terminal');
      await stage.load('typed', '2.0');
      const { DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: secret = '' } = stage.owner.env;
      const person = stage.workshop.machineAt(stage.owner.home, { engine: stage.engine.host });
      const stopped = onTerminal(person, `push ${stage.name}:2.0`);
      await stopped.waitFor('Enter passphrase for repository key');
      stopped.type('\x03');
      expect(await stopped.shown()).toContain('status=130');
      expect(await servedManifest(stage.registry, stage.path, '2.0')).toBeUndefined();

      const push = onTerminal(person, `push ${stage.name}:2.0`);
      await push.waitFor('Enter passphrase for repository key');
      push.type('not this one\r');
      await push.waitFor('Passphrase incorrect');
      await push.waitFor('Enter passphrase for repository key');
      push.type(`${secret}\r`);
      const shown = await push.shown();
      expect(shown).toContain(`Successfully signed ${stage.name}:2.0`);
      expect(shown).toContain('status=0');
      expect(Object.keys(await signedTags(stage.registry, stage.path)).sort()).toEqual(['1.0', '2.0']);
    });

    it('draws docker’s progress bars on a terminal', async () => {
      await stage.signed('drawn');
      const pull = onTerminal(stage.owner, `pull ${stage.name}:1.0`);
      const shown = await pull.shown();
      expect(shown).toContain('status=0');
      expect(shown).toContain('\u001b[2K\r');
      expect(shown).toMatch(/Pull complete/);
    });
  },
);
