import { describe, expect, test } from 'vitest';
import type { CommandNode } from '../../src/cli/classify.ts';
import { classify, commandTree } from '../../src/cli/classify.ts';
import { COMMAND_FLAGS, GLOBAL_FLAGS, managementFlags } from '../../src/cli/flags.ts';
import { ENFORCED, NOT_BUILT, NOT_YET } from '../../src/cli/table.ts';
import { PASSED } from '../../src/cli/table-passed.ts';
import { aliasPaths, RECORDED_PATHS, RECORDINGS, recordingsOf } from './recordings.ts';

/** Commands of the table that no recording has, each for a reason. */
const BEYOND_RECORDINGS: readonly [reason: string, paths: RegExp][] = [
  ["dtrust's own", /^trust( |$)/],
  [
    'asked for by shells and plugins, not listed in help',
    /^(__complete|__completeNoDesc|docker-cli-plugin-)/,
  ],
  ['cobra adds it to every tool', /^(help|compose help|builder help|buildx help)$/],
  ['hidden', /^(system dial-stdio|volume update|(builder|buildx) (install|uninstall))$/],
  ['experimental engines only', /^checkpoint /],
  ['removed before 20.10', /^(deploy|app|engine)$/],
  ['Compose later than 2.26, or hidden there', /^compose (alpha|bridge|commit|export|publish|volumes)$/],
  ["Docker's plugins", /^(agent|ai|cagent|cloud|debug|desktop|dev|extension|feedback|init|mcp|model)$/],
  ["Docker's plugins", /^(offload|pass|sandbox|sbom|scan|scout)$/],
];

function classOf(command: string): string {
  return classify(command === '' ? [] : command.split(' ')).class;
}

/** Canonical paths of every command in the table. */
function tablePaths(node: CommandNode = commandTree()): string[] {
  const own = node.entry === undefined ? [] : [node.path.join(' ')];
  return [...own, ...[...new Set(node.children.values())].flatMap(tablePaths)];
}

describe('the table and the recorded trees', () => {
  test.each(RECORDED_PATHS)('has a class for `docker %s`', (command) => {
    expect(classOf(command)).toMatch(/^(enforced|pass|not-yet|not-built)$/);
  });

  test.each(tablePaths())('knows `docker %s` from a recording or for a stated reason', (command) => {
    const recorded = RECORDED_PATHS.includes(command);
    const explained = BEYOND_RECORDINGS.some(([, paths]) => paths.test(command));
    expect(recorded || explained, `${command} is neither recorded nor explained`).toBe(true);
  });

  test('every explanation still explains something', () => {
    const unexplained = tablePaths().filter((command) => !RECORDED_PATHS.includes(command));
    for (const [reason, paths] of BEYOND_RECORDINGS) {
      expect(
        unexplained.some((command) => paths.test(command)),
        reason,
      ).toBe(true);
    }
  });

  test('gives every alias that docker names the class of its command', () => {
    for (const [release, tree] of RECORDINGS) {
      for (const [command, recorded] of tree) {
        for (const alias of aliasPaths(command, recorded)) {
          expect(classOf(alias), `${release}: ${alias} is ${command}`).toBe(classOf(command));
        }
      }
    }
  });

  test('lists no command twice', () => {
    const all = [...ENFORCED, ...NOT_BUILT, ...NOT_YET, ...PASSED].flatMap((group) => group.commands);
    expect(all.filter((command, i) => all.indexOf(command) !== i)).toEqual([]);
  });

  test('gives every group a reason and every refusal a whole sentence as its hint', () => {
    for (const group of [...ENFORCED, ...NOT_BUILT, ...NOT_YET, ...PASSED]) {
      expect(group.why).toMatch(/^\S.*[^.]$/);
    }
    for (const group of [...NOT_BUILT, ...NOT_YET]) expect(group.hint).toMatch(/^[A-Z].*\.$/s);
  });
});

describe('the flag tables and the recorded trees', () => {
  test('every command that knows --disable-content-trust has a flag table', () => {
    for (const [release, tree] of RECORDINGS) {
      for (const [command, { flags }] of tree) {
        if (!flags.split(' ').includes('disable-content-trust')) continue;
        expect(COMMAND_FLAGS.has(command), `${release}: ${command}`).toBe(true);
      }
    }
  });

  test.each([...COMMAND_FLAGS])('has every recorded flag of `docker %s` with its kind', (command, table) => {
    const recordings = recordingsOf(command);
    expect(recordings).not.toEqual([]);
    for (const [release, { flags }] of recordings) {
      for (const notation of flags.split(' ').filter((flag) => flag !== '')) {
        const [name = '', short] = notation.replace(/=$/, '').split('/').reverse();
        const spec = table.byName.get(name);
        expect(spec, `${release}: --${name}`).toBeDefined();
        expect(spec?.takesValue, `${release}: --${name}`).toBe(notation.endsWith('='));
        // One letter can have stood for two names, one after the other.
        const { takesValue } = spec ?? {};
        if (short !== undefined) expect(table.byShort.get(short)).toMatchObject({ short, takesValue });
      }
    }
  });

  test('has exactly the global flags of every release', () => {
    for (const [release, tree] of RECORDINGS) {
      const recorded = tree
        .get('')
        ?.flags.split(' ')
        .map((flag) => flag.replace(/=$/, '').split('/').at(-1));
      const known = [...GLOBAL_FLAGS.byName.keys()].filter((name) => name !== 'help');
      expect(known.sort(), release).toEqual(recorded?.sort());
    }
  });

  test('has every recorded flag that stands between a command and its verb', () => {
    for (const [release, tree] of RECORDINGS) {
      for (const [command, { flags }] of tree) {
        const hasVerbs = [...tree.keys()].some((other) => other.startsWith(`${command} `));
        if (command === '' || !hasVerbs || flags === '') continue;
        const known = managementFlags(command.split(' ')).byName;
        for (const flag of flags.split(' ')) {
          const name = flag.replace(/=$/, '').split('/').at(-1) ?? '';
          expect(known.get(name)?.takesValue, `${release}: ${command} --${name}`).toBe(flag.endsWith('='));
        }
      }
    }
  });
});

