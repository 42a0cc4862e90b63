/** What `GET /info` says, as far as dtrust uses it. */
import { normalizePlatform, type Platform } from '../reference/platform.ts';
import type { ImageStore } from './local-image.ts';

export interface EngineInfo {
  /** Made when the engine first started, and kept; empty where it has none. */
  readonly id: string;
  readonly serverVersion: string;
  readonly store: ImageStore;
  /** What the engine runs when no platform is named. */
  readonly platform: Platform;
  readonly rootless: boolean;
  /** The answer as it came, for src/settings/insecure-registries.ts. */
  readonly raw: unknown;
}

/** Reads the answer; what is missing is empty, and a store that is not named is the classic one. */
export function parseInfo(raw: unknown): EngineInfo {
  const info = (typeof raw === 'object' && raw !== null ? raw : {}) as Readonly<Record<string, unknown>>;
  const text = (value: unknown): string => (typeof value === 'string' ? value : '');
  return Object.freeze({
    id: text(info.ID),
    serverVersion: text(info.ServerVersion),
    store: hasSnapshotter(info.DriverStatus) ? 'containerd' : 'classic',
    platform: normalizePlatform({ os: text(info.OSType), architecture: text(info.Architecture) }),
    rootless:
      Array.isArray(info.SecurityOptions) &&
      info.SecurityOptions.some((option) => text(option).includes('name=rootless')),
    raw,
  });
}

/** The containerd image store names its driver as a snapshotter: `["driver-type", "io.containerd.snapshotter.v1"]`. */
function hasSnapshotter(status: unknown): boolean {
  if (!Array.isArray(status)) return false;
  return status.some(
    (pair) => Array.isArray(pair) && String(pair[1]).startsWith('io.containerd.snapshotter.'),
  );
}
