"""Show the package's own code in a lesson: the code that runs is the code that is read."""

from __future__ import annotations

import inspect
import textwrap


def source_of(thing) -> str:
    """The source of a class, function or method, dedented."""
    try:
        return textwrap.dedent(inspect.getsource(thing)).rstrip() + "\n"
    except (TypeError, OSError) as error:
        raise ValueError(f"expected a class or function that lives in a file, got {thing!r}") from error


def show_source(*things) -> None:
    """Show the source of each thing, highlighted, below the cell."""
    from IPython.display import Markdown, display

    display(Markdown("```python\n" + "\n\n".join(map(source_of, things)) + "```"))
