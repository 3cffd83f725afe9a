// When did it learn what: one run, checkpoint by checkpoint. The numbers and the layout of the bytes: learning_explorer.py.
const learning = (() => {
  const CELL = 132, GAP = 6; // pixels of the canvas for a frame, two for each that is shown

  // The first checkpoint at which a series is at least `level`; -1: at none.
  const first = (series, level) => series.findIndex((value) => value >= level);

  // What was said of the clips of a class, `row` of a table of counts, as shares of 1.
  function shares(counts, row, classes) {
    const own = counts.slice(row * classes, (row + 1) * classes), total = own.reduce((a, b) => a + b, 0);
    return own.map((count) => (total ? count / total : 0));
  }

  function say(step, { accuracy, axis, sign, loss }) {
    const part = (share) => numbers.percent(share);
    return `After ${step} steps: ${part(axis)} of the axes right, ${part(sign)} of the signs, ${part(accuracy)} of the `
      + `directions. Loss ${loss.toFixed(2)}.`;
  }

  // The table of counts as SVG: a row for each true class, a column for each answer; squares of two are one axis.
  function table(counts, names) {
    const side = 26, margin = 34, size = margin + names.length * side;
    const parts = names.flatMap((name, row) => [
      `<text x="${margin - 6}" y="${margin + (row + 0.68) * side}" text-anchor="end" fill="currentColor">${name}</text>`,
      `<text x="${margin + (row + 0.5) * side}" y="${margin - 8}" text-anchor="middle" fill="currentColor">${name}</text>`,
      ...shares(counts, row, names.length).map((share, k) => `<rect x="${margin + k * side}" y="${margin + row * side}" `
        + `width="${side - 1}" height="${side - 1}" fill="${kit.ROLES.divided.colour}" `
        + `fill-opacity="${(0.05 + 0.95 * share).toFixed(2)}"/>`)]);
    for (let k = 0; k < names.length; k += 2) {
      const at = margin + k * side - 0.5;
      parts.push(`<rect x="${at}" y="${at}" width="${2 * side}" height="${2 * side}" fill="none" stroke="currentColor" `
        + 'stroke-opacity=".6"/>');
    }
    return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size} ${size}" width="${size}" height="${size}" `
      + `font-size="12" style="max-width:100%;height:auto">${parts.join("")}</svg>`;
  }

  function explorer(root, config, bytes, film) {
    const { steps, names, clips, level } = config, count = steps.length, grid = numbers.gridOf(config.grid, config.grid[0]);
    const state = kit.state(root, { at: 0, axis: -1, sign: -1 }, draw);
    const when = kit.range("step", steps, (i) => { playing.stop(); state.set({ at: i }); });
    const playing = kit.play("▶ train", count, (i) => state.set({ at: i }));
    const mark = ["axis", "sign"].map((what) => kit.button(`the ${what} is known from here on`,
      () => { playing.stop(); state.set({ [what]: state.at }); }));
    const sentence = kit.sentence(), task = kit.task(config.task);
    const nearest = (x) => steps.reduce((best, step, i) => (Math.abs(step - x) < Math.abs(steps[best] - x) ? i : best), 0);
    const plot = chart.plot("Accuracy against steps: axis, sign and direction", {
      x: { label: "step", range: [0, steps[count - 1]] }, y: { label: "right, of 256 validation clips (%)", range: [0, 100] } },
    { choose: (x) => { playing.stop(); state.set({ at: nearest(x) }); } });
    const matrix = kit.element("div", { role: "img", className: "vfe-confusion", style: "flex:0 1 auto" });
    const films = clips.map((name) => {
      const canvas = kit.element("canvas", { width: 4 * CELL, height: 2 * CELL, "aria-hidden": "true",
        style: "display:block;width:100%;height:auto" });
      canvas.getContext("2d").imageSmoothingEnabled = false;
      return { canvas, node: kit.element("div", { style: "flex:1 1 200px;max-width:264px" },
        [canvas, kit.element("span", { className: "vfe-label" }, [name])]) };
    });

    // A frame of the film, and over each of its patches amber, as opaque as CLS looks there: 4 frames in a row.
    function paint(context, frame, t, values) {
      const x = (t % 4) * CELL, y = Math.floor(t / 4) * CELL, patch = (CELL - GAP) / grid.w, { frameWidth: w } = config;
      context.clearRect(x, y, CELL, CELL);
      context.drawImage(film, frame * w, 0, w, w, x, y, CELL - GAP, CELL - GAP);
      for (let k = 0; k < grid.n; k++) {
        context.fillStyle = `rgba(230,159,0,${(0.92 * values[frame * grid.n + k]) / 255})`;
        context.fillRect(x + grid.column(k) * patch, y + grid.row(k) * patch, patch, patch);
      }
    }

    const lines = ["axis", "sign", "accuracy"].map((key, i) => ({ name: ["axis", "sign", "direction"][i],
      ...Object.values(kit.ROLES)[i], points: steps.map((step, k) => [step, 100 * config[key][k]]) }));

    function draw() {
      const i = state.at, values = bytes.subarray(i * grid.l, (i + 1) * grid.l);
      when.set(i);
      const found = Object.fromEntries(["accuracy", "axis", "sign", "loss"].map((key) => [key, config[key][i]]));
      const words = say(steps[i], found);
      if (words !== sentence.node.textContent) sentence.say(words);
      plot.draw({ lines, at: steps[i], marks: ["axis", "sign"].filter((what) => state[what] >= 0).map((what) => (
        { name: `your ${what}`, x: steps[state[what]], y: 100 * config[what][state[what]] })) });
      matrix.innerHTML = table(config.confusion[i], names);
      matrix.setAttribute("aria-label", `Confusion after ${steps[i]} steps: rows are true directions, columns answers.`);
      films.forEach(({ canvas }, clip) => {
        for (let t = 0; t < config.frames; t++) paint(canvas.getContext("2d"), clip * config.frames + t, t, values);
      });
      const right = state.axis === first(config.axis, level) && state.sign === first(config.sign, level);
      task.check(right, `The axis after ${steps[Math.max(0, state.axis)]} steps, the sign after `
        + `${steps[Math.max(0, state.sign)]}.`);
    }

    draw();
    return [kit.row(when.node, playing.node), kit.row(...mark), sentence.node, plot.node,
      kit.element("div", { style: "display:flex;flex-wrap:wrap;gap:18px;align-items:center;margin-top:10px" },
        [matrix, ...films.map(({ node }) => node)]),
      task.node, kit.hint("Drag the step, press train, or click the chart. Table: rows are true directions, columns answers, "
        + "squares one axis. Frames: where CLS looks in the last block, all maps on one scale.")];
  }

  return { first, shares, say, table, explorer };
})();
