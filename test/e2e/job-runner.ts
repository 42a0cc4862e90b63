/**
 * A CI service's runner, as far as a job can tell: a project, a shell without a terminal, secrets, a home folder that
 * cannot be written to, and a temporary folder of the job's own. What stands in docs/ci.md is run by it as written.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { projectRoot } from '../../scripts/build.ts';
import { REGISTRY_PASSWORD, type Run, type Stage, startProgram } from './harness.ts';
import { NODE } from './program.ts';

/** The fenced blocks of docs/ci.md by the name in their first comment line; for what the registry is called there. */
export function documentedFiles(replace: Readonly<Record<string, string>>): ReadonlyMap<string, string> {
  let text = fs.readFileSync(path.join(projectRoot, 'docs', 'ci.md'), 'utf8');
  for (const [from, to] of Object.entries(replace)) text = text.replaceAll(from, to);
  const blocks = [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)];
  return new Map(
    blocks.map(([, language = '', body = '']) => {
      const [, name] = /^# (.+)$/m.exec(body.replace(/^#!.*\n/, '')) ?? [];
      if (name === undefined) throw new Error(`a block of ${language} without a name: ${body.slice(0, 60)}`);
      return [name, body] as const;
    }),
  );
}

export interface Step {
  readonly name?: string;
  readonly uses?: string;
  readonly run?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Workflow {
  readonly name: string;
  readonly on: unknown;
  readonly permissions: Readonly<Record<string, string>>;
  readonly jobs: Readonly<Record<string, { readonly 'runs-on': string; readonly steps: readonly Step[] }>>;
}

export interface GitLabJob {
  readonly rules: readonly { readonly if: string }[];
  readonly script: readonly string[];
}

export interface Variables {
  readonly [name: string]: string;
}

/** A project with what the documentation asks for in it, and the machine that jobs run on. */
export class JobRunner {
  readonly stage: Stage;
  readonly project: string;
  readonly #bin: string;
  readonly #npm: string;
  #jobs = 0;

