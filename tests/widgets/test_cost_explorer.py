"""The cost explorer over the whole grid of its controls: its numbers, its words, its picture."""

import base64
import io
import itertools
import re
import sys

import numpy as np
import pytest
from bs4 import BeautifulSoup
from PIL import Image

from videoformer_edu.cost import PUBLISHED_TIMESFORMER, timesformer_cost
from videoformer_edu.widgets.cost_explorer import FRAMES, IMAGE_SIZES, PATCH_SIZES, WIDTHS, cost_explorer, render

MODULE = sys.modules["videoformer_edu.widgets.cost_explorer"]
GRID = list(itertools.product(FRAMES, IMAGE_SIZES, PATCH_SIZES, WIDTHS))
UNITS = {"": 1, "million": 1e6, "billion": 1e9, "G": 1e9, "T": 1e12, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}


def page(frames=8, image_size=224, patch_size=16, width=768):
    markup = render(frames=frames, image_size=image_size, patch_size=patch_size, width=width)
    return BeautifulSoup(markup, "html.parser")


def number(text: str) -> float:
    value, _, unit = text.partition(" ")
    return float(value.replace(",", "")) * UNITS[unit]


def test_the_controls_cover_the_grid():
    sizes = [len(control.options) for control in cost_explorer().controls.values()]
    assert sizes == [len(FRAMES), len(IMAGE_SIZES), len(PATCH_SIZES), len(WIDTHS)]
    assert np.prod(sizes) == len(GRID) == 243


@pytest.mark.slow
def test_every_setting_says_its_numbers_in_words_and_shows_them():
    pictures = set()
    for frames, size, patch, width in GRID:
        soup = page(frames, size, patch, width)
        model = dict(frames=frames, image_size=size, patch_size=patch, width=width, heads=WIDTHS[width])
        costs = {a: timesformer_cost(attention=a, **model) for a in ("joint", "divided", "space_only")}
        tokens = frames * (size // patch) ** 2 + 1
        assert f"{tokens:,} tokens" in soup.b.text
        rows = [[cell.text for cell in row.select("td")] for row in soup.select("tr")[1:]]
        for row, cost in zip(rows, costs.values(), strict=True):
            for text, value in zip(row, (cost.pairs, cost.macs, cost.attention_bytes), strict=True):
                assert abs(number(text) / value - 1) < 0.006, (text, value)
        joint, divided = costs["joint"].macs, costs["divided"].macs
        verdict = soup.select("p")[-1].text
        if abs(joint / divided - 1) > 0.006:
            assert verdict.startswith("Divided" if divided < joint else "Joint"), verdict
            factor = float(re.search(r"by a factor of ([\d.]+)\.", verdict)[1])
            assert abs(factor - max(joint, divided) / min(joint, divided)) < 0.006
        image = soup.img
        assert f"patch {patch}, width {width}" in image["alt"] and int(image["width"]) <= 720
        pictures.add(image["src"])
    assert len(pictures) == len(GRID), "two settings show the same picture"


def test_the_crossing_is_where_the_verdict_changes():
    start = int(re.search(r"cheaper from (\d+) frames on", page().select("p")[-1].text)[1])
    for frames, cheaper in ((start - 1, "joint"), (start, "divided")):
        costs = {a: timesformer_cost(frames=frames, attention=a).macs for a in ("joint", "divided")}
        assert min(costs, key=costs.get) == cheaper


@pytest.mark.parametrize("setting", [(8, 224, 16, 768), (16, 448, 16, 768), (96, 224, 16, 768)])
def test_the_published_models_cost_what_was_published(setting):
    row = next(r for r in PUBLISHED_TIMESFORMER if (r.frames, r.image_size) == setting[:2])
    shown = page(*setting).select("tr")[2].select("td")[1].text  # divided
    assert abs(number(shown) / (row.gmacs * 1e9) - 1) < 0.01


def test_curves_dots_and_published_models_stand_where_they_should():
    MODULE.draw(32, 320, 16, 384)
    left, right = MODULE.figure().axes
    dots = [line for line in left.lines if line.get_marker() == "o"]
    expected = [timesformer_cost(frames=32, image_size=320, patch_size=16, width=384, heads=6, attention=a).macs / 1e9
                for a in ("joint", "divided", "space_only")]
    assert [float(dot.get_ydata()[0]) for dot in dots] == pytest.approx(expected)
    assert [float(dot.get_xdata()[0]) for dot in dots] == [32] * 3
    ratios = [float(line.get_ydata()[0]) for line in right.lines if line.get_marker() == "o"]
    assert ratios == pytest.approx([value / expected[2] for value in expected])
    marked = [(line.get_xdata()[0], line.get_ydata()[0]) for line in left.lines if line.get_marker() == "D"]
    assert marked == [(row.frames, row.gmacs) for row in PUBLISHED_TIMESFORMER]
    curves = [line for line in left.lines if line.get_label() in ("joint", "divided", "space only")]
    assert len({line.get_linestyle() for line in curves}) == 3, "never colour alone"
    for frames, size, patch, width in GRID:  # nothing leaves the axes
        macs = timesformer_cost(frames=frames, image_size=size, patch_size=patch, width=width, attention="joint").macs
        space = timesformer_cost(frames=frames, image_size=size, patch_size=patch, width=width, attention="space_only")
        assert left.get_ylim()[0] < macs / 1e9 < left.get_ylim()[1]
        assert macs / space.macs < right.get_ylim()[1]


def test_a_picture_does_not_remember_the_one_before():
    first = render(frames=8, image_size=224, patch_size=16, width=768)
    render(frames=96, image_size=448, patch_size=8, width=192)
    assert render(frames=8, image_size=224, patch_size=16, width=768) == first


def test_the_paper_of_the_picture_is_white():
    data = base64.b64decode(page().img["src"].split(",")[1])
    image = Image.open(io.BytesIO(data)).convert("RGB")
    assert image.getpixel((0, 0)) == (255, 255, 255)
    assert len(data) < 40_000
