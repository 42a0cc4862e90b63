/**
 * A docker with a buildx plugin that builds nothing: it answers what dtrust asks of it, judges sources by the policy that
 * it is handed (or does not, as a test has it), and keeps what it was called with.
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import type { Machine, Run, Variables } from './harness.ts';
import { NODE } from './program.ts';

export interface Behaviour {
  /** `obeys`; `ignores` a policy; `half`: only what a FROM names; `denies` every image whatever is allowed; `fails`. */
  readonly policy?: 'obeys' | 'ignores' | 'half' | 'denies' | 'fails';
  readonly version?: string;
  /** What `buildx inspect` prints. */
  readonly inspect?: string;
  /** What a build writes for `--metadata-file`. */
  readonly metadata?: object;
  readonly status?: number;
}

export interface Call {
  readonly args: readonly string[];
  readonly contentTrust: string | undefined;
  readonly variables: Readonly<Record<string, string>>;
  /** Of a build: the policy in force, where it lay, and what came on stdin. */
  readonly policy?: { readonly rules: readonly Rule[] };
  readonly policyFile?: string;
  readonly stdin?: string;
}

interface Rule {
  readonly action: string;
  readonly selector: { readonly identifier: string };
  readonly updates?: { readonly identifier: string };
}

export const ENGINE_BUILDER = builderText({ name: 'default', driver: 'docker', endpoint: 'default' });

export function builderText(builder: {
  readonly name: string;
  readonly driver: string;
  readonly endpoint: string;
  readonly status?: string;
  readonly options?: string;
  readonly nodes?: number;
  readonly buildkit?: string;
}): string {
  const { name, driver, endpoint, status = 'running', options, nodes = 1, buildkit = 'v0.12.5' } = builder;
  const node = [
    `Name:     ${name}`,
    `Endpoint: ${endpoint}`,
    ...(options === undefined ? [] : [`Driver Options: ${options}`]),
    `Status:   ${status}`,
    `BuildKit version: ${buildkit}`,
    'Platforms: linux/amd64, linux/386',
    '',
  ].join('\n');
  return `Name:   ${name}\nDriver: ${driver}\n\nNodes:\n${Array(nodes).fill(node).join('\n')}`;
}

export class BuildxStub {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
    fs.mkdirSync(this.folder, { recursive: true });
    fs.writeFileSync(this.program, `#!${NODE}\n(${stub.toString()})(${JSON.stringify(folder)});\n`, {
      mode: 0o755,
    });
    this.behave({});
  }

  get program(): string {
    return path.join(this.folder, 'docker');
  }

  behave(behaviour: Behaviour): void {
    fs.writeFileSync(path.join(this.folder, 'behaviour.json'), JSON.stringify(behaviour));
    this.calls();
  }

  /** What it was called with since the last time this was asked, in order. */
  calls(): readonly Call[] {
    const names = fs.readdirSync(this.folder).filter((name) => name.startsWith('call-'));
    const calls = names.toSorted().map((name) => {
      const file = path.join(this.folder, name);
      const call = JSON.parse(fs.readFileSync(file, 'utf8')) as Call;
      fs.rmSync(file);
      return call;
    });
    return calls;
  }
}

/** Of some calls: the trials, and the builds. */
export function builds(calls: readonly Call[]): {
  readonly trials: readonly Call[];
  readonly real: readonly Call[];
} {
  const all = calls.filter(({ args }) => args.includes('build'));
  const isTrial = ({ args }: Call) => args.includes('--output=type=cacheonly');
  return { trials: all.filter(isTrial), real: all.filter((call) => !isTrial(call)) };
}

/** Runs dtrust with something on its stdin. */
export async function runWithStdin(
  machine: Machine,
  args: readonly string[],
  stdin: Uint8Array | string,
  env: Variables = {},
): Promise<Run> {
  const child = spawn(NODE, [machine.stage.program, ...args], {
    env: machine.environment(env),
    cwd: machine.home,
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
  const [out, err]: [Buffer[], Buffer[]] = [[], []];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  child.stdin.end(stdin);
  return await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status, signal) =>
      resolve({
        status,
        signal,
        stdout: Buffer.concat(out).toString(),
        stderr: Buffer.concat(err).toString(),
      }),
    );
  });
}

