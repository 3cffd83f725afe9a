"""The chart of the explorers: its axes, its names, and every point where it belongs."""

import itertools
import math
import re
import xml.etree.ElementTree as xml

import pytest
from javascript import evaluate

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(("low", "high", "log", "most", "expected"), [
    (1, 128, 2, 8, [1, 2, 4, 8, 16, 32, 64, 128]), (1, 128, 2, 4, [1, 4, 16, 64]), (3, 100, 2, 9, [4, 8, 16, 32, 64]),
    (1, 1e5, 10, 7, [1, 10, 100, 1000, 10000, 100000]), (0.2, 30, 10, 7, [1, 10]),
    (1, 1e9, 10, 5, [1, 100, 1e4, 1e6, 1e8]),
    (0, 100, 0, 6, [0, 20, 40, 60, 80, 100]), (0, 1, 0, 5, [0, 0.2, 0.4, 0.6, 0.8, 1]), (0, 7, 0, 7, list(range(8))),
    (-3, 12, 0, 4, [0, 5, 10]),
])
def test_ticks_are_round(low, high, log, most, expected):
    assert evaluate("chart.ticks([low, high], log, most)", low=low, high=high, log=log, most=most) == \
        pytest.approx(expected)


@pytest.mark.parametrize("log", [0, 2, 10])
def test_a_value_has_its_place_and_is_found_there(log):
    values = [1, 1.5, 6, 40, 64]
    places, back = evaluate("(() => { const s = chart.scale({ range: [1, 64], log }, 300, 60);"
                            " return [values.map(s.to), values.map((v) => s.back(s.to(v)))]; })()",
                            log=log, values=values)
    share = [math.log2(value) / 6 if log else (value - 1) / 63 for value in values]
    assert places == pytest.approx([300 - 240 * s for s in share]) and back == pytest.approx(values)


@pytest.mark.parametrize("places", [[50, 51, 52], [5, 95, 100, 99], [100, 100, 100, 100], [3, 1, 2], [40]])
def test_names_keep_apart_and_inside(places):
    moved = evaluate("chart.spread(places, 15, 10, 100)", places=places)
    ordered = [moved[i] for i in sorted(range(len(places)), key=lambda i: (places[i], i))]
    assert all(below - above >= 15 for above, below in itertools.pairwise(ordered))
    assert min(moved) >= 10 and max(moved) <= 100


def test_what_has_room_stays():
    assert evaluate("chart.spread([90, 20, 50], 15, 10, 100)") == [90, 20, 50]


def test_every_point_is_drawn_where_it_belongs():
    points = {"joint": [[1, 2], [4, 32], [16, 500]], "a & b": [[1, 8], [4, 8], [16, 9]]}
    lines = [{"name": name, "colour": "#123456", "dash": "6 3", "points": some} for name, some in points.items()]
    svg, across, up = evaluate("(() => { const x = { label: 'frames', log: 2, range: [1, 16] };"
                               " const y = { label: 'pairs', log: 10, range: [1, 1000] };"
                               " const svg = chart.picture({ width: 500, x, y, lines, at: 4 });"
                               " const right = 500 - 30 - .6 * 12 * 5, left = 12 + .6 * 12 * 7;"
                               " return [svg, [1, 4, 16].map(chart.scale(x, left, right).to),"
                               " [1, 10, 100, 1000].map(chart.scale(y, 240, 26).to)]; })()", lines=lines)
    tree = xml.fromstring(svg)
    for node, some in zip([n for n in tree.iter(f"{SVG}path")], points.values(), strict=True):
        drawn = [float(number) for number in re.findall(r"[\d.]+", node.get("d"))]
        assert drawn[::2] == pytest.approx(across, abs=0.06)
        heights = [240 - 214 * math.log10(value) / 3 for _, value in some]
        assert drawn[1::2] == pytest.approx(heights, abs=0.06)
    assert up == pytest.approx([240, 240 - 214 / 3, 240 - 2 * 214 / 3, 26])
    texts = [node.text for node in tree.iter(f"{SVG}text")]
    assert texts == ["pairs", "frames", "1", "10", "100", "1,000", "1", "2", "4", "8", "16", "joint", "a & b"]
    dots = [(float(n.get("cx")), float(n.get("cy"))) for n in tree.iter(f"{SVG}circle")]
    assert [x for x, _ in dots] == pytest.approx([across[1]] * 2, abs=0.06)


def test_counts_are_short():
    given = [0, 999, 1234, 999_999, 1e6, 3_141_592, 999_499_999, 999_500_000, 12_400_000_000_000, 4.2e15]
    assert evaluate("given.map(numbers.count)", given=given) == [
        "0", "999", "1,234", "999,999", "1.00 million", "3.14 million", "999 million", "1.00 billion",
        "12.4 trillion", "4,200 trillion"]
