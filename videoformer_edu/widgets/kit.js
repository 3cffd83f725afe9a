// What every page explorer is made of: controls with names, keys and pointers, a sentence, a task, its state.
//
// page_explorer.py puts numbers.js, this file, what an explorer names in `uses` (frames.js, cube.js, chart.js) and the
// explorer's own file into one function, so that nothing of them is seen from outside. An explorer is a function
// (root, config, bytes, film) -> nodes: its root element, its settings, its numbers, the picture of all its frames side
// by side (or null). Everything happens in the page; nothing in here moves by itself.
const kit = (() => {
  // Colour and dashes of the ways to attend, one each in the whole course: figures/style.py has the same.
  const ROLES = {
    joint: { colour: "#D55E00", dash: "" }, divided: { colour: "#0072B2", dash: "6 3" },
    space_only: { colour: "#009E73", dash: "2 2" },
  };

  // The width of a node, once it stands in the page: `width`, and `draw(width)` whenever it is another.
  function fit(node, draw) {
    const own = { width: 680 };
    new ResizeObserver(() => {
      if (!node.clientWidth || node.clientWidth === own.width) return;
      own.width = node.clientWidth;
      draw(own.width);
    }).observe(node);
    return own;
  }

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

  const row = (...nodes) => element("div", { className: "vfe-controls" }, nodes);
  const hint = (text) => element("p", { className: "vfe-hint", textContent: text });

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

  function button(text, click) {
    const node = control("button", { type: "button", textContent: text });
    node.addEventListener("click", click);
    return node;
  }

  // A slider over a list of values; `change` and `set` take the number of one, `say` puts a value into words.
  function range(text, values, change, say = String) {
    const node = control("input", { type: "range", min: 0, max: values.length - 1, step: 1 });
    const words = element("span", { className: "vfe-value", "aria-hidden": "true" }); // as wide as its longest
    words.style.minWidth = Math.max(...values.map((value) => say(value).length)) + "ch";
    const tell = () => {
      words.textContent = say(values[node.value]);
      node.setAttribute("aria-valuetext", words.textContent);
    };
    node.addEventListener("input", () => { tell(); change(Number(node.value)); });
    return {
      node: element("label", { className: "vfe-range" }, [element("span", { textContent: text }), node, words]),
      set(i) { node.value = i; tell(); },
    };
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

  // A button that shows 0, 1, ... count - 1, within two seconds, when it is pressed; the last at once for a reader who
  // wants no motion. `stop()` when something else is chosen meanwhile.
  function play(text, count, show) {
    let timer = 0;
    const stop = () => { clearInterval(timer); timer = 0; };
    const node = button(text, () => {
      stop();
      let i = matchMedia("(prefers-reduced-motion: reduce)").matches ? count - 1 : 0;
      show(i);
      if (i < count - 1) timer = setInterval(() => { show(++i); if (i === count - 1) stop(); }, 2000 / count);
    });
    return { node, stop };
  }

  // ------------------------------------------------------------------------------------------- keys, mouse, finger

  const STILL = 10; // pixels that a finger may move and still not scroll
  const STEPS = { ArrowLeft: [0, 0, -1], ArrowRight: [0, 0, 1], ArrowUp: [0, -1, 0], ArrowDown: [0, 1, 0],
    PageUp: [-1, 0, 0], PageDown: [1, 0, 0], "[": [-1, 0, 0], "]": [1, 0, 0] };

  // A place that takes the keys of a keyboard: `on.move(t, h, w)` by arrow keys and page keys; `on.key(name)`, where
  // there is one, for the others: true if used.
  function stage(name, on) {
    const node = control("div", { className: "vfe-stage", tabIndex: 0, role: "application", "aria-label": name });
    node.addEventListener("keydown", (event) => {
      // On many keyboards [ and ] are made with AltGr, which some systems report as Ctrl and Alt.
      if ((event.ctrlKey || event.altKey || event.metaKey) && !event.getModifierState("AltGraph")) return;
      if (STEPS[event.key]) on.move(...STEPS[event.key]);
      else if (!on.key || !on.key(event.key)) return;
      event.preventDefault(); // the page stays where it is
    });
    return node;
  }

  // Mouse, pen and finger on `target`, a picture within `stage`: `on.choose(...place)`, and `on.preview(...place)` while
  // a mouse is over it, `on.preview()` when it has left. `where(event)` is the place as a list, or null for none.
  function pointing(target, stage, where, on) {
    const preview = on.preview || (() => {});
    let finger = null; // where it came down
    target.addEventListener("pointerdown", (event) => {
      finger = event.pointerType === "touch" ? event : null;
      const place = where(event);
      if (finger || event.button !== 0 || !place) return;
      // A mouse chooses at the press: the notebook may scroll between press and release. It also takes the focus at
      // the press, so the stage takes it back at the release.
      on.choose(...place);
      document.addEventListener("pointerup", () => stage.focus({ preventScroll: true }), { once: true });
    });
    target.addEventListener("pointerup", (event) => {
      // A finger chooses at the release, where it came down: had it scrolled, it would have been cancelled or moved.
      const place = where(event);
      if (finger && place && Math.hypot(event.clientX - finger.clientX, event.clientY - finger.clientY) < STILL) {
        on.choose(...place);
        stage.focus({ preventScroll: true });
      }
      finger = null;
    });
    target.addEventListener("pointercancel", () => { finger = null; });
    target.addEventListener("pointermove", (event) => event.pointerType !== "touch" && preview(...(where(event) || [])));
    target.addEventListener("pointerleave", () => preview());
  }

  // --------------------------------------------------------------------------------------------------- the whole

  // What the reader has chosen. `set` takes some of it, writes it on the root, where tests read it, and draws.
  function state(root, start, draw) {
    const own = { ...start };
    Object.defineProperty(own, "set", { value(some) {
      Object.assign(own, some);
      Object.assign(root.dataset, own);
      draw();
    } });
    Object.assign(root.dataset, start);
    return own;
  }

  // Words in a node, no number apart from its percent sign.
  function write(node, words) {
    node.replaceChildren(...words.split(/([\d.]+ %)/).map((part, i) =>
      (i % 2 ? element("span", { className: "vfe-number", textContent: part }) : part)));
  }

  // What is seen, in words, read out by assistive technology unless `quiet`.
  function sentence() {
    const node = element("p", { className: "vfe-sentence", "aria-live": "polite" });
    return {
      node,
      say(words, quiet) {
        node.setAttribute("aria-live", quiet ? "off" : "polite"); // what the mouse passes over is not read out
        write(node, words);
      },
    };
  }

  // The one task of an explorer; `check(done, sentence)` is called with every choice of the reader. Done stays done.
  function task(settings) {
    const mark = element("span", { className: "vfe-box", textContent: "☐", "aria-hidden": "true" });
    const words = element("span", { textContent: `Task: ${settings.asks}` });
    const node = element("p", { className: "vfe-task", "aria-live": "polite" }, [mark, " ", words]);
    return {
      node,
      check(done, sentence) {
        if (node.dataset.done || !done) return;
        mark.textContent = "☑";
        node.dataset.done = "true";
        write(words, `Task done. ${sentence} ${settings.says}`);
      },
    };
  }

  async function inflate(text) {
    const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  async function load(address) {
    const film = new Image();
    film.src = address;
    await film.decode();
    return film;
  }

  // Run the explorer in every root of this name that has not been started yet, so that it may be shown twice on a page.
  function start(kind, name, explorer) {
    document.querySelectorAll(`[data-explorer="${kind}"][id="${name}"]:not([data-started])`).forEach(async (root) => {
      root.setAttribute("data-started", "true");
      const config = JSON.parse(root.getAttribute("data-config"));
      const [bytes, film] = await Promise.all([inflate(root.getAttribute("data-payload")),
        config.film ? load(config.film) : null]);
      const title = element("div", { className: "vfe-title", textContent: config.title });
      const live = element("div", { className: "vfe-live", role: "group", "aria-label": config.title }, [title]);
      live.append(...explorer(root, config, bytes, film));
      root.append(live);
      root.querySelector(".vfe-still").hidden = true; // the last act: had anything failed, the still picture would stay
    });
  }

  return { ROLES, element, control, row, hint, select, checkbox, button, range, choice, play, stage, pointing, fit,
    state, sentence, task, start };
})();
