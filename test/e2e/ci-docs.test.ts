/** docs/ci.md, as it is written there, on runners that have nothing but what it says they have. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { assertNoSecret, openStage, REGISTRY_PASSWORD, type Run, type Stage } from './harness.ts';
import {
  documentedFiles,
  type GitLabJob,
  JobRunner,
  LOGGED_IN,
  parseYaml,
  type Variables,
  type Workflow,
} from './job-runner.ts';
import { Team } from './team.ts';

const REPOSITORY = 'acme/app';

let stage: Stage;
let team: Team;
let runner: JobRunner;
let files: ReadonlyMap<string, string>;
/** What the owner's commands gave to the service. */
let secrets: Variables;

vi.setConfig({ testTimeout: 120_000, hookTimeout: 240_000 });
beforeAll(async () => {
  stage = await openStage();
  team = new Team(stage);
  runner = new JobRunner(stage);
  runner.pack();
  files = documentedFiles({ 'ghcr.io': stage.host });
  await team.signed(REPOSITORY);
  await setUp();
});
beforeEach(() => {
  runner.uninstalled();
  runner.dockerCalls();
});
afterEach(() => {
  stage.calm();
  delete switches().authorization;
});
afterAll(() => stage.close());

function switches(): { authorization?: object } {
  return stage.registry.switches as { authorization?: object };
}

/** The owner's commands, on the machine with the root key. */
async function setUp(): Promise<void> {
  runner.installed();
  const { owner } = team;
  const script = files.get('once, for GitHub') ?? '';
  const env = { ...owner.env, HOME: owner.home } as Variables;
  const passphrases = {
    DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: 'root-passphrase-of-a-test',
    DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: 'repository-passphrase-of-a-test',
  };
  const run = await runner.shell(['bash', '-e', '-o', 'pipefail', '-c', script], { ...env, ...passphrases });
  expect(run, run.stderr).toMatchObject({ status: 0 });
  const lines = fs.readFileSync(path.join(stage.folder, 'secrets'), 'utf8').trimEnd().split('\n');
  secrets = {
    ...Object.fromEntries(lines.map((line) => line.split(/=(.*)/s, 2) as [string, string])),
    GITHUB_TOKEN: REGISTRY_PASSWORD,
  };
  expect(Object.keys(secrets).toSorted()).toEqual([
    'DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE',
    'DTRUST_KEY',
    'GITHUB_TOKEN',
  ]);
  expect(fs.readFileSync(path.join(stage.folder, 'gh.args'), 'utf8')).toBe('secret set --env-file -');
  const added = fs.readFileSync(path.join(stage.folder, 'git.args'), 'utf8').replace('add ', '');
  const pins = fs.readFileSync(path.join(runner.project, added), 'utf8');
  expect(JSON.parse(pins)).toMatchObject({ pins: [{ repository: stage.name(REPOSITORY) }] });
}

function timestampVersion(): number {
  const { tags, manifests } = stage.registry.repository(REPOSITORY);
  const manifest = Buffer.from(manifests.get(tags.get('_trust' as never) ?? '')?.bytes ?? []).toString();
  const { layers } = JSON.parse(manifest) as {
    layers: { data: string; annotations: Record<string, string> }[];
  };
  const layer = layers.find((each) => each.annotations['tuf.io/filename'] === 'timestamp.json');
  const file = JSON.parse(Buffer.from(layer?.data ?? '', 'base64').toString()) as {
    signed: { version: number };
  };
  return file.signed.version;
}

function assertNothingKept(run: Run, folder: string): void {
  assertNoSecret(run, secrets.DTRUST_KEY ?? '', secrets.DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE ?? '');
  const names = fs.readdirSync(folder, { recursive: true, encoding: 'utf8' });
  expect(names.filter((name) => /\.(?:key|pub)$|private/.test(name))).toEqual([]);
  for (const name of names.map((each) => path.join(folder, each))) {
    if (!fs.statSync(name).isFile()) continue;
    expect(fs.readFileSync(name, 'latin1'), name).not.toContain(secrets.DTRUST_KEY);
  }
}

async function pulledByOthers(tag: string, digest: string): Promise<void> {
  const { stdout } = await team.owner.succeed(['pull', `${stage.name(REPOSITORY)}:${tag}`]);
  expect(stdout).toContain(digest);
}

function succeeded(run: Run): void {
  expect(run, `${run.stdout}${run.stderr}`).toMatchObject({ status: 0 });
}

