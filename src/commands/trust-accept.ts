/**
 * `dtrust trust accept IMAGE`: an image that was loaded, imported or built elsewhere may run on this engine, because a
 * person says so. The full ID names the bytes; any other name is shown with its ID and asked about.
 */
import { contentTrustEnabled } from '../cli/content-trust.ts';
import { forgetImage, isOwn, loadLedger, recordImage } from '../enforce/ledger.ts';
import type { LocalImage } from '../engine/local-image.ts';
import { EngineError, KeyError, UsageError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { isSha256 } from '../reference/digest.ts';
import type { Context, ExitStatus } from './context.ts';
import { assertJsonFormat } from './format.ts';
import { engineId, ledgerStore } from './ledger-of.ts';
import type { OwnArguments } from './own-options.ts';
import { runOwn } from './run-own.ts';
import type { Services } from './services.ts';
import { renderTable } from './table.ts';

const SYNTAX = {
  usage: 'dtrust trust accept [OPTIONS] IMAGE',
  summary: 'Let an image of this engine run that nobody signed',
  flags: {
    list: { type: 'boolean', describe: 'List what was accepted or committed here' },
    remove: { type: 'boolean', describe: 'Take back what was accepted; IMAGE is its full ID' },
    format: { type: 'string', describe: "'json': one JSON object per line, with --list" },
  },
  least: 0,
  most: 1,
} as const;

export function run(context: Context): Promise<ExitStatus> {
  return runOwn(context, SYNTAX, async (args, services) => {
    const [image] = args.positionals;
    if (args.on('list')) return list(services, args);
    if (image === undefined || args.string('format') !== undefined) throw usage('an image is expected');
    if (args.on('remove')) return await remove(services, image);
    if (!contentTrustEnabled(context.env.contentTrust, undefined)) {
      throw usage('nothing is accepted while content trust is off (DOCKER_CONTENT_TRUST)');
    }
    return await accept(services, image);
  });
}

async function accept(services: Services, name: string): Promise<ExitStatus> {
  const { context } = services;
  const engine = await services.engine();
  const image = await engine.inspectImage(name, { signal: context.signal });
  if (image === undefined) {
    throw new EngineError({ code: 'IMAGE_NOT_FOUND', message: `no such image: ${escapeShort(name)}` });
  }
  const id = await engineId(services);
  if (id === '') {
    const message = 'the engine has no ID, so nothing can be noted for it';
    throw new EngineError({ code: 'ENGINE_ERROR', message });
  }
  const names = image.repoTags.map((each) => escapeShort(each)).join(', ');
  if (name !== image.id) await confirm(services, name, image, names);
  const reference = names === '' ? 'no name' : names;
  await recordImage(ledgerStore(services), { engine: id, image: image.id, why: 'accepted', reference });
  context.out(`Accepted ${image.id}${names === '' ? '' : ` (${names})`}\n`);
  return 0;
}

/** A name, or the beginning of an ID, says nothing about which bytes are meant: a person looks at both. */
async function confirm(services: Services, name: string, image: LocalImage, names: string): Promise<void> {
  const terminal = await services.terminal();
  if (!terminal.canPrompt()) {
    throw new KeyError({
      code: 'PROMPT_UNAVAILABLE',
      message: `${escapeShort(name)} can be given to any image, and there is nobody to ask which one is meant`,
      hints: ['Name the full ID, as `docker images --no-trunc` shows it: dtrust trust accept sha256:ID'],
    });
  }
  terminal.say(`ID:     ${image.id}`);
  terminal.say(`Names:  ${names === '' ? 'none' : names}`);
  terminal.say(`Engine: ${(await services.engine()).description}`);
  if (await terminal.askYesNo('Let exactly this image run here, unsigned? [y/N] ')) return;
  throw new KeyError({ code: 'PROMPT_DECLINED', message: `${escapeShort(name)} was not accepted` });
}

async function remove(services: Services, image: string): Promise<ExitStatus> {
  if (!isSha256(image)) throw usage('a full image ID is expected');
  if (await forgetImage(ledgerStore(services), await engineId(services), image)) {
    services.context.out(`Took ${image} back\n`);
    return 0;
  }
  const message = `nothing was accepted under this ID on this engine: ${image}`;
  throw new EngineError({ code: 'IMAGE_NOT_FOUND', message, hints: ['dtrust trust accept --list'] });
}

function list(services: Services, args: OwnArguments): ExitStatus {
  const json = assertJsonFormat(args.string('format'));
  if (args.positionals.length > 0) throw usage('no image is expected with --list');
  const entries = loadLedger(ledgerStore(services)).filter(isOwn);
  const rows = entries.map(({ engine, image, why, reference, atMs }) => ({
    Image: image,
    Why: why,
    Of: escapeShort(reference),
    Engine: escapeShort(engine),
    Since: new Date(atMs).toISOString(),
  }));
  const heads = ['IMAGE', 'WHY', 'OF', 'ENGINE', 'SINCE'];
  services.context.out(
    json
      ? rows.map((row) => `${JSON.stringify(row)}\n`).join('')
      : renderTable(
          heads,
          rows.map((row) => Object.values(row)),
        ),
  );
  return 0;
}

function usage(message: string): UsageError {
  return new UsageError({ code: 'USAGE', message, hints: [`Usage: ${SYNTAX.usage}`] });
}
