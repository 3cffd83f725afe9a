"""Progress is for those who watch: a bar in a terminal, a curve in a notebook, and not one character elsewhere."""

import io
import sys
from contextlib import contextmanager
from types import SimpleNamespace

import IPython.display
import nbformat
import pytest
import torch
from nbclient import NotebookClient
from torch import nn

from videoformer_edu.training import watching
from videoformer_edu.training.distributed import World
from videoformer_edu.training.history import History
from videoformer_edu.training.loop import fit
from videoformer_edu.training.recipe import Recipe
from videoformer_edu.training.watching import AUTOMATIC, FRONT_ENDS, live, step_bar, watched

BATCH = torch.ones(2, 3), torch.tensor([0, 1])


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@contextmanager
def somebody(stderr: io.StringIO | None = None):
    """Inside there is a terminal, and no sign of automation. (pytest sets its own signs, and stderr, for each test.)"""
    with pytest.MonkeyPatch.context() as patch:
        for name in (*AUTOMATIC, *FRONT_ENDS):
            patch.delenv(name, raising=False)
        terminal = stderr or Terminal()
        patch.setattr(sys, "stderr", terminal)
        yield terminal


def run_at(done: int, steps: int = 4, rank: int = 0) -> SimpleNamespace:
    history = History()
    for step in range(1, done + 1):
        history.add(step=step, loss=2.0 / step)
    world = World(rank=rank, size=rank + 1)
    return SimpleNamespace(done=done, history=history, recipe=Recipe(steps=steps), world=world)


# --------------------------------------------------------------------------------------------------------- who watches


