/** `dtrust trust pin list`: the pins of this machine. */
import type { Pin } from '../trust/core/pin.ts';
import type { Context, ExitStatus } from './context.ts';
import { assertJsonFormat } from './format.ts';
import { runOwn } from './run-own.ts';
import { renderTable } from './table.ts';

const SYNTAX = {
  usage: 'dtrust trust pin list [OPTIONS]',
  summary: 'List the pins of this machine',
  flags: { format: { type: 'string', describe: "'json': one JSON object per line" } },
  least: 0,
  most: 0,
} as const;

export function run(context: Context): Promise<ExitStatus> {
  return runOwn(context, SYNTAX, async (args, services) => {
    const json = assertJsonFormat(args.string('format'));
    const pins = [...services.pins].sort(([left], [right]) => (left < right ? -1 : 1));
    context.out(json ? pins.map(renderJson).join('') : renderTable(HEADS, pins.flatMap(rows)));
    return 0;
  });
}

const HEADS = ['REPOSITORY', 'THRESHOLD', 'ROOT VERSION', 'TIMESTAMP VERSION', 'ROOT KEY ID'];

/** One line per key; what belongs to the pin as a whole stands in its first. */
function rows([repository, pin]: readonly [string, Pin]): readonly string[][] {
  return pin.keyIds.map((id, at) =>
    at === 0
      ? [
          repository,
          `${pin.threshold} of ${pin.keyIds.length}`,
          `${pin.rootVersion}`,
          `${pin.timestampVersion}`,
          id,
        ]
      : ['', '', '', '', id],
  );
}

function renderJson([repository, pin]: readonly [string, Pin]): string {
  return `${JSON.stringify({
    Repository: repository,
    Keys: pin.keyIds,
    Threshold: pin.threshold,
    RootVersion: pin.rootVersion,
    TimestampVersion: pin.timestampVersion,
    Dialect: pin.dialect,
  })}\n`;
}
