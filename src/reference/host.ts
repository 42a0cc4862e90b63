/**
 * Registry hosts: the part of a reference before the first slash, brought to one spelling.
 *
 * docs/specification.md 1.3: pins, memory, policy and target paths name a registry by the form made here, so two
 * spellings of one registry can never be two repositories (`GHCR.IO/acme/app` would escape the pin of
 * `ghcr.io/acme/app`), and two registries can never be one.
 *
 * The second half is why the default port is not always dropped: `box:443/app` without its port is `box/app`,
 * which is a repository of Docker Hub. A host that only its port or its upper case tells apart from a path
 * keeps, or is given, `:443`.
 */
import { isIPv4, isIPv6 } from 'node:net';

/** Docker Hub, as every canonical reference names it. */
export const DOCKER_HUB = 'docker.io';

/** The name of Docker Hub before 2017, which docker still reads as Docker Hub. */
const DOCKER_INDEX = 'index.docker.io';

const LABEL = '[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?';
// distribution/reference 0.6, "Grammar": domain := host [':' port-number]. No zone in IPv6, no trailing dot.
const HOST = new RegExp(`^(${LABEL}(?:\\.${LABEL})*|\\[[a-fA-F0-9:]+\\])(?::([0-9]+))?$`);

/** Longer than any name DNS knows, short enough for a file name. */
const MAX_HOST_LENGTH = 255;

/**
 * Whether docker reads the text before the first slash as a registry rather than as the first part of a path:
 * a dot, a colon, an upper-case letter, or exactly `localhost`.
 */
export function isHostLike(first: string): boolean {
  return first === 'localhost' || /[.:]/.test(first) || first.toLowerCase() !== first;
}

/**
 * The one spelling of a registry host, or undefined where the text is none: lower case, IPv6 as RFC 5952, no
 * `:443` where the rest still reads as a host, `index.docker.io` as `docker.io`.
 */
export function normalizeHost(text: string): string | undefined {
  if (text.length > MAX_HOST_LENGTH) return undefined;
  const match = HOST.exec(text);
  if (match === null) return undefined;
  const name = normalizeName(match[1] ?? '');
  const port = match[2] === undefined ? undefined : normalizePort(match[2]);
  if (name === undefined || (match[2] !== undefined && port === undefined)) return undefined;
  // departs from specification 1.3 "no `:443`": a bare label without port would be a path of Docker Hub.
  if (!isHostLike(name)) return `${name}:${port ?? 443}`;
  const host = port === undefined || port === 443 ? name : `${name}:${port}`;
  return host === DOCKER_INDEX ? DOCKER_HUB : host;
}

function normalizeName(name: string): string | undefined {
  if (!name.startsWith('[')) return name.toLowerCase();
  if (!isIPv6(name.slice(1, -1))) return undefined;
  // RFC 5952: lower case, no leading zeros, the first longest run of zeros as `::`; URLs are written so.
  return new URL(`http://${name}/`).hostname;
}

/** Leading zeros dial the same port, so they are one name; a port that cannot be dialled names no registry. */
function normalizePort(digits: string): number | undefined {
  const port = Number(digits);
  return Number.isSafeInteger(port) && port >= 1 && port <= 65_535 ? port : undefined;
}

/**
 * Whether the registry is this machine by its name alone: `localhost`, 127.0.0.0/8, `::1` and its IPv4-mapped
 * form, with any port. No name is looked up: what DNS says is for others to choose.
 */
export function isLoopbackHost(host: string): boolean {
  const name = hostName(host.toLowerCase());
  if (name === 'localhost') return true;
  if (isIPv4(name)) return name.startsWith('127.');
  if (!isIPv6(name)) return false;
  const address = new URL(`http://[${name}]/`).hostname;
  return address === '[::1]' || /^\[::ffff:7f[0-9a-f]{2}:[0-9a-f]{1,4}\]$/.test(address);
}

/** The host without its port and without the brackets of IPv6. */
export function hostName(host: string): string {
  const bracketed = /^\[([^\]]*)\]/.exec(host);
  if (bracketed !== null) return bracketed[1] ?? '';
  return host.replace(/:[0-9]*$/, '');
}
