/**
 * The notice that travels with dist/: name, version and licence text of every package whose code is in it.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Metafile } from 'esbuild';

/** The folders below node_modules whose files were packed, sorted. */
export function packedPackages(metafile: Metafile): readonly string[] {
  const found = new Set<string>();
  for (const input of Object.keys(metafile.inputs)) {
    const match = /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(input);
    if (match !== null) found.add(match[0]);
  }
  return [...found].sort();
}

/** @throws Error when a packed package has no licence at all: it may not be passed on. */
export function thirdPartyNotice(metafile: Metafile, root: string): string {
  const parts = ['dtrust contains code of the packages below, each under its own licence.\n'];
  for (const folder of packedPackages(metafile)) {
    const absolute = path.join(root, folder);
    const manifest = JSON.parse(readFileSync(path.join(absolute, 'package.json'), 'utf8')) as {
      readonly name: string;
      readonly version: string;
      readonly license?: string;
    };
    const file = readdirSync(absolute).find((name) => /^(licen[cs]e|copying)/i.test(name));
    const text = file !== undefined && existsSync(path.join(absolute, file));
    if (!text && manifest.license === undefined) throw new Error(`${manifest.name} names no licence`);
    const body = text
      ? readFileSync(path.join(absolute, file), 'utf8').trim()
      : `Licence: ${manifest.license}`;
    parts.push(`${'-'.repeat(78)}\n${manifest.name} ${manifest.version}\n\n${body}\n`);
  }
  return parts.join('\n');
}
