// @ts-check
/** Longer words are nobody's slip, and comparing them costs their length. */
const MAX_WORD = 60;

/**
 * The known word that was most likely meant, whatever its case and the signs between its parts; undefined when none is near.
 *
 * @param {string} word
 * @param {readonly string[]} known
 * @returns {string | undefined}
 */
export function nearest(word, known) {
  if (word.length > MAX_WORD) return undefined;
  /** @param {string} text */
  const plain = (text) => text.toLowerCase().replace(/[^a-z0-9]/g, '');
  const same = known.find((one) => plain(one) === plain(word));
  if (same !== undefined) return same;
  /** @type {{ word: string, distance: number } | undefined} */
  let best;
  for (const one of known) {
    const distance = editDistance(plain(word), plain(one));
    if (distance <= Math.max(1, Math.floor(one.length / 3)) && distance < (best?.distance ?? Infinity))
      best = { word: one, distance };
  }
  return best?.word;
}

/**
 * Insertions, deletions, replacements and swapped neighbours.
 *
 * @param {string} a
 * @param {string} b
 */
export function editDistance(a, b) {
  /** @type {number[]} */
  let before = [];
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, (before[j - 2] ?? 0) + 1);
      next.push(least);
    }
    before = row;
    row = next;
  }
  return row[b.length] ?? 0;
}