describe('docs/ci.md, GitHub Actions', () => {
  const workflow = (name: string) => parseYaml<Workflow>(files.get(`.github/workflows/${name}.yml`));
  const run = (name: string, given: Variables, variables: Variables = {}) =>
    runner.github(workflow(name), given, { GITHUB_ACTOR: 'robot', ...variables });

  test.each(['publish', 'verify', 'refresh'])('%s is a workflow, with secrets in steps alone', (name) => {
    const { jobs, permissions, on, ...rest } = workflow(name);
    expect(rest).toEqual({ name });
    expect(permissions.contents).toBe('read');
    expect(permissions.packages).toBe(name === 'verify' ? 'read' : 'write');
    expect(on).toEqual(
      {
        publish: { push: { tags: ['v*'] } },
        verify: 'pull_request',
        refresh: {
          schedule: [{ cron: expect.stringMatching(/^\d+ \d+ \d+ \* \*$/) }],
          workflow_dispatch: null,
        },
      }[name],
    );
    expect(Object.keys(jobs)).toEqual([name]);
    for (const { steps, ...job } of Object.values(jobs)) {
      expect(job).toEqual({ 'runs-on': 'ubuntu-latest' });
      for (const { name: title, uses, run: script, env, ...more } of steps) {
        expect(Object.keys(more).filter((key) => key !== 'with')).toEqual([]);
        expect([uses, script].filter((each) => each !== undefined)).toHaveLength(1);
        if (uses !== undefined) expect(uses).toMatch(/^actions\/(?:checkout|setup-node)@v\d+$/);
        // What others choose (a branch, a tag) never becomes part of a script.
        expect(script ?? '').not.toContain('${{');
        if (env !== undefined) expect(title).toMatch(/^(?:Log in|Push and sign|Renew what expires)$/);
      }
    }
  });

  test('publish installs the packed program, logs in, builds, pushes and signs', async () => {
    switches().authorization = LOGGED_IN;
    const digest = team.local(REPOSITORY, '1.1');
    const ended = await run('publish', secrets, { GITHUB_REF_NAME: 'v1.1' });
    succeeded(ended);
    expect(ended.stdout).toContain(`Successfully signed ${stage.name(REPOSITORY)}:1.1`);
    expect(runner.dockerCalls()).toEqual([
      `login ${stage.host} --username robot --password-stdin`,
      `build --tag ${stage.name(REPOSITORY)}:1.1 .`,
    ]);
    assertNothingKept(ended, ended.temp);
    await pulledByOthers('1.1', digest);
  });

  test('verify pulls with the committed pin, without any secret, as for a pull request from a fork', async () => {
    const ended = await run('verify', {});
    succeeded(ended);
    expect(ended.stdout).toContain(`${stage.name(REPOSITORY)}:1.0@sha256:`);
    expect(ended.stderr).not.toMatch(/refused|error/);
  });

  test('publish without secrets is refused before anything is uploaded, and says why', async () => {
    team.local(REPOSITORY, '6.6');
    const before = team.trustTag(REPOSITORY);
    stage.registry.log.length = 0;
    const ended = await run('publish', { GITHUB_TOKEN: REGISTRY_PASSWORD }, { GITHUB_REF_NAME: 'v6.6' });
    expect(ended.status).toBe(1);
    expect(ended.stderr).toContain('(KEY_MISSING)');
    expect(ended.stderr).toContain('DTRUST_KEY is set and empty');
    expect(stage.registry.log.filter(({ method }) => !['GET', 'HEAD'].includes(method))).toEqual([]);
    expect(stage.engineChanges()).toEqual([]);
    expect(team.trustTag(REPOSITORY)).toBe(before);
  });

  test('refresh renews what the key of the job keeps fresh', async () => {
    switches().authorization = LOGGED_IN;
    const before = timestampVersion();
    const ended = await run('refresh', secrets);
    succeeded(ended);
    expect(ended.stdout).toContain(`Refreshed ${stage.name(REPOSITORY)}, good until `);
    expect(timestampVersion()).toBe(before + 1);
    assertNothingKept(ended, ended.temp);
  });
});

