"""A task is recognised where a patch looks most at one of its cells; against plain loops."""

import itertools
import math

import numpy as np
import pytest
import torch

from videoformer_edu.tokens import Grid
from videoformer_edu.widgets import ShownMap, Task, attention_explorer
from videoformer_edu.widgets.task import solutions

FRAMES = 8
CELLS = torch.rand(2, 3, 5, generator=torch.Generator().manual_seed(0)) < 0.4


def shown_map(heads, grid, keys, cls):
    generator = torch.Generator().manual_seed(heads)
    logits = 3 * torch.randn(heads, cls + math.prod(grid), math.prod(keys), generator=generator)
    return ShownMap(logits.softmax(-1).unflatten(-1, keys), Grid(*grid))


def done_by(task, row, keys, asks, grid):
    """Does a patch in step `asks` whose shares are `row` do the task?"""
    best = max(itertools.product(*map(range, keys)), key=lambda place: row[place])
    cell = tuple(int((i + 0.5) / size * cells) for i, size, cells in zip(best, keys, task.cells.shape, strict=True))
    frames = lambda step, steps: set(range(step * FRAMES // steps, (step + 1) * FRAMES // steps))  # noqa: E731
    apart = not frames(asks, grid[0]) & frames(best[0], keys[0])
    return bool(task.cells[cell]) and (apart or not task.other_frame)


@pytest.mark.parametrize("other_frame", [False, True])
@pytest.mark.parametrize(("heads", "grid", "keys", "cls"), [(3, (8, 2, 3), (8, 2, 3), 1), (1, (2, 1, 3), (8, 2, 4), 0),
                                                            (2, (8, 3, 1), (4, 4, 5), 1)])
def test_solutions_are_those_of_plain_loops(heads, grid, keys, cls, other_frame):
    task, shown = Task("Find it.", CELLS, "Found.", other_frame=other_frame), shown_map(heads, grid, keys, cls)
    found = solutions(task, shown, FRAMES)
    assert found.shape == (1 + heads, math.prod(grid)) and 0 < found.sum() < found.numel()
    rows = shown.shares[:, cls:]
    for i, one in enumerate([rows.mean(0), *rows]):
        for q in range(math.prod(grid)):
            assert bool(found[i, q]) == done_by(task, one[q], keys, q // (grid[1] * grid[2]), grid), (i, q)


def test_a_patch_that_looks_nowhere_does_no_task():
    shown = ShownMap(torch.zeros(1, 4, 1, 2, 2), Grid(1, 2, 2))
    assert not solutions(Task("Find it.", torch.ones(1, 2, 2, dtype=torch.bool), "Found."), shown, 1).any()


def test_settings_are_plain():
    settings = Task("Find it.", CELLS, "Found.").settings()
    assert settings["grid"] == [2, 3, 5] and not settings["otherFrame"]
    assert settings["cells"] == [i for i, lit in enumerate(CELLS.flatten().tolist()) if lit]


def explore(task, start=(0, 0, 0)):
    eye = torch.eye(18).unflatten(-1, (2, 3, 3))[None]  # every patch looks at itself
    return attention_explorer(np.zeros((2, 12, 12, 3), np.uint8), {"eye": eye}, title="Where?", alt="black",
                              start=start, task=task)


def test_a_task_must_be_open_and_possible():
    cells = torch.zeros(2, 3, 3, dtype=torch.bool)
    cells[1, 2, 0] = True
    explore(Task("Find it.", cells, "Found."))
    with pytest.raises(ValueError, match="'Find it.' is done from the start"):
        explore(Task("Find it.", cells, "Found."), start=(1, 2, 0))
    with pytest.raises(ValueError, match="nobody can do the task 'Find it.'"):
        explore(Task("Find it.", cells, "Found.", other_frame=True))


@pytest.mark.parametrize(("change", "message"), [
    (dict(asks=" "), "a task needs words"),
    (dict(says=""), "a task needs words"),
    (dict(cells=CELLS[0]), r"bool \(t, h, w\).*got torch.bool \(3, 5\)"),
    (dict(cells=CELLS.float()), "got torch.float32"),
    (dict(cells=torch.zeros(2, 3, 5, dtype=torch.bool)), "none of them True"),
])
def test_bad_input_gets_an_explanation(change, message):
    with pytest.raises(ValueError, match=message):
        Task(**{"asks": "Find it.", "cells": CELLS, "says": "Found.", **change})
