/** `dtrust trust allow`: what an exception lets through, and what it does not. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { RepositorySimulator } from '../helpers/repository-simulator.ts';
import { dockerCalls, type Machine, openStage, refused, type Stage, type StoredImage } from './harness.ts';

const REPO = 'upstream/base';
const DAY_MS = 86_400_000;

let stage: Stage;
let machine: Machine;
let name: string;
let base: StoredImage;
let other: StoredImage;
let pinned: string;

beforeAll(async () => {
  stage = await openStage();
  name = stage.name(REPO);
  base = stage.image(REPO, '1.0', 'base');
  other = stage.image(REPO, '2.0', 'other');
  pinned = `${name}@${base.digest}`;
});
afterAll(() => stage.close());
beforeEach(() => {
  stage.calm();
  dockerCalls(stage);
  stage.registry.repository(REPO).tags.set('1.0', base.digest);
  machine = stage.machine();
});

const day = (fromNowDays: number) => new Date(Date.now() + fromNowDays * DAY_MS).toISOString().slice(0, 10);
const file = () => path.join(machine.config, 'trust', 'dtrust', 'allow.json');
const allow = (until = day(30), digest = pinned) =>
  machine.succeed(['trust', 'allow', digest, '--reason', 'nobody signs it', '--until', until]);

/** An entry as a person may have written it. */
function written(entry: object): void {
  fs.mkdirSync(path.dirname(file()), { recursive: true, mode: 0o700 });
  fs.writeFileSync(file(), JSON.stringify({ format: 1, allow: [entry] }));
}
const entry = (changed: object = {}) => ({
  ...{ repository: name, digest: base.digest, reason: 'nobody signs it', until: day(1) },
  ...changed,
});

describe('contract (Terminal): an exception for exactly this digest', () => {
  test('is the way on that the refusal names', async () => {
    const run = await refused(machine, ['run', `${name}:1.0`], { code: 'NO_TRUST_DATA', status: 125 });
    expect(run.stderr).toContain(`dtrust trust allow ${name}@sha256:DIGEST --reason TEXT --until`);
  });

  test('lets its tag run, by the digest, and says so each time', async () => {
    await allow();
    const line = `dtrust: ${name}:1.0 is not signed; ${base.digest} is allowed until ${day(30)}: nobody signs it\n`;
    const first = await machine.succeed(['run', '-q', `${name}:1.0`, 'sh']);
    expect(first.stderr).toBe(line);
    expect(stage.engineChanges()).toEqual(['POST /images/create', `POST /images/${pinned}/tag`]);
    stage.mark();
    expect((await machine.succeed(['create', '--pull=always', `${name}:1.0`])).stderr).toBe(line);
    expect(stage.engineChanges()).toEqual([]);
    expect(dockerCalls(stage).map((call) => call.args.includes(pinned))).toEqual([true, true]);
  });

  test('lets its tag be pulled, and never prints it as signed', async () => {
    await allow();
    const run = await machine.succeed(['pull', `${name}:1.0`]);
    expect(run.stdout).not.toContain('Pull (1 of 1)');
    expect(run.stdout.endsWith(`${name}:1.0\n`)).toBe(true);
    expect(run.stderr).toContain('is not signed');
    expect(stage.engine.images.get(`${name}:1.0`)?.Id).toBe(base.id);
  });

  test('lets nothing else through: another tag, another digest under the tag, another repository', async () => {
    await allow();
    stage.image('upstream/copy', '1.0', 'base');
    const status = { code: 'NO_TRUST_DATA', status: 125 };
    await refused(machine, ['run', `${name}:2.0`], status);
    await refused(machine, ['run', `${stage.name('upstream/copy')}:1.0`], status);
    stage.registry.repository(REPO).tags.set('1.0', other.digest);
    await refused(machine, ['run', `${name}:1.0`], status);
    await refused(machine, ['pull', `${name}:1.0`], { code: 'NO_TRUST_DATA' });
    await refused(machine, ['pull', '-a', name], { code: 'NO_TRUST_DATA' });
    expect(dockerCalls(stage)).toEqual([]);
  });

  test('is not met by an image of that name on the engine', async () => {
    await allow();
    stage.local(REPO, '1.0', other);
    await machine.succeed(['run', '-q', `${name}:1.0`]);
    expect(dockerCalls(stage)[0]?.args).toEqual(['run', '-q', '--pull=never', pinned]);
  });

  test('is met by the tag that the engine has, where that is the digest itself', async () => {
    await allow();
    await machine.succeed(['run', '-q', `${name}:1.0`]);
    dockerCalls(stage);
    stage.registry.repository(REPO).tags.set('1.0', other.digest);
    await machine.succeed(['run', `${name}:1.0`]);
    expect(dockerCalls(stage)[0]?.args).toEqual(['run', '--pull=never', pinned]);
    await refused(machine, ['run', '--pull=always', `${name}:1.0`], { code: 'NO_TRUST_DATA', status: 125 });
  });

  test('does not count where there is trust data, or where there was', async () => {
    const signed = stage.name('acme/app');
    const image = stage.image('acme/app', 'unsigned', 'unsigned');
    const sim = new RepositorySimulator({ collection: signed, nowMs: Date.now() });
    sim.publish();
    await stage.publish('acme/app', sim.files());
    machine.pin('acme/app', sim.pin());
    await allow(day(1), `${signed}@${image.digest}`);
    const args = ['run', `${signed}:unsigned`];
    await refused(machine, args, { code: 'TARGET_NOT_SIGNED', status: 125, mayChange: /trust/ });
    stage.registry.deleteTag('acme/app', '_trust');
    await refused(machine, args, { code: 'TRUST_DATA_GONE', status: 125 });
  });

  test('lets a container made under it be started for as long as it lasts', async () => {
    await allow();
    await machine.succeed(['create', '-q', `${name}:1.0`]);
    dockerCalls(stage);
    const id = 'a'.repeat(64);
    stage.engine.containers.push({ Id: id, Name: 'box', Image: base.id, Called: pinned });
    expect((await machine.succeed(['start', 'box'])).stderr).toContain('is allowed until');
    expect(dockerCalls(stage)[0]?.args).toEqual(['start', id]);
    await refused(machine, ['run', base.id], { code: 'IMAGE_UNVERIFIED', status: 125 });
    await machine.succeed(['trust', 'allow', 'rm', pinned]);
    await refused(machine, ['start', 'box'], { code: 'IMAGE_UNVERIFIED' });
  });

  test('is not outlasted by a commit: what is made of an image that is only allowed is not noted', async () => {
    await allow();
    await machine.succeed(['create', '-q', `${name}:1.0`]);
    stage.engine.containers.push({ Id: 'a'.repeat(64), Name: 'box', Image: base.id, Called: pinned });
    const commit = await machine.succeed(['commit', 'box', 'mine:1'], { FAKE_DOCKER_SAYS: other.id });
    expect(commit.stderr).toContain('is not noted as yours');
    stage.engine.images.set('mine:1', { Id: other.id, RepoTags: ['mine:1'], RepoDigests: [] });
    await refused(machine, ['run', other.id], { code: 'IMAGE_UNVERIFIED', status: 125 });
  });

  test.each([-1, 368, 4000])('does not count when it ends in %i days', async (days) => {
    written(entry({ until: day(days) }));
    await refused(machine, ['run', `${name}:1.0`], { code: 'NO_TRUST_DATA', status: 125 });
  });

  test('counts to the end of its last day', async () => {
    written(entry({ until: day(0) }));
    await machine.succeed(['run', '-q', `${name}:1.0`]);
  });
});

