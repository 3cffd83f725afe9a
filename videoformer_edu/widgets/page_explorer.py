"""Page explorers: one piece of HTML that holds its scripts, its numbers and a still picture.

Everything an explorer needs is inside its own HTML, so it works without a kernel and without a network, in JupyterLab,
Colab and a static page. Where scripts do not run (a notebook that is not trusted yet), the still picture stands there.

A new explorer is a file `KIND.js` beside this one, on top of `numbers.js`, `kit.js` and the parts that it names (frames
under maps, token cubes, a chart), and a function in Python that checks what it is given and calls `assemble`.
"""

from __future__ import annotations

import base64
import html
import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from IPython.display import display

LIMIT = 1_000_000  # bytes of HTML in a notebook


@dataclass(frozen=True)
class PageExplorer:
    """An explorer as one piece of HTML: the last line of a cell shows it, and so does `display()`."""

    title: str
    html: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return f"<explorer: {self.title}>"

    def display(self) -> None:
        display(self)


def assemble(
    kind: str, *, title: str, config: dict, still: str, uses: Sequence[str] = (), payload: bytes = b"",
    remedy: str = "", limit: int = LIMIT,
) -> PageExplorer:
    """The explorer of `KIND.js`, a name in JavaScript.

    title: a question; gives the element its id. config: its settings, as JSON; "film" is the address of a picture that
    it draws from. still: the HTML of the picture that stands in its place where no script runs. uses: the parts it
    needs, such as "frames". payload: its numbers as bytes, packed here and unpacked in the page. limit: bytes of HTML;
    a page of its own may hold more than a notebook.
    Raises ValueError when the title is no question, or when the HTML is larger than the limit; `remedy` then says what
    was large and what to do.
    """
    if not title.strip().endswith("?"):
        raise ValueError(f"the title of an explorer is the question that its reader answers, such as 'Where does each "
                         f"patch look?'; got {title!r}")
    name = f"{kind}-" + re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    settings = html.escape(json.dumps({"title": title, **config}, ensure_ascii=False))
    data = base64.b64encode(zlib.compress(payload, 9)).decode()
    scripts = "\n".join(map(script, ("numbers", "kit", *uses, kind)))
    page = (
        f'<div class="vfe-explorer" id="{name}" data-explorer="{kind}" data-config="{settings}" data-payload="{data}">'
        f'<style>{_file("kit.css")}</style><div class="vfe-still">{still}</div></div>'
        f'<script>(() => {{\n"use strict";\n{scripts}\n'
        f'kit.start("{kind}", "{name}", {kind}.explorer);\n}})();</script>'
    )
    if len(page.encode()) > limit:
        raise ValueError(f"the explorer would add {len(page.encode()) / 1e6:.1f} MB to the notebook, "
                         f"{limit / 1e6:.0f} MB is the most {remedy}")
    return PageExplorer(title, page)


def script(name: str) -> str:
    """The JavaScript of a part or of an explorer."""
    return _file(f"{name}.js")


def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8").strip()
