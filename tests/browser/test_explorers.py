"""The two kinds of explorer in small notebooks of their own, moved as a person would move them."""

import json

import nbformat
import pytest
from controls import SLOWEST, explorers
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

CLIP = """
import numpy as np, torch
from videoformer_edu.widgets import attention_explorer
t, h, w, heads = 3, 2, 4, 2
torch.manual_seed(0)
frames = torch.randint(0, 255, (t, 1, 1, 3)).expand(t, 16, 32, 3).byte().numpy()
maps = {name: (3 * torch.randn(heads, 25, 25)).softmax(-1)[:, :, 1:].unflatten(-1, (t, h, w)) for name in ("one", "two")}
maps["no CLS"] = torch.eye(24).unflatten(-1, (t, h, w))[None]
"""
SHOW = 'attention_explorer(frames, maps, title="Small clip", alt="Three frames", start=(1, 0, 2))'
COST = "from videoformer_edu.widgets import cost_explorer\ncost_explorer()"


def write(lab, name, *cells):
    notebook = new_notebook(cells=[new_markdown_cell("# A test"), *map(new_code_cell, cells)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, lab.folder / name)
    return name


def assert_clean(notebook):
    assert notebook.failed() == []
    assert notebook.broken() == []
    assert notebook.console == []
    assert notebook.foreign == []


@pytest.fixture
def run(lab, open_notebook):
    def run_(name, *cells):
        notebook = open_notebook(write(lab, name, *cells))
        notebook.run_all()
        notebook.look_at_everything()
        return notebook

    return run_


def test_page_explorer(run, latencies, album):
    notebook = run("page.ipynb", CLIP, SHOW)
    (explorer,) = explorers(notebook.page, "small clip", latencies)
    root, page = explorer.root, notebook.page
    stage, sentence = root.locator(".vfe-stage"), root.locator(".vfe-sentence")
    asked = lambda: int(root.get_attribute("data-query"))  # noqa: E731

    assert root.locator(".vfe-still").is_hidden() and root.locator("canvas").count() == 3
    assert asked() == (1 * 2 + 0) * 4 + 2
    assert sentence.inner_text().startswith("Frame 2, row 1, column 3 looks most at ")
    assert explorer.press(stage, "ArrowRight", "ArrowDown", "PageUp", "]", "[", timed=True)
    assert asked() == (0 * 2 + 1) * 4 + 3
    for key in ("ArrowRight", "ArrowDown", "PageUp"):  # the end of the row, of the column, of the clip
        page.keyboard.press(key)
    assert asked() == (0 * 2 + 1) * 4 + 3
    assert explorer.press(stage, *["ArrowLeft", "ArrowUp", "PageDown", "ArrowRight", "ArrowDown", "PageUp"] * 2, timed=True)

    before = explorer.picture()
    box = root.locator("canvas").nth(2).bounding_box()
    page.mouse.click(box["x"] + box["width"] * 1.5 / 4, box["y"] + box["height"] * 0.5 / 2)
    assert explorer.changed(before) and asked() == (2 * 2 + 0) * 4 + 1
    assert sentence.inner_text().startswith("Frame 3, row 1, column 2 ")
    assert explorer.press(stage, "ArrowRight"), "a click leaves the keys with the picture"
    page.mouse.move(box["x"] + 3, box["y"] + 3)
    assert "Under the pointer: frame 3, row 1, column 1" in root.locator(".vfe-hint").inner_text()
    root.screenshot(path=album / "explorer-page.png")

    names = [name for name, _ in explorer.controls()]
    assert [name.split(".")[0] for name in names] == [
        "attention map", "head", "overlay strength", "let CLS look", "Small clip"]
    for name, control in explorer.controls():
        assert explorer.move(control), f"{name} changed nothing"
    assert_clean(notebook)


def test_page_explorer_says_what_the_payload_says(run, latencies):
    """The sentence and the shares of the frames, against the numbers computed by Python."""
    numbers = 'import json; print(json.dumps({k: m.double().mean(0).flatten(1).tolist() for k, m in maps.items()}))'
    notebook = run("words.ipynb", CLIP, SHOW, numbers)
    (explorer,) = explorers(notebook.page, "words", latencies)
    table = json.loads(notebook.outputs().last.inner_text())
    root = explorer.root
    for number, (name, rows) in enumerate(table.items()):
        root.locator("select").first.select_option(str(number))
        cls = len(rows) - 24
        for q in range(24):
            column, row, frame = q % 4, q // 4 % 2, q // 8
            box = root.locator("canvas").nth(frame).bounding_box()
            notebook.page.mouse.click(box["x"] + box["width"] * (column + 0.5) / 4,
                                      box["y"] + box["height"] * (row + 0.5) / 2)
            shares = rows[q + cls]
            best = max(range(24), key=shares.__getitem__)
            words = root.locator(".vfe-sentence").inner_text()
            where = f"frame {best // 8 + 1}, row {best // 4 % 2 + 1}, column {best % 4 + 1}"
            assert f"Frame {frame + 1}, row {row + 1}, column {column + 1} looks most at {where}" in words, name
            said = float(words.split(": ")[1].split(" %")[0])
            assert abs(said - 100 * shares[best]) <= 0.7
            labels = [text.split("· ")[1] for text in root.locator(".vfe-label").all_inner_texts()]
            percents = [int(text.removesuffix(" %")) for text in labels]
            for i, percent in enumerate(percents):
                assert abs(percent - 100 * sum(shares[8 * i:8 * i + 8])) < 1.2
            rest = root.locator(".vfe-cls").inner_text()
            assert sum(percents) + int((rest.split("· ") + ["0 %"])[1].removesuffix(" %")) == 100
    assert_clean(notebook)


def test_cls_looks_and_says_where_it_takes_no_part(run, latencies):
    notebook = run("cls.ipynb", CLIP, SHOW)
    (explorer,) = explorers(notebook.page, "cls", latencies)
    stage, sentence = explorer.root.locator(".vfe-stage"), explorer.root.locator(".vfe-sentence")
    assert explorer.press(stage, "c")
    assert sentence.inner_text().startswith("CLS looks most at frame ")
    assert explorer.root.locator(".vfe-cls").get_attribute("aria-pressed") == "true"
    explorer.root.locator("select").first.select_option("2")
    assert sentence.inner_text() == "CLS takes no part in this attention (no CLS); choose a patch."
    assert explorer.press(stage, "c")
    assert sentence.inner_text() == "Frame 2, row 1, column 3 looks most at frame 2, row 1, column 3 (itself): 100 %."
    assert len(notebook.cells()) == 3, "a key meant for the explorer reached the notebook"
    assert_clean(notebook)


def test_shown_twice_both_live_and_apart(run, latencies):
    notebook = run("twice.ipynb", CLIP, SHOW, SHOW)
    first, second = explorers(notebook.page, "twice", latencies)
    before = second.picture()
    assert first.picture() == before
    assert first.press(first.root.locator(".vfe-stage"), "ArrowRight")
    assert second.picture() == before
    assert second.press(second.root.locator(".vfe-stage"), "ArrowLeft")
    assert_clean(notebook)


def test_page_explorer_in_the_dark(run, latencies, album):
    notebook = run("dark.ipynb", CLIP, SHOW)
    notebook.page.evaluate(
        "window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})")
    notebook.page.wait_for_function("() => document.body.dataset.jpThemeLight === 'false'")
    (explorer,) = explorers(notebook.page, "dark", latencies)
    explorer.root.locator(".vfe-stage").focus()
    explorer.root.screenshot(path=album / "explorer-page-dark.png")
    brightness = """node => { const [r, g, b] = getComputedStyle(node).color.match(/\\d+/g).map(Number);
        return (r + g + b) / 3; }"""
    for place in (".vfe-title", ".vfe-sentence", ".vfe-label", "select"):
        assert explorer.root.locator(place).first.evaluate(brightness) > 150, f"{place} is dark on dark"
    assert_clean(notebook)
    notebook.page.evaluate(
        "window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Light'})")


def test_kernel_explorer(run, latencies, album):
    notebook = run("kernel.ipynb", COST)
    (explorer,) = explorers(notebook.page, "cost explorer", latencies)
    assert explorer.root.locator("img[alt]").is_visible()
    controls = explorer.controls()
    assert len(controls) == 4
    explorer.root.screenshot(path=album / "explorer-kernel.png")
    for name, control in controls:
        assert explorer.move(control), f"{name} changed nothing"
    assert explorer.press(controls[0][1], *["ArrowRight", "ArrowRight", "ArrowLeft", "ArrowLeft"] * 3, timed=True)
    assert explorer.root.locator("img").get_attribute("alt").startswith("Multiply-adds against frames")
    assert_clean(notebook)


def test_not_trusted_and_not_run_shows_the_still_pictures(lab, run, open_notebook, album):
    """A notebook as it was cloned: its outputs were made elsewhere, and JupyterLab runs no script of theirs."""
    notebook = run("made_here.ipynb", CLIP, SHOW, COST)
    notebook.page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    notebook.page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")
    saved = nbformat.read(lab.folder / "made_here.ipynb", as_version=4)
    saved.cells[0].source = "# As cloned"  # its signature no longer fits
    nbformat.write(saved, lab.folder / "as_cloned.ipynb")

    cloned = open_notebook("as_cloned.ipynb")
    cloned.look_at_everything()
    pictures = cloned.pictures()
    assert [(p["drawn"], p["visible"]) for p in pictures] == [(True, True)] * 2
    assert pictures[0]["alt"] == "Three frames" and pictures[1]["alt"].startswith("Multiply-adds")
    text = " ".join(cloned.outputs().all_inner_texts())
    assert "a still picture: run this cell to click" in text and "run this cell to move the controls" in text
    assert "function" not in text and ".vfe-" not in text, "script or style shows as text"
    cloned.photograph(album, "not-trusted")
    assert cloned.broken() == [] and cloned.foreign == [] and cloned.console == []


def test_latency(latencies):
    """Asks for the aims on a free machine, and for their class on a busy one; runs after what it judges."""
    rows = latencies.rows()
    assert {row["kind"] for row in rows} == set(SLOWEST)
    for row in rows:
        assert row["median_ms"] <= SLOWEST[row["kind"]], row
