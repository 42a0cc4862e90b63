/** A server that hands out contexts, for as long as the test runs. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { makeTar } from '../../../scripts/peers/tar.ts';
import type { World } from '../world.ts';

/** `<served>` is its address from now on: `/text` is the Dockerfile, `/context.tar` an archive with it. dtrust can get another one. */
export async function serve(world: World, dockerfile: string, forDtrust = dockerfile): Promise<void> {
  const server = http.createServer((request, response) => {
    const isDtrust = request.headers['user-agent']?.startsWith('dtrust/') === true;
    const bytes = Buffer.from(world.fill(isDtrust ? forDtrust : dockerfile));
    const archive = request.url === '/context.tar';
    response.setHeader('content-type', archive ? 'application/x-tar' : 'text/plain');
    response.end(archive ? makeTar([{ path: 'Dockerfile', bytes }]) : bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  world.set('served', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
}
