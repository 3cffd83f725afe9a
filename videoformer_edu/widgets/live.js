// A video transformer that runs in the page: clips, orders, hidden patches and silenced heads of the reader's choice.
// The layout of the bytes and the settings stand in live_explorer.py.
const live = (() => {
  const { percent, gridOf, place } = numbers, CLICKS = ["asks where a patch looks", "hides a patch", "carries a frame"];
  const HIDDEN = [96, 96, 96]; // how a hidden patch is shown; the model gets the mean of all pixels

  const largestOf = (shares) => shares.indexOf(Math.max(...shares));
  const carried = (order, from, to) => {
    const out = order.slice();
    out.splice(to, 0, ...out.splice(from, 1));
    return out;
  };

  // What the models get: the frames in order, normalised, hidden patches at 0, which is the mean of all pixels.
  function pixelsOf(bytes, order, hidden, { size, patch, mean, std }) {
    const frame = 3 * size * size, across = size / patch, out = new Float64Array(order.length * frame);
    order.forEach((from, f) => {
      for (let i = 0; i < frame; i++) out[f * frame + i] = (bytes[from * frame + i] / 255 - mean) / std;
    });
    for (const k of hidden) {
      const f = Math.floor(k / across ** 2), top = Math.floor((k % across ** 2) / across), left = k % across;
      for (let c = 0; c < 3; c++) {
        for (let y = 0; y < patch; y++) {
          const at = ((f * 3 + c) * size + top * patch + y) * size + left * patch;
          out.fill(0, at, at + patch);
        }
      }
    }
    return out;
  }

  // Where patch k looks in a map (of one head, or -1: the mean): shares of all `l` patches, and of CLS.
  function looks({ groups, shares }, k, head, l) {
    const g = groups.findIndex((rows) => rows.includes(k)), rows = groups[g], m = rows.length, row = rows.indexOf(k);
    const heads = shares[g].length / m ** 2, patches = new Float64Array(l), chosen = head < 0
      ? Array.from({ length: heads }, (_, i) => i) : [head];
    let cls = 0;
    for (const one of chosen) {
      rows.forEach((key, j) => {
        const share = shares[g][(one * m + row) * m + j] / chosen.length;
        if (key < 0) cls += share;
        else patches[key] += share;
      });
    }
    return { patches, cls };
  }

  // What was done to the clip and to the model, in words; nothing where nothing was.
  function changes(order, hidden, off) {
    const t = order.length, filmed = order.every((f, i) => f === i);
    const reversed = order.every((f, i) => f === t - 1 - i), one = order.every((f) => f === order[0]);
    return [
      ...(filmed ? [] : [reversed ? "frames backwards" : one ? `frame ${order[0]} in all ${t} places` : `frames ${order.join(" ")}`]),
      ...(hidden.length ? [`${hidden.length} ${hidden.length > 1 ? "patches" : "patch"} hidden`] : []),
      ...off.map((name) => `${name} off`),
    ].join(", ");
  }

  // The two tasks, as predicates. before, after: shares of the classes, untouched and now.
  const opposite = (before, after, hidden, off) =>
    !hidden.length && !off.length && largestOf(after) === (largestOf(before) ^ 1);
  const idle = (before, after, order, hidden, off, bound) => off.length === 1 && off[0].includes("head")
    && !hidden.length && order.every((f, i) => f === i) && after.every((share, k) => Math.abs(share - before[k]) < bound);

  function explorer(root, config, bytes) {
    const { element } = kit, { t, size, patch, classes } = config, l = t * (size / patch) ** 2, frame = 3 * size * size;
    const grid = gridOf([t, size / patch, size / patch], t);
    let offset = 0;
    const models = config.models.map((one) => {
      const [weights, end] = timesformer.unpack(one.shapes, bytes, offset);
      offset = end;
      return { ...one, weights, patch, side: size };
    });
    const take = (length) => bytes.subarray(offset, offset += length);
    const clips = config.clips.map((one) => ({ ...one, bytes: take(t * frame) }));
    const unit = (length) => Float64Array.from(take(length), (value) => value / 255);
    const m = config.mask, own = { mask: unit(m * m), m, background: unit(frame), ...config.own, size };
    clips.push({ name: "a path of your own", truth: -1, bytes: null });
    const OWN = clips.length - 1;
    const filmed = Array.from({ length: t }, (_, i) => i), fresh = { order: filmed, hidden: [], off: [], held: -1 };
    const pad = path_pad.pad(own, t, config.light, (bytes) => {
      clips[OWN].bytes = bytes;
      memory.clear();
      state.set({ ...fresh, off: state.off, clip: OWN });
      select.querySelector("select").value = OWN;
    });
    clips[OWN].bytes = pad.clip();

    const state = kit.state(root, { model: 0, clip: 0, order: filmed, hidden: [], off: [], map: 0, head: -1,
      query: config.start, click: 0, held: -1 }, draw);
    const film = element("canvas", { width: t * size, height: size });

    // The same input is computed once: choosing a patch or a map is no work.
    const memory = new Map();
    function compute(index, order, hidden, off) {
      const key = [index, state.clip, order, [...hidden].sort(), [...off].sort()].join("|");
      if (!memory.has(key)) {
        if (memory.size > 40) memory.clear();
        const started = performance.now();
        const pixels = pixelsOf(clips[state.clip].bytes, order, hidden, config);
        const out = timesformer.forward(models[index], pixels, t, new Set(off));
        memory.set(key, { ...out, shares: out.logits.map((one) => Array.from(timesformer.softmax(one))) });
        root.dataset.milliseconds = (performance.now() - started).toFixed(1);
      }
      return memory.get(key);
    }

    function paintFilm() {
      const context = film.getContext("2d"), light = moving.brighten(clips[state.clip].bytes, size, config.light);
      state.order.forEach((from, f) => {
        const picture = new ImageData(size, size);
        for (let i = 0; i < size * size; i++) {
          const colour = [0, 1, 2].map((c) => light[from * frame + c * size * size + i]);
          picture.data.set([...colour, 255], 4 * i);
        }
        context.putImageData(picture, f * size, 0);
      });
      context.fillStyle = `rgb(${HIDDEN})`;
      for (const k of state.hidden) {
        context.fillRect(grid.step(k) * size + grid.column(k) * patch, grid.row(k) * patch, patch, patch);
      }
    }

    function draw() {
      const model = models[state.model], { truth } = clips[state.clip];
      const now = compute(state.model, state.order, state.hidden, state.off);
      const before = compute(state.model, filmed, [], []).shares.at(-1), after = now.shares.at(-1);
      const map = now.maps[state.map], { patches, cls } = looks(map, state.query, state.head, l), best = largestOf(patches);
      root.dataset.logits = now.logits.at(-1).map((logit) => logit.toFixed(6)).join(" "); // a test holds them to PyTorch's
      paintFilm();
      for (let i = 0; i < t; i++) {
        const sum = patches.subarray(i * grid.n, (i + 1) * grid.n).reduce((a, b) => a + b, 0);
        const here = grid.step(state.query) === i;
        stage.draw(i, { values: patches, grid, top: patches[best] }, [
          here ? ["query", state.query, grid] : ["place", grid.at(i, grid.row(state.query), grid.column(state.query)), grid],
          ["most", best, grid]],
        `${state.held === i ? "carried: " : ""}t${state.order[i]} · ${percent(sum)}`, 100 * sum);
      }
      answers.draw(now.shares, truth, kit.ROLES[model.role].colour);
      which.set(models.map((one) => one.name), state.model);
      maps.set(now.maps.map(({ block, kind }) => `block ${block} · ${kind}`), state.map);
      heads.set(["mean", ...Array.from({ length: model.heads }, (_, i) => `head ${i}`)], state.head + 1);
      click.set(CLICKS, state.click);
      drawSwitches(now.maps);
      const done = changes(state.order, state.hidden, state.off), at = (shares) => {
        const k = largestOf(shares);
        return `${classes[k]}: ${percent(shares[k])}`;
      };
      const words = `${model.name} says ${at(after)}${done ? ` (${done}); untouched it says ${at(before)}` : ""}. `
        + `In ${kindOf(map)}, ${place(state.query, grid)} looks most at ${place(best, grid)}: ${percent(patches[best])}`
        + `${cls > 0.005 ? `, and ${percent(cls)} goes to CLS` : ""}. A click ${CLICKS[state.click]}.`;
      if (words !== sentence.node.textContent) sentence.say(words);
      const ordered = models[state.model].attention !== "space_only" && truth >= 0;
      tasks[0].check(ordered && opposite(before, after, state.hidden, state.off), "");
      tasks[1].check(ordered && idle(before, after, state.order, state.hidden, state.off, config.bound),
        `${state.off[0]} is off, and no share has moved by ${percent(config.bound)}.`);
    }
    const kindOf = ({ block, kind }) => `${kind === "joint" ? "joint attention" : `attention in ${kind}`} of block ${block}`;

    // ------------------------------------------------------------------------------------ what a click does

    const toggle = (list, one) => (list.includes(one) ? list.filter((other) => other !== one) : [...list, one]);
    function carry(f) {
      if (state.held < 0) state.set({ held: f });
      else state.set({ order: carried(state.order, state.held, f), held: -1 });
    }
    function act(k) {
      if (state.click === 0) state.set({ query: k });
      else if (state.click === 1) state.set({ query: k, hidden: toggle(state.hidden, k) });
      else carry(grid.step(k));
    }
    const stage = frames.stage(config, film, "Frames: arrow keys choose a patch, page keys a frame, Enter does what a click does", {
      choose: (f, x, y) => act(grid.at(f, Math.floor(y * grid.h), Math.floor(x * grid.w))),
      move(dt, dh, dw) {
        const k = state.query, clamp = (value, most) => Math.min(most - 1, Math.max(0, value));
        state.set({ query: grid.at(clamp(grid.step(k) + dt, t), clamp(grid.row(k) + dh, grid.h), clamp(grid.column(k) + dw, grid.w)) });
      },
      key(name) {
        if (name === "Enter" || name === " ") act(state.query);
        else if (name === "Escape" && state.held >= 0) state.set({ held: -1 });
        else return false;
        return true;
      },
    });
    // A frame may also be dragged: pressed on one, released on another.
    stage.node.addEventListener("pointerup", (event) => {
      const over = document.elementFromPoint(event.clientX, event.clientY);
      const f = [...stage.node.querySelectorAll("canvas")].indexOf(over);
      if (state.click === 2 && event.pointerType !== "touch" && state.held >= 0 && f >= 0 && f !== state.held) carry(f);
    });

    // ------------------------------------------------------------------------------------- what is switched off

    const switches = element("div", { className: "vfe-switches" });
    let drawn = "";
    function drawSwitches(all) {
      const key = models[state.model].attention;
      if (key !== drawn) {
        drawn = key;
        const flip = (name) => () => state.set({ off: toggle(state.off, name) });
        const one = (name, text) => {
          const node = kit.checkbox(text, flip(name));
          node.querySelector("input").setAttribute("aria-label", name);
          node.dataset.name = name;
          return node;
        };
        const line = (text, ...nodes) => kit.row(element("span", { className: "vfe-top", textContent: text }), ...nodes);
        const heads = Array.from({ length: models[state.model].heads }, (_, head) => head);
        const blocks = [...new Set(all.map(({ block }) => `block ${block}`))];
        switches.replaceChildren(
          line("whole blocks", ...blocks.map((name) => one(name, name))),
          line(key === "divided" ? "time" : "", ...(key === "divided" ? [one("time", "all attention in time")] : [])),
          ...all.map(({ block, kind }) => line(`block ${block} · ${kind}, heads`,
            ...heads.map((head) => one(`block ${block} ${kind} head ${head}`, `${head}`)))));
      }
      switches.querySelectorAll("label").forEach((node) => {
        node.querySelector("input").checked = !state.off.includes(node.dataset.name);
      });
    }

    // ------------------------------------------------------------------------------------------------ the page

    const which = kit.choice("model", models.length, null, (i) => state.set({ model: i, off: [], map: 0, head: -1 }));
    const maps = kit.choice("attention shown", 2 * models[0].depth, null, (i) => state.set({ map: i }));
    const heads = kit.choice("head shown", models[0].heads + 1, null, (i) => state.set({ head: i - 1 }));
    const click = kit.choice("a click on a frame", CLICKS.length, null, (i) => state.set({ click: i, held: -1 }));
    const select = kit.select("clip", clips.map((one) => one.name), 
      (i) => state.set({ ...fresh, off: state.off, clip: i }));
    select.style.flex = "0 1 auto";
    const sentence = kit.sentence(), tasks = config.tasks.map(kit.task);
    const answers = bars.table(classes, Array.from({ length: models[0].depth }, (_, i) =>
      (i < models[0].depth - 1 ? `read after block ${i}` : "answer")));
    draw();
    return [
      kit.row(which.node, select),
      element("div", { style: "display:flex;flex-wrap:wrap;gap:12px 18px;margin:8px 0" }, [pad.node, answers.node]),
      sentence.node,
      kit.row(kit.button("backwards", () => state.set({ order: state.order.slice().reverse() })),
        kit.button("repeat this frame", () => state.set({ order: filmed.map(() => state.order[grid.step(state.query)]) })),
        click.node, kit.button("all as it was", () => state.set(fresh))),
      kit.row(maps.node, heads.node),
      stage.node, element("p", { textContent: "Silence a block or a head by taking its mark away." }), switches, ...tasks.map((one) => one.node),
      kit.hint("Everything is computed here, in this page. Draw a path on the small picture; on the frames arrow keys "
        + "choose a patch, page keys a frame, Enter does what a click does."),
    ];
  }

  return { pixelsOf, looks, changes, carried, opposite, idle, explorer };
})();