  constructor(stage: Stage) {
    this.stage = stage;
    this.project = path.join(stage.folder, 'project');
    this.#bin = path.join(stage.folder, 'runner-bin');
    this.#npm = path.join(stage.folder, 'npm');
    for (const folder of [path.join(this.project, 'ci', 'docker'), this.#bin, this.#npm]) {
      fs.mkdirSync(folder, { recursive: true });
    }
    fs.symlinkSync(NODE, path.join(this.#bin, 'node'));
    fs.symlinkSync(onPath('npm'), path.join(this.#bin, 'npm'));
    this.#command('docker', [
      `printf '%s\\n' "$*" >> ${stage.folder}/docker.log`,
      'case "$1" in',
      '  build) ;;',
      '  login) auth=$(printf "%s:%s" "$4" "$(cat)" | base64 -w0)',
      `    printf '{"auths":{"%s":{"auth":"%s"}}}' "$2" "$auth" > "$DOCKER_CONFIG/config.json";;`,
      '  *) exit 1;;',
      'esac',
    ]);
    this.#command('gh', [`cat > ${stage.folder}/secrets`, `printf '%s' "$*" > ${stage.folder}/gh.args`]);
    this.#command('git', [`printf '%s' "$*" > ${stage.folder}/git.args`]);
  }

  /** Packs the program under test as `npm pack` does for a user. */
  pack(): void {
    const package_ = path.join(this.stage.folder, 'package');
    const built = path.dirname(path.dirname(this.stage.program));
    for (const name of ['bin', 'dist'])
      fs.cpSync(path.join(built, name), path.join(package_, name), { recursive: true });
    for (const name of ['package.json', 'README.md', 'LICENSE', 'SECURITY.md', 'CHANGELOG.md'])
      fs.copyFileSync(path.join(projectRoot, name), path.join(package_, name));
    execFileSync('npm', ['pack', '--ignore-scripts', '--pack-destination', path.join(this.project, 'ci')], {
      cwd: package_,
      env: this.#environment({}),
      stdio: 'ignore',
    });
  }

  /** Where dtrust is installed on the machine itself. */
  installed(): void {
    this.#command('dtrust', [`exec ${NODE} ${this.stage.program} "$@"`]);
  }

  uninstalled(): void {
    fs.rmSync(path.join(this.#bin, 'dtrust'), { force: true });
  }

  /** Lines of what the docker on PATH was called with, since the last time. */
  dockerCalls(): readonly string[] {
    const log = path.join(this.stage.folder, 'docker.log');
    const text = fs.existsSync(log) ? fs.readFileSync(log, 'utf8') : '';
    fs.rmSync(log, { force: true });
    return text.split('\n').filter((line) => line !== '');
  }

  /** A new folder for one job. */
  folder(): string {
    this.#jobs += 1;
    const folder = path.join(this.stage.folder, `job-${this.#jobs}`);
    fs.mkdirSync(folder);
    return folder;
  }

  /** Runs a shell with these arguments in the project's folder. */
  shell(argv: readonly string[], env: Variables): Promise<Run> {
    return startProgram(argv, { env: this.#environment(env), cwd: this.project }).done;
  }

  /** The one job of a workflow, step by step until one fails, as on a GitHub-hosted runner. */
  async github(
    workflow: Workflow,
    secrets: Variables,
    variables: Variables,
  ): Promise<Run & { temp: string }> {
    const temp = this.folder();
    const exported = path.join(temp, 'github_env');
    fs.writeFileSync(exported, '');
    const [job] = Object.values(workflow.jobs);
    let said: Run = { status: 0, signal: null, stdout: '', stderr: '' };
    for (const { run, env = {} } of job?.steps ?? []) {
      if (run === undefined || said.status !== 0) continue;
      const script = path.join(temp, 'script.sh');
      fs.writeFileSync(script, run);
      const earlier = fs.readFileSync(exported, 'utf8').split('\n').filter(Boolean);
      const step = await this.shell(['bash', '-e', script], {
        CI: 'true',
        GITHUB_ACTIONS: 'true',
        GITHUB_ENV: exported,
        RUNNER_TEMP: temp,
        ...variables,
        ...Object.fromEntries(earlier.map((line) => line.split(/=(.*)/s, 2) as [string, string])),
        ...Object.fromEntries(Object.entries(env).map(([name, value]) => [name, evaluated(value, secrets)])),
      });
      said = { ...step, stdout: said.stdout + step.stdout, stderr: said.stderr + step.stderr };
    }
    fs.rmSync(path.join(temp, 'script.sh'), { force: true });
    return { ...said, temp };
  }

  /** One job as GitLab's shell executor runs it: `before_script` and `script` in one shell that ends at a failure. */
  async gitlab(before: readonly string[], job: GitLabJob, variables: Variables): Promise<Run> {
    const lines = ['set -o pipefail', 'set -o errexit', ...before, ...job.script];
    const env = { CI: 'true', GITLAB_CI: 'true', TMPDIR: this.folder(), ...variables };
    return await this.shell(['bash', '-c', lines.join('\n')], env);
  }

  #environment(env: Variables): Record<string, string> {
    return {
      PATH: `${path.join(this.#npm, 'bin')}:${this.#bin}:/usr/bin:/bin`,
      // A folder that is there and in which nothing can be made, not by root either.
      HOME: '/proc',
      DOCKER_HOST: this.stage.engine.host,
      npm_config_prefix: this.#npm,
      npm_config_cache: path.join(this.stage.folder, 'npm-cache'),
      // The optional keychain package cannot be had: dtrust does without.
      npm_config_offline: 'true',
      npm_config_update_notifier: 'false',
      ...env,
    };
  }

  #command(name: string, lines: readonly string[]): void {
    fs.writeFileSync(path.join(this.#bin, name), `#!/bin/sh\n${lines.join('\n')}\n`, { mode: 0o755 });
  }
}

/** Secrets that a job has; what it may not have is empty. Nothing else is evaluated. */
function evaluated(value: string, secrets: Variables): string {
  return value.replace(/\$\{\{\s*(.*?)\s*\}\}/g, (_, expression: string) => {
    const [, name] = /^secrets\.(\w+)$/.exec(expression) ?? [];
    if (name === undefined) throw new Error(`cannot evaluate ${expression}`);
    return secrets[name] ?? '';
  });
}

function onPath(name: string): string {
  const { stdout } = spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' });
  return fs.realpathSync(stdout.trim());
}

export function parseYaml<T>(text: string | undefined): T {
  return parse(text ?? '', { version: '1.2' }) as T;
}

/** What the registry asks of every request of jobs that log in. */
export const LOGGED_IN = {
  expected: `Basic ${Buffer.from(`robot:${REGISTRY_PASSWORD}`).toString('base64')}`,
  challenge: 'Basic realm="registry"',
};
