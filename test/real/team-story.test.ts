/** docs/teams.md, played line by line on a real engine and a real registry, each person in a home of his own. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { projectRoot } from '../../scripts/build.ts';
import {
  imageArchive,
  needPeers,
  pushImage,
  pushManifest,
  type RunningEngine,
  type RunningRegistry,
  startEngine,
  startRegistry,
  textImage,
} from '../helpers/peers.ts';
import { digestsOf, imagesOf, tagsOf } from './engine-view.ts';
import { OWNER_ENV, Workshop } from './machines.ts';
import { type Served, servedManifest, signedTags } from './registry-view.ts';
import { chaptersOf, type Line, Theatre } from './story.ts';
import { publishAsThief, secretsIn } from './thief.ts';

const needed = await needPeers('engine 26.1', 'registry');

const WRITTEN = 'ghcr.io/acme/app';
const PATH = 'acme/app';
const chapters = chaptersOf(fs.readFileSync(path.join(projectRoot, 'docs', 'teams.md'), 'utf8'));
const { DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: PASSPHRASE } = OWNER_ENV;
const BACKUP_PASSPHRASE = 'a backup passphrase';
/** Restored keys have the backup's passphrase. */
const RESTORED = {
  DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: BACKUP_PASSPHRASE,
  DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: BACKUP_PASSPHRASE,
};
const SIGNER = { DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: PASSPHRASE };
/** What is refused in the story, by its end, and with which code. */
const REFUSED: ReadonlyMap<string, string> = new Map([
  ['bob: push 1.4', 'KEY_MISSING'],
  ['prod: pull 6.6', 'TARGET_NOT_SIGNED'],
]);

