/**
 * The main job, told on real images: sign and verify, a second machine with a pin, and three attacks.
 *
 * The attacker of this story may write to the registry, as somebody with a stolen token or the registry's own
 * operator could. The story holds one check after each step; the first that fails ends it.
 */

import { type BuiltImage, buildImage, pushImage } from '../peers/images.ts';
import { busyboxBytes } from '../peers/programs.ts';
import { Machine, type Run } from './machine.ts';
import type { Narrator } from './narrator.ts';
import type { Stage } from './stage.ts';

interface Scene {
  readonly stage: Stage;
  readonly narrator: Narrator;
  readonly owner: Machine;
  readonly other: Machine;
  /** Takes an image's place on the engine's disk: both machines of the story share one engine. */
  readonly forget: () => Promise<void>;
}

/** A real image: a static busybox and one file that tells it apart. */
async function makeImage(text: string): Promise<BuiltImage> {
  const files = [
    { path: 'bin/busybox', bytes: await busyboxBytes(), mode: 0o755 },
    { path: 'message', bytes: Buffer.from(`${text}\n`) },
  ];
  return buildImage({ files, command: ['/bin/busybox', 'cat', '/message'] });
}

/** The code in `(CODE)` at the end of a refusal. */
const codeOf = (run: Run): string | undefined => /\(([A-Z_]+)\)\s*$/m.exec(run.stderr)?.[1];

function expectSuccess({ narrator }: Scene, run: Run, statement: string): void {
  narrator.check(run.status === 0, statement);
}

async function expectRefusal(scene: Scene, run: Run, codes: readonly string[], image: string): Promise<void> {
  const { narrator, stage } = scene;
  const code = codeOf(run) ?? 'no code';
  narrator.check(run.status === 1 && codes.includes(code), `refused with exit status 1 (${code})`);
  const present = await stage.engine.imageId(image);
  narrator.check(present === undefined, 'nothing has reached the engine');
}

/** Returns the ID that the engine knows the signed image by. */
async function pushAndSign(scene: Scene, image: BuiltImage): Promise<string> {
  const { narrator, owner, stage } = scene;
  narrator.chapter('Push and sign');
  narrator.say(
    'The owner of the image pushes it. The engine uploads it as ever; dtrust then signs the digest that',
    'the engine reported, and keeps the signed data beside the image, under the tag _trust.',
  );
  await stage.engine.load(image, `${stage.repository}:1.0`);
  const id = await stage.engine.imageId(`${stage.repository}:1.0`);
  const run = await owner.dtrust('push', `${stage.repository}:1.0`);
  expectSuccess(scene, run, 'the image is pushed and signed');
  const trust = await stage.registry.request('HEAD', '/v2/quickstart/app/manifests/_trust', undefined, {
    accept: 'application/vnd.oci.image.manifest.v1+json',
  });
  narrator.check(trust.status === 200, 'the registry holds trust data for the repository');
  return id ?? '';
}

async function pullAndVerify(scene: Scene, signedId: string): Promise<void> {
  const { narrator, owner, stage } = scene;
  narrator.chapter('Pull and verify');
  narrator.say(
    'The same machine pulls it again. The tag becomes the digest that was signed, before the engine is',
    'asked for anything.',
  );
  await scene.forget();
  const run = await owner.dtrust('pull', `${stage.repository}:1.0`);
  expectSuccess(scene, run, 'the signed image is pulled');
  const id = await stage.engine.imageId(`${stage.repository}:1.0`);
  narrator.check(id === signedId, 'the engine holds exactly the image that was signed');
}

async function secondMachine(scene: Scene, signedId: string): Promise<void> {
  const { narrator, owner, other, stage } = scene;
  narrator.chapter('A second machine');
  narrator.say(
    'A machine that has never seen this repository has no reason to believe the first key it is shown.',
    'Without a terminal to ask on, it refuses:',
  );
  await scene.forget();
  const first = await other.dtrust('pull', `${stage.repository}:1.0`);
  await expectRefusal(scene, first, ['FIRST_USE_REFUSED'], `${stage.repository}:1.0`);
  narrator.say(
    'The owner exports a pin: which root key the repository must start from. It is not secret, and',
    'travels by a way that the registry has no hand in: a README, a CI setting, a chat.',
  );
  const exported = await owner.dtrust('trust', 'pin', 'export', stage.repository);
  expectSuccess(scene, exported, 'the owner has a pin to hand out');
  const added = await other.dtrust('trust', 'pin', 'add', ...pinArguments(exported.stdout));
  expectSuccess(scene, added, 'the second machine knows the pin');
  const second = await other.dtrust('pull', `${stage.repository}:1.0`);
  expectSuccess(scene, second, 'with the pin, the same pull succeeds');
  const id = await stage.engine.imageId(`${stage.repository}:1.0`);
  narrator.check(id === signedId, 'the engine holds exactly the image that was signed');
}

