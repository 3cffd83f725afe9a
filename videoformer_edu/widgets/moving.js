// A digit drawn over a photograph along a path: data/motion/rendering.py for a clip of the reader's own, held equal to
// it by tests/widgets/test_live.py. And pixels made bright enough for the eye, as figures/attention.py does.
const moving = (() => {
  // How much of each of `mask` rows of a sprite lands on each of `size` pixel rows (columns are the same), on a torus.
  function landing(centre, width, size, mask) {
    return Array.from({ length: size }, (_, pixel) => {
      const apart = pixel + 0.5 - centre + size / 2;
      const place = ((apart - size * Math.floor(apart / size) - size / 2) / width + 0.5) * mask - 0.5;
      return Float64Array.from({ length: mask }, (_, i) => Math.max(0, 1 - Math.abs(place - i)));
    });
  }

  // Opacity (size, size) of a mask (m, m) of numbers in [0, 1] at [x, y], `width` pixels wide.
  function opacity(mask, m, [x, y], width, size) {
    const columns = landing(x, width, size, m), rows = landing(y, width, size, m);
    const across = rows.map((row) => Float64Array.from({ length: m }, (_, j) =>
      row.reduce((sum, share, i) => sum + share * mask[i * m + j], 0)));
    return across.flatMap((line) => columns.map((column) => column.reduce((sum, share, j) => sum + share * line[j], 0)));
  }

  // A clip, bytes (t, 3, size, size): the sprite at each of `places` over the background, numbers (3, size, size) in
  // [0, 1]. No noise, one colour.
  function clip({ mask, m, background, colour, width, size }, places) {
    const area = size * size, out = new Uint8Array(places.length * 3 * area);
    places.forEach((place, f) => {
      opacity(mask, m, place, width, size).forEach((share, i) => {
        for (let c = 0; c < 3; c++) {
          const behind = background[c * area + i];
          out[(f * 3 + c) * area + i] = Math.floor(255 * (behind + share * (colour[c] - behind)));
        }
      });
    });
    return out;
  }

  // t places on a line drawn by hand (a list of [x, y]), evenly spaced from its first to its last point.
  function along(points, t) {
    const steps = points.slice(1).map(([x, y], i) => Math.hypot(x - points[i][0], y - points[i][1]));
    const total = steps.reduce((a, b) => a + b, 0);
    return Array.from({ length: t }, (_, f) => {
      let rest = total * f / Math.max(1, t - 1), i = 0;
      while (i < steps.length - 1 && rest > steps[i]) rest -= steps[i++];
      if (!total) return points[0];
      const share = steps[i] ? Math.min(1, rest / steps[i]) : 0, [x, y] = points[i];
      return [x + share * (points[i + 1][0] - x), y + share * (points[i + 1][1] - y)];
    });
  }

  // A straight path through the middle: `turn` eighths of a circle from east, clockwise; `pace` pixels a frame.
  function straight(turn, pace, t, size) {
    const dx = [1, 1, 0, -1, -1, -1, 0, 1][turn], dy = [0, 1, 1, 1, 0, -1, -1, -1][turn];
    return Array.from({ length: t }, (_, f) =>
      [size / 2 + dx * pace * (f - (t - 1) / 2), size / 2 + dy * pace * (f - (t - 1) / 2)]);
  }

  // Bytes (t, 3, size, size) for the eye: one gamma for the clip, less colour. No model ever sees these.
  function brighten(bytes, size, { middle, colour }) {
    const area = size * size, greys = [], grey = (r, g, b) => 0.299 * r + 0.587 * g + 0.114 * b;
    for (let at = 0; at < bytes.length; at += 3 * area) {
      for (let i = at; i < at + area; i++) greys.push(grey(bytes[i], bytes[i + area], bytes[i + 2 * area]) / 255);
    }
    greys.sort((a, b) => a - b);
    const half = greys.length / 2, median = (greys[Math.ceil(half) - 1] + greys[Math.floor(half)]) / 2;
    const gamma = Math.max(0.45, Math.log(middle) / Math.log(Math.min(middle, Math.max(0.02, median))));
    const out = new Uint8ClampedArray(bytes.length);
    for (let at = 0; at < bytes.length; at += 3 * area) {
      for (let i = at; i < at + area; i++) {
        const x = [0, 1, 2].map((c) => (bytes[i + c * area] / 255) ** gamma), own = grey(...x);
        x.forEach((value, c) => { out[i + c * area] = Math.round(255 * (own + colour * (value - own))); });
      }
    }
    return out;
  }

  return { opacity, clip, along, straight, brighten };
})();
