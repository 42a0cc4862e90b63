/**
 * A signer who left himself a way in: a delegation below the released role, to a key that nobody knows. What he says yes
 * to there can be taken back all the same.
 */
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { createEd25519Key } from '../../src/keys/create.ts';
import { canonicalJson } from '../../src/trust/core/canonical-json.ts';
import type { Signer } from '../../src/trust/core/signer.ts';
import { sha256Hex } from '../../src/trust/core/write-state.ts';
import { keysOf, servedFiles } from './aged.ts';
import { openStage, refused, type Stage } from './harness.ts';
import { MEMORY, Team } from './team.ts';

type Signed = Record<string, never> & {
  version: number;
  meta: Record<string, object>;
  targets: Record<string, object>;
};

let stage: Stage;
let team: Team;

vi.setConfig({ testTimeout: 120_000 });
beforeAll(async () => {
  stage = await openStage();
  team = new Team(stage);
});
afterAll(() => stage.close());

const ALL_PATHS = [...'0123456789abcdef'];

/** The state as it is served, with a role `way in` below releases that lists these tags for this image. */
async function leaveWayIn(repository: string, alice: Signer, tags: readonly string[]): Promise<void> {
  const files = servedFiles(stage, repository);
  const last = (pattern: RegExp) =>
    [...files].filter(([name]) => pattern.test(name)).at(-1)?.[1] ?? Buffer.alloc(0);
  const signedOf = (bytes: Uint8Array) =>
    (JSON.parse(Buffer.from(bytes).toString()) as { signed: Signed }).signed;
  const sign = async (signed: object, by: Signer): Promise<Uint8Array> => {
    const bytes = canonicalJson(mapOf(signed) as never);
    const sig = Buffer.from(await by.sign(bytes)).toString('hex');
    return Buffer.from(JSON.stringify({ signatures: [{ keyid: by.publicKey.keyid, sig }], signed }));
  };
  const releases = signedOf(last(/targets%2Freleases/));
  const nobody = await createEd25519Key();
  const key = {
    keytype: 'ed25519',
    scheme: 'ed25519',
    keyval: { public: nobody.publicKey.publicValue },
  };
  const image = stage.image(repository, 'evil', 'evil');
  const entry = {
    length: image.bytes.length,
    hashes: { sha256: image.digest.slice('sha256:'.length) },
    custom: { mediaType: image.mediaType },
  };
  const targets = Object.fromEntries(tags.map((tag) => [`${stage.name(repository)}:${tag}`, entry]));
  const wayIn = await sign({ ...releases, version: 1, targets }, nobody);
  const role = { name: 'way in', keyids: [nobody.publicKey.keyid], threshold: 1, terminating: false };
  const delegations = {
    keys: { [nobody.publicKey.keyid]: key },
    roles: [{ ...role, path_hash_prefixes: ALL_PATHS }],
  };
  const version = releases.version + 1;
  const newReleases = await sign({ ...releases, version, delegations }, alice);
  const snapshot = signedOf(last(/snapshot/));
  const meta = (bytes: Uint8Array, at: number) => ({
    version: at,
    length: bytes.length,
    hashes: { sha256: sha256Hex(bytes) },
  });
  const newSnapshot = await sign(
    {
      ...snapshot,
      version: snapshot.version + 1,
      meta: {
        ...snapshot.meta,
        'targets/releases.json': meta(newReleases, version),
        'way in.json': meta(wayIn, 1),
      },
    },
    alice,
  );
  const timestamp = signedOf(last(/^timestamp/));
  const at = snapshot.version + 1;
  const newTimestamp = await sign(
    { ...timestamp, version: timestamp.version + 1, meta: { 'snapshot.json': meta(newSnapshot, at) } },
    alice,
  );
  const kept = [...files].filter(([name]) => !/snapshot|releases|^timestamp/.test(name));
  await stage.publish(
    repository,
    new Map<string, Uint8Array>([
      ...kept,
      [`${version}.targets%2Freleases.json`, newReleases],
      ['1.way%20in.json', wayIn],
      [`${at}.snapshot.json`, newSnapshot],
      ['timestamp.json', newTimestamp],
    ]),
  );
}

function mapOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(mapOf);
  if (typeof value !== 'object' || value === null) return value;
  return new Map(Object.entries(value).map(([name, member]) => [name, mapOf(member)]));
}

it('protocol 2.2: a tag that a role below the released one says yes to is revoked, with a warning', async () => {
  const name = await team.signed('below');
  const alice = await team.developer('below', 'alice');
  await team.add(alice, 'alice', 'below');
  await team.pushed(alice, 'below', '2.0');
  const [key] = await keysOf(alice, 'alice');
  await leaveWayIn('below', key ?? expect.unreachable('alice has a key'), ['2.0', 'hidden']);
  const consumer = await team.pinned('below');
  await consumer.succeed(['pull', '-q', `${name}:hidden`]);

  const run = await team.owner.succeed(['trust', 'revoke', `${name}:2.0`]);
  expect(run.stderr).toMatch(/warning: targets\/releases delegated .*no longer signed \(way in\)/);
  // In her own role it still stands, where no search finds it.
  for (const [tag, code] of [
    ['2.0', 'TARGET_NOT_RELEASED'],
    ['hidden', 'TARGET_NOT_SIGNED'],
  ] as const) {
    await refused(consumer, ['pull', `${name}:${tag}`], { code, mayChange: MEMORY });
  }
  await consumer.succeed(['pull', '-q', `${name}:1.0`]);
});
