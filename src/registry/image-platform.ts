/** The platform of an image, from its configuration, whose bytes the manifest names by their hash. */
import { RegistryError } from '../lib/errors.ts';
import { JsonError, type JsonValue, parseStrictJson } from '../lib/strict-json.ts';
import type { Platform } from '../reference/platform.ts';
import type { Repository } from '../reference/reference.ts';
import type { RegistryClient } from './client.ts';
import type { ImageManifest } from './manifest.ts';

/** No image's configuration comes near it. */
const MAX_CONFIG_BYTES = 4 * 1024 * 1024;

/** @throws RegistryError REGISTRY_RESPONSE for a configuration that is none, and others; NetworkError */
export async function fetchPlatform(
  client: RegistryClient,
  repository: Repository,
  { config }: ImageManifest,
  signal: AbortSignal,
): Promise<Platform> {
  const bytes = await client.getBlob(repository, config.digest, {
    maxBytes: MAX_CONFIG_BYTES,
    expectedLength: config.sizeBytes,
    signal,
  });
  const json = parse(bytes);
  const text = (name: string) => {
    const value = json instanceof Map ? json.get(name) : undefined;
    return typeof value === 'string' ? value : '';
  };
  const variant = text('variant');
  return Object.freeze({
    os: text('os'),
    architecture: text('architecture'),
    ...(variant === '' ? {} : { variant }),
  });
}

function parse(bytes: Uint8Array): JsonValue {
  try {
    return parseStrictJson(bytes, 'image configuration', { numbers: 'finite', prototypeNames: 'keep' });
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new RegistryError({
      code: 'REGISTRY_RESPONSE',
      message: 'the configuration of an image is no strict JSON',
      cause: error,
    });
  }
}
