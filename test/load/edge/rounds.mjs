// Measurements in turns: whatever else the machine does falls on all sides.
import { inTurn, median } from '../lib.mjs';

/**
 * Each measurement once a round, in another order in each.
 * @template {string} Name
 * @param {number} count
 * @param {Record<Name, () => Promise<any>>} measurements
 * @returns {Promise<Record<Name, any[]>>}
 */
export async function rounds(count, measurements) {
  const names = /** @type {Name[]} */ (Object.keys(measurements));
  const results = Object.fromEntries(names.map((name) => [name, /** @type {any[]} */ ([])]));
  for (let round = 0; round < count; round++)
    for (let i = 0; i < names.length; i++) {
      const name = inTurn(names, i + round);
      results[name]?.push(await measurements[name]());
    }
  return /** @type {Record<Name, any[]>} */ (results);
}

/** Median of the ratios within each round. @param {any[]} ours @param {any[]} theirs @param {(result: any) => number} [of] */
export const ratio = (ours, theirs, of = ({ perSecond }) => perSecond) =>
  median(ours.map((result, round) => of(result) / of(inTurn(theirs, round))));
