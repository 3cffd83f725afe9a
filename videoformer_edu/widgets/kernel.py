"""The shape of every kernel explorer: controls, a pure `render`, and one piece of HTML between them.

`render(**values) -> html` is the whole explorer: it is tested over all values without a browser. The controls, from
core ipywidgets (7 and 8), only call it. For readers without a kernel (a static page, a notebook that has not been run)
the same output carries `render` at the starting values as plain HTML.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping

import ipywidgets as widgets
from IPython.display import display

STILL = '<p style="opacity:.75;font-size:90%">(A still picture: run this cell to move the controls.)</p>'


class KernelExplorer:
    """Controls above what `render(**values)` makes of their values; drawn again whenever one of them moves.

    controls: argument of `render` -> the widget whose `.value` it takes. The last line of a cell shows the explorer.
    """

    def __init__(self, render: Callable[..., str], controls: Mapping[str, widgets.DOMWidget], *, title: str):
        self.title, self.render, self.controls = title, render, dict(controls)
        self.still = self._heading() + render(**self.values) + STILL
        self.output = widgets.HTML(value=render(**self.values))
        for control in self.controls.values():
            control.observe(self._update, names="value")
        panel = widgets.Box(list(self.controls.values()), layout=widgets.Layout(flex_flow="row wrap", width="100%"))
        self.box = widgets.VBox([widgets.HTML(value=self._heading()), panel, self.output])

    @property
    def values(self) -> dict:
        """What the controls say now."""
        return {name: control.value for name, control in self.controls.items()}

    def _heading(self) -> str:
        return f'<p style="font-weight:600;margin:4px 0">{html.escape(self.title)}</p>'

    def _update(self, _change) -> None:
        try:
            self.output.value = self.render(**self.values)
        except Exception as error:  # a front end swallows it: say it where the learner looks, then let it go on
            self.output.value = f'<p role="alert">{html.escape(f"{type(error).__name__}: {error}")}</p>'
            raise

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        """One output: the widget where it can live, the still picture where it cannot."""
        view = {"version_major": 2, "version_minor": 0, "model_id": self.box.model_id}
        return {"application/vnd.jupyter.widget-view+json": view, "text/html": self.still, "text/plain": repr(self)}

    def __repr__(self) -> str:
        return f"<explorer: {self.title}>"

    def display(self) -> None:
        display(self)


def choice_slider(description: str, options, value) -> widgets.SelectionSlider:
    """A slider over a few values, moved by mouse or arrow keys. `description` stands beside it.

    ipywidgets gives the handle itself no name for a screen reader. A `Dropdown` has one, but JupyterLab takes its arrow
    keys.
    """
    return widgets.SelectionSlider(
        options=options, value=value, description=description, continuous_update=True,
        style={"description_width": "80px"}, layout=widgets.Layout(width="340px"),
    )
