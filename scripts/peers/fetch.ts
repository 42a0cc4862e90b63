/** Fetches every real peer once, so that later runs need no network: `node scripts/peers/fetch.ts`. */
import {
  busyboxBytes,
  cliPlugin,
  dockerCli,
  enginePrograms,
  notaryProgram,
  registryProgram,
} from './programs.ts';

for (const version of ['20.10', '26.1'] as const) {
  console.log((await enginePrograms(version)).dockerd.path);
  console.log((await dockerCli(version)).path);
}
for (const name of ['buildx', 'compose'] as const) console.log((await cliPlugin(name)).path);
console.log((await registryProgram()).path);
console.log((await notaryProgram()).path);
console.log(`busybox: ${(await busyboxBytes()).length} bytes`);
