"""Video transformers, understood by building them.

The package behind the lessons: tokens, attention, models and what it takes to look inside them.
Importing it costs nothing; each room imports what it needs (`from videoformer_edu.models import TimeSformer`).
"""

__version__ = "0.1.0"

# Lines of a text are as long as can be read; pictures and explorers keep the width they need.
TEXT_MEASURE = "<style>.jp-MarkdownCell .jp-RenderedMarkdown > :not(table, pre, img) { max-width: 46rem; }</style>"


def set_up_page() -> None:
    """Have a notebook set its texts in lines of a readable length: the second line of every lesson and sheet.

    Elsewhere it does nothing.
    """
    from IPython import get_ipython
    from IPython.display import display

    if get_ipython() is not None:
        display({"text/html": TEXT_MEASURE, "text/plain": ""}, raw=True)
