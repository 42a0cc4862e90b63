/**
 * An engine that says what it can and nothing else: docker's help leaves out what the engine that it is shown
 * cannot do, so this one can everything.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';

export interface ShownEngine {
  /** Value for DOCKER_HOST. */
  readonly host: string;
  stop(): Promise<void>;
}

/** Answers `/_ping` as an experimental engine that manages a swarm, and 404 to all else. */
export async function showEngine(): Promise<ShownEngine> {
  const folder = await mkdtemp(path.join(tmpdir(), 'dtrust-record-'));
  const socket = path.join(folder, 'e.sock');
  const server = createServer((request, response) => {
    request.resume();
    response.setHeader('API-Version', '1.47');
    response.setHeader('Docker-Experimental', 'true');
    response.setHeader('OSType', 'linux');
    response.setHeader('Builder-Version', '2');
    response.setHeader('Swarm', 'active/manager');
    response.statusCode = (request.url ?? '').endsWith('/_ping') ? 200 : 404;
    response.end(response.statusCode === 200 && request.method === 'GET' ? 'OK' : '');
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  return {
    host: `unix://${socket}`,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await rm(folder, { recursive: true, force: true });
    },
  };
}
