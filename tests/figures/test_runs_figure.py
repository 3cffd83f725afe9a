"""Runs beside each other: a panel for each, all losses on one axis, accuracies in per cent."""

import numpy as np

from videoformer_edu.figures.runs import run_panels


def test_a_panel_for_each_run_on_the_same_axes():
    runs = {name: {"loss": [[5, 2.0 * k], [10, 1.0]], "accuracy": [[10, 0.1 * k]]} for k, name in enumerate("PQRS", 1)}
    axes = run_panels(runs, guess=0.25).axes
    panels, rights = axes[:6], axes[6:]
    assert [one.get_title(loc="left") or one.get_title() for one in panels[:4]] == list("PQRS")
    assert {one.get_ylim() for one in panels[:4]} == {(0, 1.05 * 8.0)}
    np.testing.assert_allclose([one.lines[0].get_ydata()[0] for one in rights], [10, 20, 30, 40])
    np.testing.assert_allclose([one.lines[1].get_ydata()[0] for one in rights], [25] * 4)
