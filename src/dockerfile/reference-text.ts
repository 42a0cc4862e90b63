/** Just enough of references to tell which reading of a file a builder could go on with, and which context is meant. */

const COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const HOST = '(?:\\[[0-9a-fA-F:]+\\]|[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?)(?::[0-9]+)?';
const REFERENCE = new RegExp(
  `^(?:${HOST}/)?${COMPONENT}(?:/${COMPONENT})*(?::\\w[\\w.-]{0,127})?(?:@[A-Za-z][A-Za-z0-9+._-]*:[0-9a-fA-F]{32,})?$`,
);

/** Whether a text has the form of an image reference. */
export function isReferenceText(text: string): boolean {
  return text.length <= 4096 && REFERENCE.test(text);
}

/** The name under which BuildKit keeps a named context: docker.io, library and `:latest` left out. */
export function contextName(text: string): string {
  return text
    .replace(/^(?:index\.)?docker\.io\//, '')
    .replace(/^library\/(?=[^/]*$)/, '')
    .replace(/:latest$/, '');
}

/** Whether a named context stands for this image or stage. `scratch` and `context` are never replaced. */
export function isContext(text: string, namedContexts: ReadonlySet<string>): boolean {
  if (/^(?:scratch|context)$/i.test(text)) return false;
  const name = contextName(text);
  return [...namedContexts].some((context) => contextName(context) === name);
}
