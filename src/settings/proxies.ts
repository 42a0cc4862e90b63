/**
 * Which proxy a URL is reached through, by the rules of Go's httpproxy, which Docker follows: HTTPS_PROXY for
 * https, HTTP_PROXY for http, each in both cases; NO_PROXY names what goes direct; this machine always does.
 *
 * config.json's `proxies` is what Docker gives to containers; no request of the CLI's own uses it.
 */
import { BlockList, isIP, SocketAddress } from 'node:net';
import { NetworkError } from '../lib/errors.ts';
import { isLoopbackHost } from '../reference/host.ts';
import type { ProxyEnvironment } from './environment.ts';

/**
 * The proxy for a URL, or undefined for a direct connection.
 * @throws NetworkError NETWORK_PROXY when the variable holds no URL of a proxy that dtrust can speak to
 */
export function proxyFor(url: URL, env: ProxyEnvironment): URL | undefined {
  const setting = url.protocol === 'https:' ? env.httpsProxy : env.httpProxy;
  if (setting === undefined || isLoopbackHost(url.hostname)) return undefined;
  return matchesNoProxy(url, env.noProxy) ? undefined : parseProxy(setting);
}

/** A proxy without a scheme is http, as in Go. */
function parseProxy(setting: string): URL {
  const text = setting.trim();
  const url = parseUrl(text.includes('://') ? text : `http://${text}`);
  if (url === undefined) {
    throw new NetworkError({
      code: 'NETWORK_PROXY',
      // The value may hold a password: it is not shown.
      message: 'HTTP_PROXY or HTTPS_PROXY does not hold the URL of an http or https proxy',
    });
  }
  return url;
}

function parseUrl(text: string): URL | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  return (url.protocol === 'http:' || url.protocol === 'https:') && url.hostname !== '' ? url : undefined;
}

function matchesNoProxy(url: URL, noProxy = ''): boolean {
  const host = url.hostname
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '')
    .toLowerCase();
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  return noProxy.split(',').some((entry) => matchesEntry(entry.trim().toLowerCase(), host, port));
}

function matchesEntry(entry: string, host: string, port: string): boolean {
  if (entry === '*') return true;
  if (entry === '') return false;
  const network = parseNetwork(entry);
  if (network !== undefined) return inNetwork(network, host);
  const { name, entryPort } = splitPort(entry);
  if (name === '' || (entryPort !== undefined && entryPort !== port)) return false;
  if (isIP(name) !== 0) return isIP(host) !== 0 && sameAddress(name, host);
  return matchesDomain(name, host);
}

/** `example.com` is the name and all below it; `.example.com` and `*.example.com` only those below it. */
function matchesDomain(name: string, host: string): boolean {
  const suffix = name.startsWith('*.') ? name.slice(1) : name;
  if (suffix.startsWith('.')) return host.endsWith(suffix);
  return host === suffix || host.endsWith(`.${suffix}`);
}

function parseNetwork(entry: string): BlockList | undefined {
  const match = /^(.+)\/([0-9]{1,3})$/.exec(entry);
  const address = match?.[1] ?? '';
  const family = isIP(address);
  const bits = Number(match?.[2]);
  if (family === 0 || bits > (family === 6 ? 128 : 32)) return undefined;
  const network = new BlockList();
  network.addSubnet(address, bits, family === 6 ? 'ipv6' : 'ipv4');
  return network;
}

function inNetwork(network: BlockList, host: string): boolean {
  const family = isIP(host);
  return family !== 0 && network.check(host, family === 6 ? 'ipv6' : 'ipv4');
}

function sameAddress(a: string, b: string): boolean {
  const family = isIP(a);
  if (family !== isIP(b)) return false;
  const canonical = (address: string) =>
    new SocketAddress({ address, family: family === 6 ? 'ipv6' : 'ipv4' }).address;
  return canonical(a) === canonical(b);
}

/** `name:port`, `[v6]:port`, `[v6]`, a bare address of IPv6, or a bare name. */
function splitPort(entry: string): { name: string; entryPort: string | undefined } {
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(entry);
  if (bracketed !== null) return { name: bracketed[1] ?? '', entryPort: bracketed[2] || undefined };
  const parts = entry.split(':');
  if (parts.length !== 2) return { name: entry, entryPort: undefined };
  return { name: parts[0] ?? '', entryPort: parts[1] || undefined };
}
