/**
 * Where nobody can be asked, nothing is asked: each command that would ask is refused, by a code, with the variable, the
 * flag or the command that answers.
 */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { COMMAND_NAMES } from '../../src/commands/command-modules.ts';
import { hasScript, PtyRun } from '../keys/pty.ts';
import {
  assertNoSecret,
  type Machine,
  openStage,
  REPOSITORY_PASSPHRASE,
  ROOT_PASSPHRASE,
  type Stage,
  type Variables,
} from './harness.ts';
import { NODE } from './program.ts';
import { shareRoot } from './shared-keys.ts';
import { publicHalf, Team } from './team.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let stage: Stage;
let team: Team;
let owner: Machine;
let stranger: Machine;
let bob: Machine;

/** Nothing that answers for a person. */
const NOTHING: Variables = {
  DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: undefined,
  DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: undefined,
  DTRUST_INIT: undefined,
};

interface Asking {
  readonly command: string;
  /** Default the owner; the stranger knows no repository yet, and bob signs for others. */
  readonly by?: 'stranger' | 'bob';
  readonly args: () => readonly string[];
  readonly code: string;
  readonly answer: RegExp;
  readonly env?: Variables;
  readonly status?: number;
  /** One row of each kind of question is also tried on a terminal that must not be used. */
  readonly onTerminal?: true;
}

const name = (repository = 'app') => stage.name(repository);
const FIRST_USE = { by: 'stranger', code: 'FIRST_USE_REFUSED', answer: /dtrust trust pin add/ } as const;
const LOCKED = {
  code: 'KEY_PASSPHRASE_MISSING',
  answer: /DOCKER_CONTENT_TRUST_(?:ROOT|REPOSITORY)_PASSPHRASE_FILE/,
} as const;
const NO_KEYS = { code: 'KEY_ROOT_MISSING', answer: /DTRUST_INIT=1/ } as const;

const PASSPHRASES = {
  DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: ROOT_PASSPHRASE,
  DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: REPOSITORY_PASSPHRASE,
};

