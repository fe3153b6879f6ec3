"use strict";
/* How many messages pass between neighbouring lanes, for views that hold more of them than can be told apart one by
 * one. It knows nothing of the page: numbers in, numbers out.
 *
 * frames  of a range: sent(i), arrived(i) (0: never), from(i), to(i), of(i): what it is of, 0 to kinds - 1
 * rank    the place of a member among the lanes that are shown, or undefined
 * Returns counts of each bin of [a, b), gap (0: below the first lane) and kind, and the largest sum of a bin. */
function messageDensity(frames, first, last, rank, gaps, kinds, a, b, bins) {
  const counts = new Uint32Array(gaps * bins * kinds), sums = new Uint32Array(gaps * bins);
  let most = 0;
  for (let i = first; i < last; i++) {
    const p = rank[frames.from(i)], q = rank[frames.to(i)];
    if (p === undefined || q === undefined || p === q) continue;
    const sent = frames.sent(i), arrived = frames.arrived(i), way = Math.abs(q - p), by = q > p ? 1 : -1;
    /* What does not arrive is drawn to the middle of its way, and counts so far. */
    const passes = arrived ? way : Math.ceil(way / 2);
    for (let k = 0; k < passes; k++) {
      const t = arrived ? sent + (arrived - sent) * (k + 0.5) / way : sent;
      const bin = Math.floor((t - a) * bins / (b - a));
      if (bin < 0 || bin >= bins) continue;
      const at = (by > 0 ? p + k : p - k - 1) * bins + bin;
      counts[at * kinds + frames.of(i)]++;
      most = Math.max(most, ++sums[at]);
    }
  }
  return { counts, sums, most, gaps, bins, kinds, a, b };
}
