/** dtrust's own commands by name, each in a chunk of its own. */
import assert from 'node:assert';
import type { Command } from './context.ts';

const COMMANDS: ReadonlyMap<string, () => Promise<Command>> = new Map<string, () => Promise<Command>>([
  ['pull', () => import('./pull.ts')],
  ['push', () => import('./push.ts')],
  ['run', () => import('./run.ts')],
  ['create', () => import('./run.ts')],
  ['start', () => import('./start.ts')],
  ['restart', () => import('./start.ts')],
  ['commit', () => import('./commit.ts')],
  ['build', () => import('./build.ts')],
  ['buildx imagetools create', () => import('./imagetools-create.ts')],
  ['manifest push', () => import('./manifest-push.ts')],
  ['trust allow', () => import('./trust-allow.ts')],
  ['trust accept', () => import('./trust-accept.ts')],
  ['trust', () => import('./trust-help.ts')],
  ['trust key', () => import('./trust-help.ts')],
  ['trust pin', () => import('./trust-help.ts')],
  ['trust signer', () => import('./trust-help.ts')],
  ['trust inspect', () => import('./trust-inspect.ts')],
  ['trust sign', () => import('./trust-sign.ts')],
  ['trust revoke', () => import('./trust-revoke.ts')],
  ['trust init', () => import('./trust-init.ts')],
  ['trust refresh', () => import('./trust-refresh.ts')],
  ['trust status', () => import('./trust-status.ts')],
  ['trust restore', () => import('./trust-restore.ts')],
  ['trust stage', () => import('./trust-stage.ts')],
  ['trust cosign', () => import('./trust-cosign.ts')],
  ['trust rotate', () => import('./trust-rotate.ts')],
  ['trust threshold', () => import('./trust-threshold.ts')],
  ['trust version', () => import('./trust-version.ts')],
  ['trust key generate', () => import('./trust-key-generate.ts')],
  ['trust key load', () => import('./trust-key-load.ts')],
  ['trust key list', () => import('./trust-key-list.ts')],
  ['trust key export', () => import('./trust-key-export.ts')],
  ['trust key passwd', () => import('./trust-key-passwd.ts')],
  ['trust key forget', () => import('./trust-key-forget.ts')],
  ['trust key backup', () => import('./trust-key-backup.ts')],
  ['trust key restore', () => import('./trust-key-restore.ts')],
  ['trust signer add', () => import('./trust-signer-add.ts')],
  ['trust signer remove', () => import('./trust-signer-remove.ts')],
  ['trust signer list', () => import('./trust-signer-list.ts')],
  ['trust pin add', () => import('./trust-pin-add.ts')],
  ['trust pin list', () => import('./trust-pin-list.ts')],
  ['trust pin remove', () => import('./trust-pin-remove.ts')],
  ['trust pin export', () => import('./trust-pin-export.ts')],
]);

/** The module of a command that src/cli/table.ts calls enforced. */
export async function commandNamed(name: string): Promise<Command> {
  const load = COMMANDS.get(name);
  assert(load !== undefined, `a command of the table has a module: ${name}`);
  return await load();
}

/** Names of all commands; a test holds them to the table. */
export const COMMAND_NAMES: readonly string[] = [...COMMANDS.keys()];
