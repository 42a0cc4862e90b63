/** What stands under `_trust-staged` was put there by anybody: whatever it is, nothing is signed that was not shown. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { parseRepository } from '../../src/reference/reference.ts';
import { createRegistryClient } from '../../src/registry/client.ts';
import type { RoleName } from '../../src/trust/core/metadata.ts';
import { createRegistrySource } from '../../src/trust/registry-source.ts';
import { renderStaged, STAGED_FORM, type StagedRecord } from '../../src/trust/staged-record.ts';
import { createStagedStore } from '../../src/trust/staged-store.ts';
import { hasScript, PtyRun } from '../keys/pty.ts';
import { changed } from '../trust/core/staged-world.ts';
import { type Machine, openStage, REPOSITORY_PASSPHRASE, refused, type Stage } from './harness.ts';
import { NODE } from './program.ts';
import { idIn, shareRoot, stagedTag } from './shared-keys.ts';
import { MEMORY, Team } from './team.ts';

const REPO = 'shared';

let stage: Stage;
let team: Team;
let owner: Machine;
let bob: Machine;
let name: string;
let add: readonly string[];
/** What the owner staged, and the tag as it left it. */
let id: string;
let staged: string;

vi.setConfig({ testTimeout: 120_000 });
beforeAll(async () => {
  stage = await openStage();
  team = new Team(stage);
  owner = team.owner;
  bob = stage.machine();
  await bob.succeed(['trust', 'key', 'generate', 'bob']);
  name = await team.signed(REPO);
  await shareRoot(stage, REPO, owner, [[bob, 'bob']], 2);
  await team.pinned(REPO, bob);
  const alice = await team.developer(REPO, 'alice');
  add = ['trust', 'stage', ...team.adding(alice, 'alice', REPO).slice(1)];
  id = idIn((await owner.succeed(add)).stdout);
  staged = stagedTag(stage, REPO) ?? '';
});
beforeEach(() => setStaged(staged));
afterEach(() => stage.calm());
afterAll(() => stage.close());

function setStaged(digest: string | undefined, repository = REPO): void {
  const { tags } = stage.registry.repository(repository);
  if (digest === undefined) tags.delete('_trust-staged' as never);
  else tags.set('_trust-staged' as never, digest as never);
}

const source = () =>
  createRegistrySource({
    client: createRegistryClient(stage.registry.http),
    repository: parseRepository(stage.name(REPO)),
    form: STAGED_FORM,
  });

/** Puts this there, as somebody with write access would. */
async function put(record: StagedRecord, files = renderStaged(record)): Promise<string> {
  await source().uploadFiles(files);
  return await source().putState(files, { inline: false });
}

async function read(): Promise<StagedRecord & { readonly kind: 'waiting' }> {
  const client = createRegistryClient(stage.registry.http);
  const record = await createStagedStore({ client, repository: parseRepository(name) }).read();
  if (record?.kind !== 'waiting') throw new Error('something waits');
  return record;
}

/** The staged state with another expiry: of the same form, and nobody was shown it. */
async function evil(): Promise<StagedRecord> {
  const { state } = await read();
  const root = changed(state, 'root', (json) => json.set('expires', '2039-01-01T00:00:00Z'));
  return { kind: 'waiting', state: root };
}

const cosign = (...more: string[]) => ['trust', 'cosign', ...more, name];

describe('protocol 4.6: garbage under the tag', () => {
  const manifest = (members: object) => JSON.stringify({ schemaVersion: 2, ...members });
  const OCI = 'application/vnd.oci.image.manifest.v1+json';
  const STAGED = 'application/vnd.dtrust.tuf.staged.v1+json';
  const empty = { mediaType: 'application/vnd.oci.empty.v1+json', size: 2 };
  const layer = (file: string, digest: string, size: number) => ({
    mediaType: 'application/vnd.tuf.metadata+json',
    digest,
    size,
    annotations: { 'tuf.io/filename': file },
  });
  const of = (layers: readonly object[]) => {
    const config = {
      ...empty,
      digest: `sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a`,
    };
    return manifest({ mediaType: OCI, artifactType: STAGED, config, layers });
  };
  const blob = (text: string) => stage.registry.putBlob(REPO, Buffer.from(text));

  const cases: readonly (readonly [string, () => string])[] = [
    ['an image', () => Buffer.from(stage.image(REPO, 'x').bytes).toString()],
    ['an index', () => manifest({ mediaType: OCI.replace('manifest', 'index'), manifests: [] })],
    ['no JSON', () => 'garbage'],
    ['nothing in it', () => of([])],
    ['a staged.json that is missing', () => of([layer('staged.json', `sha256:${'0'.repeat(64)}`, 20)])],
    ['a staged.json of a megabyte', () => of([layer('staged.json', `sha256:${'0'.repeat(64)}`, 1_000_000)])],
    ['a staged.json that is garbage', () => of([layer('staged.json', blob('garbage'), 7)])],
    ['a timestamp', () => of([layer('timestamp.json', blob('{}'), 2)])],
    [
      'a root of a gigabyte',
      () => {
        const text = JSON.stringify({ collection: name, roles: { root: { version: 3 } } });
        return of([
          layer('staged.json', blob(text), text.length),
          layer('3.root.json', `sha256:${'0'.repeat(64)}`, 1_000_000_000),
        ]);
      },
    ],
  ];

  it.each(cases)('%s is refused: STAGED_INVALID', async (_, make) => {
    const text = make();
    const type = text.includes('image.index') ? OCI.replace('manifest', 'index') : OCI;
    stage.registry.putManifest(REPO, '_trust-staged', Buffer.from(text), type);
    stage.registry.log.length = 0;
    await refused(bob, cosign('--show'), { code: 'STAGED_INVALID', mayChange: MEMORY });
    await refused(bob, cosign('--digest', id), { code: 'STAGED_INVALID', mayChange: MEMORY });
  });

  it('keeps nobody from staging, or from using what is signed', async () => {
    stage.registry.putManifest(REPO, '_trust-staged', Buffer.from('garbage'), OCI);
    await owner.succeed(['pull', '-q', `${name}:1.0`]);
    const { stdout } = await owner.succeed(['trust', 'status', name]);
    expect(stdout).toMatch(/Staged: +something that nobody can publish: .*\(STAGED_INVALID\)\n/);
    await owner.succeed(add);
    expect((await bob.succeed(cosign('--show'))).stdout).toContain('Missing: root needs 1 more of: ');
  });
});

