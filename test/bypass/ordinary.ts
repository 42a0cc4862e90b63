/** All ordinary builds. */

import { BUILDKIT_FEATURES } from './ordinary/buildkit-features.ts';
import { EVERYDAY } from './ordinary/everyday.ts';
import { INSTRUCTIONS } from './ordinary/instructions.ts';
import { INVOCATIONS } from './ordinary/invocations.ts';
import type { Ordinary } from './ordinary/ordinary-build.ts';

export const ORDINARY: readonly Ordinary[] = [
  ...EVERYDAY,
  ...INSTRUCTIONS,
  ...INVOCATIONS,
  ...BUILDKIT_FEATURES,
];
