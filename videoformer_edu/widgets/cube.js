// The token cube as an explorer draws it, to be pointed at: the same picture as figures/cube.py, equal by a test.
const cube = (() => {
  const WIDTH = 46, RISE = 24; // pixels: how wide a frame is, and how far its right edge is raised
  const ROW = 290, FALL = 56; // how far the last frame stands at most from the first, to the right and down
  const LARGEST = 2.2; // times its own size, where an explorer has the room
  const GREY = "#7f868e", KEY = "#E69F00", QUERY = "#0072B2"; // grey is as far from a white page as from a black one

  // Where the frames of a grid stand.
  function layout([t, h, w]) {
    const step = Math.min(40, ROW / Math.max(1, t - 1)), fall = Math.min(7, FALL / Math.max(1, t - 1));
    const height = (1.6 * WIDTH * h) / w, top = 8 + RISE;
    return {
      width: 12 + (t - 1) * step + WIDTH, height: top + height + (t - 1) * fall + 20,
      // A corner; row and column are shares of the frame.
      at: (frame, row, column) =>
        [6 + frame * step + column * WIDTH, top + frame * fall + row * height - column * RISE],
      // The place in a frame that a point lies in, x and y in shares of it.
      within(frame, x, y) {
        const column = (x - 6 - frame * step) / WIDTH;
        return [column, (y - top - frame * fall + column * RISE) / height];
      },
    };
  }

  // What is at a point: [frame, x, y], x and y in shares of the frame; null outside. A later frame covers an earlier one.
  function hit(x, y, grid) {
    const { within } = layout(grid);
    for (let frame = grid[0] - 1; frame >= 0; frame--) {
      const [column, row] = within(frame, x, y);
      if (column >= 0 && column < 1 && row >= 0 && row < 1) return [frame, column, row];
    }
    return null;
  }

  // Marked cells of a frame, those side by side as one: [row, first column, how many].
  function runs(marked, h, w) {
    const found = [];
    for (let i = 0; i < h * w; i++) {
      if (!marked(i)) continue;
      if (i % w && marked(i - 1)) found[found.length - 1][2] += 1;
      else found.push([Math.floor(i / w), i % w, 1]);
    }
    return found;
  }

  // An SVG. lit: a number in [0, 1] (or true, false) for each token `(t h w)` of `keys`, which is `grid` unless it is
  // given: the opacity of its amber. query: a token of `grid`, blue in a white ring; -1: none. pointed: a token of
  // `keys` in outline; -1: none. letter: the size of the frames' numbers.
  function picture({ grid, keys = grid, lit, query = -1, pointed = -1, letter = 12 }) {
    const [t, h, w] = keys, n = h * w, { width, height, at } = layout(keys);
    const point = (...place) => at(...place).map((value) => value.toFixed(1)).join(" ");
    const cells = (frame, runs, rows, columns) => runs.map(([r, c, many]) =>
      `M${point(frame, r / rows, c / columns)} L${point(frame, r / rows, (c + many) / columns)} `
      + `L${point(frame, (r + 1) / rows, (c + many) / columns)} L${point(frame, (r + 1) / rows, c / columns)}Z`).join(" ");
    const cell = (k, [, rows, columns]) => [Math.floor((k % (rows * columns)) / columns), k % columns, 1];
    const levels = [...new Set(Array.from(lit, Number))].filter((level) => level > 0).sort((a, b) => a - b);
    const parts = [];
    for (let frame = 0; frame < t; frame++) {
      const lines = [...Array.from({ length: h + 1 }, (_, r) => `M${point(frame, r / h, 0)} L${point(frame, r / h, 1)}`),
        ...Array.from({ length: w + 1 }, (_, c) => `M${point(frame, 0, c / w)} L${point(frame, 1, c / w)}`)];
      parts.push(`<path fill="${GREY}" fill-opacity=".1" d="${cells(frame, [[0, 0, 1]], 1, 1)}"/>`);
      for (const level of levels) {
        const marked = runs((i) => Number(lit[frame * n + i]) === level, h, w);
        const faint = level === 1 ? "" : ` fill-opacity="${level.toFixed(2)}"`;
        if (!marked.length) continue;
        parts.push(`<path class="keys" fill="${KEY}"${faint} d="${cells(frame, marked, h, w)}"/>`);
      }
      parts.push(`<path fill="none" stroke="${GREY}" stroke-width="${n <= 64 ? 0.8 : 0.3}" d="${lines.join(" ")}"/>`);
      if (pointed >= 0 && Math.floor(pointed / n) === frame) {
        parts.push(`<path class="pointed" fill="none" stroke="currentColor" d="${cells(frame, [cell(pointed, keys)], h, w)}"/>`);
      }
      if (t <= 16 || frame % 4 === 0) {
        const [x, y] = point(frame, 1, 0).split(" ").map(Number);
        parts.push(`<text x="${(x + 8).toFixed(1)}" y="${(y + 14).toFixed(1)}">${frame}</text>`);
      }
    }
    if (query >= 0) {
      const seen = Math.floor(((Math.floor(query / (grid[1] * grid[2])) + 0.5) * t) / grid[0]); // its moment among the keys
      const ring = Math.min(2, WIDTH / grid[2] / 3).toFixed(1);
      parts.push(`<path class="query" fill="${QUERY}" stroke="white" stroke-width="${ring}" `
        + `d="${cells(seen, [cell(query, grid)], grid[1], grid[2])}"/>`);
    }
    const size = [width, height].map((value) => value.toFixed(0));
    return `<svg xmlns="http://www.w3.org/2000/svg" width="${size[0]}" height="${size[1]}" `
      + `viewBox="0 0 ${size[0]} ${size[1]}" font-family="sans-serif" font-size="${letter}" `
      + `fill="${GREY}">${parts.join("")}</svg>`;
  }

  // A cube to be pointed at, which takes the keys of a keyboard. It tells `on` what is asked of it: choose(frame, x, y),
  // preview(frame, x, y), preview(), x and y in shares of the frame; move(t, h, w) and key(name) as kit.stage does.
  function stage(name, on) {
    const node = kit.stage(name, on), drawing = kit.element("div", { className: "vfe-cube", "aria-hidden": "true" });
    let shown = null, keys = null;
    node.append(drawing);
    const draw = (room) => {
      const width = layout(keys).width, scale = Math.min(LARGEST, room / width);
      drawing.style.maxWidth = `${Math.round(LARGEST * width)}px`;
      drawing.innerHTML = picture({ ...shown, letter: (13 / scale).toFixed(1) });
    };
    const fit = kit.fit(node, draw);
    kit.pointing(drawing, node, (event) => {
      const svg = drawing.firstElementChild, box = svg.getBoundingClientRect(), scale = svg.viewBox.baseVal.width / box.width;
      return hit((event.clientX - box.left) * scale, (event.clientY - box.top) * scale, keys);
    }, on);
    return {
      node,
      draw(settings) {
        shown = settings;
        keys = settings.keys || settings.grid;
        draw(fit.width);
      },
    };
  }

  return { layout, hit, picture, stage };
})();
