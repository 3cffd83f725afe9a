// Which scale saw it: one patch asked in every block of a multiscale model, queries and keys drawn at their own sizes.
// Maps are read by attention.js; the layout of the settings stands in scales_explorer.py.
const scales = (() => {
  const { gridOf, carry, place, percent } = numbers;

  const largestOf = (shares) => shares.indexOf(Math.max(...shares));

  // Is the key `best` on the digit, in another step than patch k? `digit`: the keys that lie on it.
  const saw = (map, digit, k, best) => digit.includes(best) && map.keys.step(best) !== map.grid.step(k);

  // What is seen, in words; `height`: of a frame, in the pixels of the model.
  function say(map, head, k, best, share, seen, height) {
    const who = head < 0 ? (map.heads > 1 ? `mean of ${map.heads} heads` : "its one head") : `head ${head}`;
    const asks = `the ${height / map.grid.h}-pixel patch in ${place(k, map.grid)}`;
    const box = `a box of ${height / map.keys.h} pixels: ${place(best, map.keys)} of ${map.keys.h} × ${map.keys.w}`;
    return `${map.label}, ${who}: ${asks} looks most at ${box}, ${percent(share)}.`
      + (seen ? " That is the digit, in another step." : "");
  }

  function explorer(root, config, bytes, film) {
    const maps = attention.readMaps(config.maps, config.t, bytes);
    const most = Math.max(...maps.map((map) => map.heads));
    const state = kit.state(root, { block: 0, head: -1, query: config.start }, draw); // the query lies on its block's grid
    const found = new Set(); // sizes of queries at which the digit was seen in another step

    const look = (i, head, k) => (head < 0 || head >= maps[i].heads
      ? attention.mean(Array.from({ length: maps[i].heads }, (_, h) => maps[i].looks(h, k))) : maps[i].looks(head, k));

    function show(k, quiet) {
      const map = maps[state.block], { patches } = look(state.block, state.head, k), { grid, keys } = map;
      const best = largestOf(patches), seen = saw(map, config.digit[state.block], k, best);
      for (let i = 0; i < config.t; i++) {
        const step = Math.floor(i / keys.span), here = grid.step(k) === Math.floor(i / grid.span);
        const share = patches.subarray(step * keys.n, (step + 1) * keys.n).reduce((a, b) => a + b, 0);
        const same = grid.at(Math.floor(i / grid.span), grid.row(k), grid.column(k));
        stage.draw(i, { values: patches, grid: keys, top: patches[best] },
          [["most", best, keys], here ? ["query", k, grid] : ["place", same, grid]], `t${i} · ${percent(share)}`,
          100 * share);
      }
      maps.forEach((other, i) => {
        const shown = look(i, state.head, carry(k, grid, other.grid)).patches;
        frames.miniature(block.canvases[i], shown, other.keys, Math.max(...shown), config.columns);
      });
      const words = say(map, state.head, k, best, patches[best], seen, config.height);
      sentence.say(words, quiet);
      return { words, seen };
    }

    function draw() {
      const map = maps[state.block];
      block.set(maps.map((one) => `${one.label} · ${one.grid.h} × ${one.grid.w}`), state.block);
      head.set(["mean", ...Array.from({ length: map.heads }, (_, i) => `head ${i}`)], state.head + 1);
      const { words, seen } = show(state.query);
      if (seen) found.add(map.grid.h);
      root.dataset.found = [...found].sort((a, b) => b - a).join(" ");
      task.check(found.has(config.fine) && found.has(config.coarse), words);
    }

    function choose(i) { // another block: the same place on its grid, the mean of its heads
      state.set({ block: i, head: -1, query: carry(state.query, maps[state.block].grid, maps[i].grid) });
    }

    const at = (frame, x, y) => {
      const { grid } = maps[state.block];
      return grid.at(Math.floor(frame / grid.span), Math.floor(y * grid.h), Math.floor(x * grid.w));
    };
    const stage = frames.stage(config, film, "Frames: arrow keys choose a patch, page keys a step", {
      choose: (...point) => state.set({ query: at(...point) }),
      preview: (...point) => show(point.length ? at(...point) : state.query, true),
      move(dt, dh, dw) {
        const { grid } = maps[state.block], k = state.query, clamp = (i, size) => Math.min(size - 1, Math.max(0, i));
        state.set({ query: grid.at(clamp(grid.step(k) + dt, grid.t), clamp(grid.row(k) + dh, grid.h),
          clamp(grid.column(k) + dw, grid.w)) });
      },
    });
    const rows = Math.ceil(config.t / config.columns);
    const high = Math.round((112 * rows * config.frameHeight) / (config.columns * config.frameWidth));
    const block = kit.choice("block", maps.length, { width: 224, height: 2 * high, style: "width:112px" }, choose);
    const head = kit.choice("head", most + 1, null, (i) => state.set({ head: i - 1 }));
    const sentence = kit.sentence(), task = kit.task(config.task);
    const sign = (name, text) => kit.element("span", {}, [kit.element("i", { className: `vfe-mark vfe-${name}` }), ` ${text}`]);

    draw();
    return [block.node, kit.row(head.node), sentence.node, stage.node,
      kit.element("div", { className: "vfe-legend" }, [
        kit.element("span", {}, ["0 % ", kit.element("i", { className: "vfe-scale" }), " the largest share"]),
        sign("query", "chosen"), sign("most", "largest share"), sign("place", "same place")]),
      task.node, kit.hint("The small maps are the same place in every block. Click a patch, or move it by arrow keys; "
        + "page up and page down change the step.")];
  }

  return { saw, say, explorer };
})();
