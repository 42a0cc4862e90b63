/** Programs that stand in for keychain-child.ts and misbehave, each a file that Node runs. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';

const PROGRAMS = {
  /** Says who it is, by a file, and never answers. */
  hanging: 'fs.writeFileSync(PID_FILE, String(process.pid)); setInterval(() => undefined, 1000);',
  crashing: 'fs.readFileSync(0); process.abort();',
  /** Ends as if all were well. */
  silent: 'fs.readFileSync(0);',
  garbled: 'fs.readFileSync(0); fs.writeSync(1, \'{"passphrase":\');',
  /** No member is of its type. */
  mistaken: 'fs.readFileSync(0); fs.writeSync(1, \'{"passphrase":7,"accounts":"x","removed":"no"}\');',
  endless: "for (;;) fs.writeSync(1, 'x'.repeat(65536));",
  /** Gives back what it was given and how it runs, as the passphrase. */
  telling:
    'const given = fs.readFileSync(0, "utf8"); const { argv, env } = process; ' +
    'fs.writeSync(1, JSON.stringify({ passphrase: JSON.stringify({ given, argv: argv.slice(2), env, cwd: process.cwd() }) }));',
  /** Writes down what it was given, and keeps it. */
  recording:
    'const given = fs.readFileSync(0, "utf8"); const { argv, env } = process; ' +
    'fs.writeFileSync(PID_FILE, JSON.stringify({ given, argv, env })); fs.writeSync(1, "{}");',
} as const;

/** Path of such a program, written into a folder; `pid` is the file they write to. */
export function misbehaving(folder: string, name: keyof typeof PROGRAMS): { program: string; pid: string } {
  const program = path.join(folder, `${name}.mjs`);
  const pid = path.join(folder, `${name}.pid`);
  const head = `import fs from 'node:fs';\nconst PID_FILE = ${JSON.stringify(pid)};\n`;
  writeFileSync(program, `${head}${PROGRAMS[name]}\n`);
  return { program, pid };
}