def test_a_terminal_is_watched_and_a_pipe_is_not():
    with somebody():
        assert watched()
    with somebody(stderr=io.StringIO()):
        assert not watched()
    with somebody(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", None)  # a Windows program without a console
        assert not watched()


@pytest.mark.parametrize("name", AUTOMATIC)
def test_nobody_watches_what_a_machine_runs(name):
    with somebody(), pytest.MonkeyPatch.context() as patch:
        patch.setenv(name, "1")
        assert not watched()


@pytest.mark.parametrize("name", FRONT_ENDS)
def test_a_kernel_is_watched_where_a_front_end_has_it_open(monkeypatch, name):
    monkeypatch.setattr(watching, "in_kernel", lambda: True)
    with somebody(), pytest.MonkeyPatch.context() as patch:
        assert not watched()  # as nbval, nbconvert and the build of the lessons run it
        patch.setenv(name, "somewhere")
        assert watched()


# --------------------------------------------------------------------------------------------------------------- bar


def test_the_bar_says_how_far_and_how_well():
    run = run_at(1)
    with somebody() as terminal, step_bar(run, shown=True) as tick:
        vars(run).update(vars(run_at(3)))
        tick()
    last = terminal.getvalue().replace("\n", "\r").split("\r")[-2]
    assert "3/4" in last and "75%" in last and "loss 0.667" in last


def test_a_run_shows_its_bar_only_when_asked():
    with somebody() as terminal:
        fit(nn.Linear(3, 2), [BATCH] * 3, Recipe(steps=3, batch=2))
    assert terminal.getvalue() == ""
    with somebody() as terminal:
        fit(nn.Linear(3, 2), [BATCH] * 3, Recipe(steps=3, batch=2), bar=True)
    assert "3/3" in terminal.getvalue() and "loss" in terminal.getvalue()


def test_other_processes_and_unwatched_ones_write_nothing(capfd):
    with somebody() as terminal, step_bar(run_at(2, rank=1), shown=True) as tick:
        tick()
    with somebody() as other, pytest.MonkeyPatch.context() as patch:
        patch.setenv("CI", "true")
        with step_bar(run_at(2), shown=True) as tick:
            tick()
    with step_bar(run_at(2), shown=True) as tick:
        tick()
    assert terminal.getvalue() == other.getvalue() == "" and capfd.readouterr() == ("", "")


# ------------------------------------------------------------------------------------------------------------- curve


@pytest.fixture
def page(monkeypatch):
    """A notebook page: what it shows, in order; ("new", html) or ("instead", html). A clock that the test moves."""
    shown = []

    class Handle:
        def update(self, picture):
            shown.append(("instead", picture.data))

    def display(picture, display_id=None):
        shown.append(("new, may change" if display_id else "new", picture.data))
        return Handle() if display_id else None

    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(IPython.display, "display", display)
    monkeypatch.setattr(watching, "in_kernel", lambda: True)
    monkeypatch.setattr(watching, "watched", lambda: True)
    monkeypatch.setattr(watching.time, "monotonic", lambda: clock.now)
    return SimpleNamespace(shown=shown, clock=clock)


def draw(history: History) -> str:
    return f"<b>{len(history)}</b>"


def test_the_curve_replaces_itself_at_a_bounded_rate(page):
    after_step = live(draw, seconds=2.0)
    for done, now in ((1, 100.0), (2, 101.9), (3, 102.0), (4, 103.0), (5, 104.1), (6, 104.2)):
        page.clock.now = now
        after_step(run_at(done, steps=6))
    assert page.shown == [("new, may change", "<b>1</b>"), ("instead", "<b>3</b>"), ("instead", "<b>5</b>"),
                          ("instead", "<b>6</b>")]


def test_slow_drawing_is_done_less_often(page):
    def slowly(history):
        page.clock.now += 3.0
        return draw(history)

    after_step = live(slowly, seconds=2.0)
    for done, now in ((1, 100.0), (2, 129.9), (3, 130.0)):
        page.clock.now = now
        after_step(run_at(done, steps=6))
    assert [picture for _, picture in page.shown] == ["<b>1</b>", "<b>3</b>"]


def test_an_unwatched_notebook_gets_one_picture_that_never_changes(page, monkeypatch):
    monkeypatch.setattr(watching, "watched", lambda: False)
    after_step = live(draw)
    for done in range(1, 5):
        after_step(run_at(done))
    assert page.shown == [("new", "<b>4</b>")]


def test_outside_of_notebooks_and_in_other_processes_there_is_no_curve(page, monkeypatch):
    after_step = live(draw)
    after_step(run_at(4, rank=1))
    monkeypatch.setattr(watching, "in_kernel", lambda: False)
    after_step(run_at(4))
    assert page.shown == []


TRAIN = """\
import os
import torch
from videoformer_edu.figures.loss import loss_curve_html
from videoformer_edu.training.loop import fit
from videoformer_edu.training.watching import AUTOMATIC, live
from videoformer_edu.training.recipe import Recipe

def train():
    batches = [(torch.ones(2, 3), torch.tensor([0, 1]))] * 20
    curve = live(loss_curve_html, seconds=0)
    fit(torch.nn.Linear(3, 2), batches, Recipe(steps=20, batch=2), bar=True, after_step=curve)
"""
WATCH = """\
for name in AUTOMATIC:
    os.environ.pop(name, None)
os.environ["JPY_SESSION_NAME"] = "lesson.ipynb"
train()"""


@pytest.mark.slow
def test_a_real_kernel_keeps_one_picture_of_a_run():
    cells = [nbformat.v4.new_code_cell(source) for source in (TRAIN, "train()", WATCH)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, kernel_name="python3", timeout=120).execute()
    _, unwatched, seen = (cell.outputs for cell in notebook.cells)
    assert [output.output_type for output in unwatched] == ["display_data"]
    assert 'alt="Loss over 20 steps' in unwatched[0].data["text/html"]
    assert "transient" not in unwatched[0] and "display_id" not in str(unwatched[0].metadata)
    pictures = [output for output in seen if "<img" in output.get("data", {}).get("text/html", "")]
    assert len(pictures) == 1 and 'alt="Loss over 20 steps' in pictures[0].data["text/html"]
    assert not [output for output in seen if output.get("name") == "stderr"]
