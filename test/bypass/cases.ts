/** All cases, by what they play on. */
import type { Case } from './case.ts';
import { ARGUMENTS } from './cases/arguments.ts';
import { CACHES } from './cases/caches.ts';
import { COMMANDS } from './cases/commands.ts';
import { CONTEXTS } from './cases/contexts.ts';
import { COPIES } from './cases/copies.ts';
import { FRONT_ENDS } from './cases/front-ends.ts';
import { GRAMMAR } from './cases/grammar.ts';
import { NAMED_CONTEXTS } from './cases/named-contexts.ts';
import { NAMES } from './cases/names.ts';
import { OUTPUTS } from './cases/outputs.ts';
import { REGISTRY } from './cases/registry.ts';
import { SETTINGS } from './cases/settings.ts';
import { TRIGGERS } from './cases/triggers.ts';

export const CASES: readonly Case[] = [
  ...NAMES,
  ...ARGUMENTS,
  ...COPIES,
  ...FRONT_ENDS,
  ...GRAMMAR,
  ...TRIGGERS,
  ...CONTEXTS,
  ...NAMED_CONTEXTS,
  ...CACHES,
  ...SETTINGS,
  ...OUTPUTS,
  ...REGISTRY,
  ...COMMANDS,
];
