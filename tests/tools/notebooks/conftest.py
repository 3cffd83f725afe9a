"""A tiny course in a temporary folder: one lesson, and a sheet whose exercises are those of the package's sheet 04."""

import textwrap

import pytest

HEAD = '''
# /// lesson
# title = "A tiny lesson"
# question = "How small can a lesson be?"
# minutes = 7
# needs = "nothing."
# objectives = ["**read** three cells"]
# serves.1 = { experiment = "what a cell says", exercises = "all" }
# ///
'''
LESSON = HEAD + '''
# %% [markdown]
# What you will see.
#
# OBJECTIVES

# %%
from videoformer_edu.environment import COURSE

# %%
print("it says", COURSE)
print("and ends")

# %% [markdown]
# SHEET
'''

SHEET = '''
# %% [markdown]
# What you will write.
#
# EXERCISES
#
# STATEMENT 04.1
# STATEMENT 04.2
# STATEMENT 04.3
# STATEMENT 04.4

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
PLAN = '''
objectives = ["Read"]

[lessons.05_next]
title = "The next one"
question = "And then?"
minutes = 20
sheet = { exercises = 3, minutes = 30 }
serves.1 = { exercises = [1, 2] }
'''


@pytest.fixture
def course(tmp_path):
    """Returns the root; sources under it are written by `write`."""
    write(tmp_path, "notebooks/source/course.toml", PLAN)
    write(tmp_path, "notebooks/source/04_tiny.py", LESSON)
    write(tmp_path, "solutions/source/04_tiny_sheet.py", SHEET)
    return tmp_path


def write(root, name, text):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
