// The page explorer of attention: everything happens in the page, no kernel and no network.
// The data stand in attributes of the root element (see page_explorer.py for their layout). The script starts every
// root of its name that has not been started yet, so the same explorer may be shown twice on a page.
(function (name) {
  "use strict";

  const CANVAS = 360; // pixels of a frame's longer side, about twice what is shown: sharp on fine screens

  function element(tag, properties, children) {
    const node = document.createElement(tag);
    for (const [key, value] of Object.entries(properties || {})) {
      if (key in node) node[key] = value;
      else node.setAttribute(key, value);
    }
    node.append(...(children || []));
    return node;
  }

  // A control keeps its own arrow keys: without this attribute, on the control itself, JupyterLab takes them.
  function control(tag, properties, children) {
    const node = element(tag, properties, children);
    node.setAttribute("data-lm-suppress-shortcuts", "true");
    return node;
  }

  // ------------------------------------------------------------------------------------------------ the numbers

  // The patches of a map, in time steps that each stand for `span` of the frames shown; patches count `(t h w)`.
  const gridOf = ([t, h, w], frames) => ({ t, h, w, n: h * w, span: frames / t,
    step(k) { return Math.floor(k / this.n); }, row(k) { return Math.floor((k % this.n) / w); },
    column(k) { return k % w; } });

  function readMaps(config, payload) {
    const bytes = Uint8Array.from(atob(payload), (c) => c.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    let offset = 0;
    return config.maps.map((map) => {
      const l = map.keys[0] * map.keys[1] * map.keys[2];
      const rows = map.heads * map.queries;
      const scale = offset, cls = offset + 2 * rows, values = offset + 4 * rows;
      offset = values + rows * l;
      return {
        label: map.label, heads: map.heads, grid: gridOf(map.grid, config.t), keys: gridOf(map.keys, config.t),
        hasCls: map.queries > map.grid[0] * map.grid[1] * map.grid[2],
        // What query `q` (CLS is -1) looks at in `head` (-1: mean of the heads): patches (l) and CLS, in shares of 1.
        look(head, q) {
          const row = this.hasCls ? q + 1 : q;
          const heads = head < 0 ? [...Array(this.heads).keys()] : [head];
          const out = { patches: new Float64Array(l), cls: 0 };
          if (row < 0) return null;
          const shares = heads.some((i) => view.getUint16(scale + 2 * (i * map.queries + row), true));
          if (!shares && !this.hasCls) return null; // a patch that was hidden from the model
          for (const i of heads) {
            const at = i * map.queries + row;
            const unit = view.getUint16(scale + 2 * at, true) / 65535 / 255 / heads.length;
            for (let k = 0; k < l; k++) out.patches[k] += unit * bytes[values + at * l + k];
            out.cls += view.getUint16(cls + 2 * at, true) / 65535 / heads.length;
          }
          return out;
        },
      };
    });
  }

  // Small shares get a decimal: among 64 patches an even share is 1.6 %.
  const percent = (share) => (share > 0 && share < 0.0005 ? "under 0.1 %"
    : (100 * share).toFixed(share < 0.0995 && share > 0 ? 1 : 0) + " %");

  // Whole percents that sum to 100: round down, then give what is missing to the largest remainders.
  function wholePercents(shares) {
    const total = shares.reduce((a, b) => a + b, 0) || 1;
    const exact = shares.map((s) => (100 * s) / total);
    const whole = exact.map(Math.floor);
    const order = exact.map((e, i) => i).sort((i, j) => exact[j] - whole[j] - (exact[i] - whole[i]) || i - j);
    const missing = 100 - whole.reduce((a, b) => a + b, 0);
    for (let i = 0; i < missing; i++) whole[order[i]] += 1;
    return whole;
  }

  function colour(stops, value) {
    const at = Math.min(1, Math.max(0, value)) * (stops.length - 1);
    const low = Math.min(stops.length - 2, Math.floor(at));
    return stops[low].map((c, i) => Math.round(c + (at - low) * (stops[low + 1][i] - c)));
  }

  // ------------------------------------------------------------------------------------------------- one explorer

  function start(root) {
    root.setAttribute("data-started", "true");
    const config = JSON.parse(root.getAttribute("data-config"));
    const t = config.t;
    const maps = readMaps(config, root.getAttribute("data-payload"));
    const state = { map: 0, head: -1, strength: config.overlay, query: config.start };
    const anyCls = maps.some((map) => map.hasCls);

    const keys = `Click a patch, or use the arrow keys${t > 1 ? " ([ and ] change the frame)" : ""}`
      + `${anyCls ? "; C lets CLS look" : ""}.`;

    // Everything counts from 0.
    const place = (k, grid) => {
      if (k < 0) return "CLS";
      const inFrame = `row ${grid.row(k)}, column ${grid.column(k)}`;
      const first = grid.step(k) * grid.span;
      if (t === 1) return inFrame;
      return grid.span > 1 ? `frames ${first} to ${first + grid.span - 1}, ${inFrame}` : `frame ${first}, ${inFrame}`;
    };

    // The patch of `grid` that covers the middle of patch `k` of the grid `from`.
    const carry = (k, from, grid) => {
      const scale = (i, parts, others) => Math.floor(((i + 0.5) * others) / parts);
      return scale(from.step(k), from.t, grid.t) * grid.n + scale(from.row(k), from.h, grid.h) * grid.w
        + scale(from.column(k), from.w, grid.w);
    };

    const mapSelect = control("select", { "aria-label": "attention map" },
      maps.map((map, i) => element("option", { value: i, textContent: map.label })));
    const headSelect = control("select", { "aria-label": "head" });
    const strength = control("input", { type: "range", min: 0, max: 100, step: 10, value: 100 * state.strength,
      "aria-label": "overlay strength" });
    const cls = control("button", { type: "button", className: "vfe-cls" });
    const stage = control("div", { className: "vfe-stage", tabIndex: 0, role: "application" });
    stage.style.setProperty("--vfe-columns", config.columns);
    stage.style.maxWidth = config.width + "px";
    const sentence = element("p", { className: "vfe-sentence", "aria-live": "polite" });
    const hint = element("p", { className: "vfe-hint" });
    const most = element("span", {});
    const stops = config.colours.map((c) => `rgb(${c.join(",")})`).join(",");
    const bar = element("span", { className: "vfe-bar" });
    bar.style.background = `linear-gradient(to right, ${stops})`;

    const width = Math.round(config.frameWidth >= config.frameHeight ? CANVAS : CANVAS * config.frameWidth / config.frameHeight);
    const height = Math.round(width * config.frameHeight / config.frameWidth);
    const frames = Array.from({ length: t }, (_, i) => {
      const canvas = element("canvas", { width, height, "aria-hidden": "true" });
      const label = element("span", { className: "vfe-label" });
      const share = element("span", { className: "vfe-share" });
      const cell = element("div", { className: "vfe-frame" },
        t > 1 ? [canvas, element("span", { className: "vfe-track" }, [share]), label] : [canvas]);
      const patchAt = (event, grid) => {
        const box = canvas.getBoundingClientRect();
        const within = (share, parts) => Math.min(parts - 1, Math.max(0, Math.floor(share * parts)));
        return Math.floor(i / grid.span) * grid.n + within((event.clientY - box.top) / box.height, grid.h) * grid.w
          + within((event.clientX - box.left) / box.width, grid.w);
      };
      // At the press, not at the click: the notebook may scroll between press and release. It also takes the focus at
      // the press, so the picture takes it back at the release.
      canvas.addEventListener("pointerdown", (event) => {
        if (event.button !== 0) return;
        choose(patchAt(event, maps[state.map].grid));
        document.addEventListener("pointerup", () => stage.focus({ preventScroll: true }), { once: true });
      });
      canvas.addEventListener("pointermove", (event) => point(patchAt(event, maps[state.map].keys)));
      canvas.addEventListener("pointerleave", () => point(null));
      return { cell, canvas, label, share };
    });

    // x and y of the edges of patch (row, column), whole pixels so that neighbours meet
    const edge = (i, parts, length) => Math.round((i * length) / parts);

    function outline(context, grid, k, inset, style, thickness, dash) {
      const row = grid.row(k), column = grid.column(k);
      const x = edge(column, grid.w, width), y = edge(row, grid.h, height);
      context.setLineDash(dash || []);
      context.strokeStyle = style;
      context.lineWidth = thickness;
      context.strokeRect(x + inset, y + inset, edge(column + 1, grid.w, width) - x - 2 * inset,
        edge(row + 1, grid.h, height) - y - 2 * inset);
    }

    function draw(picture) {
      const map = maps[state.map], q = state.query, { grid, keys } = map;
      const look = map.look(state.head, q);
      const patches = look ? look.patches : new Float64Array(keys.t * keys.n);
      const best = look ? patches.indexOf(Math.max(...patches)) : -1;
      const top = look ? patches[best] : 0;
      const shares = look ? wholePercents([...Array.from({ length: keys.t },
        (_, i) => patches.subarray(i * keys.n, (i + 1) * keys.n).reduce((a, b) => a + b, 0)), look.cls]) : null;

      frames.forEach(({ canvas, label, share }, i) => {
        const context = canvas.getContext("2d");
        context.imageSmoothingEnabled = !config.pixelated;
        context.globalAlpha = 1;
        context.drawImage(picture, i * config.frameWidth, 0, config.frameWidth, config.frameHeight, 0, 0, width, height);
        const asks = Math.floor(i / grid.span), step = Math.floor(i / keys.span); // whose time steps this frame shows
        for (let k = 0; k < keys.n; k++) {
          const row = keys.row(k), column = keys.column(k);
          const x = edge(column, keys.w, width), y = edge(row, keys.h, height);
          const value = top ? patches[step * keys.n + k] / top : 0;
          context.globalAlpha = state.strength * (config.veil + (1 - config.veil) * value);
          context.fillStyle = `rgb(${colour(config.colours, value).join(",")})`;
          context.fillRect(x, y, edge(column + 1, keys.w, width) - x, edge(row + 1, keys.h, height) - y);
        }
        context.globalAlpha = 1;
        if (q >= 0 && grid.step(q) !== asks) outline(context, grid, q, 2, "rgba(255,255,255,.65)", 2, [3, 5]);
        if (best >= 0 && keys.step(best) === step) {
          outline(context, keys, best, 11, "#000", 6);
          outline(context, keys, best, 11, "#fff", 3);
        }
        if (q >= 0 && grid.step(q) === asks) {
          outline(context, grid, q, 4, "#000", 8);
          outline(context, grid, q, 4, "#ff5a36", 5);
        }
        const name = keys.span > 1 ? `t${step * keys.span} to t${(step + 1) * keys.span - 1}` : `t${i}`;
        label.textContent = shares ? `${name} · ${shares[step]} %` : name;
        share.style.width = (shares ? shares[step] : 0) + "%";
      });

      most.textContent = percent(top);
      cls.textContent = shares && (map.hasCls || look.cls > 0) ? `CLS · ${shares[keys.t]} %` : "CLS";
      cls.setAttribute("aria-pressed", String(q < 0));
      cls.setAttribute("aria-label", "let CLS look");
      const who = place(q, grid);
      const alike = keys.t === grid.t && keys.h === grid.h && keys.w === grid.w;
      const whom = place(best, keys) + (alike ? best === q ? " (itself)" : "" : ` of ${keys.h} × ${keys.w}`);
      const text = look
        ? `${who} looks most at ${whom}: ${percent(top)}.`
        : `${who} takes no part in this attention (${map.label}); choose ${q < 0 ? "a" : "another"} patch.`;
      const seen = text.charAt(0).toUpperCase() + text.slice(1);
      const also = look && look.cls >= 0.005 ? ` ${percent(look.cls)} goes to CLS.` : "";
      sentence.textContent = seen + also;
      stage.setAttribute("aria-label", `${config.title}. ${seen + also} Arrow keys choose a patch`
        + (t > 1 ? ", page up and page down a frame." : "."));
      Object.assign(root.dataset, { map: state.map, head: state.head, query: q });
    }

    function point(k) {
      const look = maps[state.map].look(state.head, state.query);
      hint.textContent = k === null || !look ? keys : `Under the pointer: ${place(k, maps[state.map].keys)}, ${percent(look.patches[k])}`;
    }

    let lastPatch = Math.max(0, state.query); // where to return to from CLS

    function choose(query) {
      state.query = query;
      if (query >= 0) lastPatch = query;
      draw(picture);
      point(null);
    }

    const toggleCls = () => choose(state.query < 0 ? lastPatch : -1);

    function fillHeads() {
      const heads = maps[state.map].heads;
      const names = heads > 1 ? [[-1, `mean of ${heads} heads`]] : [];
      for (let i = 0; i < heads; i++) names.push([i, `head ${i}`]);
      state.head = state.head < heads ? state.head : -1;
      if (heads === 1) state.head = 0;
      headSelect.replaceChildren(...names.map(([value, textContent]) => element("option", { value, textContent })));
      headSelect.value = state.head;
    }

    stage.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const steps = { ArrowLeft: [0, 0, -1], ArrowRight: [0, 0, 1], ArrowUp: [0, -1, 0], ArrowDown: [0, 1, 0],
        PageUp: [-1, 0, 0], PageDown: [1, 0, 0], "[": [-1, 0, 0], "]": [1, 0, 0] };
      if (anyCls && (event.key === "c" || event.key === "C")) {
        event.preventDefault();
        toggleCls();
        return;
      }
      const step = steps[event.key];
      if (!step) return;
      event.preventDefault(); // the page stays where it is
      const q = lastPatch, { grid } = maps[state.map];
      const clamp = (value, size) => Math.min(size - 1, Math.max(0, value));
      choose(clamp(grid.step(q) + step[0], grid.t) * grid.n + clamp(grid.row(q) + step[1], grid.h) * grid.w
        + clamp(grid.column(q) + step[2], grid.w));
    });
    cls.addEventListener("click", toggleCls);
    mapSelect.addEventListener("change", () => {
      const before = maps[state.map].grid;
      state.map = Number(mapSelect.value);
      lastPatch = carry(lastPatch, before, maps[state.map].grid);
      fillHeads();
      choose(state.query < 0 ? -1 : lastPatch);
    });
    headSelect.addEventListener("change", () => {
      state.head = Number(headSelect.value);
      choose(state.query);
    });
    strength.addEventListener("input", () => {
      state.strength = Number(strength.value) / 100;
      draw(picture);
    });

    const labelled = (text, node) => element("label", {}, [element("span", { textContent: text }), node]);
    const controls = element("div", { className: "vfe-controls" },
      [labelled("attention", mapSelect), labelled("head", headSelect), labelled("overlay", strength)]);
    if (anyCls) controls.append(cls);
    const legend = element("div", { className: "vfe-legend" }, [
      element("span", {}, ["0 % ", bar, " ", most]),
      element("span", {}, [element("i", { className: "vfe-mark vfe-asks" }), " looks"]),
      element("span", {}, [element("i", { className: "vfe-mark vfe-best" }), " is looked at most"]),
    ]);
    if (t > 1) legend.append(element("span", {}, [element("i", { className: "vfe-mark vfe-tube" }), " same place"]));
    stage.append(...frames.map((frame) => frame.cell));
    const live = element("div", { className: "vfe-live" }, [
      element("div", { className: "vfe-title", textContent: config.title }), controls,
      hint, stage, legend, sentence,
    ]);
    fillHeads();

    const picture = new Image();
    picture.onload = () => {
      draw(picture);
      point(null);
      root.append(live);
      root.querySelector(".vfe-still").hidden = true; // the last act: had anything failed, the still picture would stay
    };
    picture.src = config.frames;
  }

  document.querySelectorAll(`[data-explorer="attention"][id="${name}"]:not([data-started])`).forEach(start);
})("__NAME__");
