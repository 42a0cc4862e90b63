/**
 * The real docker and its buildx plugin, asked what they are.
 *
 * Their answers choose the way of a build and name its builder; they are not evidence. Whether a builder refuses
 * what it is told to refuse is seen by trying (src/enforce/build/canary.ts).
 */

/** What a program printed, as src/lib/child.ts gives it. */
export interface Answer {
  readonly status: number | null;
  readonly stdout: Buffer;
}

/** `Docker version 26.1.5+dfsg1, build a72d7cd` gives 26; undefined for what is no docker. */
export function cliMajorVersion({ status, stdout }: Answer): number | undefined {
  const major = status === 0 ? /^Docker version (\d{1,4})\./.exec(stdout.toString())?.[1] : undefined;
  return major === undefined ? undefined : Number(major);
}

/** Whether `docker buildx version` was answered by buildx; other programs call a plugin of theirs so as well. */
export function isBuildx({ status, stdout }: Answer): boolean {
  return status === 0 && /^github\.com\/docker\/buildx /.test(stdout.toString());
}

/** A builder as `docker buildx inspect` shows it, with what it says of its one node. */
export interface BuilderShown {
  readonly name: string;
  /** `docker`, `docker-container`, `kubernetes`, `remote` */
  readonly driver: string;
  readonly nodes: number;
  readonly endpoint: string;
  readonly running: boolean;
  /** Empty where it is not shown. */
  readonly buildkit: string;
  /** The first is what it builds for when nothing is said; empty where none is shown. */
  readonly platforms: readonly string[];
  /** `--driver-opt image=...`, the image that the builder itself is made of. */
  readonly image: string | undefined;
}

/** Reads the answer; undefined for what is none. */
export function parseBuilder(text: string): BuilderShown | undefined {
  const [head = '', ...nodes] = text.split(/^Nodes:[ \t]*$/m);
  const builder = fieldsOf(head);
  const shown = (nodes[0] ?? '').split(/^(?=Name:)/m).filter((each) => /^Name:/.test(each));
  const node = fieldsOf(shown[0] ?? '');
  const name = builder.get('name');
  const driver = builder.get('driver');
  if (!name || !driver || nodes.length !== 1 || shown.length === 0) return undefined;
  return {
    name,
    driver,
    nodes: shown.length,
    endpoint: node.get('endpoint') ?? '',
    running: node.get('status') === 'running',
    buildkit: node.get('buildkit version') ?? node.get('buildkit') ?? '',
    platforms: (node.get('platforms') ?? '')
      .split(',')
      .map((platform) => platform.trim().replace(/\*$/, ''))
      .filter((platform) => platform !== ''),
    image: /(?:^|\s)image="([^"]*)"/.exec(node.get('driver options') ?? '')?.[1],
  };
}

/** `Name:   value` lines, names in lower case; of two with one name the first. */
function fieldsOf(text: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const [, name = '', value = ''] of text.matchAll(/^([A-Za-z][A-Za-z ]*):[ \t]*(.*)$/gm)) {
    if (!fields.has(name.toLowerCase())) fields.set(name.toLowerCase(), value.trim());
  }
  return fields;
}
