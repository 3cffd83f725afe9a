// What a cyclic shift does: roll, cut, mask, look, roll back, on one frame. Who looks at whom is LocalWindow's, by a test.
const shift = (() => {
  const STEPS = ["the tokens", "roll", "roll", "roll", "rolled", "cut", "mask", "look", "roll back", "roll back",
    "roll back", "back in place"];
  const ROLLED = 4, CUT = 5, MASK = 6, LOOK = 7, BACK = 11; // numbers of steps
  const PATCH = 72, GAP = 22; // pixels of the canvas, about twice what is shown

  // Along one axis of `size` places with windows of `inside`, after a roll by `moved`: where place i stands, and which
  // of the regions that were neighbours before it belongs to: 0 up to the last window, 1 in it, 2 came in at the end.
  const stands = (i, size, moved) => (i - moved + size) % size;
  const region = (at, size, inside, moved) => Number(at >= size - inside) + Number(at >= size - moved);

  // The window and the region of a token after the roll.
  function place(k, { size, inside }, moved) {
    const row = stands(Math.floor(k / size), size, moved), column = stands(k % size, size, moved);
    const windows = size / inside;
    return {
      row, column, window: Math.floor(row / inside) * windows + Math.floor(column / inside),
      region: 3 * region(row, size, inside, moved) + region(column, size, inside, moved),
    };
  }

  // The keys of q: its window, and with the mask its region alone.
  function keys(q, frame, moved, masked) {
    const own = place(q, frame, moved), found = [];
    for (let k = 0; k < frame.size ** 2; k++) {
      const other = place(k, frame, moved);
      if (other.window === own.window && (!masked || other.region === own.region)) found.push(k);
    }
    return found;
  }

  const pairs = (frame, moved, masked) => Array.from({ length: frame.size ** 2 },
    (_, q) => keys(q, frame, moved, masked).length).reduce((a, b) => a + b, 0);

  // How far the tokens have moved at a step, in tokens.
  const offset = (step, moved) => (moved * (step <= ROLLED ? step : step <= LOOK ? ROLLED : BACK - step)) / ROLLED;

  function say(step, q, frame, moved, masked) {
    const { size, inside } = frame, who = `the token in row ${Math.floor(q / size)}, column ${q % size}`;
    const own = keys(q, frame, moved, masked).length, all = inside ** 2;
    const regions = new Set(keys(q, frame, moved, false).map((k) => place(k, frame, moved).region)).size;
    const tokens = `${own} token${own === 1 ? "" : "s"}`;
    const borders = moved ? `New borders of windows should run above rows and left of columns ${moved} and ${moved + inside}.`
      : "Without a shift, windows begin at rows and columns 0 and 4.";
    if (step === 0) return `${size} x ${size} tokens, windows of ${inside} x ${inside}, a shift of ${moved}. ${borders}`;
    if (step < CUT) {
      return moved ? `Roll by ${moved}: everything moves up and to the left; what leaves there comes in on the other side.`
        : "Roll by 0: nothing moves.";
    }
    if (step === CUT) {
      return `Cut: whole windows again, ${all} tokens each. That of ${who} holds tokens from ${regions} `
        + `part${regions === 1 ? "" : "s"} of the frame.`;
    }
    if (step === MASK) {
      return masked ? "Mask: dashed lines part what the roll alone has brought together. No look crosses them."
        : "No mask: in its window, every token may look at every token, wherever it came from.";
    }
    const far = masked ? `${all - own} more in its window are masked` : regions > 1
      ? `${all - keys(q, frame, moved, true).length} of them came from another side of the frame` : "all are neighbours";
    if (step < BACK) return `Look: ${who} looks at ${tokens}, itself included; ${far}.`;
    return `Rolled back: ${who} has looked at ${tokens}; ${far}.`;
  }

  function explorer(root, config, bytes, film) {
    const { size, inside } = config, frame = { size, inside };
    const state = kit.state(root, { step: ROLLED, shift: config.shift, query: config.query, masked: true }, draw);
    const room = size * PATCH + (size / inside - 1) * GAP;
    const step = kit.range("step", STEPS, (i) => { playing.stop(); state.set({ step: i }); });
    const playing = kit.play("▶ play", STEPS.length, (i) => state.set({ step: i }));
    const moved = kit.range("shift", Array.from({ length: inside }, (_, i) => i), (i) => state.set({ shift: i }));
    const masked = kit.checkbox("mask", (on) => state.set({ masked: on }));
    const sentence = kit.sentence(), task = kit.task(config.task);
    const bill = kit.element("p", { className: "vfe-legend" });
    const canvas = kit.element("canvas", { width: room, height: room, "aria-hidden": "true",
      style: "display:block;width:100%;max-width:420px;height:auto;cursor:pointer" });
    const on = {
      choose: (k) => state.set({ query: k }),
      move(dt, dh, dw) {
        const clamp = (i) => Math.min(size - 1, Math.max(0, i)), q = state.query;
        if (dt) return;
        state.set({ query: clamp(Math.floor(q / size) + dh) * size + clamp((q % size) + dw) });
      },
    };
    const stage = kit.stage("Tokens of a frame: arrow keys choose one", on);
    stage.append(canvas);

    const apart = () => (state.step >= CUT && state.step <= LOOK ? GAP : GAP / 2);
    const joined = () => state.step < CUT || state.step > LOOK; // one picture, in the middle of the canvas
    const corner = (at) => (joined() ? at * PATCH + ((size / inside - 1) * GAP) / 2
      : at * PATCH + Math.floor(at / inside) * apart());

    // The tokens of all places where token k is drawn: while it rolls it may stand at two edges at once.
    function spots(k) {
      const by = offset(state.step, state.shift);
      const along = (i) => { const at = (i - by + size) % size; return at > size - 1 ? [at, at - size] : [at]; };
      return along(Math.floor(k / size)).flatMap((row) => along(k % size).map((column) => [row, column]));
    }

    kit.pointing(canvas, stage, (event) => {
      const box = canvas.getBoundingClientRect();
      const x = ((event.clientX - box.left) * room) / box.width, y = ((event.clientY - box.top) * room) / box.height;
      for (let k = 0; k < size ** 2; k++) {
        for (const [row, column] of spots(k)) {
          const [left, top] = [corner(column), corner(row)];
          if (x >= left && x < left + PATCH && y >= top && y < top + PATCH) return [k];
        }
      }
      return null;
    }, on);

    function paint(context, k, looked) {
      const side = film.height / size, lit = looked.includes(k), shown = state.step >= LOOK;
      const sameWindow = shown && place(k, frame, state.shift).window === place(state.query, frame, state.shift).window;
      for (const [row, column] of spots(k)) {
        const box = [corner(column), corner(row), PATCH, PATCH];
        context.drawImage(film, (k % size) * side, Math.floor(k / size) * side, side, side, ...box);
        context.fillStyle = lit && shown ? "rgba(230,159,0,.62)" : shown ? "rgba(20,24,28,.35)" : "rgba(0,0,0,0)";
        context.fillRect(...box);
        if (sameWindow && !lit) cross(context, ...box);
        context.strokeStyle = "rgba(255,255,255,.5)";
        context.lineWidth = 1;
        context.strokeRect(...box);
        if (k === state.query) mark(context, ...box);
      }
    }

    function cross(context, left, top) { // in the window, and forbidden
      context.strokeStyle = "rgba(255,255,255,.85)";
      context.lineWidth = 2.5;
      context.beginPath();
      for (const at of [0.25, 0.5, 0.75]) {
        context.moveTo(left + PATCH * Math.max(0, 2 * at - 1), top + PATCH * Math.min(1, 2 * at));
        context.lineTo(left + PATCH * Math.min(1, 2 * at), top + PATCH * Math.max(0, 2 * at - 1));
      }
      context.stroke();
    }

    function mark(context, left, top) { // a white ring with a blue core
      for (const [inset, style, width] of [[3, "rgba(0,0,0,.6)", 6], [3, "#fff", 3]]) {
        context.strokeStyle = style;
        context.lineWidth = width;
        context.strokeRect(left + inset, top + inset, PATCH - 2 * inset, PATCH - 2 * inset);
      }
      for (const [radius, style] of [[17, "rgba(0,0,0,.55)"], [15, "#fff"], [11, "#0072B2"]]) {
        context.fillStyle = style;
        context.beginPath();
        context.arc(left + PATCH / 2, top + PATCH / 2, radius, 0, 7);
        context.fill();
      }
    }

    // Borders between regions (dashed, once masked) and, with all tokens in place, between windows (full).
    function lines(context) {
      const { step: now, shift: by } = state, inPlace = now === 0 || now === BACK;
      const masks = state.masked && now >= MASK && now <= LOOK;
      if (!by && masks) return;
      const at = inPlace ? [by, by + inside].filter((i) => i > 0 && i < size) : masks ? [size - by] : [];
      for (const [dash, style, width] of [[[], "rgba(0,0,0,.75)", 9], [masks ? [14, 9] : [], "#fff", 5]]) {
        context.setLineDash(dash);
        context.strokeStyle = style;
        context.lineWidth = width;
        for (const i of at) {
          context.beginPath();
          context.moveTo(corner(i), corner(0));
          context.lineTo(corner(i), corner(size - 1) + PATCH);
          context.moveTo(corner(0), corner(i));
          context.lineTo(corner(size - 1) + PATCH, corner(i));
          context.stroke();
        }
      }
      context.setLineDash([]);
    }

    function draw() {
      const context = canvas.getContext("2d"), looked = keys(state.query, frame, state.shift, state.masked);
      context.clearRect(0, 0, room, room);
      context.save();
      if (joined()) { // what leaves the frame is not drawn beside it
        context.beginPath();
        context.rect(corner(0), corner(0), size * PATCH, size * PATCH);
        context.clip();
      }
      for (let k = 0; k < size ** 2; k++) paint(context, k, looked);
      lines(context);
      context.restore();
      step.set(state.step);
      moved.set(state.shift);
      masked.querySelector("input").checked = state.masked;
      const words = say(state.step, state.query, frame, state.shift, state.masked);
      sentence.say(words);
      const computed = (size / inside) ** 2 * inside ** 4, kept = pairs(frame, state.shift, state.masked);
      bill.textContent = `${(size / inside) ** 2} windows: ${numbers.count(computed)} pairs computed, ${numbers.count(kept)} `
        + `of them allowed · joint attention: ${numbers.count(size ** 4)} pairs`;
      task.check(state.step >= LOOK && state.masked && looked.length === 1, words);
    }

    draw();
    return [kit.row(step.node, playing.node, moved.node, masked), sentence.node, stage, bill, task.node,
      kit.hint("Drag the step, or play it. Click a token, or choose one with arrow keys. Amber: whom it looks at; "
        + "hatched: in its window, and masked.")];
  }

  return { place, keys, pairs, offset, say, explorer };
})();
