"""The token cube, tested on its data: every lit cell is a key, in its place, and the counts are the pattern's."""

import base64
import re
import xml.etree.ElementTree as xml

import numpy as np
import pytest
import torch

from videoformer_edu.attention import AlignedTime, Full, LocalTemporal, LocalWindow, Pooled, Spatial, Temporal
from videoformer_edu.figures.cube import (
    count_words,
    cube_html,
    keys_of,
    lit_cube,
    show_lit_cubes,
    show_token_cubes,
    spoken,
    token_cube,
)
from videoformer_edu.tokens import Grid

GRID = Grid(5, 4, 3)
PATTERNS = {
    "joint": Full(), "space": Spatial(), "time": Temporal(), "dilated": LocalTemporal(3, dilation=2),
    "window": LocalWindow((2, 3, 2)), "shifted": LocalWindow((2, 3, 2), (1, 1, 1)), "pooled": Pooled((1, 2, 2)),
    "pooled in time": Pooled((2, 2, 1)), "another rate": AlignedTime(Grid(3, 4, 3)),
}
SVG = "{http://www.w3.org/2000/svg}"


def corners(path: str) -> list[list[tuple[float, float]]]:
    """The four corners of each cell of a path."""
    cells = [re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", part) for part in path.split("Z") if part.strip()]
    return [[(float(x), float(y)) for x, y in cell] for cell in cells]


def drawn(svg: str, columns: int = GRID.w) -> tuple[list, list]:
    """The cells that are keys, those drawn as one apart again, and those that are the query."""
    paths = {kind: [cell for path in xml.fromstring(svg).iter(f"{SVG}path") if path.get("class") == kind
                    for cell in corners(path.get("d"))] for kind in ("keys", "query")}
    cells = []
    for (x0, y0), (x1, y1), (x2, y2), (x3, y3) in paths["keys"]:
        many = round((x1 - x0) / (46 / columns))
        for i in range(many):
            a, b = i / many, (i + 1) / many
            cells.append([(x0 + a * (x1 - x0), y0 + a * (y1 - y0)), (x0 + b * (x1 - x0), y0 + b * (y1 - y0)),
                          (x3 + b * (x2 - x3), y3 + b * (y2 - y3)), (x3 + a * (x2 - x3), y3 + a * (y2 - y3))])
    return cells, paths["query"]


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("query", [(0, 0, 0), (3, 1, 2), (4, 3, 1)])
def test_the_keys_are_the_patterns_row(name, query):
    pattern = PATTERNS[name]
    row = pattern.allowed(GRID)[query[0] * GRID.n + query[1] * GRID.w + query[2]]
    keys = keys_of(pattern, GRID, query)
    assert torch.equal(keys.flatten(), row) and keys.shape == tuple(pattern.key_grid(GRID))
    cells, own = drawn(token_cube(pattern, GRID, query), keys.shape[2])
    assert len(cells) == int(row.sum()) and len(own) == 1
    assert f"{len(cells)} key" in count_words(pattern, GRID, query)
    assert f"{pattern.pairs(GRID):,} pairs in all" in count_words(pattern, GRID, query)


def test_cells_stand_where_their_tokens_are():
    """Frames to the right, rows downwards, columns to the right and up; the query covers its own cell."""
    cells, (own,) = drawn(token_cube(Full(), GRID, (3, 1, 2)))
    corner = {token: cell[0] for token, cell in enumerate(cells)}  # tokens run (t h w)
    for t in range(GRID.t - 1):
        assert corner[(t + 1) * GRID.n][0] > corner[t * GRID.n][0]
    assert corner[GRID.w][1] > corner[0][1] and corner[GRID.w][0] == corner[0][0]
    assert corner[1][0] > corner[0][0] and corner[1][1] < corner[0][1]
    np.testing.assert_allclose(own, cells[3 * GRID.n + 1 * GRID.w + 2], atol=0.11)  # corners are rounded to tenths


def test_a_pooled_key_is_as_large_as_what_it_stands_for():
    def area(cell):
        (x0, y0), (x1, y1), _, (x3, y3) = cell
        return abs((x1 - x0) * (y3 - y0) - (x3 - x0) * (y1 - y0))

    grid = Grid(2, 4, 6)
    cells, (own,) = drawn(token_cube(Pooled((1, 2, 3)), grid, (1, 3, 5)), 2)
    assert len(cells) == 2 * 2 * 2
    assert area(cells[0]) == pytest.approx(6 * area(own), rel=0.05)  # corners are rounded to tenths


@pytest.mark.parametrize("grid", [Grid(1, 1, 1), Grid(1, 7, 2), Grid(33, 2, 5), Grid(16, 14, 14)])
def test_any_grid_fits_its_picture(grid):
    query = (grid.t - 1, grid.h - 1, 0)
    svg = token_cube(Full(), grid, query)
    width, height = (float(xml.fromstring(svg).get(side)) for side in ("width", "height"))
    assert width <= 360 and len(svg) < 100_000
    points = [point for cell in drawn(svg, grid.w)[0] for point in cell]
    assert all(0 <= x <= width and 0 <= y <= height - 14 for x, y in points)  # the frame numbers stand below


def test_words_say_what_the_picture_says():
    assert count_words(Temporal(), GRID, (3, 1, 2)) == "5 keys for this query · 300 pairs in all"
    assert count_words(Spatial(), Grid(2, 1, 1), (0, 0, 0)).startswith("1 key for")
    assert spoken(LocalTemporal(3), GRID, (1, 2, 0)) == (
        "the token in frame 1, row 2, column 0 looks at 3 tokens (frame 0: 1; frame 1: 1; frame 2: 1)")


def test_the_page_has_a_name_and_words_for_every_cube():
    page = cube_html({"a < b": Spatial(), "time": Temporal()}, GRID, (0, 1, 1), caption="Blue looks & sees.")
    assert page.count("<img ") == 2 and "a &lt; b" in page and "Blue looks &amp; sees." in page
    alts = re.findall(r'alt="([^"]*)"', page)
    assert alts[1] == f"time: {spoken(Temporal(), GRID, (0, 1, 1))}"
    first = re.search(r"data:image/svg\+xml;base64,([^\"]+)", page)[1]
    assert base64.b64decode(first).decode() == token_cube(Spatial(), GRID, (0, 1, 1))
    assert "<svg" not in page and "<style" not in page  # a page that is not trusted strips both


def test_what_is_shown_has_text_for_a_page_without_pictures(monkeypatch):
    shown = []
    monkeypatch.setattr("videoformer_edu.figures.cube.display", lambda data, raw: shown.append(data))
    show_token_cubes({"space": Spatial(), "time": Temporal()}, GRID, (3, 1, 2))
    assert shown[0]["text/plain"] == ("space: 12 keys for this query · 720 pairs in all\n"
                                      "time: 5 keys for this query · 300 pairs in all")


def test_cells_of_any_set_are_lit_as_strongly_as_told():
    query, lit = (2, 1, 0), torch.zeros(tuple(GRID))
    lit[0, 3, 1], lit[4, 0, 2], lit[4, 1, 2] = 0.25, 1, 1
    paths = xml.fromstring(lit_cube(lit, GRID, query)).iterfind(f"{SVG}path[@class='keys']")
    assert [(path.get("fill-opacity"), len(corners(path.get("d")))) for path in paths] == [("0.25", 1), (None, 2)]
    everything, _ = drawn(token_cube(Full(), GRID, query))
    places = (0 * 4 + 3) * 3 + 1, (4 * 4 + 0) * 3 + 2, (4 * 4 + 1) * 3 + 2
    found = drawn(lit_cube(lit, GRID, query))[0]
    np.testing.assert_allclose(found, [everything[place] for place in places], atol=0.11)
    assert lit_cube(lit > 0.5, GRID, query) == lit_cube((lit > 0.5).float(), GRID, query)


def test_lit_cubes_stand_above_their_words(monkeypatch):
    shown = []
    monkeypatch.setattr("videoformer_edu.figures.cube.display", lambda data, raw: shown.append(data))
    lit = {"one": torch.ones(tuple(GRID)), "none": torch.zeros(tuple(GRID), dtype=torch.bool)}
    show_lit_cubes(lit, GRID, (0, 0, 0), {"one": "all < 61", "none": "nobody"}, caption="Reach.")
    assert shown[0]["text/plain"] == "one: all < 61\nnone: nobody"
    page = shown[0]["text/html"]
    assert page.count("<img ") == 2 and "<br>all &lt; 61</div>" in page and "Reach." in page


def test_a_query_outside_of_the_grid_is_refused():
    with pytest.raises(ValueError, match=r"\(5, 0, 0\) is not on the grid \(5, 4, 3\); count from 0"):
        token_cube(Full(), GRID, (5, 0, 0))
