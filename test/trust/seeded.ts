/** Random numbers that are the same for the same seed (mulberry32), as Math.random gives them. */
export function seeded(seed: number): () => number {
  let random = seed;
  return () => {
    random = (random + 0x6d2b79f5) | 0;
    let t = Math.imul(random ^ (random >>> 15), 1 | random);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
