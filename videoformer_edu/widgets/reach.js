// Who can have heard whom: blocks that follow one another, each a list of attentions, each of these a table of who may
// look at whom, as rows of bits. Tables and pairs come from attention/patterns.py, the bytes from reach_explorer.py.
const reach = (() => {
  const has = (set, k) => (set[k >> 5] >>> (k & 31)) & 1;
  const add = (set, k) => { set[k >> 5] |= 1 << (k & 31); };
  const join = (set, other) => set.forEach((word, i) => { set[i] = word | other[i]; });
  const full = (set, l) => Array.from({ length: l }, (_, k) => k).every((k) => has(set, k));
  const empty = (l) => new Uint32Array(Math.ceil(l / 32));
  const only = (l, k) => { const set = empty(l); add(set, k); return set; };

  // A table: `looks[q]` the keys of q, `looked[k]` those who look at k. may(q, k): true or false.
  function table(l, may) {
    const made = { looks: [], looked: [], pairs: 0 };
    for (let k = 0; k < l; k++) { made.looks.push(empty(l)); made.looked.push(empty(l)); }
    for (let q = 0; q < l; q++) {
      for (let k = 0; k < l; k++) {
        if (!may(q, k)) continue;
        add(made.looks[q], k);
        add(made.looked[k], q);
        made.pairs += 1;
      }
    }
    return made;
  }

  // `count` tables out of bytes, a row of l bits after the other, each row filled up to whole bytes.
  function unpack(bytes, l, count) {
    const width = Math.ceil(l / 8);
    return Array.from({ length: count }, (_, i) =>
      table(l, (q, k) => (bytes[(i * l + q) * width + (k >> 3)] >> (k & 7)) & 1));
  }

  // The reader's own pattern: a token may look at the tokens at these distances, "t,h,w" each, where there are any.
  function painted(grid, distances) {
    const wanted = new Set(distances);
    return table(grid.l, (q, k) => wanted.has(distance(grid, q, k)));
  }

  const distance = (grid, q, k) =>
    [grid.step(k) - grid.step(q), grid.row(k) - grid.row(q), grid.column(k) - grid.column(q)].join(",");

  // One attention with its residual: whom the tokens of a set look at, and themselves.
  function through(rows, set, l) {
    const out = set.slice();
    for (let k = 0; k < l; k++) if (has(set, k)) join(out, rows[k]);
    return out;
  }

  // After how many blocks q can have heard each token (looked: each token can have heard q): 0 itself, -1 not within
  // `count`. The blocks are used in turn.
  function after(blocks, l, q, count, looked) {
    const when = Array.from({ length: l }, (_, k) => (k === q ? 0 : -1));
    let forwards = only(l, q);
    for (let m = 1; m <= count; m++) {
      let set = only(l, q);
      if (looked) {
        for (const { looked: rows } of blocks[(m - 1) % blocks.length]) forwards = through(rows, forwards, l);
        set = forwards;
      } else { // backwards: whom q looks at in the last attention, whom these look at in the one before ...
        for (let i = m - 1; i >= 0; i--) {
          for (const { looks } of [...blocks[i % blocks.length]].reverse()) set = through(looks, set, l);
        }
      }
      for (let k = 0; k < l; k++) if (when[k] < 0 && has(set, k)) when[k] = m;
    }
    return when;
  }

  // One block more: what each token has heard, from what each had heard before.
  function onward(block, known, l) {
    return block.reduce((before, { looks }) => before.map((set, q) => {
      const out = set.slice();
      for (let k = 0; k < l; k++) if (has(looks[q], k)) join(out, before[k]);
      return out;
    }), known);
  }

  // After how many blocks everyone can have heard everyone; -1: never.
  function untilAll(blocks, l) {
    let known = Array.from({ length: l }, (_, k) => only(l, k));
    for (let count = 0, quiet = 0; quiet < blocks.length; count++) {
      if (known.every((set) => full(set, l))) return count;
      const next = onward(blocks[count % blocks.length], known, l);
      quiet = next.some((set, q) => set.some((word, i) => word !== known[q][i])) ? 0 : quiet + 1;
      known = next;
    }
    return -1;
  }

  // What the first `count` blocks cost: [pairs, attentions]. A table of the page knows its pairs; heads share theirs.
  function bill(blocks, count) {
    const done = Array.from({ length: count }, (_, i) => blocks[i % blocks.length]).flat();
    return [done.reduce((sum, one) => sum + one.pairs, 0), done.length];
  }

  function explorer(root, config, bytes) {
    const grid = numbers.gridOf(config.grid, config.grid[0]), l = grid.l, own = config.labels.length;
    const named = unpack(bytes, l, config.pairs.length).map((one, i) => ({ ...one, pairs: config.pairs[i] }));
    const labels = [...config.labels, "your own, painted"];
    const memory = {}; // of untilAll
    const state = kit.state(root, { first: config.first, then: config.then, count: config.count, query: config.query,
      looked: false, paint: false, painted: "0,0,0", point: config.query }, draw);

    const distances = () => state.painted.split(" ");
    const blockOf = (i) => (i < own ? config.blocks[i].map((k) => named[k]) : [painted(grid, distances())]);

    const first = kit.select("first", labels, (i) => state.set({ first: i }));
    const then = kit.select("then", labels, (i) => state.set({ then: i }));
    const count = kit.range("blocks", Array.from({ length: config.most + 1 }, (_, i) => i),
      (i) => state.set({ count: i }));
    const way = kit.choice("direction", 2, null, (i) => state.set({ looked: i === 1 }));
    const paint = kit.checkbox("paint your own", (on) => state.set(on
      ? { paint: true, first: own, then: own, count: 1, looked: false, point: state.query } : { paint: false }));
    const sentence = kit.sentence(), task = kit.task(config.task);
    const costs = kit.element("p", { className: "vfe-legend" });

    function toggle(k) {
      const one = distance(grid, state.query, k), rest = distances().filter((other) => other !== one);
      const painted = rest.length < distances().length && k !== state.query ? rest : [...new Set([...distances(), one])];
      state.set({ painted: painted.join(" "), point: k });
    }

    const at = (frame, x, y) => grid.at(frame, Math.floor(y * grid.h), Math.floor(x * grid.w));
    const stage = cube.stage("Tokens: arrow keys choose a token, page keys a frame; while painting, space paints it", {
      choose: (...place) => (state.paint ? toggle(at(...place)) : state.set({ query: at(...place) })),
      move(dt, dh, dw) {
        const k = state.paint ? state.point : state.query, clamp = (i, size) => Math.min(size - 1, Math.max(0, i));
        const moved = grid.at(clamp(grid.step(k) + dt, grid.t), clamp(grid.row(k) + dh, grid.h),
          clamp(grid.column(k) + dw, grid.w));
        state.set(state.paint ? { point: moved } : { query: moved });
      },
      key(name) {
        if (name !== " " || !state.paint) return false;
        toggle(state.point);
        return true;
      },
    });

    function draw() {
      const used = [state.first, state.then], blocks = used.map(blockOf);
      const when = after(blocks, l, state.query, state.count, state.looked);
      const key = used.includes(own) ? `${used} ${state.painted}` : String(used);
      memory[key] = memory[key] ?? untilAll(blocks, l);
      const [pairs, attentions] = bill(blocks, state.count);
      const macs = attentions * 4 * l * config.width ** 2 + 2 * pairs * config.width;
      const heard = when.filter((m) => m >= 0).length;

      [first, then].forEach((node, i) => { node.querySelector("select").value = used[i]; });
      paint.querySelector("input").checked = state.paint;
      count.set(state.count);
      way.set(["whom can it have heard", "who can have heard it"], Number(state.looked));
      stage.draw({ grid: config.grid, query: state.query, pointed: state.paint ? state.point : -1,
        lit: when.map((m, k) => (m < 0 || k === state.query ? 0 : m === state.count ? 1 : 0.45)) });
      const who = `the token in ${numbers.place(state.query, grid)}`;
      const words = `${labels[used[0]]}, then ${labels[used[1]]}: after ${state.count} `
        + `block${state.count === 1 ? "" : "s"} ${state.looked ? `${heard} of ${l} tokens can have heard ${who}.`
          : `${who} can have heard ${heard} of ${l} tokens.`} ${memory[key] < 0 ? "Everyone has heard everyone: never."
          : `Everyone has heard everyone after ${memory[key]}.`}`;
      sentence.say(words.charAt(0).toUpperCase() + words.slice(1));
      costs.textContent = `So far ${attentions} attention${attentions === 1 ? "" : "s"} · ${numbers.count(pairs)} `
        + `pairs · ${(pairs / l).toFixed(1)} keys a token · ${(macs / 1e6).toFixed(1)} M multiply-adds at width `
        + `${config.width} (projections included)`;
      const target = config.target.filter((k) => when[k] >= 0).length;
      task.check(target === config.target.length && state.query === config.from && !state.looked
        && state.count <= config.within && pairs <= config.fewest && !used.includes(own),
      `Heard: all of the row, for ${numbers.count(pairs)} pairs.`);
    }

    draw();
    return [kit.row(first, then, count.node), kit.row(way.node, paint), sentence.node, stage.node, costs, task.node,
      kit.hint("Click a token, or move with arrow keys; page up and page down change the frame. The news of the last "
        + "block is fully amber. Painting: click a token, and every token may look that far in that direction.")];
  }

  return { unpack, painted, after, untilAll, bill, explorer };
})();
