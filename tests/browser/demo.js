// An explorer that uses every part of the kit but frames: what a token sees, and what that costs.
const demo = (() => {
  function explorer(root, config) {
    const grid = numbers.gridOf(config.grid, config.grid[0]);
    const state = kit.state(root, { reach: 0, way: 0, query: 0, faint: false }, draw);
    let pointed = -1;
    const reach = kit.range("reach", config.reaches, (i) => state.set({ reach: i }), (value) => `${value} frames`);
    const way = kit.choice("direction", 2, null, (i) => state.set({ way: i }));
    const play = kit.play("play", config.reaches.length, (i) => state.set({ reach: i }));
    const faint = kit.checkbox("faint", (on) => state.set({ faint: on }));
    const sentence = kit.sentence(), task = kit.task(config.task);
    const at = (frame, x, y) => grid.at(frame, Math.floor(y * grid.h), Math.floor(x * grid.w));
    const stage = cube.stage("Tokens: arrow keys choose a token, page keys a frame", {
      choose: (...place) => state.set({ query: at(...place) }),
      preview(...place) {
        pointed = place.length ? at(...place) : -1;
        draw();
      },
      move(dt, dh, dw) {
        const clamp = (value, size) => Math.min(size - 1, Math.max(0, value)), q = state.query;
        state.set({ query: grid.at(clamp(grid.step(q) + dt, grid.t), clamp(grid.row(q) + dh, grid.h),
          clamp(grid.column(q) + dw, grid.w)) });
      },
    });
    const axes = { x: { label: "frames", log: 2, range: [1, 16] }, y: { label: "pairs", log: 10, range: [1, 1e6] } };
    const plot = chart.plot("Pairs against frames", axes, { choose(x) {
      const nearest = config.reaches.map((value) => Math.abs(value - x));
      state.set({ reach: nearest.indexOf(Math.min(...nearest)) });
    } });

    function draw() {
      const q = state.query, far = config.reaches[state.reach], sign = state.way ? 1 : -1;
      const seen = (k) => {
        const away = sign * (grid.step(k) - grid.step(q));
        return away >= 0 && away < far;
      };
      const lit = Array.from({ length: grid.l }, (_, k) => (seen(k) ? (state.faint ? 0.5 : 1) : 0));
      reach.set(state.reach);
      way.set(["back", "ahead"], state.way);
      stage.draw({ grid: config.grid, lit, query: q, pointed });
      const lines = ["joint", "divided", "space_only"].map((name, i) => ({ name: name.replace("_", " "), ...kit.ROLES[name],
        points: config.reaches.map((t) => [t, (t * grid.n) ** (2 - i / 2)]) }));
      plot.draw({ lines, at: far, marks: [{ name: "a model", x: 8, y: 4e4 }] });
      const words = `The token in ${numbers.place(q, grid)} sees ${lit.filter(Boolean).length} of ${grid.l} tokens.`;
      sentence.say(words, pointed >= 0);
      if (pointed < 0) task.check(lit.every(Boolean), words);
    }

    draw();
    return [kit.row(reach.node, way.node, faint, play.node), sentence.node, stage.node, plot.node, task.node,
      kit.hint("Click a token or use arrow keys.")];
  }

  return { explorer };
})();
