/** Writes test/recorded/ anew from the real programs: `npm run record`, or `npm run record -- buildx-0.13`. */
import { makeRecord, RECORDS, writeRecord } from './records.ts';

const wanted = process.argv.slice(2);
for (const made of RECORDS) {
  if (wanted.length > 0 && !wanted.includes(made.name)) continue;
  const tree = await makeRecord(made);
  writeRecord(made.name, tree);
  console.log(`${made.name}: ${tree.size} commands`);
}