describe('what brings an image in is never passed on', () => {
  test.each([
    ...[
      'pull',
      'push',
      'image pull',
      'image push',
      'build',
      'image build',
      'builder build',
      'buildx build',
      'buildx b',
      'trust sign',
      'trust pin add',
      'trust key ls',
      'trust',
      'trust signer add',
    ],
  ])('enforces `docker %s`', (command) => {
    expect(classOf(command)).toBe('enforced');
  });

  test('sends the long form to the module of the short one', () => {
    expect(classify(['image', 'pull'])).toEqual({ class: 'enforced', command: 'pull' });
    expect(classify(['image', 'push'])).toEqual({ class: 'enforced', command: 'push' });
    for (const group of ['image', 'builder', 'buildx']) {
      expect(classify([group, 'build'])).toEqual({ class: 'enforced', command: 'build' });
    }
    expect(classify(['trust', 'key', 'ls'])).toEqual({ class: 'enforced', command: 'trust key list' });
  });

  test.each([
    ...['bake', 'buildx bake', 'buildx f', 'builder bake', 'buildx imagetools create'],
    ...['buildx dial-stdio', 'builder dial-stdio', 'load', 'image load', 'import', 'image import', 'deploy'],
    ...['compose up', 'compose run', 'compose create', 'compose pull', 'compose build', 'compose watch'],
    ...[
      'compose scale',
      'compose push',
      'compose alpha',
      'service create',
      'service update',
      'service scale',
    ],
    ...['service rollback', 'stack deploy', 'stack up', 'swarm join', 'plugin install', 'plugin upgrade'],
    ...['plugin create', 'plugin push', 'model', 'mcp', 'scout', 'sbom', 'debug', 'extension'],
  ])('refuses `docker %s` for now', (command) => {
    expect(classOf(command)).toBe('not-yet');
  });

  test.each(['compose', 'buildx', 'builder', 'image', 'container', 'service', 'stack', 'plugin', 'swarm'])(
    'refuses an unknown verb of `docker %s`, which has verbs that bring images in',
    (command) => {
      const outcome = classify([command, 'new-verb']);
      expect(outcome).toMatchObject({
        class: 'not-yet',
        why: expect.stringContaining(`${command} new-verb`),
      });
    },
  );

  test.each(['network', 'volume', 'context', 'config', 'secret', 'node', 'system', 'manifest'])(
    'calls an unknown verb of `docker %s` unknown, as one at the top',
    (command) => expect(classOf(`${command} new-verb`)).toBe('unknown'),
  );

  test.each(['nope', 'PULL', 'Pull', 'pul', 'images2', ''])('calls `docker %s` unknown', (name) => {
    expect(classify([name])).toEqual({ class: 'unknown' });
  });

  test.each(['constructor', '__proto__', 'toString'])('knows no command %s', (name) => {
    expect(classify([name])).toEqual({ class: 'unknown' });
    expect(classify(['image', name]).class).toBe('not-yet');
  });

  test.each([
    ['buildx create', ['--bootstrap'], 'not-yet'],
    ['buildx create', ['--bootstrap=true'], 'not-yet'],
    ['buildx create', ['--name', 'x'], 'pass'],
    ['builder inspect', ['mine', '--bootstrap'], 'not-yet'],
    ['buildx inspect', ['mine'], 'pass'],
    ['buildx inspect', ['--bootstraps'], 'pass'],
  ])('`docker %s` with %j is %s', (command, args, expected) => {
    expect(classify(command.split(' '), args).class).toBe(expected);
  });

  test('refuses verbs of its own that are to come, trust on or off', () => {
    expect(classOf('trust promote')).toBe('not-built');
  });

  test.each<[string, string, readonly string[]]>([
    ['trust sgin', 'trust', ['trust sign']],
    ['trust sing', 'trust', ['trust sign']],
    ['trust signn', 'trust', ['trust sign', 'trust signer']],
    ['trust insp', 'trust', ['trust inspect']],
    ['trust vie', 'trust', ['trust inspect']],
    ['trust generate', 'trust', ['trust key generate']],
    ['trust passwd', 'trust', ['trust key passwd']],
    ['trust add', 'trust', ['trust signer add', 'trust pin add']],
    ['trust key lsit', 'trust key', ['trust key list']],
    ['trust key sign', 'trust key', ['trust sign']],
    ['trust signer rmove', 'trust signer', ['trust signer remove']],
    // To come, so not offered.
    ['trust promot', 'trust', []],
    ['trust x', 'trust', []],
    ['trust frobnicate', 'trust', []],
    ["trust ''", 'trust', []],
  ])('calls `%s` mistyped, and knows what may have been meant', (line, parent, nearest) => {
    const path = line.split(' ').map((word) => (word === "''" ? '' : word));
    expect(classify(path)).toEqual({ class: 'mistyped', parent, nearest });
  });

  test('compares a word of any length with its commands', () => {
    expect(classify(['trust', 's'.repeat(1_000_000)])).toMatchObject({ class: 'mistyped', nearest: [] });
  });
});
