"""Frames as an explorer shows them: brighter, less colourful, marked in the colours of their roles."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image, ImageColor
from reading import explorer_of

from videoformer_edu.figures.attention import for_display
from videoformer_edu.figures.show import SHARP, packed
from videoformer_edu.figures.style import ATTENTION, QUERY
from videoformer_edu.tokens import Grid
from videoformer_edu.widgets import attention_explorer
from videoformer_edu.widgets.still import GAP, columns_of, shown_width, still_picture

T, H, W = 3, 2, 5


def frames(t=T, height=H * 8, width=W * 8, most=255):
    return np.random.default_rng(0).integers(0, most, (t, height, width, 3), np.uint8)


def explore(pixels, **options):
    maps = (3 * torch.randn(2, T * H * W, T * H * W, generator=torch.Generator().manual_seed(0))).softmax(-1)
    return explorer_of(attention_explorer(pixels, {"a": maps.unflatten(-1, (T, H, W))}, title="Where?",
                                          **{"alt": "three frames", **options}).html)


def grey(pixels):
    return pixels @ np.array([0.299, 0.587, 0.114])


def test_dark_clips_become_bright_and_bright_ones_stay():
    dark, bright = frames(most=70), frames()
    assert np.median(grey(dark)) < 40 and 95 < np.median(grey(for_display(dark))) < 125
    assert np.abs(grey(for_display(bright)) - grey(bright)).max() < 1.5
    assert for_display(np.zeros((1, 4, 4, 3), np.uint8)).max() == 0


def test_brightening_keeps_the_order_of_greys_and_takes_colour():
    ramp = np.repeat(np.arange(0, 90, dtype=np.uint8)[None, None, :, None], 3, axis=-1)
    out = for_display(ramp)[0, 0]
    assert (np.diff(out[:, 0].astype(int)) >= 0).all() and (out[:, 0] == out[:, 2]).all()
    red = for_display(np.full((1, 2, 2, 3), (200, 90, 90), np.uint8))[0, 0, 0].astype(int)
    assert 0 < red[0] - red[1] < 90 and red[1] == red[2]


def test_the_film_holds_the_frames_as_displayed():
    pixels = frames(most=90)
    _, _, config = explore(pixels)
    film = Image.open(io.BytesIO(base64.b64decode(config["film"].split(",")[1])))
    size = (config["frameWidth"], config["frameHeight"])
    assert size == (W * 8, H * 8) and config["pixelated"]
    for i, frame in enumerate(for_display(pixels)):
        assert np.array_equal(np.asarray(film.crop((i * size[0], 0, (i + 1) * size[0], size[1]))), frame)


def test_large_frames_are_made_smaller():
    _, _, config = explore(frames(T, 400, 1000))
    assert config["film"].startswith("data:image/jpeg") and not config["pixelated"]
    assert config["frameWidth"] <= 1.5 * 720 / T
    assert abs(config["frameWidth"] / config["frameHeight"] - 2.5) < 0.02


@pytest.mark.parametrize("t", range(1, 33))
def test_frames_are_about_170_pixels_wide_and_fill_the_rows(t):
    columns, shown = columns_of(t), shown_width(t)
    assert 170 <= shown <= 400 and columns * (shown + GAP) <= 726
    assert columns * 170 > 500 or t < 3


def pixels_of(picture, colour):
    return np.argwhere((np.asarray(picture) == ImageColor.getrgb(colour)).all(-1))


def test_still_picture_has_words_and_marks_the_patch_that_looks():
    """In the bytes on the page: the mark has kept its colour, whatever the picture has besides."""
    soup, root, _ = explore(frames(T, 160, 400), start=(1, 1, 3), alt='Looks at "itself"')
    figure = root.select_one(".vfe-still figure")
    assert figure.img["alt"] == 'Looks at "itself"' and "run this cell" in figure.figcaption.text
    still = Image.open(io.BytesIO(base64.b64decode(figure.img["src"].split(",")[1]))).convert("RGB")
    marked = pixels_of(still, QUERY)
    step, height = SHARP * (shown_width(T) + GAP), still.height
    assert still.width == 2 * int(figure.img["width"])
    assert len(marked) > 100
    assert np.abs(marked.mean(0) - ((1.5 / H) * height, step + (3.5 / W) * (step - SHARP * GAP))).max() < 3
    assert len(soup.select("img")) == 1


def test_still_picture_covers_only_what_is_looked_at():
    """All attention on one patch: that is amber, the rest is the frame as displayed, and the dot is white."""
    shares = torch.zeros(1, T * H * W, T, H, W)
    shares[0, 0, 2, 1, 4] = 1
    pixels = np.full((T, H * 8, W * 8, 3), 90, np.uint8)
    picture = still_picture(pixels, shares, Grid(T, H, W), 0)
    side, gap = SHARP * shown_width(T), SHARP * GAP
    left = 2 * (side + gap)
    full = 0.92 * np.array(ImageColor.getrgb(ATTENTION)) + 0.08 * 90
    lit = np.argwhere(np.abs(np.asarray(picture) - full).max(-1) < 3)
    assert len(lit) > 0.8 * (side / W) * (picture.height / H)
    assert lit[:, 1].min() >= left + 4 * side // W - 1 and lit[:, 0].min() >= picture.height // H - 1
    assert (np.asarray(picture)[:, side + gap:2 * side + gap] == 90).all(), "a frame that nobody looks at is not veiled"
    assert np.asarray(picture)[round(1.5 * picture.height / H), round(left + 4.5 * side / W)].tolist() == [255] * 3
    read = np.asarray(Image.open(io.BytesIO(packed(picture))).convert("RGB"))
    assert np.array_equal(pixels_of(read, QUERY), pixels_of(picture, QUERY))
