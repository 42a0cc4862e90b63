/**
 * The archive that the engine gets: the context's members as they were read, and last the Dockerfile that was decided
 * on, under a name that nothing else has.
 *
 * Last, because the engine unpacks in order, through links too: whatever an earlier member is or points at, what this
 * name holds in the end is what was written here. As docker does with a Dockerfile from outside the context, the name is
 * put into `.dockerignore`, which makes the engine take it away before anything is copied. The name follows from the
 * content, so that the same build has the same `.dockerignore` and the engine's cache holds.
 */
import { createHash } from 'node:crypto';
import type { BuildContext, ContextMember, OpenedMember } from './build-context.ts';
import { IGNORE_FILE } from './ignore.ts';
import { paddingOf, type TarHeader } from './tar-header.ts';
import { endOfTar, tarHeader } from './tar-writer.ts';

export interface ContextArchive {
  /** To be named to the engine. */
  readonly dockerfileName: string;
  chunks(): AsyncGenerator<Uint8Array, void>;
}

/** `dockerfile` is the text that was decided on. */
export function contextArchive(context: BuildContext, dockerfile: string, nowMs: number): ContextArchive {
  const dockerfileName = freeName(context.members, dockerfile);
  const mtime = Math.floor(nowMs / 1000);
  const ignore =
    context.ignoreFile === undefined
      ? Buffer.from(`${IGNORE_FILE}\n${dockerfileName}\n`)
      : Buffer.concat([context.ignoreFile, Buffer.from(`\n${dockerfileName}\n`)]);
  const own = [
    fileOf({ path: IGNORE_FILE, mode: 0o600, mtime }, ignore),
    fileOf({ path: dockerfileName, mode: 0o600, mtime }, Buffer.from(dockerfile)),
  ];
  return { dockerfileName, chunks: () => write(context.members, own) };
}

/** No member, and no member's folder, has it, whatever the case of its letters. */
function freeName(members: readonly ContextMember[], dockerfile: string): string {
  const taken = new Set(members.map(({ header }) => header.path.split('/')[0]?.toLowerCase()));
  for (let round = 0; ; round++) {
    const hash = createHash('sha256').update(`${round}\n${dockerfile}`).digest('hex');
    const name = `.dockerfile.${hash.slice(0, 20)}`;
    if (!taken.has(name)) return name;
  }
}

function fileOf(about: Pick<TarHeader, 'path' | 'mode' | 'mtime'>, bytes: Uint8Array): ContextMember {
  const header: TarHeader = { ...about, type: 'file', size: bytes.length };
  async function* chunks(): AsyncGenerator<Uint8Array, void> {
    yield bytes;
  }
  return { header, open: (): OpenedMember => ({ header, chunks }) };
}

async function* write(
  members: readonly ContextMember[],
  own: readonly ContextMember[],
): AsyncGenerator<Uint8Array, void> {
  for (const { header, open } of [...members, ...own]) {
    const opened = open?.();
    yield tarHeader(opened?.header ?? header);
    if (opened === undefined) continue;
    yield* opened.chunks();
    const padding = paddingOf(opened.header.size);
    if (padding > 0) yield Buffer.alloc(padding);
  }
  yield endOfTar();
}
