"""The texts of the sources are wrapped as texts are: no line is left over in the middle of a paragraph."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[2]
SOURCES = sorted([*(ROOT / "notebooks" / "source").glob("*.py"), *(ROOT / "solutions" / "source").glob("*.py")])
WIDTH = 118
# What is no line of a paragraph: an empty line, a heading, a table, a formula, code, the tags of <details>.
OTHER = re.compile(r"\s*$|#|\||\$\$|```|</?\w+>")
BEGINNING = re.compile(r"(?:> ?)?\s*(?:[-*]|\d+\.) ")  # of an item in a list, which is a paragraph of its own


def paragraphs(source: str):
    """The paragraphs of all markdown cells, each a list of (line number, line)."""
    prose, code, found = False, False, []
    for number, line in enumerate(source.splitlines(), start=1):
        if line.startswith("# %%"):
            prose, code = "[markdown]" in line, False
        text = line[2:] if prose and not line.startswith("# %%") else ""
        code ^= text.startswith("```")
        body = text.removeprefix("> ") if text.startswith(">") else text
        if code or OTHER.match(body):
            yield found
            found = []
        else:
            if BEGINNING.match(text):
                yield found
                found = []
            found.append((number, text))
    yield found


def orphans(source: str) -> list[str]:
    """Lines of one or two words that another line of the same paragraph follows."""
    return [f"line {number}: {text}" for lines in paragraphs(source) for number, text in lines[:-1]
            if len(text.removeprefix("> ").split()) <= 2 and len(text) < WIDTH / 2]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_no_line_is_left_over(path):
    source = path.read_text(encoding="utf-8")
    assert sum(map(len, paragraphs(source))) > 30
    assert orphans(source) == []
    assert [line for line in source.splitlines() if line.startswith("# ") and len(line) > WIDTH + 2] == []


def test_a_line_that_is_left_over_is_found():
    source = ("# %% [markdown]\n# The number of patches in a frame. Its\n# companion\n# is `t0·roof`.\n#\n# - one\n"
              "# - two\n#\n# | a |\n# | b |\n#\n# > **Predict.** What is it that\n# > one\n# > sees?\n\n# %%\n# a\n# b")
    assert orphans(source) == ["line 3: companion", "line 13: > one"]
