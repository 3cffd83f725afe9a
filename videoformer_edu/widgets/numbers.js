// Numbers as an explorer reads and says them: pure functions, which need no page. Everything counts from 0.
const numbers = (() => {
  // Small shares get a decimal: among 64 patches an even share is 1.6 %.
  const percent = (share) => (share > 0 && share < 0.0005 ? "under 0.1 %"
    : (100 * share).toFixed(share < 0.0995 && share > 0 ? 1 : 0) + " %");

  // A large number in three digits and a word; below a million in full: "1,234", "3.1 million", "12.4 trillion".
  function count(n) {
    if (n < 1e6) return Math.round(n).toLocaleString("en");
    const power = Math.min(4, Math.floor(Math.log10(Number(n.toPrecision(3))) / 3)); // 999.9 million is 1.00 billion
    const digits = { minimumSignificantDigits: 3, maximumSignificantDigits: 3 };
    return `${(n / 1000 ** power).toLocaleString("en", digits)} ${["", "", "million", "billion", "trillion"][power]}`;
  }

  // Whole percents that sum to 100: round down, then give what is missing to the largest remainders.
  function wholePercents(shares) {
    const total = shares.reduce((a, b) => a + b, 0);
    if (!total) return shares.map(() => 0);
    const exact = shares.map((s) => (100 * s) / total);
    const whole = exact.map(Math.floor);
    const order = exact.map((e, i) => i).sort((i, j) => exact[j] - whole[j] - (exact[i] - whole[i]) || i - j);
    const missing = 100 - whole.reduce((a, b) => a + b, 0);
    for (let i = 0; i < missing; i++) whole[order[i]] += 1;
    return whole;
  }

  // A grid of patches, numbered `(t h w)` from 0; each of its time steps stands for `span` of the frames shown.
  const gridOf = ([t, h, w], frames) => ({
    t, h, w, n: h * w, l: t * h * w, frames, span: frames / t,
    step: (k) => Math.floor(k / (h * w)), row: (k) => Math.floor((k % (h * w)) / w), column: (k) => k % w,
    at: (step, row, column) => (step * h + row) * w + column,
  });

  // The patch of the grid `to` that covers the middle of patch `k` of the grid `from`.
  function carry(k, from, to) {
    const scale = (i, parts, others) => Math.floor(((i + 0.5) * others) / parts);
    return to.at(scale(from.step(k), from.t, to.t), scale(from.row(k), from.h, to.h),
      scale(from.column(k), from.w, to.w));
  }

  // Where a patch is, in words; CLS is -1.
  function place(k, grid) {
    if (k < 0) return "CLS";
    const first = grid.step(k) * grid.span, inFrame = `row ${grid.row(k)}, column ${grid.column(k)}`;
    if (grid.frames === 1) return inFrame;
    const when = grid.span > 1 ? `frames ${first} to ${first + grid.span - 1}` : `frame ${first}`;
    return grid.n > 1 ? `${when}, ${inFrame}` : when;
  }

  // Does the patch `q`, which looks most at `best`, do the task? Its cells lie on a grid of their own.
  function solves(task, q, grid, best, keys) {
    if (q < 0 || best < 0) return false;
    const first = grid.step(q) * grid.span, other = keys.step(best) * keys.span;
    const apart = first + grid.span <= other || other + keys.span <= first; // no frame in common
    return task.cells.includes(carry(best, keys, gridOf(task.grid, keys.frames))) && (apart || !task.otherFrame);
  }

  return { percent, count, wholePercents, gridOf, carry, place, solves };
})();
