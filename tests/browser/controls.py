"""Controls moved by keyboard and mouse, and how long it takes from the key to the changed picture."""

from dataclasses import dataclass, field
from statistics import median

from playwright.sync_api import Locator, Page

# The picture of an explorer, as a text that changes when any pixel or word of it does (controls left out).
PICTURE = """root => [...root.querySelectorAll('canvas')].map(c => c.toDataURL()).join('|')
    + [...root.querySelectorAll('.vfe-sentence, .vfe-label, .vfe-live svg')]
        .map(n => n.innerHTML).join('|')"""

# From the next key to the frame in which the page has changed and its new pictures are decoded. The observer answers
# after the page's own handlers; a canvas drawn by them appears in the same frame.
ARM = """root => {
    window.latency = null;
    let start = null;
    document.addEventListener('keydown', event => { start = event.timeStamp; }, {capture: true, once: true});
    const observer = new MutationObserver(async () => {
        if (start === null) return;
        observer.disconnect();
        await Promise.all([...root.querySelectorAll('img')].map(img => img.decode().catch(() => null)));
        requestAnimationFrame(() => { window.latency = performance.now() - start; });
    });
    observer.observe(root, {subtree: true, childList: true, characterData: true, attributes: true});
}"""
PATIENCE = 5_000  # milliseconds
AIM = {"page": 20}  # milliseconds, median
SLOWEST = {"page": 100}  # what a machine busy with other things is allowed


@dataclass
class Latencies:
    """Milliseconds by kind of explorer and by where they were measured."""

    values: dict[str, dict[str, list[float]]] = field(default_factory=lambda: {kind: {} for kind in AIM})

    def add(self, kind: str, where: str, milliseconds: list[float]) -> None:
        self.values[kind].setdefault(where, []).extend(milliseconds)

    def rows(self) -> list[dict]:
        return [{"explorer": where, "kind": kind, "keys": len(values), "median_ms": round(median(values), 1),
                 "slowest_ms": round(max(values), 1), "aim_ms": AIM[kind]}
                for kind, places in self.values.items() for where, values in sorted(places.items())]


def table(rows: list[dict]) -> str:
    lines = ["", f"{'from key to picture':44}{'kind':8}{'keys':>6}{'median':>10}{'slowest':>10}{'aim':>8}"]
    for row in rows:
        times = f"{row['median_ms']:>7} ms{row['slowest_ms']:>7} ms{row['aim_ms']:>5} ms"
        lines.append(f"{row['explorer']:44}{row['kind']:8}{row['keys']:>6}{times}")
    return "\n".join(lines)


class Explorer:
    """One explorer on the page; `kind` is "page"."""

    def __init__(self, page: Page, root: Locator, kind: str, where: str, latencies: Latencies):
        self.page, self.root, self.kind, self.where, self.latencies = page, root, kind, where, latencies

    def picture(self) -> str:
        return self.root.evaluate(PICTURE)

    def press(self, control: Locator, *keys: str) -> bool:
        """Give the control the focus, press the keys one by one; did each of them change the picture?"""
        control.focus()
        for key in keys:
            before = self.picture()
            self.page.keyboard.press(key)
            if not self.changed(before):
                return False
        return True

    def time(self, control: Locator, *keys: str) -> None:
        """Press keys that each change the picture, and record how long that takes. The aims are for a free machine;
        what fails here is an explorer of a slower class."""
        control.focus()
        times = []
        for key in keys:
            before = self.picture()
            self.root.evaluate(ARM)
            self.page.keyboard.press(key)
            self.page.wait_for_function("() => window.latency !== null", timeout=PATIENCE)
            assert self.changed(before), f"{self.where}: {key} changed nothing"
            times.append(self.page.evaluate("window.latency"))
        self.latencies.add(self.kind, self.where, times)
        assert median(times) <= SLOWEST[self.kind], f"{self.where}: {times} ms from key to picture"

    def frame(self, number: int) -> Locator:
        shown = self.root.locator(".vfe-frames canvas")
        return (shown if shown.count() else self.root.locator(".vfe-stage canvas")).nth(number)

    def click(self, frame: int, x: float, y: float) -> None:
        """Click into a frame of a page explorer, x and y in shares of its width and height."""
        self.frame(frame).scroll_into_view_if_needed()
        box = self.frame(frame).bounding_box()
        self.frame(frame).click(position={"x": x * box["width"], "y": y * box["height"]})  # waits until it stands still

    def point(self, frame: int, x: float, y: float) -> None:
        """Hold the mouse over a place of a frame, without a press."""
        self.frame(frame).scroll_into_view_if_needed()
        box = self.frame(frame).bounding_box()
        self.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])

    def changed(self, before: str) -> bool:
        for _ in range(PATIENCE // 50):
            if self.picture() != before:
                return True
            self.page.wait_for_timeout(50)
        return False

    def controls(self) -> list[tuple[str, Locator]]:
        """Every control, with its accessible name or its words."""
        found = self.root.locator("select, input, button, [role=application]")
        names = found.evaluate_all("""all => all.map(node => node.getAttribute('aria-label')
            || (node.labels?.[0]?.querySelector('span') ?? node)
                .textContent.trim())""")
        return [(name, found.nth(i)) for i, name in enumerate(names) if found.nth(i).is_visible()]

    def move(self, control: Locator) -> bool:
        """One step of a control by keyboard; at the end of its range, one step back. Did the picture change?"""
        kind = control.evaluate("node => node.type || node.getAttribute('role') || node.tagName.toLowerCase()")
        if kind in ("button", "submit"):
            return self.press(control, "Enter")
        if kind == "checkbox":
            return self.press(control, "Space")
        if kind == "radio":  # an arrow key moves from the chosen one to the next
            chosen, single = control.evaluate(
                "node => [node.checked, node.closest('fieldset').querySelectorAll('input:enabled').length === 1]")
            return single or self.press(control, "ArrowRight" if chosen else "Space")
        if kind == "select-one":
            last = control.evaluate("node => node.selectedIndex === node.options.length - 1")
            if control.evaluate("node => node.options.length") == 1:
                return True  # nothing to choose
            return self.press(control, "ArrowUp" if last else "ArrowDown")
        if kind == "number":
            return self.press(control, "ArrowUp")
        low = kind == "range" and control.evaluate("node => node.value === node.min")
        return self.press(control, "ArrowLeft" if kind == "range" and not low else "ArrowRight")


def explorers(page: Page, name: str, latencies: Latencies) -> list[Explorer]:
    """All explorers of the open notebook, in its order."""
    roots = page.locator(".jp-NotebookPanel:visible .jp-OutputArea-output [data-explorer]")
    return [Explorer(page, roots.nth(i), "page", f"{name}, explorer {i + 1}", latencies) for i in range(roots.count())]
