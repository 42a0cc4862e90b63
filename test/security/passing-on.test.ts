/**
 * Command lines that try to have the real docker do what dtrust would refuse, by reading differently than docker does,
 * and bytes that try to become another program on the way through the shell.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseDockerArgv } from '../../src/cli/argv.ts';
import { route } from '../../src/commands/route.ts';
import { shellStart } from '../../src/engine/raw-arguments.ts';
import { DtrustError } from '../../src/lib/errors.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

/** `own`, `refused`, or what the real docker would be started for. */
function outcome(line: string): string {
  try {
    const parsed = parseDockerArgv(line.split(' '));
    return route({ parsed, contentTrust: undefined, aliases: () => new Map() }).kind;
  } catch (error) {
    if (error instanceof DtrustError) return 'refused';
    throw error;
  }
}

describe('contract (Passing on): what brings an image in is never passed on', () => {
  test.each([
    '-- pull evil',
    '--debug=false pull evil',
    '-Htcp://x pull evil',
    '-v pull evil',
    'image -- x pull evil',
    'image --help=false pull evil',
    'pull --help --help=false evil',
    'pull --help=true --help=f evil',
    'pull --platform --help evil',
    'pull -- --help',
    'pull -h=false evil',
    '--help run evil',
    'run evil --help',
    'run -h x evil',
    'run -hx evil',
    'run --hostname --help evil',
    'run -e --help evil',
    'run --help --help=false evil',
    'container --help run evil',
    'create --help=0 evil',
    'build --help=false .',
    'builder build .',
    'buildx --builder --help build .',
    'buildx -D build .',
  ])('docker %s is done by dtrust itself', (line) => {
    expect(outcome(line)).toBe('own');
  });

  test.each([
    'buildx bake --help --help=false',
    'buildx create --bootstrap=false',
    'buildx inspect --bootstrap',
    'buildx dap build',
    'compose --help up',
    'compose -f --help up',
    'compose up --help --help=false',
    'compose --profile ps up',
    'compose -- up',
    'compose new-command',
    'image new-command',
    'load -i --help',
    'service create --name --help x',
    'stack --help deploy -c x y',
    'swarm join x --help',
    'model pull x',
  ])('docker %s is refused', (line) => {
    expect(outcome(line)).toBe('refused');
  });
});

describe('contract (Passing on): bytes that go through the shell', () => {
  const bytes = (text: string) => Buffer.from(text, 'latin1');

  /** A program in this folder that prints its arguments, and one that must never run. */
  function programs(folder: string): { readonly docker: string; readonly trap: string } {
    const place = path.join(temporaryFolder(), folder);
    mkdirSync(place, { recursive: true });
    const [docker, trap] = ['docker', 'trap'].map((name) => path.join(place, name)) as [string, string];
    writeFileSync(docker, '#!/bin/sh\nprintf "docker:%s;" "$@"\n');
    writeFileSync(trap, '#!/bin/sh\necho trapped\n');
    for (const file of [docker, trap]) chmodSync(file, 0o755);
    return { docker, trap };
  }

  function run(file: string, args: readonly string[], environment: readonly string[]): string {
    const [, ...command] = shellStart(file, args.map(bytes), environment.map(bytes));
    return execFileSync('/bin/sh', command, { env: { PATH: '/usr/bin:/bin' }, encoding: 'latin1' });
  }

  test.each([
    ['a quote and a substitution', `'"$(echo x)\`echo y\`\\`],
    ['a line end, and a byte that is not UTF-8', 'a\nb\xff'],
    ['a leading dash', '-S'],
  ])('an argument with %s stays one argument', (_, argument) => {
    expect(run(programs('bin').docker, [argument, 'z'], ['PATH=/usr/bin:/bin'])).toBe(
      `docker:${argument};docker:z;`,
    );
  });

  test('a variable whose name looks like an option of env is a variable', () => {
    const { docker, trap } = programs('bin');
    expect(run(docker, ['x\xff'], [`-S${trap} =1`, 'PATH=/usr/bin:/bin'])).toBe('docker:x\xff;');
  });

  test('a docker whose path has an equals sign is the program, and no argument becomes one', () => {
    const { docker, trap } = programs('a=b');
    expect(run(docker, [trap, 'x\xff'], ['PATH=/usr/bin:/bin'])).toBe(`docker:${trap};docker:x\xff;`);
  });
});
