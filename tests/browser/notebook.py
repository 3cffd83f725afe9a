"""One notebook open in JupyterLab in Chromium: what a person would do with it, and what the page says meanwhile."""

import os
import pathlib
from urllib.parse import urlsplit

from lab import Lab
from playwright.sync_api import Locator, Page

BROKEN = ("Click to show javascript error", "Error displaying widget", "Loading widget...")
RUN_SECONDS = 300

CELLS = """() => window.jupyterapp.shell.currentWidget.content.widgets.map(cell => {
    const outputs = cell.model.type === 'code' ? cell.model.outputs.toJSON() : [];
    return {
        code: cell.model.type === 'code' && cell.model.sharedModel.getSource().trim() !== '',
        count: cell.model.executionCount ?? null,
        error: outputs.filter(o => o.output_type === 'error').map(o => `${o.ename}: ${o.evalue}`)[0] ?? null,
        source: cell.model.sharedModel.getSource().slice(0, 200),
    };
})"""
READY = """() => {
    const widget = window.jupyterapp?.shell.currentWidget;
    return Boolean(widget?.context?.isReady && widget.content?.widgets?.length
        && widget.context.sessionContext?.session?.kernel?.status === 'idle');
}"""

# Cell by cell, until it is drawn; then until every picture is.
LOOK = """async () => {
    const content = window.jupyterapp.shell.currentWidget.content;
    for (const cell of content.widgets) {
        cell.node.scrollIntoView();
        await cell.ready;
        await new Promise(requestAnimationFrame);
    }
    await Promise.all([...content.node.querySelectorAll('img')].map(img => img.decode().catch(() => null)));
}"""


class Notebook:
    """`console`: errors that the page reported; `foreign`: addresses outside this machine that it asked for."""

    def __init__(self, page: Page, lab: Lab, file: str):
        self.page, self.lab, self.file = page, lab, file
        self.console: list[str] = []
        self.foreign: list[str] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.console.append(f"exception: {error}"))
        page.on("request", lambda request: self._guard(request.url))  # page.route would turn the browser's cache off
        page.on("websocket", lambda socket: self._guard(socket.url))
        page.goto(lab.url(file), wait_until="domcontentloaded")
        page.wait_for_function(READY, timeout=60_000)

    def _hear(self, message) -> None:
        if message.type == "error":  # JupyterLab itself reports none, so there is no list of errors to overlook
            self.console.append(f"{message.text} {message.location.get('url', '')}")

    def _guard(self, url: str) -> None:
        """The browser knows no name outside this machine (conftest.py), so what stands here was not answered."""
        address = urlsplit(url)
        if address.scheme not in ("data", "blob") and address.hostname != "127.0.0.1":
            self.foreign.append(url)

    def close(self) -> None:
        """End the kernel and leave: two cores are not enough for the kernels of notebooks that nobody looks at."""
        self.page.evaluate("window.jupyterapp.shell.currentWidget.context.sessionContext.shutdown()")
        self.page.close()

    def cells(self) -> list[dict]:
        return self.page.evaluate(CELLS)

    def run_all(self) -> None:
        """Run > Run All Cells, from the menu, until the last cell has run or one has failed."""
        self.page.evaluate("window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
        self.page.wait_for_function(f"() => ({CELLS})().every(cell => cell.count === null)")
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        self.page.wait_for_function(
            f"() => {{ const cells = ({CELLS})(); return cells.some(cell => cell.error)"
            f" || ({READY})() && cells.every(cell => !cell.code || cell.count !== null); }}",
            timeout=1000 * RUN_SECONDS, polling=300,
        )

    def look_at_everything(self) -> None:
        """Scroll each cell into view: JupyterLab draws an output only when it comes near."""
        self.page.evaluate(LOOK)
        self.page.wait_for_timeout(300)

    def outputs(self) -> Locator:
        return self.page.locator(".jp-NotebookPanel:visible .jp-OutputArea-output")

    def failed(self) -> list[str]:
        """Cells that failed or did not run, each in a sentence."""
        return [f"{cell['error'] or 'did not run'} in: {cell['source']}" for cell in self.cells()
                if cell["code"] and (cell["error"] or cell["count"] is None)]

    def broken(self) -> list[str]:
        """Texts on the page that say that something was not drawn."""
        text = " ".join(self.outputs().all_text_contents())
        return [words for words in BROKEN if words in text]

    def pictures(self) -> list[dict]:
        """All pictures of the notebook: their alt text and whether they are drawn and visible."""
        return self.page.locator(".jp-NotebookPanel:visible .jp-Notebook img").evaluate_all(
            "all => all.map(img => ({alt: img.getAttribute('alt'), drawn: img.complete && img.naturalWidth > 0,"
            " visible: img.getClientRects().length > 0, page: img.closest('.vfe-still') !== null}))")

    def photograph(self, folder: pathlib.Path, name: str) -> None:
        """The whole notebook, screen by screen: for a person to look at, so only when one asks (`ALBUM=1`)."""
        if not os.environ.get("ALBUM"):
            return
        scroller = "window.jupyterapp.shell.currentWidget.content"
        outer = f"({scroller}.outerNode ?? {scroller}.node)"
        height = self.page.evaluate(f"() => {outer}.clientHeight")
        for i in range(40):
            self.page.evaluate(f"y => {{ {outer}.scrollTop = y; }}", i * (height - 40))
            self.page.wait_for_timeout(150)
            self.page.screenshot(path=folder / f"{name}-{i + 1:02d}.png")
            if self.page.evaluate(f"() => {outer}.scrollTop + {outer}.clientHeight >= {outer}.scrollHeight - 2"):
                break
