/**
 * `npm run bench`: measures what the design set budgets for, and prints one Markdown document on stdout.
 *
 * Not a test: numbers depend on the machine, so nothing fails on them. A budget that is missed is written down as
 * missed. Progress goes to stderr; `npm run -s bench > docs/performance.md` writes the page.
 */
import { cpus } from 'node:os';
import { benchBuilds } from './builds.ts';
import { benchCommands } from './commands.ts';
import { benchPublishers } from './publishers.ts';
import { makeSetting } from './setting.ts';
import { type Row, renderPage } from './table.ts';
import { benchTargets } from './targets.ts';

const progress = (text: string): void => console.error(`bench: ${text}`);

progress('parsing and verifying 100 to 100,000 targets');
const targets = await benchTargets([100, 1_000, 10_000, 100_000]);
progress('starting engine, registry and, where there is one, the Notary server');
const setting = await makeSetting();
let rows: readonly Row[];
let signing: readonly Row[];
try {
  const commands = await benchCommands(setting, progress);
  rows = [...commands, ...(await benchBuilds(setting, progress))];
  signing = await benchPublishers(setting, progress);
} finally {
  await setting.close();
}
const [processor] = cpus();
process.stdout.write(
  renderPage({
    rows,
    signing,
    targets,
    machine: `${cpus().length} x ${processor?.model.trim() ?? 'unknown processor'}, Node.js ${process.versions.node}`,
    engine: `Docker Engine ${setting.engine.version}`,
    comparedWith:
      setting.contentTrust === undefined
        ? `Docker Content Trust was not measured: this machine has no ${setting.whyNoContentTrust}.`
        : 'Docker Content Trust is Docker CLI 28 with notary-server 0.7, on the same engine and the same registry.',
  }),
);
