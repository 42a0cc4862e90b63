/**
 * A build context as the classic builder's road works with it: where the Dockerfile comes from, and all else that the
 * engine may copy from. Read from a folder (folder-context.ts) or an archive (archive-context.ts), sent by
 * context-archive.ts.
 */
import type { TarHeader } from './tar-header.ts';

/** The file that a member is, opened: its header as it is now, and its bytes. */
export interface OpenedMember {
  readonly header: TarHeader;
  /** Exactly `header.size` bytes. */
  chunks(): AsyncIterable<Uint8Array>;
}

export interface ContextMember {
  readonly header: TarHeader;
  /** There for a file. */
  readonly open?: () => OpenedMember;
}

export interface DockerfileSource {
  readonly bytes: Uint8Array;
  /** For messages, as docker calls it: a path in the context, or a path of this machine. */
  readonly name: string;
}

export interface BuildContext {
  readonly dockerfile: DockerfileSource;
  /** In the order in which they are sent; the `.dockerignore` is not among them. */
  readonly members: readonly ContextMember[];
  /** The context's `.dockerignore`, which the engine reads again. */
  readonly ignoreFile: Uint8Array | undefined;
  /** What was left out, one line each. */
  readonly notes: readonly string[];
  /** Takes away what lies in temporary folders. */
  close(): void;
}

export const DEFAULT_DOCKERFILE = 'Dockerfile';
/** Far more than a person or a generator writes. */
export const MOST_DOCKERFILE_BYTES = 16 * 1024 * 1024;