/** What stands behind `dtrust trust pin add` in the exported text. */
function pinArguments(exported: string): readonly string[] {
  const line = exported.split('\n').find((each) => each.trim() !== '' && !each.startsWith('#')) ?? '';
  return line
    .trim()
    .replace(/^dtrust trust pin add /, '')
    .split(/\s+/);
}

async function movedTag(scene: Scene, signedId: string): Promise<void> {
  const { narrator, other, stage } = scene;
  narrator.chapter('An attacker moves the tag');
  narrator.say(
    'Somebody with write access to the registry puts other bytes under 1.0. A plain docker pull would',
    'fetch them without a word.',
  );
  const evil = await makeImage('I am not what you signed');
  narrator.command('attacker', `PUT ${stage.registry.url}/v2/quickstart/app/manifests/1.0   (another image)`);
  const stored = await pushImage(stage.registry, 'quickstart/app', evil, '1.0');
  narrator.output(`tag 1.0 now points at ${stored.digest}`);
  await scene.forget();
  const run = await other.dtrust('pull', `${stage.repository}:1.0`);
  expectSuccess(scene, run, 'the pull succeeds');
  const id = await stage.engine.imageId(`${stage.repository}:1.0`);
  narrator.check(id === signedId, 'and what it pulled are the signed bytes, not the attacker’s');
}

async function unsignedTag(scene: Scene): Promise<void> {
  const { narrator, other, stage } = scene;
  narrator.chapter('An unsigned tag');
  narrator.say('The attacker adds a tag that nobody has signed.');
  narrator.command('attacker', `PUT ${stage.registry.url}/v2/quickstart/app/manifests/2.0   (another image)`);
  await pushImage(stage.registry, 'quickstart/app', await makeImage('unsigned'), '2.0');
  const run = await other.dtrust('pull', `${stage.repository}:2.0`);
  await expectRefusal(scene, run, ['TARGET_NOT_SIGNED'], `${stage.repository}:2.0`);
}

async function oldTrustData(scene: Scene): Promise<void> {
  const { narrator, owner, other, stage } = scene;
  narrator.chapter('Old trust data put back');
  narrator.say('The owner finds a hole in 1.0 and takes its signature back. The second machine hears of it.');
  const accept = { accept: 'application/vnd.oci.image.manifest.v1+json' };
  const manifest = '/v2/quickstart/app/manifests/_trust';
  const old = await stage.registry.request('GET', manifest, undefined, accept);
  const revoked = await owner.dtrust('trust', 'revoke', `${stage.repository}:1.0`);
  expectSuccess(scene, revoked, '1.0 is signed no more');
  await scene.forget();
  const refused = await other.dtrust('pull', `${stage.repository}:1.0`);
  await expectRefusal(scene, refused, ['TARGET_NOT_SIGNED'], `${stage.repository}:1.0`);
  narrator.say(
    'The attacker kept a copy of yesterday’s trust data, every signature in it genuine, and puts it back.',
  );
  narrator.command('attacker', `PUT ${stage.registry.url}${manifest}   (the older one)`);
  const put = await stage.registry.request('PUT', manifest, old.bytes, {
    'content-type': 'application/vnd.oci.image.manifest.v1+json',
    'content-length': String(old.bytes.length),
  });
  narrator.check(put.status === 201, 'the registry takes it: it does not know better');
  const run = await other.dtrust('pull', `${stage.repository}:1.0`);
  await expectRefusal(scene, run, ['TIMESTAMP_ROLLBACK'], `${stage.repository}:1.0`);
}

/**
 * Tells the whole story.
 *
 * @throws StepFailed at the first check that does not hold.
 */
export async function tellStory(stage: Stage, folder: string, narrator: Narrator): Promise<void> {
  narrator.say(
    `The stage: ${stage.engine.description}, a registry at ${stage.registry.host}, and two machines,`,
    '"owner" and "other", each with a home folder of its own. Nothing of yours is read or changed.',
  );
  const at = { folder, engineHost: stage.engine.host };
  const environment = {
    DTRUST_INIT: '1', // no person at a terminal: make the root key all the same
    DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: 'quickstart root passphrase',
    DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: 'quickstart repository passphrase',
  };
  const owner = new Machine({ name: 'owner', ...at, environment }, narrator);
  const other = new Machine({ name: 'other', ...at }, narrator);
  const forget = (): Promise<void> => stage.engine.clear(stage.repository);
  const scene: Scene = { stage, narrator, owner, other, forget };
  const image = await makeImage('signed by its owner');
  const signedId = await pushAndSign(scene, image);
  await pullAndVerify(scene, signedId);
  await secondMachine(scene, signedId);
  await movedTag(scene, signedId);
  await unsignedTag(scene);
  await oldTrustData(scene);
  narrator.chapter('That was all');
  narrator.say(
    'Every step held. Engine, registry, images and keys of this story are being removed now.',
    'Next: README.md, "Everyday use".',
  );
}
