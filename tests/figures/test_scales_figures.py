"""The pyramid's boxes are in scale and its words say the bill; maps of several scales keep their own grids."""

import re

import numpy as np
import pytest
import torch

from videoformer_edu.figures.pyramid import StageBill, pyramid_html, show_pyramid, stage_box, stage_words
from videoformer_edu.figures.scales import looks_at_scales
from videoformer_edu.tokens import Grid

STAGES = [StageBill(Grid(3, 12, 12), Grid(3, 4, 4), 16, 1, 10**9),
          StageBill(Grid(3, 6, 6), Grid(3, 3, 3), 32, 3, 3 * 10**9)]


def test_boxes_are_in_scale():
    first, second = (stage_box(stage, rows=12, widest=32, share=share) for stage, share in zip(STAGES, (0.25, 0.75),
                                                                                              strict=True))
    front = [float(re.search(r'fill-opacity=".18" d="M[\d. ]+ h([\d.]+)', svg)[1]) for svg in (first, second)]
    deep = [float(re.search(r'fill-opacity=".35" d="M[\d. ]+ l([\d.]+)', svg)[1]) for svg in (first, second)]
    bill = [[float(width) for width in re.findall(r'<rect [^>]*width="([\d.]+)"', svg)] for svg in (first, second)]
    assert front[0] == 2 * front[1] and deep[1] == 2 * deep[0]
    assert [used / whole for whole, used in bill] == [0.25, 0.75]


def test_the_words_are_the_bill(capsys):
    assert stage_words(STAGES[1], 0.75) == "3 blocks · 3 × 6 × 6 = 108 tokens of 32 · keys 3 × 3 × 3 · 3.0 G, 75%"
    page = pyramid_html(STAGES, caption="Small & wide")
    assert page.count("<img") == 2 and "25%" in page and "Small &amp; wide" in page and "<svg" not in page
    show_pyramid(STAGES)
    with pytest.raises(ValueError, match="at least one stage"):
        pyramid_html([])


def test_each_map_keeps_its_own_grid():
    frames = np.zeros((6, 24, 24, 3), np.uint8)
    looks = {"fine": torch.rand(3, 4, 4), "coarse": torch.rand(3, 2, 2)}
    figure = looks_at_scales(frames, looks, steps=(0, 2))
    pictures = [[image.get_array() for image in ax.images][1] for ax in figure.axes]
    assert [picture.shape for picture in pictures] == [(4, 4)] * 2 + [(2, 2)] * 2
    for picture, (name, step) in zip(pictures, [(n, s) for n in looks for s in (0, 2)], strict=True):
        np.testing.assert_allclose(picture, looks[name][step])
    assert [ax.get_ylabel() for ax in figure.axes[::2]] == ["fine\nkeys 4 × 4", "coarse\nkeys 2 × 2"]


@pytest.mark.parametrize(("looks", "steps"), [(torch.rand(4, 2, 2), (0,)), (torch.rand(3, 2, 2), (3,)),
                                              (torch.rand(2, 2), (0,))])
def test_a_map_that_does_not_fit(looks, steps):
    with pytest.raises(ValueError, match="expected"):
        looks_at_scales(np.zeros((6, 8, 8, 3), np.uint8), {"one": looks}, steps=steps)