describe('docs/ci.md, GitLab CI', () => {
  interface Pipeline extends Readonly<Record<string, unknown>> {
    readonly default: { readonly tags: readonly string[]; readonly before_script: readonly string[] };
  }

  async function run(name: string, variables: Variables): Promise<Run> {
    runner.installed();
    const pipeline = parseYaml<Pipeline>(files.get('.gitlab-ci.yml'));
    const { default: defaults, ...jobs } = pipeline;
    expect(Object.keys(defaults)).toEqual(['tags', 'before_script']);
    expect(Object.keys(jobs)).toEqual(['publish', 'verify', 'refresh']);
    const job = jobs[name] as GitLabJob;
    expect(Object.keys(job)).toEqual(['rules', 'script']);
    expect([...defaults.before_script, ...job.script].every((line) => typeof line === 'string')).toBe(true);
    return await runner.gitlab(defaults.before_script, job, {
      CI_REGISTRY: stage.host,
      CI_REGISTRY_IMAGE: stage.name(REPOSITORY),
      CI_REGISTRY_USER: 'robot',
      CI_REGISTRY_PASSWORD: REGISTRY_PASSWORD,
      ...variables,
    });
  }
  const own = () => {
    const { GITHUB_TOKEN: _, ...rest } = secrets;
    return rest as Variables;
  };

  test('publish pushes and signs, and removes the folder it made', async () => {
    switches().authorization = LOGGED_IN;
    const digest = team.local(REPOSITORY, '1.2');
    const ended = await run('publish', { ...own(), CI_COMMIT_TAG: 'v1.2' });
    succeeded(ended);
    expect(runner.dockerCalls()).toContain(`build --tag ${stage.name(REPOSITORY)}:1.2 .`);
    assertNothingKept(ended, runner.folder());
    await pulledByOthers('1.2', digest);
    const folders = fs.readdirSync(stage.folder).filter((name) => /^job-/.test(name));
    expect(folders.flatMap((name) => fs.readdirSync(path.join(stage.folder, name)))).not.toContainEqual(
      expect.stringMatching(/^tmp\./),
    );
  });

  test('verify pulls with the committed pin, without any secret', async () => {
    const ended = await run('verify', {});
    succeeded(ended);
    expect(ended.stdout).toContain(`${stage.name(REPOSITORY)}:1.0@sha256:`);
  });

  test('publish without the protected variables is refused', async () => {
    team.local(REPOSITORY, '6.7');
    const ended = await run('publish', { CI_COMMIT_TAG: 'v6.7' });
    expect(ended.status).toBe(1);
    expect(ended.stderr).toContain('(KEY_MISSING)');
    expect(stage.engineChanges()).toEqual([]);
  });

  test('refresh renews what the key of the job keeps fresh', async () => {
    const before = timestampVersion();
    succeeded(await run('refresh', own()));
    expect(timestampVersion()).toBe(before + 1);
  });
});

describe('docs/ci.md, a shell of your own', () => {
  /** The script as a file, started by its first line, in a state that stays between jobs. */
  async function run(name: string, state: string, ...args: string[]): Promise<Run> {
    runner.installed();
    const [title, text] = [...files].find(([each]) => each.split(' ')[0] === `ci/${name}.sh`) ?? [];
    expect(title).toBeDefined();
    const script = path.join(runner.project, 'ci', `${name}.sh`);
    fs.writeFileSync(script, text ?? '', { mode: 0o755 });
    const credentials = runner.folder();
    const lines = Object.entries(secrets).filter(([each]) => each !== 'GITHUB_TOKEN');
    const env = lines.map(([each, value]) => `${each}=${value}\n`).join('');
    fs.writeFileSync(path.join(credentials, 'dtrust.env'), env, { mode: 0o400 });
    return await runner.shell([script, ...args], {
      STATE_DIRECTORY: state,
      CREDENTIALS_DIRECTORY: credentials,
    });
  }

  test('publish, verify and refresh, one after the other, over one memory', async () => {
    const state = runner.folder();
    const digest = team.local(REPOSITORY, '1.3');
    const published = await run('publish', state, '1.3');
    succeeded(published);
    expect(runner.dockerCalls()).toEqual([`build --tag ${stage.name(REPOSITORY)}:1.3 .`]);
    await pulledByOthers('1.3', digest);
    const verified = await run('verify', state);
    succeeded(verified);
    expect(verified.stdout).toContain(`${stage.name(REPOSITORY)}:1.0@sha256:`);
    const before = timestampVersion();
    const refreshed = await run('refresh', state);
    succeeded(refreshed);
    expect(timestampVersion()).toBe(before + 1);
    for (const ended of [published, verified, refreshed]) assertNothingKept(ended, state);
  });
});

test('docs/ci.md holds no other examples than those that are tried here', () => {
  expect([...files.keys()]).toEqual([
    'once, for GitHub',
    '.github/workflows/publish.yml',
    '.github/workflows/verify.yml',
    '.github/workflows/refresh.yml',
    '.gitlab-ci.yml',
    'ci/publish.sh VERSION',
    'ci/verify.sh',
    'ci/refresh.sh',
  ]);
});
