"""A sheet as its learner meets it: a natural mistake, its message, a hint, the right answer, points; then a restart."""

from notebook import READY

SHEET = "exercises/02_the_cost_of_time_sheet.ipynb"
NATURAL = """\
def grid_of(frames, height, width, patch, tubelet):
    return -(-frames // tubelet), -(-height // patch), -(-width // patch)


def tokens_of(frames, height, width, patch, tubelet):
    t, h, w = grid_of(frames, height, width, patch, tubelet)
    return t * h * w


def unseen(frames, height, width, patch, tubelet):
    return frames * height * width - tokens_of(frames, height, width, patch, tubelet) * tubelet * patch**2"""
RIGHT = NATURAL.replace("-(-frames // tubelet), -(-height // patch), -(-width // patch)",
                        "frames // tubelet, height // patch, width // patch")
INDEX = """start => window.jupyterapp.shell.currentWidget.content.widgets.findIndex(
    cell => cell.model.type === 'code' && cell.model.sharedModel.getSource().startsWith(start))"""


class Learner:
    """Somebody at the keyboard: Enter to write, Shift and Enter to run and go on."""

    def __init__(self, notebook):
        self.notebook, self.page = notebook, notebook.page

    def goes_to(self, start: str) -> int:
        """The code cell that begins so."""
        number = self.page.evaluate(INDEX, start)
        self.page.evaluate("""number => {
            const notebook = window.jupyterapp.shell.currentWidget.content;
            notebook.activeCellIndex = number;
            notebook.mode = 'command';
            notebook.widgets[number].node.scrollIntoView();
            notebook.node.focus();
            notebook.activate();
        }""", number)
        return number

    def writes(self, start: str, text: str) -> None:
        self.goes_to(start)
        self.page.keyboard.press("Enter")
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(text)

    def runs(self, start: str) -> str:
        """Runs the cell by keyboard; -> what stands below it then."""
        number = self.goes_to(start)
        before = self.notebook.cells()[number]["count"]
        self.page.keyboard.press("Shift+Enter")
        self.page.wait_for_function(
            "([number, before]) => { const cell = window.jupyterapp.shell.currentWidget.content.widgets[number];"
            f" return ({READY})() && ![null, before].includes(cell.model.executionCount); }}", arg=[number, before],
            timeout=60_000)
        self.page.wait_for_timeout(200)
        return self.page.evaluate(
            "number => window.jupyterapp.shell.currentWidget.content.widgets[number].outputArea.node.innerText", number)


def test_a_mistake_a_hint_an_answer_and_a_restart(open_notebook, findings, album):
    notebook = open_notebook(SHEET)
    learner = Learner(notebook)
    learner.runs("import videoformer_edu")
    learner.runs("from videoformer_edu.sheets")
    learner.runs("def grid_of")
    assert "not attempted" in learner.runs("ex1.check(")

    learner.writes("def grid_of", NATURAL)
    learner.runs("def grid_of")
    said = learner.runs("ex1.check(")
    assert "wrong" in said and "You rounded up" in said and "you gave (4, 8, 13), expected (3, 7, 12)" in said
    for theme in ("Light", "Dark"):
        notebook.page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})",
                               f"JupyterLab {theme}")
        notebook.page.wait_for_selector(f"body[data-jp-theme-name='JupyterLab {theme}']", state="attached")
        assert findings(notebook.page, ".jp-OutputArea-output") == []
        notebook.page.screenshot(path=album / f"sheet-wrong-{theme.lower()}.png")

    learner.writes("# ex1.hint()", "ex1.hint()")
    assert "Hint 1 of 3" in learner.runs("ex1.hint()")
    assert "Hint 2 of 3" in learner.runs("ex1.hint()")

    learner.writes("def grid_of", RIGHT)
    learner.runs("def grid_of")
    said = learner.runs("ex1.check(")
    assert "right, 20 of 20 points" in said and "All checks passed" in said
    assert "1 of 4 exercises right, 20 of 100 points" in learner.runs("progress(")

    notebook.page.evaluate("window.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.restart()")
    notebook.page.wait_for_timeout(1000)
    notebook.page.wait_for_function(READY, timeout=60_000)
    notebook.page.evaluate("window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    learner.runs("import videoformer_edu")
    learner.runs("from videoformer_edu.sheets")
    assert "0 of 4 exercises right" in learner.runs("progress(")  # of this session
    assert "Here your grid" in learner.runs("import torch")  # nothing below falls over
    assert notebook.console == [] and notebook.foreign == []