describe.skipIf(needed.skip)(needed.title('docs/teams.md'), () => {
  let workshop: Workshop;
  let engine: RunningEngine;
  let registry: RunningRegistry;
  let theatre: Theatre;
  let real: string;
  /** The line that pins the repository on the first day. */
  let firstPin: string;
  /** The one after Bob has left. */
  let pinWithoutBob: string;
  /** The trust data of the day on which both developers had signed. */
  let early: Served;

  beforeAll(async () => {
    [workshop, engine, registry] = await Promise.all([
      Workshop.open(),
      startEngine({ version: '26.1', containerdStore: false }),
      startRegistry(),
    ]);
    real = `${registry.host}/${PATH}`;
    const people = ['olga', 'alice', 'bob', 'ci', 'prod', 'newlaptop'];
    theatre = new Theatre({
      workshop,
      engine: engine.host,
      repository: { written: WRITTEN, real },
      env: { olga: OWNER_ENV, newlaptop: RESTORED, alice: SIGNER, bob: SIGNER },
      shared: [
        { folder: 'team', by: people },
        { folder: 'stick', by: ['olga', 'newlaptop'] },
      ],
    });
    for (const who of ['olga', 'newlaptop']) {
      const file = path.join(theatre.machine(who).home, 'backup-passphrase');
      fs.writeFileSync(file, `${BACKUP_PASSPHRASE}\n`, { mode: 0o600 });
    }
  });
  afterAll(async () => {
    await Promise.all([engine?.stop(), registry?.stop()]);
    workshop?.remove();
  });

  const inHome = (who: string, ...names: string[]) => path.join(theatre.machine(who).home, ...names);
  const team = (name: string) => fs.readFileSync(inHome('olga', 'team', name), 'utf8').trim();
  const secrets = () => secretsIn(inHome('olga', 'ci-secrets'));

  /** Somebody who does not stand in the page types a command on a machine of his own. */
  const types = (who: string, command: string) => theatre.play({ who, command });

  const served = async (tag: string): Promise<Served> => {
    const found = await servedManifest(registry, PATH, tag);
    if (found === undefined) throw new Error(`the registry has no ${tag}`);
    return found;
  };

  async function play(line: Line): Promise<void> {
    const [, verb, tag = ''] = /^dtrust (push|pull) \S+:(\S+)$/.exec(line.command) ?? [];
    if (verb === 'push') {
      await engine.load(imageArchive(textImage(`the image ${tag}`), [`${real}:${tag}`]));
    }
    if (verb === 'pull') await engine.clear();
    const said = await theatre.play(line, line.who === 'ci' ? secrets() : {});
    const code = REFUSED.get(`${line.who}: ${verb} ${tag}`);
    expect({ line, ...said }).toMatchObject(code === undefined ? { status: 0 } : refused(code));
    if (verb === 'pull') {
      // Nothing but what was verified is in the engine.
      expect(await tagsOf(engine)).toEqual(code === undefined ? [`${real}:${tag}`] : []);
      expect(await imagesOf(engine)).toHaveLength(code === undefined ? 1 : 0);
    }
    if (verb === 'push' && code === undefined) {
      expect((await signedTags(registry, PATH))[tag]).toBe((await served(tag)).digest);
    }
    if (verb === 'push' && code !== undefined) {
      expect(await servedManifest(registry, PATH, tag)).toBeUndefined();
    }
  }

  /** What nobody types: the thief signs an image of his own, and moves a tag that is signed. */
  async function theft(): Promise<void> {
    for (const tag of ['6.6', '1.0']) await pushImage(registry, PATH, textImage(`evil ${tag}`), tag);
    const { DTRUST_KEY: key, DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: passphrase = '' } = secrets();
    const version = Number.MAX_SAFE_INTEGER - 5;
    await publishAsThief({ key, passphrase, repository: real, tags: ['6.6', '1.0'], version });
    // Who looks now is taken in: that is what a stolen key does.
    await engine.clear();
    const deceived = await types('victim', `DTRUST_FIRST_USE=accept dtrust pull -q ${real}:6.6`);
    expect(deceived).toMatchObject({ status: 0 });
    expect(await tagsOf(engine)).toEqual([`${real}:6.6`]);
  }

  it.each(chapters.map(({ title, lines }) => [title, lines] as const))('%s', async (title, lines) => {
    expect(lines.length).toBeGreaterThan(0);
    if (title === 'A key is stolen') await theft();
    for (const line of lines) await play(line);
    firstPin ??= team('pin');
    if (title === 'Two developers') early = await served('_trust');
    if (title === 'Somebody leaves') pinWithoutBob = team('pin');
  });

  it('protocol 2.5: whoever believed the thief verifies again, and has lost what the thief signed', async () => {
    await engine.clear();
    expect(await types('victim', `dtrust pull ${real}:1.0`)).toMatchObject({ status: 0 });
    expect(await digestsOf(engine, `${real}:1.0`)).toEqual([`${real}@${team('digest-of-1.0')}`]);
    expect(await types('victim', `dtrust pull ${real}:6.6`)).toMatchObject(refused('TARGET_NOT_SIGNED'));
  });

  it('protocol 6.1: without memory, the pin of the first day leads from its root to the newest', async () => {
    await engine.clear();
    expect(await types('late', firstPin)).toMatchObject({ status: 0 });
    expect(await types('late', `dtrust pull ${real}:2.0`)).toMatchObject({ status: 0 });
    expect(await tagsOf(engine)).toEqual([`${real}:2.0`]);
    // What it knows now is what the owner tells everybody.
    const { stdout } = await types('late', `dtrust trust pin export ${real}`);
    const { stdout: owners } = await types('newlaptop', `dtrust trust pin export ${real}`);
    expect(stdout).toBe(owners);
    expect(stdout).not.toContain(firstPin.split(' ')[5]);
  });

  it('protocol 6.1: only an old pin without memory takes the trust data of an early day', async () => {
    const newest = await served('_trust');
    const serve = ({ bytes, mediaType }: Served) => pushManifest(registry, PATH, bytes, mediaType, '_trust');
    await serve(early);
    expect(await types('old', firstPin)).toMatchObject({ status: 0 });
    expect(await types('newer', pinWithoutBob)).toMatchObject({ status: 0 });
    expect(await types('newest', team('pin'))).toMatchObject({ status: 0 });
    await engine.clear();
    const pull = `dtrust pull ${real}:1.1`;
    expect(await types('newer', pull)).toMatchObject(refused('ROOT_BELOW_PIN'));
    expect(await types('newest', pull)).toMatchObject(refused('ROOT_PIN'));
    // Those who know the newest root: no key of the early timestamp counts any more.
    expect(await types('prod', pull)).toMatchObject(refused('TIMESTAMP_THRESHOLD'));
    expect(await types('late', pull)).toMatchObject(refused('TIMESTAMP_THRESHOLD'));
    expect(await imagesOf(engine)).toEqual([]);
    expect(await types('old', pull)).toMatchObject({ status: 0 });
    await serve(newest);
    expect(await types('old', `dtrust pull ${real}:2.0`)).toMatchObject({ status: 0 });
  });
});

function refused(code: string) {
  return { status: 1, stderr: expect.stringContaining(`(${code})\n`) as string };
}
