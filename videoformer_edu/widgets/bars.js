// What a model says of the classes, as bars: one row a class, one column a reading.
const bars = (() => {
  // names: of the classes. headings: above the columns; none for a single column that needs no name.
  function table(names, headings = []) {
    const columns = Math.max(1, headings.length), last = columns - 1;
    const style = "display:grid;gap:8px;align-items:center;min-height:21px;"
      + `grid-template-columns:8.5em repeat(${columns},1fr) 6em`;
    const line = (...nodes) => kit.element("div", { style }, nodes);
    const rows = names.map((name) => {
      const label = kit.element("span", {});
      const value = kit.element("span", { className: "vfe-label vfe-number" });
      const shares = Array.from({ length: columns }, () => kit.element("span", { className: "vfe-share" }));
      const tracks = shares.map((share) =>
        kit.element("span", { className: "vfe-track", style: "height:10px;margin:0" }, [share]));
      return { name, label, value, shares, line: line(label, ...tracks, value) };
    });
    const above = headings.length ? [line(kit.element("span", {}),
      ...headings.map((textContent) => kit.element("span", { className: "vfe-label", textContent })))] : [];
    return {
      node: kit.element("div", { style: "flex:1 1 260px;min-width:0", "aria-hidden": "true" },
        [...above, ...rows.map((row) => row.line)]),
      // readings: for each column the share of every class; truth: the class that is marked as filmed, or -1.
      draw(readings, truth, colour) {
        const best = readings[last].indexOf(Math.max(...readings[last]));
        rows.forEach(({ name, label, value, shares }, k) => {
          shares.forEach((share, column) => {
            share.style.width = `${100 * readings[column][k]}%`;
            share.style.background = colour;
            share.style.opacity = column === last ? 1 : 0.6;
          });
          value.textContent = numbers.percent(readings[last][k]);
          label.textContent = k === truth ? `${name} · filmed` : name;
          label.style.fontWeight = k === best ? "700" : "400";
        });
      },
    };
  }

  return { table };
})();
