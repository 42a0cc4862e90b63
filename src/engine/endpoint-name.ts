/** How an engine is called in messages and in memory: `unix:///var/run/docker.sock`, as `docker -H` takes it. */
import type { EngineEndpoint } from '../settings/contexts.ts';

export function describeEndpoint(endpoint: EngineEndpoint): string {
  switch (endpoint.kind) {
    case 'unix':
      return `unix://${endpoint.path}`;
    case 'npipe':
      return `npipe://${endpoint.path.replaceAll('\\', '/')}`;
    case 'ssh':
      return endpoint.url;
    case 'tcp': {
      const host = endpoint.host.includes(':') ? `[${endpoint.host}]` : endpoint.host;
      return `tcp://${host}:${endpoint.port}${endpoint.basePath ?? ''}`;
    }
  }
}
