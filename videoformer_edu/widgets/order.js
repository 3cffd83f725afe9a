// What the order of the frames tells: a clip in several orders, and what a model says of each.
// The layout of the bytes and the settings stand in order_explorer.py.
const order = (() => {
  const { percent } = numbers, SIDE = 320; // pixels of the canvas that plays

  // The shares of the classes for a clip in one order, by their numbers.
  const readShares = (bytes, orders, classes) => (clip, number) =>
    Array.from({ length: classes }, (_, k) => bytes[(clip * orders + number) * classes + k] / 255);

  const largestOf = (shares) => shares.indexOf(Math.max(...shares));
  const opposite = (truth, shares) => largestOf(shares) === (truth ^ 1); // 0 and 1 are opposite, 2 and 3 ...

  // What is seen, in words.
  function say(kind, frames, truth, classes, shares) {
    const best = largestOf(shares);
    const how = kind === "shuffled" ? `In the order ${frames.join(" ")}` : kind === "one frame"
      ? `With frame ${frames[0]} standing still` : kind.charAt(0).toUpperCase() + kind.slice(1);
    return `The digit was filmed moving ${classes[truth]}. ${how}, the model says ${classes[best]}: `
      + `${percent(shares[best])}.`;
  }

  function explorer(root, config, bytes, film) {
    const { element } = kit, { t, kinds, classes, clips, frameWidth, frameHeight } = config;
    const starts = kinds.map((_, i) => kinds.slice(0, i).reduce((sum, kind) => sum + kind.orders.length, 0));
    const shares = readShares(bytes, starts.at(-1) + kinds.at(-1).orders.length, classes.length);
    const state = kit.state(root, { clip: 0, kind: 0, draw: 0, frame: 0 }, draw); // draw: which order of its kind
    const shown = () => kinds[state.kind].orders[state.draw];

    function canvas(side, style) {
      const node = element("canvas", { width: side, height: Math.round((side * frameHeight) / frameWidth),
        style, "aria-hidden": "true" });
      node.getContext("2d").imageSmoothingEnabled = false;
      return node;
    }
    const paint = (node, frame) => node.getContext("2d").drawImage(film, (state.clip * t + frame) * frameWidth, 0,
      frameWidth, frameHeight, 0, 0, node.width, node.height);

    const step = (i) => { playing.stop(); state.set({ frame: (i + t) % t }); };
    const stage = kit.stage("Frames in the order shown: arrow keys go from one to the next",
      { move: (dt, dh, dw) => step(state.frame + dt + dh + dw) });
    stage.style.cssText = `display:grid;grid-template-columns:repeat(${t},1fr);gap:6px`;
    const cells = Array.from({ length: t }, (_, i) => {
      const picture = canvas(SIDE / 2, "display:block;width:100%;height:auto;border-radius:3px;cursor:pointer");
      const bar = element("span", { className: "vfe-share" }), label = element("span", { className: "vfe-label" });
      kit.pointing(picture, stage, () => [i], { choose: step });
      stage.append(element("div", {}, [picture, element("span", { className: "vfe-track" }, [bar]), label]));
      return { picture, bar, label };
    });
    const hero = canvas(SIDE, "width:180px;max-width:40%;height:auto;border-radius:4px");
    const answers = bars.table(classes);
    const above = element("div", { style: "display:flex;gap:18px;align-items:center;margin:8px 0", "aria-hidden": "true" },
      [hero, answers.node]);
    const sentence = kit.sentence(), task = kit.task(config.task);

    function draw() {
      const { truth } = clips[state.clip], kind = kinds[state.kind];
      const answer = shares(state.clip, starts[state.kind] + state.draw), best = largestOf(answer);
      cells.forEach(({ picture, bar, label }, i) => {
        paint(picture, shown()[i]);
        bar.style.width = i === state.frame ? "100%" : "0";
        label.textContent = `t${shown()[i]}`;
      });
      paint(hero, shown()[state.frame]);
      answers.draw([answer], truth, kit.ROLES.divided.colour);
      again.style.visibility = kind.orders.length > 1 ? "" : "hidden";
      const words = say(kind.name, shown(), truth, classes, answer);
      if (words !== sentence.node.textContent) sentence.say(words);
      task.check(opposite(truth, answer), words);
    }

    const change = (some) => { playing.stop(); state.set({ draw: 0, frame: 0, ...some }); };
    const playing = kit.play("▶ play", t, (i) => state.set({ frame: i }));
    const clip = kit.select("clip", clips.map((one) => one.name), (i) => change({ clip: i }));
    clip.style.flex = "0 1 auto";
    const which = kit.choice("order of the frames", kinds.length, null, (i) => change({ kind: i }));
    which.set(kinds.map((kind) => kind.name), 0);
    const again = kit.button("another shuffle",
      () => change({ draw: (state.draw + 1) % kinds[state.kind].orders.length }));
    draw();
    return [kit.row(clip, playing.node, which.node, again), sentence.node, above, stage, task.node,
      kit.hint("Play the clip, choose an order of its frames, click a frame. Bars: how sure the model is.")];
  }

  return { readShares, say, opposite, explorer };
})();
