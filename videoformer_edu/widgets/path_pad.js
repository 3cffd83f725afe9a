// A small picture on which a path is drawn, and the digit that follows it: by hand, or straight by keys.
const path_pad = (() => {
  const PACES = [0.5, 4]; // pixels a frame, the slowest and the fastest straight path

  // own: the sprite and its background, as moving.clip takes them. change(clip) is called with each new path.
  function pad(own, t, light, change) {
    const { size } = own, path = { turn: 0, pace: 2, drawn: null };
    const places = () => (path.drawn ? moving.along(path.drawn, t) : moving.straight(path.turn, path.pace, t, size));
    const clip = () => moving.clip(own, places());
    const canvas = kit.element("canvas", { width: 10 * size, height: 10 * size, "aria-hidden": "true",
      style: "display:block;width:100%;border-radius:4px;touch-action:none;cursor:crosshair" });
    const words = kit.element("span", { className: "vfe-label" });
    const node = kit.stage("Path of your own: left and right turn it, up and down change its pace; or draw it", {
      move: (dt, dh, dw) => set({ turn: (path.turn + dw + 8) % 8, drawn: null,
        pace: Math.min(PACES[1], Math.max(PACES[0], path.pace - dh / 2)) }),
    });
    node.append(canvas, words);
    node.style.cssText = "flex:0 0 150px;align-self:start";

    function set(some) {
      Object.assign(path, some);
      draw();
      change(clip());
    }

    function draw() {
      const context = canvas.getContext("2d"), scale = canvas.width / size, points = places();
      const small = kit.element("canvas", { width: size, height: size }), picture = new ImageData(size, size);
      const seen = moving.brighten(moving.clip(own, [points[0]]), size, light);
      for (let i = 0; i < size * size; i++) {
        picture.data.set([...[0, 1, 2].map((c) => seen[c * size * size + i]), 255], 4 * i);
      }
      small.getContext("2d").putImageData(picture, 0, 0);
      context.imageSmoothingEnabled = false;
      context.drawImage(small, 0, 0, canvas.width, canvas.height);
      context.lineWidth = 5;
      context.strokeStyle = "#fff";
      context.beginPath();
      points.forEach(([x, y]) => context.lineTo(scale * x, scale * y));
      context.stroke();
      points.forEach(([x, y], f) => { // the last place is the blue one
        context.fillStyle = f === t - 1 ? "#0072b2" : "#fff";
        context.beginPath();
        context.arc(scale * x, scale * y, f === t - 1 ? 12 : 7, 0, 7);
        context.fill();
      });
      const length = points.slice(1).reduce((sum, [x, y], i) => sum + Math.hypot(x - points[i][0], y - points[i][1]), 0);
      words.textContent = `your path: ${(length / Math.max(1, t - 1)).toFixed(1)} pixels a frame`;
    }

    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      return [(size * (event.clientX - box.left)) / box.width, (size * (event.clientY - box.top)) / box.height];
    };
    let line = null;
    canvas.addEventListener("pointerdown", (event) => { line = [at(event)]; canvas.setPointerCapture(event.pointerId); });
    canvas.addEventListener("pointermove", (event) => {
      if (!line) return;
      line.push(at(event));
      if (line.length > 2) set({ drawn: line.slice() });
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { line = null; });
    draw();
    return { node, clip };
  }

  return { pad };
})();