const ASKING: readonly Asking[] = [
  { command: 'pull', ...FIRST_USE, args: () => ['pull', `${name()}:1.0`], onTerminal: true },
  { command: 'run', ...FIRST_USE, args: () => ['run', `${name()}:1.0`], status: 125 },
  { command: 'create', ...FIRST_USE, args: () => ['create', `${name()}:1.0`], status: 125 },
  { command: 'build', ...FIRST_USE, args: () => ['build', '.'], onTerminal: true },
  { command: 'trust inspect', ...FIRST_USE, args: () => ['trust', 'inspect', name()] },
  { command: 'trust status', ...FIRST_USE, args: () => ['trust', 'status', name()] },
  { command: 'trust signer list', ...FIRST_USE, args: () => ['trust', 'signer', 'list', name()] },
  { command: 'trust pin export', ...FIRST_USE, args: () => ['trust', 'pin', 'export', name()] },
  { command: 'push', ...LOCKED, args: () => ['push', `${name()}:1.0`], onTerminal: true },
  { command: 'push', ...NO_KEYS, args: () => ['push', `${name('new')}:1.0`], onTerminal: true },
  {
    command: 'buildx imagetools create',
    ...FIRST_USE,
    args: () => ['buildx', 'imagetools', 'create', '-t', `${name()}:x`, `${name()}:1.0`],
    onTerminal: true,
  },
  {
    command: 'buildx imagetools create',
    ...LOCKED,
    args: () => ['buildx', 'imagetools', 'create', '-t', `${name()}:x`, `${name()}:1.0`],
  },
  {
    command: 'manifest push',
    ...LOCKED,
    args: () => ['manifest', 'push', `${name()}:list`],
    onTerminal: true,
  },
  { command: 'trust init', ...NO_KEYS, args: () => ['trust', 'init', name('newer')] },
  {
    command: 'trust sign',
    args: () => ['trust', 'sign', `${name()}:unsigned`],
    code: 'DIGEST_UNCONFIRMED',
    answer: /:unsigned@sha256:DIGEST/,
    onTerminal: true,
  },
  {
    command: 'trust revoke',
    args: () => ['trust', 'revoke', name()],
    code: 'PROMPT_UNAVAILABLE',
    answer: /trust revoke --yes/,
    onTerminal: true,
  },
  {
    command: 'trust accept',
    args: () => ['trust', 'accept', `${name('new')}:1.0`],
    code: 'PROMPT_UNAVAILABLE',
    answer: /trust accept sha256:/,
    onTerminal: true,
  },
  { command: 'trust refresh', ...LOCKED, args: () => ['trust', 'refresh', name()] },
  {
    command: 'trust restore',
    args: () => ['trust', 'restore', name('gone')],
    code: 'PROMPT_UNAVAILABLE',
    answer: /trust restore --yes/,
    onTerminal: true,
  },
  { command: 'trust stage', ...LOCKED, args: () => ['trust', 'stage', 'revoke', `${name()}:1.0`] },
  {
    command: 'trust cosign',
    by: 'bob',
    args: () => ['trust', 'cosign', name('staged')],
    code: 'PROMPT_UNAVAILABLE',
    answer: /trust cosign --digest/,
    onTerminal: true,
  },
  { command: 'trust rotate', ...NO_KEYS, args: () => ['trust', 'rotate', 'root', name()] },
  { command: 'trust rotate', ...LOCKED, args: () => ['trust', 'rotate', 'targets', name()] },
  { command: 'trust rotate', ...LOCKED, args: () => ['trust', 'rotate', '--recover', name()] },
  { command: 'trust rotate', ...LOCKED, args: () => ['trust', 'rotate', 'signer', 'ci', name('jobs')] },
  {
    command: 'trust threshold',
    ...LOCKED,
    args: () => ['trust', 'threshold', '--add-key', publicHalf(stranger, 'dave'), 'root', '1', name()],
  },
  { command: 'trust rotate', ...LOCKED, args: () => ['trust', 'rotate', 'online', name()] },
  {
    command: 'trust key generate',
    ...LOCKED,
    args: () => ['trust', 'key', 'generate', 'carol'],
    onTerminal: true,
  },
  { command: 'trust key load', ...LOCKED, args: () => ['trust', 'key', 'load', 'root.pem'] },
  { command: 'trust key export', ...LOCKED, args: () => ['trust', 'key', 'export', 'root'] },
  {
    command: 'trust key passwd',
    args: () => ['trust', 'key', 'passwd', 'root'],
    env: { DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: ROOT_PASSPHRASE },
    code: 'KEY_PASSPHRASE_MISSING',
    answer: /on a terminal/,
    onTerminal: true,
  },
  {
    command: 'trust key backup',
    args: () => ['trust', 'key', 'backup', 'backup.pem'],
    code: 'KEY_PASSPHRASE_MISSING',
    answer: /--passphrase-file/,
    onTerminal: true,
  },
  {
    command: 'trust key forget',
    args: () => ['trust', 'key', 'forget', 'root'],
    code: 'KEYCHAIN_UNAVAILABLE',
    answer: /on a terminal, in the foreground, without CI and DTRUST_PROMPT/,
    onTerminal: true,
  },
  {
    command: 'trust key restore',
    args: () => ['trust', 'key', 'restore', 'made-before.pem'],
    code: 'KEY_PASSPHRASE_MISSING',
    answer: /--passphrase-file/,
  },
  { command: 'trust signer add', ...LOCKED, args: () => ['trust', 'signer', 'add', 'ci', name()] },
  {
    command: 'trust signer remove',
    args: () => ['trust', 'signer', 'remove', 'bob', name()],
    env: PASSPHRASES,
    code: 'PROMPT_UNAVAILABLE',
    answer: /signer remove --force/,
    onTerminal: true,
  },
];

/** Commands without a question. */
const NEVER = [
  ...['start', 'restart', 'commit', 'trust allow'],
  ...['trust', 'trust key', 'trust pin', 'trust signer', 'trust version'],
  ...['trust key list', 'trust pin add', 'trust pin list', 'trust pin remove'],
];

