// A chart with a line for each of a few things, on plain or logarithmic axes, drawn in the page's own letters.
const chart = (() => {
  const HEIGHT = 280, LETTER = 12; // pixels on the page
  const GAP = 15; // from the name of one line to the next

  // The values to be named on an axis: powers of `log`, or round steps where there is none; at most `most` of them.
  function ticks([low, high], log, most = 7) {
    if (log) {
      const place = (value) => Math.log(value) / Math.log(log), near = 1e-9;
      const first = Math.ceil(place(low) - near), last = Math.floor(place(high) + near);
      const every = Math.ceil((last - first + 1) / most);
      return Array.from({ length: Math.floor((last - first) / every) + 1 }, (_, i) => log ** (first + i * every));
    }
    const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough * (1 - 1e-9));
    const first = Math.ceil(low / step - 1e-9), last = Math.floor(high / step + 1e-9);
    return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
  }

  // From a value within the range of an axis to its place between two pixels, and back.
  function scale({ range: [low, high], log }, from, to) {
    const flat = log ? Math.log : Number, round = log ? Math.exp : Number, first = flat(low), length = flat(high) - first;
    return {
      to: (value) => from + ((flat(value) - first) / length) * (to - from),
      back: (pixel) => round(first + ((pixel - from) / (to - from)) * length),
    };
  }

  // Places on a line between `low` and `high`, moved so that neighbours are `gap` apart, in their order.
  function spread(places, gap, low, high) {
    const order = places.map((_, i) => i).sort((i, j) => places[i] - places[j] || i - j), moved = [...places];
    order.forEach((i, rank) => {
      const room = high - (order.length - 1 - rank) * gap; // those below need theirs
      moved[i] = Math.min(room, Math.max(moved[i], rank ? moved[order[rank - 1]] + gap : low));
    });
    return moved;
  }

  const escape = (text) => String(text).replace(/[&<>"]/g, (letter) => `&#${letter.charCodeAt(0)};`);
  const short = (value) => (value >= 1e6 ? numbers.count(value).replace(/\.0+ /, " ") : value.toLocaleString("en"));

  // Where the axes lie in a picture of this width: the names of the lines stand on the right.
  const frame = (width, lines) => ({ left: 12 + 0.6 * LETTER * 7, top: 26, bottom: HEIGHT - 40,
    right: width - 30 - 0.6 * LETTER * Math.max(0, ...lines.map((line) => line.name.length)) });

  // The SVG of a chart. x, y: axes { label, range: [low, high], log: its base, if any, say: value => words }.
  // lines: { name, colour, dash, points: [[x, y], ...] }. at: an x with a vertical line, and a dot on each line that has
  // a point there. marks: { name, x, y }, single dots.
  function picture({ width, x, y, lines, at = null, marks = [] }) {
    const { left, right, top, bottom } = frame(width, lines);
    const across = scale(x, left, right), up = scale(y, bottom, top), px = (value) => value.toFixed(1);
    const place = ([a, b]) => `${px(across.to(a))} ${px(up.to(b))}`;
    const text = (words, a, b, anchor) =>
      `<text x="${px(a)}" y="${px(b)}" text-anchor="${anchor}" fill="currentColor">${escape(words)}</text>`;
    const line = (a, b, c, d, style) => `<line x1="${px(a)}" y1="${px(b)}" x2="${px(c)}" y2="${px(d)}" ${style}/>`;
    const dot = (a, b, colour) => `<circle cx="${px(a)}" cy="${px(b)}" r="4.5" fill="${colour}" stroke="#fff"/>`;
    const parts = [text(y.label, 0, 12, "start"), text(x.label, (left + right) / 2, HEIGHT - 6, "middle")];
    for (const value of ticks(y.range, y.log)) {
      parts.push(line(left, up.to(value), right, up.to(value), 'stroke="currentColor" stroke-opacity=".15"'),
        text((y.say || short)(value), left - 6, up.to(value) + 4, "end"));
    }
    for (const value of ticks(x.range, x.log, (right - left) / 40)) {
      parts.push(line(across.to(value), bottom, across.to(value), bottom + 4, 'stroke="currentColor"'),
        text((x.say || short)(value), across.to(value), bottom + 18, "middle"));
    }
    parts.push(line(left, bottom, right, bottom, 'stroke="currentColor"'));
    if (at !== null) parts.push(line(across.to(at), top, across.to(at), bottom, 'class="at" stroke="currentColor"'));
    const ends = lines.map(({ points }) => up.to(points[points.length - 1][1]));
    const names = spread(ends, GAP, top, bottom);
    lines.forEach(({ name, colour, dash, points }, i) => {
      const stroke = `stroke="${colour}" stroke-width="2.2" stroke-dasharray="${dash}"`;
      parts.push(`<path class="line" fill="none" ${stroke} d="M${points.map(place).join(" L")}"/>`,
        line(right + 4, names[i], right + 20, names[i], stroke), text(name, right + 24, names[i] + 4, "start"));
      const here = points.find(([value]) => value === at);
      if (here) parts.push(dot(across.to(here[0]), up.to(here[1]), colour));
    });
    for (const mark of marks) {
      const [a, b] = [across.to(mark.x), up.to(mark.y)];
      parts.push(dot(a, b, "currentColor"), text(mark.name, a - 8, b - 6, "end"));
    }
    return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${HEIGHT}" viewBox="0 0 ${width} ${HEIGHT}" `
      + `font-size="${LETTER}">${parts.join("")}</svg>`;
  }

  // A chart as wide as the page allows, named for those who cannot see it. on.choose(x) by mouse or finger, x within the
  // range; a slider beside it is for the keys.
  function plot(name, axes, on) {
    const node = kit.element("div", { className: "vfe-chart", role: "img", "aria-label": name });
    node.style.minHeight = HEIGHT + "px";
    let shown = null;
    const draw = (width) => { node.innerHTML = picture({ ...axes, ...shown, width }); };
    const fit = kit.fit(node, draw);
    if (on) {
      kit.pointing(node, node, (event) => {
        const box = node.getBoundingClientRect(), { left, right } = frame(fit.width, shown.lines);
        const inside = Math.min(right, Math.max(left, event.clientX - box.left));
        return [scale(axes.x, left, right).back(inside)];
      }, on);
    }
    return { node, draw(settings) { shown = settings; draw(fit.width); } };
  }

  return { ticks, scale, spread, picture, plot };
})();
