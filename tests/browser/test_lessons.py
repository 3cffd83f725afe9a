"""Each lesson as a learner meets it: opened, run from top to bottom, every control moved."""

import nbformat
import pytest
from controls import explorers
from lab import ROOT

LESSONS = sorted(path.name for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb") if ".new" not in path.suffixes)


@pytest.mark.parametrize("lesson", LESSONS)
def test_lesson_runs_and_every_control_moves(open_notebook, latencies, album, lesson):
    notebook = open_notebook(f"notebooks/{lesson}")
    notebook.run_all()
    assert notebook.failed() == []
    notebook.look_at_everything()
    name = lesson.removesuffix(".ipynb")
    notebook.photograph(album, name)
    for picture in notebook.pictures():
        assert picture["alt"] and picture["drawn"], f"a picture without words or pixels: {picture}"
    for i, explorer in enumerate(explorers(notebook.page, name, latencies)):
        if explorer.kind == "page":
            use_page_explorer(explorer)
        controls = explorer.controls()
        assert controls, "an explorer without controls"
        for label, control in controls:
            assert label, "a control without a name"
            assert explorer.move(control), f"{explorer.where}: {label} changed nothing"
        if explorer.kind == "kernel":
            slider = explorer.root.locator(".noUi-handle").first
            explorer.press(slider, *["ArrowLeft", "ArrowRight"] * 3, timed=True)
        explorer.root.screenshot(path=album / f"{name}-explorer-{i + 1}.png")
    assert notebook.failed() == []
    assert notebook.broken() == []
    assert notebook.console == []
    assert notebook.foreign == []


def use_page_explorer(explorer):
    """Click into the first and the last frame, then walk by keys."""
    root, page = explorer.root, explorer.page
    assert root.locator(".vfe-still").is_hidden(), "the script did not come to its end"
    canvases = root.locator("canvas")
    for canvas, x, y in ((canvases.first, 0.9, 0.1), (canvases.last, 0.1, 0.9)):
        canvas.scroll_into_view_if_needed()
        before, box = explorer.picture(), canvas.bounding_box()
        page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
        assert explorer.changed(before), f"{explorer.where}: a click changed nothing"
    stage = root.locator(".vfe-stage")
    assert explorer.press(stage, "ArrowRight", "ArrowUp", "ArrowLeft", "ArrowDown", "ArrowRight", timed=True)


@pytest.mark.parametrize("lesson", LESSONS)
def test_lesson_shows_its_pictures_before_it_is_run(open_notebook, lesson):
    """As cloned: not trusted, not run. Every picture that the file holds is on the page, with its words."""
    committed = nbformat.read(ROOT / "notebooks" / lesson, as_version=4)
    held = sum(output.get("data", {}).get("text/html", "").split("<script")[0].count("<img ")
               for cell in committed.cells if cell.cell_type == "code" for output in cell.outputs)
    notebook = open_notebook(f"notebooks/{lesson}")
    notebook.look_at_everything()
    shown = notebook.outputs().locator("img").evaluate_all(
        "all => all.map(img => img.getClientRects().length > 0 && img.naturalWidth > 0 && Boolean(img.alt))")
    assert shown == [True] * held
    assert notebook.broken() == []
    assert notebook.foreign == []