beforeAll(async () => {
  stage = await openStage();
  team = new Team(stage);
  owner = team.owner;
  stranger = stage.machine();
  fs.writeFileSync(path.join(stranger.home, 'Dockerfile'), `FROM ${name()}:1.0\n`);
  await stranger.succeed(['trust', 'key', 'generate', 'dave']);
  await team.signed('app');
  bob = await team.developer('app', 'bob');
  await team.add(bob, 'bob', 'app');
  await team.pushed(bob, 'app', '2.0');
  stage.image('app', 'unsigned');
  team.local('new', '1.0');
  await team.signed('jobs');
  await owner.succeed(['trust', 'signer', 'add', 'ci', name('jobs')]);
  await team.signed('gone');
  team.setTrustTag('gone', stage.image('gone', 'no-trust-data').digest);
  await team.signed('staged');
  await shareRoot(stage, 'staged', owner, [[bob, 'bob']], 2);
  await owner.succeed(['trust', 'stage', 'signer', 'add', 'ci', name('staged')]);
  await team.pinned('staged', bob);
  const passphrase = path.join(owner.home, 'backup-passphrase');
  fs.writeFileSync(passphrase, 'a-passphrase-for-the-backup\n');
  await owner.succeed(['trust', 'key', 'backup', '--passphrase-file', passphrase, 'made-before.pem']);
  fs.rmSync(passphrase);
  const list = path.join(owner.config, 'manifests', `${name()}:list`.replace(/:/g, '-').replace(/\//g, '_'));
  fs.mkdirSync(list, { recursive: true });
  const digest = `sha256:${'0'.repeat(64)}`;
  const Descriptor = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size: 1 };
  fs.writeFileSync(path.join(list, 'image'), JSON.stringify({ Ref: `${name()}@${digest}`, Descriptor }));
  const keys = path.join(owner.config, 'trust', 'private');
  const root = fs
    .readdirSync(keys)
    .find((each) => /role: root/.test(fs.readFileSync(path.join(keys, each), 'utf8')));
  fs.copyFileSync(path.join(keys, root ?? ''), path.join(owner.home, 'root.pem'));
  // Public halves that are not known: exporting one takes the passphrase.
  fs.rmSync(path.join(owner.config, 'trust', 'dtrust', 'keys'), { recursive: true });
});
afterAll(() => stage.close());

const who = ({ by }: Asking) => (by === undefined ? owner : by === 'bob' ? bob : stranger);

test('contract (Terminal): every command either never asks or is refused here where nobody can be asked', () => {
  const tried = new Set([...NEVER, ...ASKING.map(({ command }) => command)]);
  expect([...tried].toSorted()).toEqual([...COMMAND_NAMES].toSorted());
});

describe('contract (Terminal): without a terminal, a command that would ask is refused', () => {
  test.each(ASKING)('$command: $code', async (row) => {
    const { args, code, answer, status = 1, env } = row;
    const before = [team.trustTag('app'), team.trustTag('gone'), team.trustTag('staged')];
    const run = await who(row).run(args(), { ...NOTHING, ...env });
    const said = `${run.stdout}${run.stderr}`;
    expect(run.stderr, said).toContain(`(${code})`);
    expect(run.status, said).toBe(status);
    const hints = run.stderr.split('\n').filter((line) => line.startsWith('dtrust: hint: '));
    expect(hints.join('\n')).toMatch(answer);
    expect([team.trustTag('app'), team.trustTag('gone'), team.trustTag('staged')]).toEqual(before);
    assertNoSecret(run);
  });
});

describe.skipIf(!hasScript())('contract (Terminal): on a terminal nothing is asked', () => {
  const asked = ASKING.filter(({ onTerminal }) => onTerminal === true);
  const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

  function environmentOf(row: Asking): Record<string, string> {
    const { home, config } = who(row);
    const set: Variables = {
      HOME: home,
      DOCKER_CONFIG: config,
      DOCKER_HOST: stage.engine.host,
      XDG_CACHE_HOME: path.join(stage.folder, 'cache'),
      ...row.env,
    };
    return Object.fromEntries(
      Object.entries(set).filter((each): each is [string, string] => each[1] !== undefined),
    );
  }

  test.each([
    ['CI is true', { CI: 'true' }, ''],
    ['CI is 1', { CI: '1' }, ''],
    ['DTRUST_PROMPT is never', { DTRUST_PROMPT: 'never' }, ''],
    ['dtrust is in the background', {}, ' & wait $!'],
  ] as const)('when %s', async (_, variables, behind) => {
    const lines = asked.map((row, i) => {
      const env = { ...environmentOf(row), ...variables };
      const words = [
        'env',
        ...Object.entries(env).map(([each, value]) => `${each}=${value}`),
        NODE,
        stage.program,
      ];
      const command = [...words, ...row.args()].map(quoted).join(' ');
      return `cd ${quoted(who(row).home)}; echo begin-${i}; ${command}${behind}; echo status-${i}=$?`;
    });
    const script = path.join(stage.folder, 'asked.sh');
    fs.writeFileSync(script, `set -m\n${lines.join('\n')}\n`);
    const shown = await new PtyRun(`sh ${script}`, {}).shown();
    for (const [i, { code }] of asked.entries()) {
      const part = shown.slice(shown.indexOf(`begin-${i}\r\n`), shown.indexOf(`status-${i}=`));
      expect(part).toContain(`(${code})`);
      expect(part).not.toMatch(/\[y\/N\]|[Pp]assphrase for [^:\n]*: (?:\r|$)/);
      expect(shown).toContain(`status-${i}=1\r\n`);
    }
  });
});
