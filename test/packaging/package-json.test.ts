/** package.json, and what must agree with it. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { USER_AGENT, VERSION } from '../../src/commands/version.ts';

const root = path.join(import.meta.dirname, '..', '..');
const read = (name: string): string => readFileSync(path.join(root, name), 'utf8');
const project = JSON.parse(read('package.json')) as {
  readonly version: string;
  readonly engines: { readonly node: string };
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
  readonly allowScripts: Readonly<Record<string, boolean>>;
};

describe('contract (Packages and start-up): what is bundled', () => {
  test('is no dependency of the installed package, whose only one is the optional keychain', () => {
    expect(project.dependencies ?? {}).toEqual({});
    expect(Object.keys(project.optionalDependencies)).toEqual(['keytar']);
    for (const name of ['dockerode', 'undici', 'yargs']) expect(project.devDependencies).toHaveProperty(name);
  });

  test('is of exact versions', () => {
    const all = { ...project.devDependencies, ...project.optionalDependencies };
    const loose = Object.entries(all).filter(
      ([, version]) => !/^(?:npm:[^@]*@?[^@]+@)?\d+\.\d+\.\d+$/.test(version),
    );
    expect(loose).toEqual([]);
  });

  test('runs scripts of its packages only where they are allowed by name', () => {
    expect(project.allowScripts).toEqual({
      node: true,
      '@github/keytar': true,
      esbuild: true,
      ssh2: false,
      'cpu-features': false,
      protobufjs: false,
    });
  });
});

describe('contract (Packages and start-up): the version', () => {
  test('is one: of the package, of `trust version`, of what registries are told', () => {
    expect(VERSION).toBe(project.version);
    expect(USER_AGENT).toBe(`dtrust/${project.version}`);
  });

  test('of Node that package.json asks for is the one that the start checks', () => {
    const [, least] = /^>=(\d+)/.exec(project.engines.node) ?? [];
    expect(read('bin/dtrust.js')).toContain(`major >= ${least}`);
  });
});
