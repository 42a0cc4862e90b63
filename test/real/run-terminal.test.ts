/** A person at a terminal: a container that gets it, and a loaded image that is accepted after a look. */
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { buildImage, busyboxBytes, dockerCli, imageArchive, needPeers } from '../helpers/peers.ts';
import { hasScript, PtyRun } from '../keys/pty.ts';
import { imagesOf } from './engine-view.ts';
import type { Machine } from './machines.ts';
import { useStage } from './stage.ts';

const needed = await needPeers('engine 26.1', 'registry', 'docker 26.1', 'busybox');
const skip = needed.skip || !hasScript();
const title = hasScript() ? 'run on a terminal' : 'run on a terminal (skipped: needs script)';

/** A command on a terminal of its own; the last line shown is its exit status. */
function onTerminal(machine: Machine, args: string): PtyRun {
  return new PtyRun(`${machine.command} ${args}; echo status=$?`, { TERM: 'xterm', ...machine.env });
}

describe.skipIf(skip)(needed.title(title), () => {
  const stage = useStage({ version: '26.1', containerdStore: false });

  it('contract (Terminal): accepts an image by its name after a yes to names and ID, and its container has the terminal', async () => {
    const { path: docker } = await dockerCli('26.1');
    const bin = path.join(stage.workshop.folder, 'docker-bin');
    fs.mkdirSync(bin);
    fs.symlinkSync(docker, path.join(bin, 'docker'));
    const person = stage.workshop.machine({
      engine: stage.engine.host,
      env: { PATH: `${bin}:/usr/bin:/bin` },
    });
    // No name of Docker Hub, which would be asked.
    const mine = `${stage.registry.host}/mine:1`;
    const files = [{ path: 'bin/busybox', bytes: await busyboxBytes(), mode: 0o755 }];
    await stage.engine.load(imageArchive(buildImage({ files, command: ['/bin/busybox', 'sh'] }), [mine]));
    const id = (await imagesOf(stage.engine))[0]?.Id ?? '';

    const no = onTerminal(person, `trust accept ${mine}`);
    await no.waitFor(`ID:     ${id}`);
    await no.waitFor(`Names:  ${mine}`);
    await no.waitFor('[y/N] ');
    no.type('\r');
    expect(await no.shown()).toContain('(PROMPT_DECLINED)');
    expect(await person.run('run', '--rm', mine)).toMatchObject({ status: 125, code: 'NO_TRUST_DATA' });

    const yes = onTerminal(person, `trust accept ${mine}`);
    await yes.waitFor('[y/N] ');
    yes.type('y\r');
    expect(await yes.shown()).toContain(`Accepted ${id} (${mine})`);

    const shell = onTerminal(person, `run -it --rm --network=none ${mine}`);
    await shell.waitFor('/ # ');
    shell.type('test -t 0 && test -t 1 && echo "it is a $((20 + 22))"; exit 7\r');
    const shown = await shell.shown();
    expect(shown).toContain('it is a 42');
    expect(shown).toContain('status=7');
  });
});
