"""A report is seen once, wherever in its cell the check stands."""

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

from videoformer_edu.grading import progress_file

HEAD = "04.1 Frames to tubes and back: not attempted, 0 of 15 points"


@pytest.fixture
def shell(monkeypatch, tmp_path):
    monkeypatch.setattr(progress_file, "session", {})
    monkeypatch.setenv(progress_file.VARIABLE, "")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    yield InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    InteractiveShell.clear_instance()


def seen(shell, cell) -> int:
    """How often the report's first line stands below this cell."""
    with capture_output() as got:
        shell.run_cell(cell, store_history=True).raise_error()
    return got.stdout.count(HEAD) + sum(HEAD in output.data["text/plain"] for output in got.outputs)


def test_once_on_the_last_line_and_once_elsewhere(shell):
    assert seen(shell, "from videoformer_edu.sheets import sheet; ex = sheet('04').exercise(1)") == 0
    assert seen(shell, "ex.check()") == 1
    assert seen(shell, "ex.check()\nlater = 3") == 1
    assert seen(shell, "report = ex.check()") == 1
    assert seen(shell, "report") == 1, "asked for again in another cell"
    assert seen(shell, "ex.check()\nex.check()") == 2
    assert seen(shell, "display(report); print(report)") == 2


def test_outside_a_notebook_it_is_only_returned(capsys, monkeypatch):
    from videoformer_edu.sheets import sheet

    monkeypatch.setenv(progress_file.VARIABLE, "")
    monkeypatch.setattr(progress_file, "session", {})
    assert HEAD in repr(sheet("04").exercise(1).check())
    assert capsys.readouterr().out == ""
