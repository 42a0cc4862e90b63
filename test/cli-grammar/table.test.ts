import { describe, expect, test } from 'vitest';
import type { CommandNode } from '../../src/cli/classify.ts';
import { classify, commandTree } from '../../src/cli/classify.ts';
import { COMMAND_FLAGS, GLOBAL_FLAGS, managementFlags } from '../../src/cli/flags.ts';
import { CANNOT, ENFORCED, NOT_BUILT, NOT_YET } from '../../src/cli/table.ts';
import { PASSED } from '../../src/cli/table-passed.ts';
import { aliasPaths, flagsOf, RECORDED_PATHS, RECORDINGS, recordingsOf } from './recordings.ts';

/** Commands of the table that no recording has, each for a reason. */
const BEYOND_RECORDINGS: readonly [reason: string, paths: RegExp][] = [
  ["dtrust's own", /^trust( |$)/],
  [
    'asked for by shells and plugins, not listed in help',
    /^(__complete|__completeNoDesc|docker-cli-plugin-)/,
  ],
  ['cobra adds it to every tool', /^(compose help|builder help|buildx help)$/],
  ['hidden also from `builder`', /^builder (install|uninstall)$/],
  ['removed before 20.10', /^(deploy|app|engine)$/],
  ['Compose later than 2.26', /^compose (bridge|commit|export|publish|volumes)$/],
  ['Compose before 2.26', /^compose alpha (dry-run|generate|scale|watch)$/],
  ['buildx later than 0.13', /^(builder|buildx) (dap|history)( |$)/],
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
    expect(classOf(command)).toMatch(/^(enforced|pass|not-yet|cannot|not-built)$/);
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
    const all = [...ENFORCED, ...NOT_BUILT, ...NOT_YET, ...CANNOT, ...PASSED].flatMap(
      (group) => group.commands,
    );
    expect(all.filter((command, i) => all.indexOf(command) !== i)).toEqual([]);
  });

  test('gives every group a reason and every refusal a whole sentence as its hint', () => {
    for (const group of [...ENFORCED, ...NOT_BUILT, ...NOT_YET, ...CANNOT, ...PASSED]) {
      expect(group.why).toMatch(/^\S.*[^.]$/);
    }
    for (const group of [...NOT_BUILT, ...NOT_YET, ...CANNOT]) expect(group.hint).toMatch(/^[A-Z].*\.$/s);
  });
});

/** Flags that a record has and a table leaves out. */
const LEFT_OUT: readonly [reason: string, command: RegExp, flag: RegExp][] = [
  [
    'a buildx that runs already would build, by rules of its own',
    /^(buildx|builder) build$/,
    /^(detach|root|server-config)$/,
  ],
];
/** Flags of a table that no record has. */
const BEYOND_FLAGS: readonly [reason: string, command: RegExp, flag: RegExp][] = [
  ['buildx later than 0.13', /^(image |builder |buildx )?build$/, /^(call|check|debug)$/],
  [
    'buildx later than 0.13',
    /^(builder|buildx) imagetools create$/,
    /^(debug|metadata-file|platform|prefer-index)$/,
  ],
];
const nameOf = (notation: string): string => notation.replace(/=$/, '').split('/').at(-1) ?? '';

