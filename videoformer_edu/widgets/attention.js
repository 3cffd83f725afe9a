// Where does each patch look, and who looks at it: shares of attention over the frames of a picture or a clip.
// The layout of the bytes stands in payload.py, that of the settings in attention_explorer.py.
const attention = (() => {
  const { percent, wholePercents, gridOf, carry, place, solves } = numbers;

  // Each map with two ways to read it, for one head: `looks(head, q)` is where query q looks, `looked(head, k)` who
  // looks at key k. Both give the shares of all `patches` and of `cls`; q and k are patches, or -1 for CLS. null: it
  // takes no part.
  function readMaps(entries, frames, bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    let offset = 0;
    return entries.map(({ label, heads, queries, grid, keys, firstHead }) => {
      const asks = gridOf(grid, frames), answers = gridOf(keys, frames), cls = queries - asks.l; // CLS: 1 row, or none
      const rows = heads * queries, scale = offset, toCls = offset + 2 * rows, values = offset + 4 * rows;
      offset = values + rows * answers.l;
      const unit = (row) => view.getUint16(scale + 2 * row, true) / 65535;
      const share = (row, k) => (k < 0 ? view.getUint16(toCls + 2 * row, true) / 65535
        : (unit(row) * bytes[values + row * answers.l + k]) / 255);
      const every = (length, read) => Float64Array.from({ length }, (_, i) => read(i));
      return {
        label, heads, firstHead, grid: asks, keys: answers, cls: cls > 0,
        largest: Math.max(...every(rows, unit)),
        looks(head, q) {
          const row = head * queries + q + cls;
          if (q + cls < 0 || (!cls && unit(row) === 0)) return null; // a patch that was hidden from the model
          return { patches: every(answers.l, (k) => share(row, k)), cls: share(row, -1) };
        },
        looked(head, k) {
          if (k < 0 && !cls) return null;
          const first = head * queries;
          return { patches: every(asks.l, (q) => share(first + q + cls, k)), cls: cls ? share(first, k) : 0 };
        },
      };
    });
  }

  // The mean of what several heads say.
  function mean(all) {
    if (all.includes(null)) return null;
    const patches = new Float64Array(all[0].patches.length);
    for (const one of all) one.patches.forEach((share, k) => { patches[k] += share / all.length; });
    return { patches, cls: all.reduce((sum, one) => sum + one.cls / all.length, 0) };
  }

  const largestOf = (patches) => patches.indexOf(Math.max(...patches));

  // What is seen, in words. looked: the direction; k: the patch that is asked about; best: the first answer.
  function say(map, looked, k, answer, best) {
    const [from, to] = looked ? [map.keys, map.grid] : [map.grid, map.keys], alike = String([from.t, from.h, from.w])
      === String([to.t, to.h, to.w]);
    const here = place(k, from), who = k < 0 ? "CLS" : from.n > 1 || from.l === 1 ? `the patch in ${here}` : `the token of ${here}`;
    const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);
    if (!answer) {
      return sentence(`${who} takes no part in this attention (${map.label}); choose ${k < 0 ? "a" : "another"} patch.`);
    }
    const share = answer.patches[best];
    const other = place(best, to) + (alike ? (best === k ? " (itself)" : "") : ` of ${to.h} × ${to.w}`);
    const rest = answer.cls < 0.005 ? "" : looked ? ` CLS gives it ${percent(answer.cls)}.`
      : ` ${percent(answer.cls)} goes to ${map.cls ? "CLS" : "no patch (padding)"}.`;
    if (!share) return sentence(looked ? `no patch looks at ${who}.` : `${who} looks at no patch.`) + rest;
    return sentence(looked ? `${who} is looked at most by ${other}, which gives it ${percent(share)}.`
      : `${who} looks most at ${other}: ${percent(share)}.`) + rest;
  }

  function explorer(root, config, bytes, film) {
    const { element } = kit, t = config.t;
    const maps = readMaps(config.maps, t, bytes);
    const anyCls = maps.some((map) => map.cls), mostHeads = Math.max(...maps.map((map) => map.heads));
    const largest = Math.max(...maps.map((map) => map.largest));
    const state = { map: 0, head: -1, looked: false, same: false, query: config.start }; // head -1: the mean
    let lastPatch = Math.max(0, config.start); // where to return to from CLS
    let chosen = null; // the answer to the patch that is chosen, while another is looked at

    const map = () => maps[state.map];
    const asking = () => (state.looked ? map().keys : map().grid);
    const answering = () => (state.looked ? map().grid : map().keys);

    // What every head says of patch k, and what is shown of it.
    function ask(k) {
      const read = state.looked ? "looked" : "looks";
      const heads = Array.from({ length: map().heads }, (_, i) => map()[read](i, k));
      return { heads, average: mean(heads), get shown() { return state.head < 0 ? this.average : heads[state.head]; } };
    }

    function draw(k, extra) {
      const asked = ask(k), answer = asked.shown, grid = answering(), from = asking();
      const patches = answer ? answer.patches : new Float64Array(grid.l);
      const best = answer ? largestOf(patches) : -1, top = state.same ? largest : patches[best] || 0;
      const steps = Array.from({ length: grid.t }, (_, i) =>
        patches.subarray(i * grid.n, (i + 1) * grid.n).reduce((a, b) => a + b, 0));
      const shares = answer ? wholePercents([...steps, answer.cls]) : null;
      for (let i = 0; i < t; i++) {
        const step = Math.floor(i / grid.span), first = step * grid.span;
        const when = grid.span > 1 ? `t${first} to t${first + grid.span - 1}` : `t${i}`;
        const here = k >= 0 && from.step(k) === Math.floor(i / from.span);
        stage.draw(i, { values: patches, grid, top }, [
          ...(k < 0 ? [] : here ? [["query", k, from]] : [["place", from.at(Math.floor(i / from.span), from.row(k),
            from.column(k)), from]]),
          ...(top ? [["most", best, grid]] : []),
        ], shares ? `${when} · ${shares[step]} %` : when, shares ? shares[step] : 0);
      }
      [asked.average, ...asked.heads].forEach((one, i) => {
        const shown = one ? one.patches : new Float64Array(grid.l);
        frames.miniature(heads.canvases[i], shown, grid, state.same ? largest : Math.max(...shown), config.columns);
      });
      scale.textContent = percent(top);
      cls.textContent = shares && map().cls ? `CLS · ${shares[grid.t]} %` : "CLS";
      cls.setAttribute("aria-pressed", String(k < 0));
      const words = say(map(), state.looked, k, answer, best);
      sentence.say(words + (extra ? ` ${extra}` : ""), Boolean(extra));
      return { answer, best, words };
    }

    function choose(k) {
      state.query = k;
      if (k >= 0) lastPatch = k;
      const { answer, best, words } = draw(k);
      chosen = answer;
      previewed = k;
      if (config.task && !state.looked) task.check(solves(config.task, k, map().grid, best, map().keys), words);
      Object.assign(root.dataset, { map: state.map, head: state.head, query: k, looked: state.looked });
    }

    // The patch of `grid` at a point of a frame.
    const patchAt = (grid, frame, x, y) =>
      grid.at(Math.floor(frame / grid.span), Math.floor(y * grid.h), Math.floor(x * grid.w));

    let previewed = config.start;
    function preview(...point) {
      const k = point.length ? patchAt(asking(), ...point) : state.query;
      if (k === previewed) return;
      previewed = k;
      if (k === state.query) draw(k);
      else draw(k, chosen ? `The chosen ${state.query < 0 ? "CLS" : "patch"} ${state.looked ? "gets" : "gives"} `
        + `${percent(chosen.patches[patchAt(answering(), ...point)])} here.` : " ");
    }

    const toggleCls = () => choose(state.query < 0 ? lastPatch : -1);

    // After another map or direction: the same place, on the grid that is asked now.
    function change(settings) {
      const before = asking();
      Object.assign(state, settings);
      if (map().heads === 1) state.head = -1;
      else if (state.head >= map().heads) state.head = -1;
      heads.set(map().heads === 1 ? ["one map"] : ["mean", ...Array.from({ length: map().heads },
        (_, i) => `head ${map().firstHead + i}`)], state.head + 1);
      lastPatch = carry(lastPatch, before, asking());
      choose(state.query < 0 ? -1 : lastPatch);
    }

    const stage = frames.stage(config, film, `Frames: arrow keys choose a patch${t > 1 ? ", page keys a frame" : ""}`, {
      choose: (...point) => choose(patchAt(asking(), ...point)),
      preview,
      move(dt, dh, dw) {
        const grid = asking(), clamp = (value, size) => Math.min(size - 1, Math.max(0, value));
        choose(grid.at(clamp(grid.step(lastPatch) + dt, grid.t), clamp(grid.row(lastPatch) + dh, grid.h),
          clamp(grid.column(lastPatch) + dw, grid.w)));
      },
      key(name) {
        if (!anyCls || name.toLowerCase() !== "c") return false;
        toggleCls();
        return true;
      },
    });
    const rows = Math.ceil(t / config.columns);
    const ratio = (config.columns * config.frameWidth) / (rows * config.frameHeight);
    const size = Math.min(88, 48 * ratio);
    const heads = kit.choice("head", mostHeads + 1, { width: Math.round(2 * size), height: Math.round((2 * size) / ratio),
      style: `width:${Math.round(size)}px` }, (i) => change({ head: i - 1 }));
    const direction = kit.choice("direction", 2, null, (i) => change({ looked: i === 1 }));
    direction.set(["where does it look", "who looks here"], 0);
    const cls = kit.button("", toggleCls);
    cls.className = "vfe-cls";
    const sentence = kit.sentence();
    const task = config.task && kit.task(config.task);
    const scale = element("span", { className: "vfe-top" });
    const sign = (name, text) => element("span", {}, [element("i", { className: `vfe-mark vfe-${name}` }), ` ${text}`]);

    change({});
    return [
      kit.row(kit.select("attention", maps.map((one) => one.label), (i) => change({ map: i })), direction.node,
        ...(anyCls ? [cls] : [])),
      heads.node, sentence.node, stage.node,
      element("div", { className: "vfe-legend" }, [
        element("span", {}, ["0 % ", element("i", { className: "vfe-scale" }), " ", scale]),
        kit.checkbox("same scale for all", (same) => change({ same })),
        sign("query", "chosen"), sign("most", "largest share"), ...(t > 1 ? [sign("place", "same place")] : [])]),
      ...(task ? [task.node] : []),
      kit.hint("Point at a patch to try it, click or arrow keys to choose"
        + `${t > 1 ? "; page up and page down change the frame" : ""}${anyCls ? "; C asks CLS" : ""}.`),
    ];
  }

  return { readMaps, mean, say, explorer };
})();
