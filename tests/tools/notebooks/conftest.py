"""A tiny course in a temporary folder: one lesson, one sheet."""

import textwrap

import pytest

LESSON = '''
# %% [markdown]
# # A tiny lesson

# %%
from tools.notebooks.answers import BLANK

# %%
print("it says", BLANK)
print("and ends")
'''

SHEET = '''
# %% [markdown]
# # A tiny sheet

# %% tags=["answer:double"]
def double(x):
    """Twice x."""
    # BEGIN SOLUTION
    return x + x  # the answer nobody may see
    # END SOLUTION

# %% [markdown] tags=["solution"]
# Only the solution says why.

# %%
print("attempted" if double(21) == 42 else "not attempted")
'''


@pytest.fixture
def course(tmp_path):
    """Returns the root; sources under it are written by `write`."""
    write(tmp_path, "notebooks/source/01_tiny.py", LESSON)
    write(tmp_path, "solutions/source/01_tiny.py", SHEET)
    return tmp_path


def write(root, name, text):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
