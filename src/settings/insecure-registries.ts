/**
 * Which registries may be spoken to without a verified certificate: those that the engine itself would, by its
 * `GET /info`, and this machine. Pure: the JSON in, a function out.
 *
 * The engine's list is the administrator's decision; dtrust has no switch of its own that could widen it.
 */
import { BlockList, isIP } from 'node:net';
import { hostName, isLoopbackHost } from '../reference/host.ts';

/**
 * What is tried first. 'http': plain http, then TLS without verification (this machine: nobody on the way).
 * 'skip-verify': TLS without verification, then plain http, as the engine does for a registry on its list.
 */
export type InsecureMode = 'http' | 'skip-verify';

export type InsecureRegistries = (host: string) => InsecureMode | undefined;

/** Loopback alone: what holds before, or without, an answer of the engine. */
export const loopbackOnly: InsecureRegistries = (host) => (isLoopbackHost(host) ? 'http' : undefined);

/**
 * Reads `RegistryConfig.InsecureRegistryCIDRs` and `.IndexConfigs` of the engine's `/info`. What is missing or of
 * another shape lists nothing: the answer can only be stricter than the engine.
 */
export function insecureRegistries(info: unknown): InsecureRegistries {
  const registryConfig = member(info, 'RegistryConfig');
  const names = insecureNames(member(registryConfig, 'IndexConfigs'));
  const networks = parseNetworks(member(registryConfig, 'InsecureRegistryCIDRs'));
  return (host) => {
    if (isLoopbackHost(host)) return 'http';
    const lower = host.toLowerCase();
    if (names.has(lower)) return 'skip-verify';
    // The engine also looks names up and lists them by their addresses. What DNS answers is for others to
    // choose, so here a network lists addresses alone.
    const name = hostName(lower);
    const family = isIP(name);
    if (family === 0) return undefined;
    return networks.check(name, family === 6 ? 'ipv6' : 'ipv4') ? 'skip-verify' : undefined;
  };
}

function insecureNames(indexConfigs: unknown): ReadonlySet<string> {
  const names = new Set<string>();
  if (typeof indexConfigs !== 'object' || indexConfigs === null) return names;
  for (const [name, index] of Object.entries(indexConfigs)) {
    // Docker Hub cannot be listed in the engine; an answer that lists it all the same is not believed.
    const official = name === 'docker.io' || member(index, 'Official') === true;
    if (!official && member(index, 'Secure') === false) names.add(name.toLowerCase());
  }
  return names;
}

function parseNetworks(cidrs: unknown): BlockList {
  const networks = new BlockList();
  if (!Array.isArray(cidrs)) return networks;
  for (const cidr of cidrs) {
    const match = typeof cidr === 'string' ? /^([0-9A-Fa-f.:]+)\/([0-9]{1,3})$/.exec(cidr) : null;
    const address = match?.[1] ?? '';
    const family = isIP(address);
    const bits = Number(match?.[2]);
    if (family === 0 || bits > (family === 6 ? 128 : 32)) continue;
    networks.addSubnet(address, bits, family === 6 ? 'ipv6' : 'ipv4');
  }
  return networks;
}

function member(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Record<string, unknown>)[name];
}
