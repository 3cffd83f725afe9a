// Which patches repeat? Run-length tokenisation on real clips, as run_length.py does it: repeats_explorer.py sends how
// much every patch differs between every two frames of each clip, summed over its pixels and colours.
const repeats = (() => {
  const EMPTY = "rgba(36,41,47,.86)"; // over a patch that is dropped

  // Of one clip: from(i, j, k), the mean difference in grey levels between frames i < j at place k.
  function table(bytes, clip, t, n, values) {
    const words = new Uint16Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
    const pairs = (t * (t - 1)) / 2, pair = (i, j) => (i * (2 * t - i - 1)) / 2 + j - i - 1;
    return { t, n, from: (i, j, k) => words[(clip * pairs + pair(i, j)) * n + k] / values };
  }

  // For every frame and place the frame whose patch stands there: the own frame where it is kept. against: "previous",
  // the frame before (as published), or "kept", the patch that was kept last.
  function sources({ t, n, from }, threshold, against) {
    const out = [Array(n).fill(0)];
    for (let j = 1; j < t; j++) {
      out.push(out[j - 1].map((kept, k) => (from(against === "kept" ? kept : j - 1, j, k) > threshold ? j : kept)));
    }
    return out;
  }

  const kept = (shown) => shown.map((row, i) => row.filter((source) => source === i).length);

  // How many frames each kept patch stands for, at one place: [[frame, length], ...].
  function runs(shown, k) {
    const starts = shown.map((row) => row[k]).filter((source, i) => source === i);
    return starts.map((start, i) => [start, (starts[i + 1] ?? shown.length) - start]);
  }

  // The replay's largest error: [grey levels, frame, place].
  function worst({ from }, shown) {
    let most = [0, 0, 0];
    shown.forEach((row, j) => row.forEach((source, k) => {
      if (source < j && from(source, j, k) > most[0]) most = [from(source, j, k), j, k];
    }));
    return most;
  }

  function explorer(root, config, bytes, film) {
    const grid = numbers.gridOf(config.grid, config.t), { t, n } = grid, [width, height] = config.frame;
    const tables = config.clips.map((_, i) => table(bytes, i, t, n, config.values));
    const state = kit.state(root, { clip: 0, threshold: config.threshold, against: 0, view: 0, place: config.place }, draw);

    const clip = kit.choice("clip", config.clips.length, null, (i) => state.set({ clip: i }));
    const threshold = kit.range("threshold", config.thresholds, (i) => state.set({ threshold: i }),
      (value) => `${value} grey levels`);
    const against = kit.choice("compare with", 2, null, (i) => state.set({ against: i }));
    const view = kit.choice("show", 2, null, (i) => state.set({ view: i }));
    const sentence = kit.sentence(), task = kit.task(config.task);
    const counts = kit.element("p", { className: "vfe-legend" });
    const strip = kit.element("canvas", { width: t * width, height }).getContext("2d");
    const stage = frames.stage({ t, frameWidth: width, frameHeight: height, pixelated: false, columns: config.columns,
      width: config.width }, strip.canvas, "Frames: arrow keys choose a patch", {
      choose: (frame, x, y) => state.set({ place: Math.floor(y * grid.h) * grid.w + Math.floor(x * grid.w) }),
      move(dt, dh, dw) {
        const clamp = (i, size) => Math.min(size - 1, Math.max(0, i));
        state.set({ place: clamp(grid.row(state.place) + dh, grid.h) * grid.w
          + clamp(grid.column(state.place) + dw, grid.w) });
      },
    });

    // All frames side by side: a dropped patch is dark, or is the patch that it repeats.
    function compose(shown) {
      strip.drawImage(film, 0, state.clip * height, t * width, height, 0, 0, t * width, height);
      shown.forEach((row, i) => row.forEach((source, k) => {
        if (source === i) return;
        const [x, y, w, h] = [(grid.column(k) * width) / grid.w, (grid.row(k) * height) / grid.h,
          width / grid.w, height / grid.h];
        if (state.view) {
          strip.drawImage(film, source * width + x, state.clip * height + y, w, h, i * width + x, y, w, h);
        } else {
          strip.fillStyle = EMPTY;
          strip.fillRect(i * width + x, y, w, h);
        }
      }));
    }

    function draw() {
      const rule = ["previous", "kept"][state.against], level = config.thresholds[state.threshold];
      const shown = sources(tables[state.clip], level, rule), each = kept(shown);
      const total = each.reduce((a, b) => a + b), saved = 1 - total / grid.l;
      const [error, frame, k] = worst(tables[state.clip], shown);

      clip.set(config.clips, state.clip);
      threshold.set(state.threshold);
      against.set(["compare with the frame before", "with the patch kept last"], state.against);
      view.set(["show what is kept", "what the tokens say"], state.view);
      compose(shown);
      for (let i = 0; i < t; i++) {
        stage.draw(i, { values: [], grid: { ...grid, n: 0 }, top: 0 }, [["place", grid.at(i, 0, 0) + state.place, grid]],
          `frame ${i}: ${each[i]} of ${n}`, (100 * each[i]) / n);
      }
      const lengths = runs(shown, state.place).map(([, length]) => length);
      const where = numbers.place(state.place, { ...grid, frames: 1 }).replace("row", "Row");
      sentence.say(`${numbers.count(total)} of ${numbers.count(grid.l)} tokens are kept, ${Math.round(100 * saved)} % `
        + `are saved. ${where}: ${lengths.length} token${lengths.length > 1 ? "s, which stand" : ", which stands"} for `
        + `${lengths.join(" + ")} frames.`);
      counts.textContent = error > 0 ? `Furthest from the truth: frame ${frame}, row ${grid.row(k)}, column `
        + `${grid.column(k)} shows a patch that is ${error.toFixed(1)} grey levels off` : "No patch is off at all";
      task.check(state.clip === config.task.clip && saved >= config.task.save && error <= config.task.off,
        `${Math.round(100 * saved)} % saved, and no patch is more than ${error.toFixed(1)} grey levels off.`);
    }

    draw();
    return [kit.row(clip.node, threshold.node), kit.row(against.node, view.node), sentence.node, stage.node, counts,
      task.node, kit.hint("Click a patch, or move with arrow keys, to read how many frames each of its tokens "
        + "stands for. The first frame is kept whole. 6 grey levels of 256 are about the paper's threshold.")];
  }

  return { table, sources, kept, runs, worst, explorer };
})();
