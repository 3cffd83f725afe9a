"""How far a run is, for somebody who watches: a bar, and a curve that is drawn anew in its place.

Nobody watches a test, a build or a batch job, and there nothing is written: a lesson's output must not depend on how
fast the machine was, and a log has no use for a thousand bars.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from videoformer_edu.training.history import History
from videoformer_edu.training.step import Run

AUTOMATIC = ("CI", "PYTEST_CURRENT_TEST", "PYTEST_VERSION")  # set where a machine runs the code for itself
FRONT_ENDS = ("JPY_SESSION_NAME", "VSCODE_PID", "COLAB_RELEASE_TAG")  # set in the kernels of notebooks that are open


def in_kernel() -> bool:
    """Does this code run in a notebook's kernel?"""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")


def watched() -> bool:
    """Is there a terminal, or a notebook open in a front end (and not only run by nbval or nbconvert)?"""
    if any(os.environ.get(name) for name in AUTOMATIC):
        return False
    if in_kernel():
        return any(os.environ.get(name) for name in FRONT_ENDS)
    return sys.stderr is not None and sys.stderr.isatty()


@contextmanager
def step_bar(run: Run, *, shown: bool) -> Iterator[Callable[[], None]]:
    """A bar over the steps of `run` with the latest loss; what it hands out is called after each step."""
    if not (shown and run.world.first and watched()):
        yield lambda: None
        return
    from tqdm.auto import tqdm

    with tqdm(total=run.recipe.steps, initial=run.done, unit="step", dynamic_ncols=True) as bar:
        def tick() -> None:
            bar.set_postfix_str(f"loss {run.history.losses[-1]:.3f}", refresh=False)
            bar.update(run.done - bar.n)

        yield tick


def live(draw: Callable[[History], str], *, seconds: float = 1.0) -> Callable[[Run], None]:
    """An `after_step` for a notebook: shows `draw(history)`, which is HTML, and puts the next one in its place.

    A new one comes at most once in `seconds`, and drawing takes a tenth of the time at most. The last one shows the
    whole run, and stays. Where nobody watches the notebook there is that one alone; outside of notebooks, nothing.

        fit(model, source, recipe, after_step=live(loss_curve_html))        # of figures.loss
    """
    shown, due = None, 0.0

    def after_step(run: Run) -> None:
        nonlocal shown, due
        start, ended = time.monotonic(), run.done == run.recipe.steps
        if not (in_kernel() and run.world.first and (ended or (start >= due and watched()))):
            return
        from IPython.display import HTML, display

        picture = HTML(draw(run.history))
        if shown is not None:
            shown.update(picture)
        elif ended:
            display(picture)  # without an id: outputs with one can change later, and nbval refuses them
        else:
            shown = display(picture, display_id=True)
        due = start + max(seconds, 10 * (time.monotonic() - start))

    return after_step
