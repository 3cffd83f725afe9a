// What does a clip cost? The closed forms of cost/, held equal to them on a grid of settings by tests/widgets.
const clip_cost = (() => {
  const PASSES = [1, 3, 4], COPIES = [1, 3, 3], OPEN = { joint: 6, divided: 11, space_only: 8 }; // as cost/clip.py has them
  const KINDS = ["joint", "divided", "space_only"], FLOAT = 4, CLASSES = 400;

  // Of a setting { frames, size, patch, tubelet, width, depth, heads, kind, purpose, stored }: tokens, multiply-adds,
  // parameters and bytes, as cost.clip_cost gives them. purpose: 0 inference, 1 training, 2 checkpointed training.
  function cost({ frames, size, patch, tubelet, width: d, depth, heads, kind, purpose, stored }) {
    const t = Math.floor(frames / tubelet), n = Math.floor(size / patch) ** 2, m = 4 * d;
    const patches = t * n, framed = t * (n + 1), alone = kind === "space_only", divided = kind === "divided";
    const tokens = alone ? framed : patches + 1; // framed: with a copy of CLS in every frame
    const attention = (l, pairs) => 4 * l * d ** 2 + 2 * pairs * d;
    const square = t * (n + 1) ** 2, pairs = alone ? square : divided ? n * t ** 2 + square : (patches + 1) ** 2;
    const look = divided ? attention(patches, n * t ** 2) + patches * d ** 2 + attention(framed, square)
      : attention(tokens, pairs);
    const box = 3 * tubelet * patch ** 2;
    const macs = patches * box * d + depth * (look + 2 * tokens * d * m) + d * CLASSES;
    const maps = (divided ? 9 : 4) * (d ** 2 + d), norms = (divided ? 6 : 4) * d;
    const parameters = (box + 1) * d + (n + 2) * d + (alone ? 0 : t * d) + depth * (norms + maps + 2 * d * m + m + d)
      + 2 * d + (d + 1) * CLASSES;
    // What is alive at once in a forward pass, what one block keeps for the backward pass, what the end keeps.
    const forward = tokens * (3 * d + 2 * m) + (divided ? 2 * patches * d : alone ? (patches + 1) * d : 0);
    const block = divided ? patches * (6 * d + heads + 2) + framed * (5 * d + heads) + tokens * (4 * d + 2 * m + 4)
      : tokens * (8 * d + 2 * m + heads + 4);
    const end = (alone ? (n + 1) * d : tokens * d) + 2 + d + CLASSES + 1, table = stored ? heads * pairs : 0;
    const working = [
      stored ? Math.max(forward, OPEN[kind] * (patches + 1) * d + 2 * table) : forward,
      Math.max(depth * (block + table) + end, parameters + block + table),
      Math.max(depth * tokens * d + end, parameters) + block + table,
    ][purpose];
    return { tokens: patches + 1, macs: PASSES[purpose] * macs, parameters, memory: FLOAT * (COPIES[purpose] * parameters
      + working) };
  }

  // ------------------------------------------------------------------------------------------------ numbers in words

  // Three digits, thousands parted: 0.512, 5.12, 51.2, 512, 5,120.
  const short = (value) => (value >= 99.95 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(3))));
  // In a sentence 5,120 G stands beside 180 G; on an axis, of powers of ten, 1 T stands beside 10 T.
  const counted = (of, from) => (value) => (value >= from ? `${short(value / 1e12)} T${of}` : `${short(value / 1e9)} G${of}`);
  const work = counted("", 1e13), bytes = counted("B", 1e13);
  const UNITS = [["s", 1, 60], ["min", 60, 60], ["h", 3600, 24], ["days", 86400, 365], ["years", 31557600, Infinity]];

  function time(seconds) {
    const [name, size] = UNITS.find(([, size, most]) => seconds / size < most);
    return `${short(seconds / size)} ${name}`;
  }

  // A guess beside the truth: "You guessed 1,000 G: 5.6 times too much."
  function verdict(guess, truth, say) {
    const ratio = guess / truth;
    if (ratio > 0.95 && ratio < 1.05) return `You guessed ${say(guess)}: right.`;
    return `You guessed ${say(guess)}: ${short(Math.max(ratio, 1 / ratio))} times too ${ratio > 1 ? "much" : "little"}.`;
  }

  // Is a step of training of this setting within the memory, and still the task's clip and model?
  const solves = ({ frames, size, patch, width, depth, purpose }, memory, task) => purpose > 0 && frames >= task.frames
    && size === task.size && patch === task.patch && width === task.width && depth === task.depth && memory <= task.bytes;

  // ------------------------------------------------------------------------------------------------------ the page

  function explorer(root, config, packed) {
    const { speed } = JSON.parse(new TextDecoder().decode(packed));
    const state = kit.state(root, { ...config.start, memory: 0, seen: 0, guess: "" }, draw);
    const pick = (name) => (i) => change({ [name]: i });
    const published = kit.select("published", ["your own clip", ...config.published.map(({ name }) => name)],
      (i) => i && change(config.published[i - 1].setting));
    const frames = kit.range("frames", config.frames, pick("frames"));
    const lists = { size: ["pixels", (v) => `${v} × ${v}`], patch: ["patch", (v) => `${v} × ${v}`],
      tubelet: ["tubelet", (v) => (v === 1 ? "1 frame" : `${v} frames`)], width: ["width", (v) => v[0]],
      depth: ["blocks", (v) => v] };
    const selects = Object.entries(lists).map(([name, [text, say]]) => kit.select(text, config[name].map(say), pick(name)));
    const kind = kit.choice("attention", KINDS.length, null, pick("kind"));
    const purpose = kit.select("to", ["look at it", "train on it", "train, checkpointed"], pick("purpose"));
    const stored = kit.checkbox("store the scores", (on) => change({ stored: Number(on) }));
    const quantity = kit.choice("what is shown", 2, null, (i) => state.set({ memory: i, seen: 0, guess: "" }));
    const unit = kit.element("span", {});
    const guess = kit.control("input", { type: "number", min: 0, step: "any" });
    guess.style.width = "7em";
    guess.addEventListener("input", () => state.set({ guess: guess.value }));
    guess.addEventListener("keydown", (event) => event.key === "Enter" && state.set({ seen: 1 }));
    const guessing = kit.element("label", {}, [kit.element("span", { textContent: "your guess" }), guess, unit]);
    const see = kit.button("See", () => state.set({ seen: 1 - state.seen }));
    const sentence = kit.sentence(), task = kit.task(config.task);
    sentence.node.style.minHeight = root.clientWidth < 500 ? "5.6em" : ""; // the question is longer than the answer
    const axes = {}; // they follow what is shown
    const plot = chart.plot("Cost of a clip over its frames, a line for each way of attending", axes, {
      choose: (x) => change({ frames: nearest(x) }),
    });

    const nearest = (x) => config.frames.map((t, i) => [Math.abs(Math.log(t / x)), i]).sort((a, b) => a[0] - b[0])[0][1];

    // What is chosen, as `cost` takes it.
    const setting = (some = {}) => ({
      frames: config.frames[state.frames], size: config.size[state.size], patch: config.patch[state.patch],
      tubelet: config.tubelet[state.tubelet], width: config.width[state.width][0], heads: config.width[state.width][1],
      depth: config.depth[state.depth], kind: KINDS[state.kind], purpose: state.purpose, stored: state.stored === 1,
      ...some,
    });

    // A clip is at least as long as its tubelets.
    function change(some) {
      Object.assign(state, some);
      while (config.frames[state.frames] < config.tubelet[state.tubelet]) state.frames += 1;
      state.set({});
    }

    function draw() {
      const now = setting(), found = cost(now), value = state.memory ? found.memory : found.macs;
      const say = state.memory ? bytes : work, same = config.published.findIndex(({ setting: one }) =>
        Object.entries(one).every(([name, i]) => state[name] === i));
      published.querySelector("select").value = same + 1;
      frames.set(state.frames);
      Object.keys(lists).forEach((name, i) => { selects[i].querySelector("select").value = state[name]; });
      kind.set(["joint", "divided", "space only"], state.kind);
      purpose.querySelector("select").value = state.purpose;
      stored.querySelector("input").checked = state.stored === 1;
      quantity.set(["work", "memory"], state.memory);
      if (guess.value !== state.guess) guess.value = state.guess;
      unit.textContent = state.memory ? "GB" : "G";
      see.textContent = state.seen ? "Guess again" : "See";
      const clip = `${now.frames} ${now.frames === 1 ? "frame" : "frames"} of ${now.size} × ${now.size}, ${now.patch} × `
        + `${now.patch} a patch, ${now.tubelet} a tubelet`;
      const words = `${found.tokens.toLocaleString("en")} tokens: ${work(found.macs)} multiply-adds`
        + `${speed ? ` (${time(found.macs / speed)} here)` : ""}, ${bytes(found.memory)} of memory. `;
      const asked = `${clip}; ${now.depth} blocks, ${now.width} wide, ${kindWords(now)}: how many ${state.memory ? "GB" : "G multiply-adds"}? `
        + (Number(state.guess) > 0 ? `Your guess: ${state.guess}. Press See.` : "Type a guess, then press See.");
      sentence.say(state.seen ? words + (Number(state.guess) > 0 ? verdict(1e9 * state.guess, value, say) : "") : asked);
      const fits = solves(now, found.memory, config.task);
      if (state.seen) task.check(fits, `${bytes(found.memory)} with ${kindWords(now)}.`);
      plot.draw(picture(now));
    }

    const kindWords = ({ kind, purpose, stored }) => `${kind.replace("_", " ")} attention, `
      + `${["to look at it", "to train on it", "to train, checkpointed"][purpose]}, scores ${stored ? "stored" : "not stored"}`;

    // The lines of the three ways, the limit, and the published models of this very setting; empty before "See".
    function picture(now) {
      const last = Math.max(256, 2 * now.frames), axis = config.frames.filter((t) => t >= now.tubelet && t <= last);
      const value = (some) => { const one = cost({ ...now, ...some }); return state.memory ? one.memory : one.macs; };
      const lines = KINDS.map((kind) => ({ name: kind.replace("_", " "), ...kit.ROLES[kind],
        points: axis.map((frames) => [frames, value({ kind, frames })]) }));
      const all = lines.flatMap((line) => line.points.map((point) => point[1]));
      const range = [Math.min(...all) / 1.5, Math.max(...all, state.memory ? 1.3 * config.task.bytes : 0) * 1.5];
      const limits = state.memory ? [["a T4", config.task.bytes]] : speed ? [["1 min here", 60], ["1 h here", 3600],
        ["1 s here", 1], ["1 day here", 86400]].map(([name, seconds]) => [name, seconds * speed]) : [];
      const limit = limits.find(([, at]) => at > range[0] && at < range[1]);
      const flat = limit ? [{ name: limit[0], colour: "currentColor", dash: "1 3",
        points: [[axis[0], limit[1]], [axis[axis.length - 1], limit[1]]] }] : [];
      const marks = state.memory || state.purpose ? [] : config.published.filter(({ setting: one }) =>
        Object.entries(one).every(([name, i]) => name === "frames" || state[name] === i))
        .map(({ name, setting: one, macs }) => ({ name, x: config.frames[one.frames], y: macs }));
      Object.assign(axes, {
        x: { label: "frames", range: [axis[0], axis[axis.length - 1]], log: 2 },
        y: { label: state.memory ? "bytes of memory" : "multiply-adds", range, log: 10, say: counted(state.memory ? "B" : "", 1e12) },
      });
      return {
        lines: state.seen ? [...lines, ...flat] : flat, at: now.frames, marks: state.seen ? marks : [],
      };
    }

    draw();
    return [kit.row(published, frames.node, ...selects, purpose, kind.node, stored, quantity.node, guessing, see),
      sentence.node, plot.node, task.node, kit.hint("Published models are dots without a line, each in the chart of its own "
        + "setting: choose one above. All numbers are for one clip, in fp32; training is with AdamW.")];
  }

  return { cost, short, work, bytes, time, verdict, solves, explorer };
})();