describe('the command', () => {
  test('lists what it keeps, and removes it', async () => {
    await allow();
    const listed = await machine.succeed(['trust', 'allow', 'list', '--format', 'json']);
    expect(JSON.parse(listed.stdout)).toEqual({
      ...{
        Repository: name,
        Digest: base.digest,
        Reason: 'nobody signs it',
        Until: day(30),
        State: 'in use',
      },
    });
    expect((await machine.succeed(['trust', 'allow', 'ls'])).stdout).toContain(base.digest);
    await machine.succeed(['trust', 'allow', 'remove', pinned]);
    expect((await machine.succeed(['trust', 'allow', 'ls', '--format', 'json'])).stdout).toBe('');
    await refused(machine, ['trust', 'allow', 'rm', pinned], { code: 'USAGE', mayChange: /trust\/dtrust / });
  });

  test.each([
    ['no digest', () => [`${name}:1.0`, '--reason', 'x', '--until', day(1)]],
    ['a tag beside the digest', () => [`${name}:1.0@${base.digest}`, '--reason', 'x', '--until', day(1)]],
    ['no reason', () => [pinned, '--until', day(1)]],
    ['an empty reason', () => [pinned, '--reason', ' ', '--until', day(1)]],
    ['no day', () => [pinned, '--reason', 'x']],
    ['a day that is none', () => [pinned, '--reason', 'x', '--until', '2027-02-30']],
    ['a day in words', () => [pinned, '--reason', 'x', '--until', 'tomorrow']],
    ['a day that is over', () => [pinned, '--reason', 'x', '--until', day(-1)]],
    ['a day more than a year ahead', () => [pinned, '--reason', 'x', '--until', day(400)]],
    ['a list of something', () => ['list', pinned]],
  ])('refuses %s, and keeps nothing', async (_, args) => {
    await refused(machine, ['trust', 'allow', ...args()], { code: 'USAGE' });
    expect(fs.existsSync(file())).toBe(false);
  });
});

describe('contract (Disk): a file of exceptions', () => {
  test.each([
    ['that is no JSON', () => 'allow all'],
    ['of another format', () => JSON.stringify({ format: 2, allow: [] })],
    ['with a member more', () => JSON.stringify({ format: 1, allow: [entry({ tag: '1.0' })] })],
    ['with a short name', () => JSON.stringify({ format: 1, allow: [entry({ repository: 'nginx' })] })],
    ['with half a digest', () => JSON.stringify({ format: 1, allow: [entry({ digest: 'sha256:12' })] })],
    ['without an end', () => JSON.stringify({ format: 1, allow: [entry({ until: 'never' })] })],
    ['with one twice', () => JSON.stringify({ format: 1, allow: [entry(), entry()] })],
  ])('%s is refused, and stays as it is', async (_, text) => {
    written({});
    fs.writeFileSync(file(), text());
    await refused(machine, ['run', `${name}:1.0`], { code: 'ALLOW_INVALID', status: 125 });
    await refused(machine, ['pull', `${name}:1.0`], { code: 'ALLOW_INVALID' });
    const args = ['trust', 'allow', pinned, '--reason', 'x', '--until', day(1)];
    await refused(machine, args, { code: 'ALLOW_INVALID' });
  });
});