/** The program itself: its text is written to a file of its own, so it uses nothing from here. */
function stub(folder: string): void {
  const files = process.getBuiltinModule('node:fs');
  const args = process.argv.slice(2);
  const behaviour = JSON.parse(files.readFileSync(`${folder}/behaviour.json`, 'utf8')) as Behaviour;
  const policyFile = process.env.EXPERIMENTAL_BUILDKIT_SOURCE_POLICY;
  const at = args.indexOf('buildx');
  const verb = at < 0 ? undefined : args[at + 1];
  const isBuild = args.includes('build');
  const isTrial = args.includes('--output=type=cacheonly');
  const readsStdin = isBuild && (isTrial || args.includes('-') || args.includes('-f-'));
  const stdin = readsStdin ? files.readFileSync(0, 'latin1') : undefined;
  const policy =
    isBuild && policyFile !== undefined
      ? (JSON.parse(files.readFileSync(policyFile, 'utf8')) as { rules: Rule[] })
      : undefined;
  const variables = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => /BUILDX|BUILDKIT/.test(name)),
  );
  const call = { args, contentTrust: process.env.DOCKER_CONTENT_TRUST, variables, policy, policyFile, stdin };
  files.writeFileSync(`${folder}/call-${process.hrtime.bigint()}`, JSON.stringify(call));
  const end = (status: number, stdout = '', stderr = ''): never => {
    if (stdout !== '') files.writeSync(1, stdout);
    if (stderr !== '') files.writeSync(2, stderr);
    process.exit(status);
  };
  if (args.includes('--version')) end(0, `Docker version ${behaviour.version ?? '26.1.5'}, build a72d7cd\n`);
  if (verb === 'version') end(0, 'github.com/docker/buildx 0.13.1 0.13.1-3\n');
  if (verb === 'inspect') {
    const shown = behaviour.inspect ?? '';
    end(shown === '' ? 1 : 0, shown, shown === '' ? `ERROR: no builder "${args[at + 2]}" found\n` : '');
  }
  if (!isBuild) end(0);
  if (isTrial) {
    const matches = (pattern: string, text: string) =>
      new RegExp(
        `^${pattern
          .split('*')
          .map((part) => part.replace(/[^\w]/g, '\\$&'))
          .join('.*')}$`,
      ).test(text);
    const denied = (name: string): boolean => {
      let identifier = name;
      for (let round = 0; round < 9; round += 1) {
        const matching = (policy?.rules ?? []).filter(({ selector }) =>
          matches(selector.identifier, identifier),
        );
        const convert = matching.find(({ action }) => action === 'CONVERT')?.updates?.identifier;
        if (convert === undefined) return matching.at(-1)?.action === 'DENY' || behaviour.policy === 'denies';
        identifier = convert;
      }
      return true;
    };
    const dockerfile = stdin ?? '';
    const base = /^FROM (?:--platform=\S+ )?(\S+)/m.exec(dockerfile)?.[1] ?? '';
    const others = [/^# syntax=(\S+)/m, /--from=(\S+)/].map((each) => each.exec(dockerfile)?.[1] ?? '');
    const looked = behaviour.policy === 'half' ? [base] : [...others, base];
    const names = looked
      .filter((name) => name !== '' && name !== 'scratch')
      .map((name) => `docker-image://${name}`);
    if (behaviour.policy === 'fails') end(1, '', 'ERROR: failed to dial gRPC: no such thing\n');
    if (behaviour.policy === 'ignores') end(1, '', 'ERROR: dial tcp: lookup dtrust.invalid: no such host\n');
    const first = names.find(denied);
    if (first === undefined) end(0);
    end(1, '', `ERROR: failed to solve: source "${first}" denied by policy: source denied by policy\n`);
  }
  const metadataFile = args
    .findLast((arg) => arg.startsWith('--metadata-file='))
    ?.slice('--metadata-file='.length);
  if (metadataFile !== undefined) files.writeFileSync(metadataFile, JSON.stringify(behaviour.metadata ?? {}));
  end(behaviour.status ?? 0, 'built\n', '#1 building\n');
}
