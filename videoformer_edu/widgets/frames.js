// Frames on canvas under maps of attention, large in a stage and small to choose from.
const frames = (() => {
  const LONG_SIDE = 360; // pixels of a canvas, about twice what is shown: sharp on fine screens
  const AMBER = [230, 159, 0], BLUE = "#0072B2"; // attention, and the patch that asks
  const STRONGEST = 0.92; // opacity of the largest share; none is transparent
  const SMOOTH = 14; // patches a side, from which on a map is drawn without edges
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

  // The frames of `film` as canvases in a grid that takes the keys of a keyboard. It tells `on` what is asked of it:
  // choose(frame, x, y) by mouse, pen or finger, x and y in shares of the frame; preview(frame, x, y) while a mouse is
  // over a frame and preview() when it has left; move(t, h, w) and key(name) as kit.stage does. config: t, frameWidth,
  // frameHeight, pixelated, columns, width, as still.py makes them.
  function stage(config, film, name, on) {
    const long = Math.max(config.frameWidth, config.frameHeight);
    const width = Math.round((LONG_SIDE * config.frameWidth) / long);
    const height = Math.round((LONG_SIDE * config.frameHeight) / long);
    const node = kit.stage(name, on);
    node.classList.add("vfe-frames");
    node.style.setProperty("--vfe-columns", config.columns);
    node.style.maxWidth = config.width + "px";
    const cells = Array.from({ length: config.t }, (_, i) => {
      const context = kit.element("canvas", { width, height, "aria-hidden": "true" }).getContext("2d");
      const bar = kit.element("span", { className: "vfe-share" }), label = kit.element("span", { className: "vfe-label" });
      node.append(kit.element("div", {}, [context.canvas,
        ...(config.t > 1 ? [kit.element("span", { className: "vfe-track" }, [bar]), label] : [])]));
      kit.pointing(context.canvas, node, (event) => {
        const box = context.canvas.getBoundingClientRect();
        const within = (share) => Math.min(1 - 1e-9, Math.max(0, share));
        return [i, within((event.clientX - box.left) / box.width), within((event.clientY - box.top) / box.height)];
      }, on);
      return { context, bar, label };
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

  return { stage, miniature };
})();
