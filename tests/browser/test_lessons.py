"""Each lesson as a learner meets it: cloned, opened, run from top to bottom, every control moved."""

import pathlib
import re

import nbformat
import pytest
from controls import explorers
from lab import ROOT
from notebook import Notebook

from tools.notebooks.predictions import answering


def built(folder: str) -> list[str]:
    """The notebooks of a folder, without what was written beside somebody's work."""
    return sorted(f"{folder}/{path.name}" for path in (ROOT / folder).glob("[0-9][0-9]_*.ipynb")
                  if ".new" not in path.suffixes)


BELONGS = re.compile("here: ")  # what a machine of its own may print otherwise
SHOW = "i => window.jupyterapp.shell.currentWidget.content.widgets[i].node.scrollIntoView()"
NODE = "i => window.jupyterapp.shell.currentWidget.content.widgets[i].node.innerText"
FOLDED = "i => window.jupyterapp.shell.currentWidget.content.widgets[i].outputHidden"

# What the kernel says of its language is what JupyterLab writes into the notebook, as soon as it has heard it.
SPOKEN = "() => window.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.info.then(() => true)"


@pytest.fixture(scope="module", params=built("notebooks"))
def lesson(request, lab, browser):
    """A lesson as cloned, open: not trusted, not run."""
    notebook = Notebook(browser.new_page(), lab, request.param)
    yield notebook
    notebook.close()


def answers_of(lesson: Notebook) -> dict[int, list[str]]:
    """Of each cell that answers a prediction, by its number, the lines that it printed and its source does not hold."""
    cells = nbformat.read(ROOT / lesson.file, as_version=4).cells
    asked = {cell.id for cell in answering(cells)}
    return {number: [line.strip() for output in cell.outputs for line in output.get("text", "").splitlines()
                     if line.strip() and line.strip() not in cell.source]
            for number, cell in enumerate(cells) if cell.id in asked}


def said(lesson: Notebook, number: int, lines: list[str]) -> list[str]:
    """Which of the lines can be read in a cell as it is on the page? JupyterLab has no text of a cell far away."""
    lesson.page.evaluate(SHOW, number)
    lesson.page.wait_for_function(f"i => ({NODE})(i).trim() !== ''", arg=number)
    lesson.page.wait_for_timeout(100)
    page = lesson.page.evaluate(NODE, number)
    return [line for line in lines if line in page]


def assert_saved(notebook: Notebook) -> None:
    """Nobody has touched it, so nothing is marked as unsaved."""
    notebook.page.evaluate(SPOKEN)
    notebook.page.wait_for_timeout(200)
    assert notebook.page.evaluate("window.jupyterapp.shell.currentWidget.context.model.dirty") is False
    assert notebook.page.locator(".lm-TabBar-tab.jp-mod-dirty").count() == 0


def test_it_opens_unchanged(lesson):
    assert_saved(lesson)


@pytest.mark.parametrize("file", built("exercises"))
def test_a_sheet_opens_unchanged(file, open_notebook):
    assert_saved(open_notebook(file))


def test_answers_to_predictions_cannot_be_read_before_they_are_asked_for(lesson):
    """Not in the cells' outputs, nor in what stands in place of a folded one."""
    answers = answers_of(lesson)
    assert len(answers) >= 5 and any(answers.values())
    lesson.look_at_everything()
    assert [said(lesson, number, lines) for number, lines in answers.items()] == [[]] * len(answers)
    code = [number for number, cell in enumerate(lesson.cells()) if cell["code"]]
    assert [number for number in code if lesson.page.evaluate(FOLDED, number)] == list(answers)
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
    for number, lines in answers_of(lesson).items():
        everywhere = [line for line in lines if not BELONGS.search(line)]
        assert said(lesson, number, everywhere) == everywhere
    name = pathlib.Path(lesson.file).stem
    lesson.photograph(album, name)
    for picture in lesson.pictures():
        assert picture["alt"] and picture["drawn"], f"a picture without words or pixels: {picture}"
    for i, explorer in enumerate(explorers(lesson.page, name, latencies)):
        use_page_explorer(explorer)
        controls = explorer.controls()
        assert controls, "an explorer without controls"
        for label, control in controls:
            assert label, "a control without a name"
            assert explorer.move(control), f"{explorer.where}: {label} changed nothing"
        explorer.root.screenshot(path=album / f"{name}-explorer-{i + 1}.png")
    assert lesson.failed() == []
    assert lesson.broken() == []
    assert lesson.console == []
    assert lesson.foreign == []


WIDTHS = """() => {
    const inside = [...document.querySelectorAll('.jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook')][0];
    const widths = names => [...inside.querySelectorAll(names)].map(node => node.getBoundingClientRect().width);
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    return {rem, texts: widths('.jp-RenderedMarkdown :is(p, li, h1, h2, h3)'),
            outputs: widths('.jp-OutputArea-output')};
}"""


def test_texts_have_a_readable_measure_and_outputs_the_width_of_the_page(lesson):
    """After the run, that is: before it JupyterLab trusts no style of a notebook's outputs."""
    measured = lesson.page.evaluate(WIDTHS)
    assert len(measured["texts"]) >= 3 and max(measured["texts"]) <= 46 * measured["rem"] + 1
    assert max(measured["outputs"]) > 46 * measured["rem"] + 20


def use_page_explorer(explorer):
    """Where it shows frames, click into the first and the last, then walk by keys; its controls are moved anyway."""
    root = explorer.root
    assert root.locator(".vfe-still").is_hidden(), "the script did not come to its end"
    if not root.locator(".vfe-frames").count():
        return
    for frame, x, y in ((0, 0.9, 0.1), (root.locator(".vfe-frames canvas").count() - 1, 0.1, 0.9)):
        before = explorer.picture()
        explorer.click(frame, x, y)
        assert explorer.changed(before), f"{explorer.where}: a click changed nothing"
    stage = root.locator(".vfe-frames")
    explorer.time(stage, *["ArrowRight", "ArrowUp", "ArrowLeft", "ArrowDown"] * 3)