describe('protocol 4.6: somebody else’s change', () => {
  it('a state of another repository of the same owner is refused', async () => {
    const { state } = await read();
    await put({ kind: 'waiting', state: { ...state, collection: stage.name('other') } });
    await refused(bob, cosign('--digest', id), { code: 'COLLECTION_MISMATCH', mayChange: MEMORY });
  });

  it('other content under the tag is not signed for the ID that was reviewed: STAGED_CHANGED', async () => {
    await put(await evil());
    await refused(bob, cosign('--digest', id), { code: 'STAGED_CHANGED', mayChange: MEMORY });
  });

  it('put there between the showing and the signing, it is neither signed nor written over', async () => {
    const other = await put(await evil());
    setStaged(staged);
    let reads = 0;
    stage.registry.switches.before = ({ method, path: asked }) => {
      const isRead = method === 'GET' && asked.endsWith('/manifests/_trust-staged');
      if (isRead && ++reads === 2) setStaged(other);
    };
    const run = await refused(bob, cosign('--digest', id), {
      code: 'STAGED_CHANGED',
      mayChange: MEMORY,
    });
    expect(run.error).toMatchObject({ expected: id });
    expect(stagedTag(stage, REPO)).toBe(other);
  });

  it('put there while the signature is on its way, it stays as it is', async () => {
    const other = await put(await evil());
    setStaged(staged);
    stage.registry.switches.before = ({ method, path: asked }) => {
      if (method === 'HEAD' && asked.endsWith('/manifests/_trust-staged')) setStaged(other);
    };
    await refused(bob, cosign('--digest', id), {
      code: 'STAGED_CHANGED',
      mayChange: MEMORY,
      mayWrite: true,
    });
    expect(stagedTag(stage, REPO)).toBe(other);
  });

  it('with a role left out it would lock everybody out: refused', async () => {
    const { state } = await read();
    const roles = new Map(state.roles);
    roles.delete('targets/releases' as RoleName);
    await put({ kind: 'waiting', state: { ...state, roles } });
    await refused(bob, cosign('--show'), { code: 'ROLE_MISSING', mayChange: MEMORY });
  });
});

describe.skipIf(!hasScript())('protocol 4.6: somebody else’s change, at a terminal', () => {
  const typed = (args: readonly string[]) => {
    const { DTRUST_PROMPT: _, CI: __, ...env } = bob.environment();
    return new PtyRun([NODE, stage.program, ...args, '; echo status=$?'].join(' '), { ...env, CI: '' });
  };

  it('shows all that changes, asks, and signs what it has shown and nothing else', async () => {
    const other = await put(await evil());
    setStaged(staged);
    const no = typed(cosign());
    await no.waitFor(`Staged for ${name}: ${id}`);
    await no.waitFor('alice (');
    await no.waitFor('Sign exactly this? [y/N] ');
    no.type('n\r');
    expect(await no.shown()).toMatch(/nothing was signed \(PROMPT_DECLINED\)[\s\S]*status=1/);

    // Replaced while the person is reading.
    const deceived = typed(cosign());
    await deceived.waitFor('Sign exactly this? [y/N] ');
    setStaged(other);
    deceived.type('y\r');
    expect(await deceived.shown()).toMatch(/\(STAGED_CHANGED\)[\s\S]*status=1/);
    expect(stagedTag(stage, REPO)).toBe(other);

    setStaged(staged);
    const yes = typed(cosign());
    await yes.waitFor('Sign exactly this? [y/N] ');
    yes.type('y\r');
    expect(await yes.shown()).toMatch(/Signed what is staged for [\s\S]*status=0/);
    expect(stagedTag(stage, REPO)).not.toBe(staged);
  });
});

