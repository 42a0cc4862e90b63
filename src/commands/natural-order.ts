/** Made at the first comparison: that loads the system's language data, 7 ms that a pull of one tag saves. */
let collator: Intl.Collator | undefined;

/** Tags as people order them: `1.9` before `1.10`. Plain comparison where numbers say nothing. */
export function byNaturalOrder(left: string, right: string): number {
  collator ??= new Intl.Collator('en', { numeric: true });
  const order = collator.compare(left, right);
  if (order !== 0) return order;
  return left < right ? -1 : Number(left > right);
}
