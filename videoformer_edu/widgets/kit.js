// What every page explorer is made of: controls, frames under a map, a task.
//
// page_explorer.py puts numbers.js, this file and an explorer's own into one function, so that nothing of them is seen
// from outside. An explorer is a function (root, config, bytes, film) -> nodes: its root element, its settings, its
// data and the picture of all its frames side by side. Everything happens in the page; nothing in here moves by itself.
const kit = (() => {
  // ----------------------------------------------------------------------------------------------------- controls

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

  function select(text, options, change) {
    const node = control("select", {}, options.map((option, i) => element("option", { value: i, textContent: option })));
    node.addEventListener("change", () => change(Number(node.value)));
    return element("label", {}, [element("span", { textContent: text }), node]);
  }

  function checkbox(text, change) {
    const node = control("input", { type: "checkbox" });
    node.addEventListener("change", () => change(node.checked));
    return element("label", {}, [node, element("span", { textContent: text })]);
  }

  // One of several, each a word and, where `pictures` is given, a small canvas above it. `set(words, chosen)` renames
  // them; those without a word keep their room, so that nothing below moves.
  function choice(legend, count, pictures, change) {
    const name = `vfe-${Math.random()}`; // one group for each explorer on the page
    const options = Array.from({ length: count }, (_, i) => {
      const input = control("input", { type: "radio", name });
      const word = element("span", {});
      const canvas = pictures && element("canvas", { ...pictures, "aria-hidden": "true" });
      input.addEventListener("change", () => change(i));
      return { input, word, canvas, label: element("label", {}, [input, ...(canvas ? [canvas] : []), word]) };
    });
    const node = element("fieldset", { className: pictures ? "vfe-choice vfe-pictures" : "vfe-choice" },
      [element("legend", { textContent: legend }), ...options.map((option) => option.label)]);
    return {
      node, canvases: options.map((option) => option.canvas),
      set(words, chosen) {
        options.forEach(({ input, word, label }, i) => {
          word.textContent = words[i] || "\u00a0";
          label.style.visibility = words[i] ? "" : "hidden";
          input.disabled = !words[i];
          input.checked = i === chosen;
        });
      },
    };
  }

  // ------------------------------------------------------------------------------------------------------- frames

  const LONG_SIDE = 360; // pixels of a canvas, about twice what is shown: sharp on fine screens
  const AMBER = [230, 159, 0], BLUE = "#0072B2"; // attention, and the patch that asks
  const STRONGEST = 0.92; // opacity of the largest share; none is transparent
  const SMOOTH = 14; // patches a side, from which on a map is drawn without edges
  const STILL = 10; // pixels that a finger may move and still not scroll
  let scratch = null;

  // `values` of one time step of `grid` as amber over a box of the canvas; its opacity follows value / top.
  function heat(context, values, step, grid, top, box) {
    scratch = scratch || document.createElement("canvas").getContext("2d");
    scratch.canvas.width = grid.w;
    scratch.canvas.height = grid.h;
    const picture = new ImageData(grid.w, grid.h);
    for (let k = 0; k < grid.n; k++) {
      const share = top > 0 ? Math.min(1, values[step * grid.n + k] / top) : 0;
      picture.data.set([...AMBER, Math.round(255 * STRONGEST * share)], 4 * k);
    }
    scratch.putImageData(picture, 0, 0);
    context.imageSmoothingEnabled = Math.max(grid.h, grid.w) >= SMOOTH;
    context.drawImage(scratch.canvas, ...box);
  }

  function outline(context, grid, k, style, thickness, dash) {
    const { width, height } = context.canvas, inset = thickness / 2 + 1;
    context.setLineDash(dash || []);
    context.strokeStyle = style;
    context.lineWidth = thickness;
    context.strokeRect((grid.column(k) * width) / grid.w + inset, (grid.row(k) * height) / grid.h + inset,
      width / grid.w - 2 * inset, height / grid.h - 2 * inset);
    context.setLineDash([]);
  }

  // A round mark in the middle of a patch: discs of one colour over another, each smaller than the one before.
  function discs(context, grid, k, ...layers) {
    const { width, height } = context.canvas;
    for (const [radius, style] of layers) {
      context.fillStyle = style;
      context.beginPath();
      context.arc(((grid.column(k) + 0.5) * width) / grid.w, ((grid.row(k) + 0.5) * height) / grid.h, radius, 0, 7);
      context.fill();
    }
  }

  const marks = {
    query(context, grid, k) { // a white ring with a blue core
      const radius = Math.min(16, Math.max(7, (0.18 * context.canvas.width) / grid.w));
      outline(context, grid, k, "rgba(0,0,0,.6)", 5);
      outline(context, grid, k, "#fff", 2.5);
      discs(context, grid, k, [radius + 6, "rgba(0,0,0,.55)"], [radius + 4, "#fff"], [radius, BLUE]);
    },
    most(context, grid, k) { // a white dot
      const radius = Math.min(8, Math.max(4, (0.09 * context.canvas.width) / grid.w));
      discs(context, grid, k, [radius + 2.5, "rgba(0,0,0,.75)"], [radius, "#fff"]);
    },
    place: (context, grid, k) => outline(context, grid, k, "rgba(255,255,255,.75)", 2, [4, 5]),
  };

  // The frames as canvases in a grid that takes the keys of a keyboard. It tells `on` what is asked of it:
  // choose(frame, x, y) by mouse, pen or finger, x and y in shares of the frame; preview(frame, x, y) while a mouse is
  // over a frame and preview() when it has left; move(t, h, w) by arrow keys and page keys; key(name), true if used.
  function frames(config, film, name, on) {
    const long = Math.max(config.frameWidth, config.frameHeight);
    const width = Math.round((LONG_SIDE * config.frameWidth) / long);
    const height = Math.round((LONG_SIDE * config.frameHeight) / long);
    const node = control("div", { className: "vfe-stage", tabIndex: 0, role: "application", "aria-label": name });
    node.style.setProperty("--vfe-columns", config.columns);
    node.style.maxWidth = config.width + "px";
    const cells = Array.from({ length: config.t }, (_, i) => {
      const context = element("canvas", { width, height, "aria-hidden": "true" }).getContext("2d");
      const bar = element("span", { className: "vfe-share" }), label = element("span", { className: "vfe-label" });
      node.append(element("div", {}, [context.canvas,
        ...(config.t > 1 ? [element("span", { className: "vfe-track" }, [bar]), label] : [])]));
      listen(context.canvas, (event) => {
        const box = context.canvas.getBoundingClientRect();
        const within = (share) => Math.min(1 - 1e-9, Math.max(0, share));
        return [i, within((event.clientX - box.left) / box.width), within((event.clientY - box.top) / box.height)];
      });
      return { context, bar, label };
    });

    function listen(canvas, where) {
      let finger = null; // where it came down
      canvas.addEventListener("pointerdown", (event) => {
        finger = event.pointerType === "touch" ? event : null;
        if (finger || event.button !== 0) return;
        // A mouse chooses at the press: the notebook may scroll between press and release. It also takes the focus at
        // the press, so the frames take it back at the release.
        on.choose(...where(event));
        document.addEventListener("pointerup", () => node.focus({ preventScroll: true }), { once: true });
      });
      canvas.addEventListener("pointerup", (event) => {
        // A finger chooses at the release, where it came down: had it scrolled, it would have been cancelled or moved.
        if (finger && Math.hypot(event.clientX - finger.clientX, event.clientY - finger.clientY) < STILL) {
          on.choose(...where(event));
          node.focus({ preventScroll: true });
        }
        finger = null;
      });
      canvas.addEventListener("pointercancel", () => { finger = null; });
      canvas.addEventListener("pointermove", (event) => event.pointerType !== "touch" && on.preview(...where(event)));
      canvas.addEventListener("pointerleave", () => on.preview());
    }

    const steps = { ArrowLeft: [0, 0, -1], ArrowRight: [0, 0, 1], ArrowUp: [0, -1, 0], ArrowDown: [0, 1, 0],
      PageUp: [-1, 0, 0], PageDown: [1, 0, 0], "[": [-1, 0, 0], "]": [1, 0, 0] };
    node.addEventListener("keydown", (event) => {
      // On many keyboards [ and ] are made with AltGr, which some systems report as Ctrl and Alt.
      if ((event.ctrlKey || event.altKey || event.metaKey) && !event.getModifierState("AltGraph")) return;
      if (steps[event.key]) on.move(...steps[event.key]);
      else if (!on.key(event.key)) return;
      event.preventDefault(); // the page stays where it is
    });

    return {
      node,
      // Frame i under a map: `layer` is { values, grid, top }, `shown` a list of [name of a mark, patch, its grid].
      draw(i, layer, shown, words, share) {
        const { context, bar, label } = cells[i], { grid } = layer;
        context.imageSmoothingEnabled = !config.pixelated;
        context.drawImage(film, i * config.frameWidth, 0, config.frameWidth, config.frameHeight, 0, 0, width, height);
        heat(context, layer.values, Math.floor(i / grid.span), grid, layer.top, [0, 0, width, height]);
        context.fillStyle = `rgba(255,255,255,${Math.max(grid.h, grid.w) >= SMOOTH ? 0.08 : 0.2})`;
        for (let row = 1; row < grid.h; row++) context.fillRect(0, Math.round((row * height) / grid.h), width, 1);
        for (let column = 1; column < grid.w; column++) {
          context.fillRect(Math.round((column * width) / grid.w), 0, 1, height);
        }
        for (const [mark, k, where] of shown) {
          if (k >= 0 && where.step(k) === Math.floor(i / where.span)) marks[mark](context, where, k);
        }
        label.textContent = words;
        bar.style.width = share + "%";
      },
    };
  }

  // A small map of all frames, laid out as the frames are.
  function miniature(canvas, values, grid, top, columns) {
    const context = canvas.getContext("2d"), rows = Math.ceil(grid.frames / columns), gap = 2;
    const width = (canvas.width + gap) / columns, height = (canvas.height + gap) / rows;
    context.clearRect(0, 0, canvas.width, canvas.height);
    for (let i = 0; i < grid.frames; i++) {
      const box = [(i % columns) * width, Math.floor(i / columns) * height, width - gap, height - gap].map(Math.round);
      context.fillStyle = "#24292f";
      context.fillRect(...box);
      heat(context, values, Math.floor(i / grid.span), grid, top, box);
    }
  }

  // --------------------------------------------------------------------------------------------------- the whole

  // The one task of an explorer; `check(done, sentence)` is called with every choice of the reader.
  function task(settings) {
    const mark = element("span", { className: "vfe-box", textContent: "☐", "aria-hidden": "true" });
    const words = element("span", { textContent: `Task: ${settings.asks}` });
    const node = element("p", { className: "vfe-task", "aria-live": "polite" }, [mark, " ", words]);
    let finished = false;
    return {
      node,
      check(done, sentence) {
        if (finished || !done) return;
        finished = true;
        mark.textContent = "☑";
        node.dataset.done = "true";
        words.textContent = `Task done. ${sentence} ${settings.says}`;
      },
    };
  }

  async function inflate(text) {
    const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  // Run the explorer in every root of this name that has not been started yet, so that it may be shown twice on a page.
  function start(kind, name, explorer) {
    document.querySelectorAll(`[data-explorer="${kind}"][id="${name}"]:not([data-started])`).forEach(async (root) => {
      root.setAttribute("data-started", "true");
      const config = JSON.parse(root.getAttribute("data-config")), film = new Image();
      film.src = config.frames;
      const [bytes] = await Promise.all([inflate(root.getAttribute("data-payload")), film.decode()]);
      const title = element("div", { className: "vfe-title", textContent: config.title });
      root.append(element("div", { className: "vfe-live", role: "group", "aria-label": config.title },
        [title, ...explorer(root, config, bytes, film)]));
      root.querySelector(".vfe-still").hidden = true; // the last act: had anything failed, the still picture would stay
    });
  }

  return { element, control, select, checkbox, choice, frames, miniature, task, start };
})();