describe('protocol 4.6: who stages and signs', () => {
  it('one change waits at a time: STAGED_PENDING, until it is taken back', async () => {
    const run = await refused(owner, add, {
      code: 'STAGED_PENDING',
      stdout: /^Adding signer/,
      mayChange: MEMORY,
    });
    expect(run.error.found).toBe(id);
    expect((await owner.succeed(['trust', 'stage', '--discard', name])).stdout).toBe(
      `Took back what was staged for ${name}\n`,
    );
    expect((await owner.succeed(['trust', 'stage', '--discard', name])).stdout).toBe(
      `Nothing that can be read was staged for ${name}\n`,
    );
    await refused(bob, cosign('--digest', id), { code: 'STAGED_ABSENT', mayChange: MEMORY });
    expect((await owner.succeed(add)).stdout).toContain('Staged for ');
  });

  it('nothing is there: STAGED_ABSENT', async () => {
    setStaged(undefined);
    await refused(bob, cosign(), { code: 'STAGED_ABSENT', mayChange: MEMORY });
  });

  it('none of the keys here counts: KEY_MISSING, naming those that do', async () => {
    const stranger = await team.pinned(REPO, stage.machine());
    const run = await refused(stranger, cosign('--digest', id), { code: 'KEY_MISSING', mayChange: MEMORY });
    expect(run.stderr).toMatch(/accepted: the root key \([0-9a-f]{64}\)/);
    await refused(stranger, add, { code: 'KEY_ROOT_MISSING', stdout: /^Adding/, mayChange: MEMORY });
  });

  it('contract (Keys): a root key in DTRUST_KEY signs nothing: KEY_ROOT_REFUSED', async () => {
    const runner = await team.pinned(REPO, stage.machine());
    const keys = path.join(bob.config, 'trust');
    const file = fs
      .readdirSync(keys, { recursive: true, encoding: 'utf8' })
      .find((each) => each.endsWith('.key'));
    const key = fs.readFileSync(path.join(keys, file ?? ''));
    await refused(runner, cosign('--digest', id), {
      code: 'KEY_ROOT_REFUSED',
      mayChange: MEMORY,
      env: { DTRUST_KEY: key.toString('base64') },
    });
  });

  it('contract (Keys): a wrong passphrase signs nothing', async () => {
    await refused(bob, cosign('--digest', id), {
      code: 'KEY_PASSPHRASE',
      mayChange: MEMORY,
      env: { DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: `${REPOSITORY_PASSPHRASE} not` },
    });
    expect(stagedTag(stage, REPO)).toBe(staged);
  });

  it('a registry that keeps the tag immutable is TRUST_TAG_IMMUTABLE, naming the tag to exempt', async () => {
    stage.registry.switches.immutable = { tags: /^_trust-staged$/, as: 'harbor' };
    const run = await refused(bob, cosign('--digest', id), {
      code: 'TRUST_TAG_IMMUTABLE',
      mayChange: MEMORY,
      mayWrite: true,
    });
    expect(run.stderr).toContain('exclude the tag _trust-staged from immutability');
  });

  it('killed while it writes, what was staged stays, and the next try signs it', async () => {
    const before = team.trustTag(REPO);
    const killed = bob.start(cosign('--digest', id));
    stage.registry.switches.before = async ({ method, path: asked }) => {
      if (method !== 'PUT' || !asked.includes('/manifests/')) return;
      killed.child.kill('SIGKILL');
      await killed.done;
      throw new Error('the connection is gone');
    };
    expect((await killed.done).signal).toBe('SIGKILL');
    delete stage.registry.switches.before;
    expect([stagedTag(stage, REPO), team.trustTag(REPO)]).toEqual([staged, before]);
    await bob.succeed(cosign('--digest', id));
    expect(stagedTag(stage, REPO)).not.toBe(staged);
  });

  it.each([
    ['no command', ['trust', 'stage'], /a command to stage is expected/],
    [
      'a command that publishes no edit',
      ['trust', 'stage', 'restore', 'x'],
      /nothing to stage in `restore x`/,
    ],
    ['pull', ['trust', 'stage', 'pull', 'x'], /nothing to stage in `pull x`/],
    ['itself', ['trust', 'stage', 'stage', 'push', 'x'], /nothing to stage in `stage push`/],
    ['a push without trust', ['trust', 'stage', 'push', '--disable-content-trust', 'x'], /is not signed/],
    ['a digest that is none', ['trust', 'cosign', '--digest', 'abc', 'x'], /no digest of a staged state/],
    ['--format without --show', ['trust', 'cosign', '--format', 'json', 'x'], /--format needs --show/],
    ['--show with --digest', ['trust', 'cosign', '--show', '--digest', 'abc', 'x'], /exclude each other/],
  ])('%s is a mistake on the command line', async (_, args, message) => {
    const run = await refused(bob, args, { code: 'USAGE' });
    expect(run.stderr).toMatch(message);
  });
});
