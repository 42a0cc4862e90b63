/** What BuildKit makes of a source policy: rules in order, the last ALLOW or DENY counts, a CONVERT begins anew. */
import type { PolicyRule } from '../../../src/enforce/build/source-policy.ts';

/** The source that is used in the end; undefined where it is denied. */
export function decide(rules: readonly PolicyRule[], source: string): string | undefined {
  let identifier = source;
  for (let round = 0; round < 20; round += 1) {
    const converted = once(rules, identifier);
    if (converted === identifier) return identifier;
    if (converted === undefined) return undefined;
    identifier = converted;
  }
  throw new Error('too many conversions');
}

function once(rules: readonly PolicyRule[], identifier: string): string | undefined {
  let denied = false;
  for (const { action, selector, updates } of rules) {
    if (!matches(selector.identifier, identifier)) continue;
    if (action !== 'CONVERT') denied = action === 'DENY';
    else if (updates?.identifier !== undefined && updates.identifier !== identifier)
      return updates.identifier;
  }
  return denied ? undefined : identifier;
}

function matches(pattern: string, text: string): boolean {
  const literal = (part: string) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${pattern.split('*').map(literal).join('.*')}$`, 's').test(text);
}
