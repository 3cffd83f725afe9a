// Where did time come in: for several models and stages, which tubelets have changed a token so far.
// The layout of the bytes stands in mixing_explorer.py.
const mixing = (() => {
  const { gridOf, place } = numbers;

  // For each model and stage the changes that a token, `row`, has undergone: one number for each tubelet of `grid`, from
  // 0 to 255. The last stage has one token alone, which all queries share.
  function readChanges(models, stages, grid, bytes) {
    let offset = 0;
    return models.map(() => stages.map((_, stage) => {
      const rows = stage === stages.length - 1 ? 1 : grid.l, first = offset;
      offset += rows * grid.l;
      return (row) => bytes.subarray(first + (row % rows) * grid.l, first + (row % rows + 1) * grid.l);
    }));
  }

  // The largest change by another tubelet than the token's own, which outshines all others; its own where there is none.
  function largest(values, own) {
    const others = values.filter((_, k) => k !== own);
    return Math.max(...others) || Math.max(...values);
  }

  // How many tubelets have changed the token, in how many steps, and how many of them outside its own step.
  function heard(values, grid, own) {
    const found = Array.from(values.keys()).filter((k) => values[k] > 0);
    const steps = new Set(found.map(grid.step));
    return { tubelets: found.length, steps: steps.size, elsewhere: found.filter((k) => grid.step(k) !== own).length };
  }

  function say(model, stage, last, k, grid, { tubelets, steps, elsewhere }) {
    const who = last ? "what the head reads" : `the token in ${place(k, grid)}`;
    const much = `${tubelets} of ${grid.l} tubelets`;
    const where = last ? `from ${steps} of ${grid.t} steps` : tubelets === 1 ? "itself"
      : elsewhere ? `from ${steps} of ${grid.t} steps` : "all of its own step";
    return `${model}, ${stage}: ${who} has heard of ${much}, ${where}.`;
  }

  function explorer(root, config, bytes, film) {
    const { models, stages } = config, grid = gridOf(config.grid, config.t), end = stages.length - 1;
    const changes = readChanges(models, stages, grid, bytes);
    const state = kit.state(root, { model: 0, stage: 1, query: config.start }, draw);
    let before = false; // has the model of the task been seen before its answer?

    function show(k, quiet) {
      const last = state.stage === end, values = changes[state.model][state.stage](k);
      const top = largest(values, last ? -1 : k), own = grid.step(k);
      for (let i = 0; i < config.t; i++) {
        const step = Math.floor(i / grid.span), here = values.subarray(step * grid.n, (step + 1) * grid.n);
        const count = here.filter((value) => value > 0).length;
        stage.draw(i, { values, grid, top }, last ? [] : step === own ? [["query", k, grid]]
          : [["place", grid.at(step, grid.row(k), grid.column(k)), grid]],
        `t${i} · ${count} of ${grid.n}`, (100 * count) / grid.n);
      }
      models.forEach((_, i) => {
        const shown = changes[i][state.stage](k);
        frames.miniature(which.canvases[i], shown, grid, largest(shown, last ? -1 : k), config.columns);
      });
      const words = say(models[state.model], stages[state.stage], last, k, grid, heard(values, grid, own));
      sentence.say(words, quiet);
      return words;
    }

    function draw() {
      which.set(models, state.model);
      when.set(state.stage);
      const words = show(state.query);
      const late = state.model === config.late;
      before = before || (late && state.stage === end - 1);
      task.check(before && late && state.stage === end, words);
    }

    const at = (frame, x, y) => grid.at(Math.floor(frame / grid.span), Math.floor(y * grid.h), Math.floor(x * grid.w));
    const stage = frames.stage(config, film, "Frames: arrow keys choose a token, page keys a step", {
      choose: (...point) => state.set({ query: at(...point) }),
      preview: (...point) => (point.length ? show(at(...point), true) : show(state.query, true)),
      move(dt, dh, dw) {
        const k = state.query, clamp = (value, size) => Math.min(size - 1, Math.max(0, value));
        state.set({ query: grid.at(clamp(grid.step(k) + dt, grid.t), clamp(grid.row(k) + dh, grid.h),
          clamp(grid.column(k) + dw, grid.w)) });
      },
    });
    const when = kit.range("stage", stages, (i) => state.set({ stage: i }));
    const rows = Math.ceil(config.t / config.columns);
    const high = Math.round((88 * rows * config.frameHeight) / (config.columns * config.frameWidth));
    const which = kit.choice("model", models.length, { width: 176, height: 2 * high, style: "width:88px" },
      (i) => state.set({ model: i }));
    const sentence = kit.sentence(), task = kit.task(config.task);
    const sign = (name, text) => kit.element("span", {}, [kit.element("i", { className: `vfe-mark vfe-${name}` }), ` ${text}`]);

    draw();
    return [kit.row(when.node), which.node, sentence.node, stage.node,
      kit.element("div", { className: "vfe-legend" }, [
        kit.element("span", {}, ["no change ", kit.element("i", { className: "vfe-scale" }), " the largest change by another"]),
        sign("query", "chosen"), sign("place", "same place")]),
      task.node, kit.hint("Click a token, or move it by arrow keys; page up and page down change the step.")];
  }

  return { readChanges, largest, heard, say, explorer };
})();
