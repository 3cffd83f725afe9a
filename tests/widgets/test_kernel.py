"""The pattern of a kernel explorer: controls call render; one output serves readers with and without a kernel."""

import ipywidgets as widgets
import pytest
from bs4 import BeautifulSoup

from videoformer_edu.widgets import KernelExplorer, cost_explorer
from videoformer_edu.widgets.kernel import choice_slider


def square(*, size, colour):
    if size == 7:
        raise ZeroDivisionError("seven <is> bad")
    return f"<p>{size} {colour}</p>"


@pytest.fixture
def explorer():
    controls = {"size": choice_slider("size", (3, 5, 7), 5), "colour": widgets.Dropdown(options=["red", "blue"])}
    return KernelExplorer(square, controls, title="Squares & more")


def test_it_starts_at_the_controls_values(explorer):
    assert explorer.values == {"size": 5, "colour": "red"}
    assert explorer.output.value == "<p>5 red</p>"


def test_every_control_redraws(explorer):
    explorer.controls["size"].value = 3
    assert explorer.output.value == "<p>3 red</p>"
    explorer.controls["colour"].value = "blue"
    assert explorer.output.value == "<p>3 blue</p>"


def test_an_error_is_said_where_the_learner_looks(explorer):
    with pytest.raises(ZeroDivisionError):
        explorer.controls["size"].value = 7
    assert explorer.output.value == '<p role="alert">ZeroDivisionError: seven &lt;is&gt; bad</p>'
    explorer.controls["size"].value = 3
    assert explorer.output.value == "<p>3 red</p>"


def test_one_output_serves_both_readers(explorer):
    bundle = explorer._repr_mimebundle_()
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == explorer.box.model_id
    assert bundle["text/plain"] == "<explorer: Squares & more>"
    still = BeautifulSoup(bundle["text/html"], "html.parser")
    assert "5 red" in still.text and "Squares & more" in still.text and "run this cell" in still.text


def test_the_still_picture_does_not_follow_the_controls(explorer):
    before = explorer._repr_mimebundle_()["text/html"]
    explorer.controls["size"].value = 3
    assert explorer._repr_mimebundle_()["text/html"] == before


def test_core_widgets_only_and_all_of_them_named():
    explorer = cost_explorer()
    for control in explorer.controls.values():
        assert type(control).__module__.startswith("ipywidgets.")
        assert control.description and control.continuous_update
    still = BeautifulSoup(explorer._repr_mimebundle_()["text/html"], "html.parser")
    assert still.img["alt"].startswith("Multiply-adds against frames")
