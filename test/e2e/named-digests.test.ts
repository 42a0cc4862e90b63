/** `dtrust pull` of bytes that are named by their digest; what is printed; and when the engine is asked. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { RepositorySimulator } from '../helpers/repository-simulator.ts';
import { digestOfText, type Machine, openStage, refused, type Stage, type StoredImage } from './harness.ts';

const REPO = 'acme/app';

let stage: Stage;
let name: string;
let signed: StoredImage;
let other: StoredImage;
let original: Machine;
let machine: Machine;

beforeAll(async () => {
  stage = await openStage();
  name = stage.name(REPO);
  other = stage.image(REPO, '1.0', 'other');
  signed = stage.image(REPO, '1.0', 'signed');
  const sim = new RepositorySimulator({ collection: name, nowMs: Date.now() });
  sim.putTarget(`${name}:1.0`, signed).publish();
  await stage.publish(REPO, sim.files());
  original = stage.machine().pin(REPO, sim.pin());
});
afterAll(() => stage.close());
beforeEach(() => {
  stage.calm();
  machine = stage.machine({ like: original });
});

describe('protocol 8: a digest names bytes', () => {
  test('NAME@DIGEST is pulled without a look at any trust data, and not called signed', async () => {
    const unsigned = stage.image('acme/unsigned', '1.0');
    stage.mark();
    const reference = `${stage.name('acme/unsigned')}@${unsigned.digest}`;
    const run = await stage.machine().succeed(['pull', reference]);
    expect(run.stdout.trimEnd().split('\n').at(-1)).toBe(reference);
    expect(run.stderr).toContain('pulled as named by its digest; no signature was asked for');
    expect(stage.registry.requests().filter((each) => each.includes('_trust'))).toEqual([]);
    expect(stage.engineChanges()).toEqual(['POST /images/create']);
  });

  test('NAME:TAG@DIGEST uses the digest, and one line says that the tag is signed for another', async () => {
    const run = await machine.succeed(['pull', `${name}:1.0@${other.digest}`]);
    const lines = run.stderr.split('\n').filter((line) => line.includes('warning'));
    expect(lines).toEqual([
      `dtrust: warning: ${name}:1.0 is signed for ${signed.digest}, not for ${other.digest}`,
    ]);
    expect(run.stdout).toContain(other.digest);
    expect(run.stdout).not.toContain(signed.digest);
    expect([...stage.engine.images.values()].map(({ Id }) => Id)).not.toContain(signed.id);
    expect(stage.engine.images.has(`${name}:1.0`)).toBe(false);
  });

  test('NAME:TAG@DIGEST of what is signed, or of a tag nobody signed, needs no line', async () => {
    const same = await machine.succeed(['pull', `${name}:1.0@${signed.digest}`]);
    expect(same.stderr).not.toContain('warning');
    const unsigned = await machine.succeed(['pull', `${name}:9@${signed.digest}`]);
    expect(unsigned.stderr).not.toContain('warning');
  });

  test('a registry whose trust data cannot be read does not keep anybody from bytes that were named', async () => {
    stage.registry.faults.push({ when: ({ reference }) => reference === '_trust', fault: { status: 403 } });
    const run = await machine.succeed(['pull', `${name}:1.0@${signed.digest}`]);
    expect(run.stderr).toMatch(/warning: what is signed for \S+ cannot be told \(REGISTRY_DENIED\)/);
  });

  test('other bytes than were named are not to be had: the engine is asked for that digest alone', async () => {
    const absent = digestOfText('absent');
    const run = await machine.run(['pull', `${name}@${absent}`]);
    expect(run.status).toBe(1);
    expect(stage.engine.images.size).toBe(0);
  });
});

describe('contract (Terminal): -q prints', () => {
  test('the final reference and nothing else, for a tag, for all, for a digest', async () => {
    const one = await machine.succeed(['pull', '-q', `${name}:1.0`]);
    expect(one).toMatchObject({ stdout: `${name}:1.0\n`, stderr: '' });
    const all = await machine.succeed(['pull', '-q', '-a', name]);
    expect(all).toMatchObject({ stdout: `${name}:1.0\n`, stderr: '' });
    const named = await machine.succeed(['pull', '-q', `${name}@${signed.digest}`]);
    expect(named).toMatchObject({ stdout: `${name}@${signed.digest}\n`, stderr: '' });
  });
});

describe('contract (Engine): before trust data has said yes', () => {
  test('the engine is asked nothing but GET and HEAD, and so it is while the manifest is read', async () => {
    const seen: string[][] = [];
    stage.registry.switches.before = () => void seen.push([...stage.engineChanges()]);
    stage.mark();
    await machine.succeed(['pull', `${name}:1.0`]);
    expect(seen.length).toBeGreaterThan(1);
    expect(seen.flat()).toEqual([]);
    expect(stage.engineChanges()).toEqual([
      'POST /images/create',
      `POST /images/${name}@${signed.digest}/tag`,
    ]);
  });

  test('not even with -a, where the first of two tags is good', async () => {
    await refused(machine, ['pull', '-a', stage.name('acme/nowhere')], { code: 'NO_TRUST_DATA' });
  });
});

describe('contract (Terminal): without trust data', () => {
  test('the refusal shows the digest served now, as nobody’s word, and the ways on', async () => {
    const { digest } = stage.image('acme/unsigned', '2.0');
    const reference = `${stage.name('acme/unsigned')}:2.0`;
    const run = await refused(machine, ['pull', reference], { code: 'NO_TRUST_DATA' });
    expect(run.stderr).toContain(digest);
    expect(run.stderr).toContain('nobody has vouched for');
    expect(run.stderr).toContain(`dtrust pull ${stage.name('acme/unsigned')}@${digest}`);
    // The way that it names is one.
    await machine.succeed(['pull', `${stage.name('acme/unsigned')}@${digest}`]);
  });
});
