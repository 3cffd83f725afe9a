"""The cube of the explorers is the cube of the figures, and a point on it is the token that lies there."""

import math
import re
import xml.etree.ElementTree as xml

import pytest
import torch
from javascript import evaluate

from videoformer_edu.attention import AlignedTime, LocalTemporal, Pooled
from videoformer_edu.figures.cube import lit_cube, token_cube
from videoformer_edu.tokens import Grid

GRID = Grid(5, 4, 3)
NUMBER = re.compile(r"-?\d*\.?\d+")


def parts(svg: str) -> list[tuple[str, dict, list[float]]]:
    """Each element of a drawing in its order: its name, its words, its numbers."""
    found = []
    for node in xml.fromstring(svg).iter():
        text = " ".join([*(f"{name}={value}" for name, value in sorted(node.attrib.items())), node.text or ""])
        found.append((node.tag, NUMBER.sub("#", text), [float(number) for number in NUMBER.findall(text)]))
    return found


def assert_alike(svg: str, other: str) -> None:
    ours, theirs = parts(svg), parts(other)
    assert [part[:2] for part in ours] == [part[:2] for part in theirs]
    for (name, words, numbers), (_, _, expected) in zip(ours, theirs, strict=True):
        assert numbers == pytest.approx(expected, abs=0.1001), (name, words)  # halves are rounded otherwise


@pytest.mark.parametrize("query", [(0, 0, 0), (3, 1, 2), (4, 3, 1)])
@pytest.mark.parametrize("pattern", [LocalTemporal(3, dilation=2), Pooled((2, 2, 1)), AlignedTime(Grid(3, 4, 3))])
def test_it_is_the_cube_of_the_figures(pattern, query):
    keys = tuple(pattern.key_grid(GRID))
    number = (query[0] * GRID.h + query[1]) * GRID.w + query[2]
    lit = pattern.allowed(GRID)[number].tolist()
    svg = evaluate("cube.picture({ grid, keys, lit, query })", grid=GRID, keys=keys, lit=lit, query=number)
    assert_alike(svg, token_cube(pattern, GRID, query))


@pytest.mark.parametrize("grid", [(1, 1, 1), (1, 7, 2), (33, 2, 5), (8, 14, 14)])
def test_any_strength_on_any_grid(grid):
    levels = torch.tensor([0, 0.125, 0.5, 1], dtype=torch.float64)
    lit = levels[torch.randint(0, 4, grid, generator=torch.Generator().manual_seed(0))]
    svg = evaluate("cube.picture({ grid, lit, query: 0 })", grid=grid, lit=lit.flatten().tolist())
    assert_alike(svg, lit_cube(lit, Grid(*grid), (0, 0, 0)))


def test_a_token_that_is_pointed_at_is_outlined():
    svg = xml.fromstring(evaluate("cube.picture({ grid: [2, 3, 4], lit: new Array(24).fill(0), pointed: 17 })"))
    (outline,) = [node for node in svg.iter() if node.get("class") == "pointed"]
    first = evaluate("cube.layout([2, 3, 4]).at(1, 1 / 3, 1 / 4)")  # 17 = (1 * 3 + 1) * 4 + 1
    assert [float(number) for number in NUMBER.findall(outline.get("d"))[:2]] == pytest.approx(first, abs=0.06)


@pytest.mark.parametrize("grid", [(1, 1, 1), (3, 4, 5), (8, 4, 4), (16, 2, 7)])
def test_a_point_is_the_token_under_it(grid):
    """The middle of every token leads to it, unless a later frame covers it; nothing lies outside."""
    t, h, w = grid
    found = evaluate("Array.from({ length: grid[0] * grid[1] * grid[2] }, (_, k) => {"
                     " const g = numbers.gridOf(grid, grid[0]);"
                     " const middle = cube.layout(grid).at(g.step(k), (g.row(k) + .5) / g.h, (g.column(k) + .5) / g.w);"
                     " const [frame, x, y] = cube.hit(...middle, grid);"
                     " return g.at(frame, Math.floor(y * g.h), Math.floor(x * g.w)); })", grid=grid)
    assert found[-h * w:] == list(range((t - 1) * h * w, t * h * w)), "the last frame is covered by none"
    assert all(token == k or token // (h * w) > k // (h * w) for k, token in enumerate(found))
    assert sum(token == k for k, token in enumerate(found)) >= math.prod(grid) / 3
    assert evaluate("[[0, 0], [1e4, 50], [-3, 60], [50, 1e4]].map(([x, y]) => cube.hit(x, y, grid))", grid=grid) == \
        [None] * 4
