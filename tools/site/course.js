// What scrolls sideways can be reached by keyboard, too.
window.addEventListener("load", () => {
  for (const node of document.querySelectorAll(".bd-article table, .bd-article pre, .bd-article .formula")) {
    if (node.scrollWidth > node.clientWidth) node.tabIndex = 0;
  }
});
