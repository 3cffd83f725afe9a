"""Each lesson as a learner meets it: cloned, opened, run from top to bottom, every control moved."""

import pathlib

import nbformat
import pytest
from controls import explorers
from lab import ROOT
from notebook import Notebook

from tools.notebooks.predictions import answering

LESSONS = sorted(path.name for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb") if ".new" not in path.suffixes)


@pytest.fixture(scope="module", params=LESSONS)
def lesson(request, lab, browser):
    """A lesson as cloned, open: not trusted, not run."""
    notebook = Notebook(browser.new_page(), lab, f"notebooks/{request.param}")
    yield notebook
    notebook.close()


def test_it_opens_unchanged(lesson):
    """Nobody has touched it, so nothing is marked as unsaved."""
    lesson.page.wait_for_timeout(1500)  # the kernel has said what it speaks
    assert lesson.page.evaluate("window.jupyterapp.shell.currentWidget.context.model.dirty") is False
    assert lesson.page.locator(".lm-TabBar-tab.jp-mod-dirty").count() == 0


def test_answers_to_predictions_cannot_be_read_before_they_are_asked_for(lesson):
    """Not in the cells' outputs, nor in what stands in place of a folded one; and running such a cell shows them."""
    cells = nbformat.read(ROOT / lesson.file, as_version=4).cells
    answers = {cell.id for cell in answering(cells)}
    lesson.look_at_everything()
    folded = "i => window.jupyterapp.shell.currentWidget.content.widgets[i].outputHidden"
    assert len(answers) >= 5
    for number, cell in enumerate(cells):
        if cell.id in answers:
            page = lesson.page.evaluate("i => window.jupyterapp.shell.currentWidget.content.widgets[i].node.innerText",
                                        number)
            said = [line for output in cell.outputs for line in output.get("text", "").splitlines()
                    if line.strip() and line not in cell.source]
            assert [line for line in said if line in page.replace(cell.source, "")] == []
            assert lesson.page.evaluate(folded, number) is True
        elif cell.cell_type == "code":
            assert lesson.page.evaluate(folded, number) is False
    places = lesson.page.locator(".jp-NotebookPanel:visible .jp-OutputPlaceholder").all_inner_texts()
    assert {text.strip() for text in places} <= {"", "...", "…"}


def test_its_pictures_are_there_before_it_is_run(lesson):
    """Every picture that the file holds is on the page, with its words; those that answer a prediction are not."""
    committed = nbformat.read(ROOT / lesson.file, as_version=4)
    answers = {cell.id for cell in answering(committed.cells)}
    held = sum(output.get("data", {}).get("text/html", "").split("<script")[0].count("<img ")
               for cell in committed.cells if cell.cell_type == "code" and cell.id not in answers
               for output in cell.outputs)
    lesson.look_at_everything()
    shown = lesson.outputs().locator("img").evaluate_all(
        "all => all.map(img => img.getClientRects().length > 0 && img.naturalWidth > 0 && Boolean(img.alt))")
    assert shown == [True] * held
    assert lesson.broken() == []
    assert lesson.foreign == []


def test_it_runs_and_every_control_moves(lesson, latencies, album):
    lesson.run_all()
    assert lesson.failed() == []
    folded = "() => window.jupyterapp.shell.currentWidget.content.widgets.filter(cell => cell.outputHidden).length"
    assert lesson.page.evaluate(folded) == 0, "an answer stays folded after its cell has run"
    lesson.look_at_everything()
    name = pathlib.Path(lesson.file).stem
    lesson.photograph(album, name)
    for picture in lesson.pictures():
        assert picture["alt"] and picture["drawn"], f"a picture without words or pixels: {picture}"
    for i, explorer in enumerate(explorers(lesson.page, name, latencies)):
        if explorer.kind == "page":
            use_page_explorer(explorer)
        controls = explorer.controls()
        assert controls, "an explorer without controls"
        for label, control in controls:
            assert label, "a control without a name"
            assert explorer.move(control), f"{explorer.where}: {label} changed nothing"
        if explorer.kind == "kernel":
            explorer.time(explorer.root.locator(".noUi-handle").first, *["ArrowLeft", "ArrowRight"] * 4)
        explorer.root.screenshot(path=album / f"{name}-explorer-{i + 1}.png")
    assert lesson.failed() == []
    assert lesson.broken() == []
    assert lesson.console == []
    assert lesson.foreign == []


def use_page_explorer(explorer):
    """Click into the first and the last frame, then walk by keys."""
    root = explorer.root
    assert root.locator(".vfe-still").is_hidden(), "the script did not come to its end"
    for frame, x, y in ((0, 0.9, 0.1), (root.locator(".vfe-stage canvas").count() - 1, 0.1, 0.9)):
        before = explorer.picture()
        explorer.click(frame, x, y)
        assert explorer.changed(before), f"{explorer.where}: a click changed nothing"
    stage = root.locator(".vfe-stage")
    explorer.time(stage, *["ArrowRight", "ArrowUp", "ArrowLeft", "ArrowDown"] * 3)
