/** Tags as people order them: `1.9` before `1.10`. Plain comparison where numbers say nothing. */
const collator = new Intl.Collator('en', { numeric: true });

export function byNaturalOrder(left: string, right: string): number {
  const order = collator.compare(left, right);
  if (order !== 0) return order;
  return left < right ? -1 : Number(left > right);
}