describe('the flag tables and the recorded trees', () => {
  test('every command that knows --disable-content-trust has a flag table', () => {
    for (const [record, tree] of RECORDINGS) {
      for (const [command, recorded] of tree) {
        if (!flagsOf(recorded).includes('disable-content-trust')) continue;
        expect(COMMAND_FLAGS.has(command), `${record}: ${command}`).toBe(true);
      }
    }
  });

  test('every command that dtrust does itself and docker has as well has a flag table', () => {
    const doubles = tablePaths().filter((path) => classOf(path) === 'enforced' && !path.startsWith('trust'));
    expect(doubles.filter((path) => !COMMAND_FLAGS.has(path))).toEqual([]);
  });

  test.each([...COMMAND_FLAGS])('has every recorded flag of `docker %s` with its kind', (command, table) => {
    const recordings = recordingsOf(command);
    expect(recordings).not.toEqual([]);
    for (const [record, recorded] of recordings) {
      for (const notation of flagsOf(recorded)) {
        const name = nameOf(notation);
        const short = notation.includes('/') ? notation.split('/')[0] : undefined;
        const spec = table.byName.get(name);
        if (LEFT_OUT.some(([, commands, flags]) => commands.test(command) && flags.test(name))) {
          expect(spec, `${record}: --${name}`).toBeUndefined();
          continue;
        }
        expect(spec, `${record}: --${name}`).toBeDefined();
        expect(spec?.takesValue, `${record}: --${name}`).toBe(notation.endsWith('='));
        // One letter can have stood for two names, one after the other.
        const { takesValue } = spec ?? {};
        if (short !== undefined) expect(table.byShort.get(short)).toMatchObject({ short, takesValue });
      }
    }
  });

  test.each([...COMMAND_FLAGS])('has no flag of `docker %s` that no docker has', (command, table) => {
    // buildx does the builds of a docker that has it, under any of their names.
    const names = /(^| )build$/.test(command) ? ['build', 'buildx build'] : [command];
    const recorded = names.flatMap(recordingsOf).flatMap(([, each]) => flagsOf(each).map(nameOf));
    const unknown = [...table.byName.keys()].filter((name) => name !== 'help' && !recorded.includes(name));
    const unexplained = unknown.filter(
      (name) => !BEYOND_FLAGS.some(([, commands, flags]) => commands.test(command) && flags.test(name)),
    );
    expect(unexplained).toEqual([]);
  });

  test('has exactly the global flags of every release', () => {
    for (const [record, tree] of RECORDINGS) {
      const top = tree.get('');
      if (top === undefined) continue;
      const known = [...GLOBAL_FLAGS.byName.keys()].filter((name) => name !== 'help');
      expect(known.sort(), record).toEqual(flagsOf(top).map(nameOf).sort());
    }
  });

  test('has every recorded flag that stands between a command and its verb', () => {
    let compared = 0;
    for (const [record, tree] of RECORDINGS) {
      for (const [command, recorded] of tree) {
        const hasVerbs = [...tree.keys()].some((other) => other.startsWith(`${command} `));
        if (command === '' || !hasVerbs) continue;
        const known = managementFlags(command.split(' ')).byName;
        for (const flag of flagsOf(recorded)) {
          compared += 1;
          const name = nameOf(flag);
          expect(known.get(name)?.takesValue, `${record}: ${command} --${name}`).toBe(flag.endsWith('='));
        }
      }
    }
    expect(compared).toBeGreaterThan(15);
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
      'buildx imagetools create',
      'builder imagetools create',
      'manifest push',
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
    expect(classify(['builder', 'imagetools', 'create'])).toEqual({
      class: 'enforced',
      command: 'buildx imagetools create',
    });
    for (const group of ['image', 'builder', 'buildx']) {
      expect(classify([group, 'build'])).toEqual({ class: 'enforced', command: 'build' });
    }
    expect(classify(['trust', 'key', 'ls'])).toEqual({ class: 'enforced', command: 'trust key list' });
  });

  test.each([
    ...['bake', 'buildx bake', 'buildx f', 'builder bake'],
    ...['load', 'image load', 'import', 'image import', 'deploy'],
    ...['compose up', 'compose run', 'compose create', 'compose pull', 'compose build', 'compose watch'],
    ...[
      'compose scale',
      'compose push',
      'compose alpha',
      'service create',
      'service update',
      'service scale',
    ],
    ...['service rollback', 'stack deploy', 'stack up', 'plugin install', 'plugin upgrade'],
    ...['plugin create', 'plugin push', 'compose alpha viz', 'compose alpha publish', 'compose alpha new'],
  ])('refuses `docker %s` for now', (command) => {
    expect(classOf(command)).toBe('not-yet');
  });

  test.each([
    ...['debug', 'scout', 'sbom', 'model', 'sandbox', 'extension', 'mcp', 'ai', 'offload', 'dev', 'scan'],
    ...['buildx dial-stdio', 'builder dial-stdio', 'buildx debug', 'buildx debug build', 'builder debug b'],
    ...['buildx dap build', 'swarm join'],
  ])('refuses `docker %s`, which cannot be enforced', (command) => {
    expect(classOf(command)).toBe('cannot');
  });

  test.each(['start', 'container start', 'restart', 'container restart', 'commit', 'container commit'])(
    'decides on `docker %s` itself',
    (command) => {
      expect(classOf(command)).toBe('enforced');
    },
  );

  test.each([
    ...[
      'compose',
      'buildx',
      'builder',
      'image',
      'container',
      'service',
      'stack',
      'plugin',
      'swarm',
      'manifest',
    ],
  ])('refuses an unknown verb of `docker %s`, which has verbs that bring images in', (command) => {
    const outcome = classify([command, 'new-verb']);
    expect(outcome).toMatchObject({
      class: 'not-yet',
      why: expect.stringContaining(`${command} new-verb`),
    });
  });

  test.each(['network', 'volume', 'context', 'config', 'secret', 'node', 'system'])(
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
