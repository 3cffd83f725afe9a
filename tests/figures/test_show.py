"""A picture reaches the page once, with its words, its size and always the same bytes."""

import base64
import io
import re
import sys

import numpy as np
import pytest
from bs4 import BeautifulSoup
from matplotlib import pyplot as plt
from PIL import Image, ImageColor

from videoformer_edu.figures import new_figure, show, show_image
from videoformer_edu.figures.show import figure_html, packed, rasterise
from videoformer_edu.figures.style import CYCLE, DPI, house_style


@house_style()
def sample_figure(width_mm=120, height_mm=50):
    figure = new_figure(width_mm, height_mm)
    axes = figure.subplots()
    axes.plot([0, 1, 2], [3, 1, 2], label="a line")
    axes.set(title="Title", xlabel="frames", ylabel="pairs")
    axes.legend()
    return figure


@pytest.fixture
def shown(monkeypatch):
    """What would be sent to the notebook."""
    sent = []
    module = sys.modules["videoformer_edu.figures.show"]  # the package's own `show` is the function of that name
    monkeypatch.setattr(module, "display", lambda data, raw: sent.append(data))
    return sent


def decode(markup: str) -> tuple[BeautifulSoup, Image.Image]:
    soup = BeautifulSoup(markup, "html.parser")
    prefix, data = soup.img["src"].split(",", 1)
    assert prefix == "data:image/webp;base64"
    return soup, Image.open(io.BytesIO(base64.b64decode(data)))


def test_one_html_figure_with_alt_caption_and_size(shown):
    result = show(sample_figure(), alt='Pairs "fall" & rise', caption="Cost <b> of time")
    assert result is None and len(shown) == 1
    soup, picture = decode(shown[0]["text/html"])
    assert [tag.name for tag in soup.find_all(True)] == ["figure", "style", "span", "img", "i", "figcaption"]
    assert soup.img["alt"] == 'Pairs "fall" & rise' == shown[0]["text/plain"]
    assert soup.figcaption.text == "Cost <b> of time"
    assert picture.size == (int(120 / 25.4 * 2 * DPI), int(50 / 25.4 * 2 * DPI)), "two pixels for each that is shown"
    assert (2 * int(soup.img["width"]), 2 * int(soup.img["height"])) == pytest.approx(picture.size, abs=1)


def test_no_caption_no_figcaption(shown):
    show(sample_figure(), alt="a line")
    assert "figcaption" not in shown[0]["text/html"]


@pytest.mark.parametrize("alt", ["", "  \n"])
def test_a_picture_without_words_is_refused(shown, alt):
    with pytest.raises(ValueError, match="alt is empty"):
        show(sample_figure(), alt=alt)
    with pytest.raises(ValueError, match="alt is empty"):
        show_image(np.zeros((2, 3), np.uint8), alt=alt)
    assert shown == []


def test_same_picture_same_bytes_and_nothing_but_pixels(shown):
    show(sample_figure(), alt="a line")
    show(sample_figure(), alt="a line")
    assert shown[0] == shown[1]
    assert decode(shown[0]["text/html"])[1].info.keys() <= {"background", "loop", "timestamp", "duration"}


def test_pyplot_keeps_nothing_open(shown):
    figure, axes = plt.subplots()
    axes.plot([1, 2])
    show(figure, alt="a line")
    assert plt.get_fignums() == []


def test_pixels_are_kept_exactly_when_few_colours(shown):
    pixels = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[0, 0, 0], [9, 8, 7], [255, 255, 255]]], np.uint8)
    show_image(pixels, alt="six pixels", width=300)
    soup, picture = decode(shown[0]["text/html"])
    assert np.array_equal(np.asarray(picture.convert("RGB")), pixels)
    assert (soup.img["width"], soup.img["height"]) == ("300", "200")
    assert "pixelated" in soup.img["style"]


def test_a_mark_keeps_its_colour_among_more_colours_than_a_palette_holds():
    """A thin outline over a map must not take the map's colour for "most"."""
    pixels = np.random.default_rng(0).integers(0, 200, (300, 400, 3), np.uint8)
    for i, colour in enumerate(CYCLE):
        pixels[20 + 30 * i, 30:90] = ImageColor.getrgb(colour)
    read = np.asarray(Image.open(io.BytesIO(packed(Image.fromarray(pixels)))).convert("RGB"))
    assert len(np.unique(read.reshape(-1, 3), axis=0)) <= 256, "this picture is one that a palette makes smaller"
    for i, colour in enumerate(CYCLE):
        assert (read[20 + 30 * i, 30:90] == ImageColor.getrgb(colour)).all(), colour


def test_many_colours_stay_close_and_the_file_shrinks(shown):
    y, x = np.mgrid[0:120, 0:160]
    pixels = np.stack([x, 2 * y, (x + y) // 2], -1).astype(np.uint8)
    picture = decode(figure_html(Image.fromarray(pixels), alt="a gradient"))[1]
    error = np.abs(np.asarray(picture.convert("RGB"), int) - pixels.astype(int))
    assert error.mean() < 6
    noise = np.random.default_rng(0).integers(0, 255, (90, 110, 3), np.uint8)
    markup = figure_html(Image.fromarray(noise), alt="noise")
    assert len(markup) < noise.size * 4 / 3 * 0.5  # true colour cannot be squeezed; 256 colours take a third


@house_style()
def figure_of(image, **options):
    figure = new_figure(120, 60)
    axes = figure.subplots()
    axes.imshow(image, **options)
    return figure


RAMP = np.linspace(0, 1, 12).reshape(3, 4)


def holes(figure) -> list[list[float]]:
    """left, top, right, bottom in percent of what a dark page leaves as it is."""
    numbers = list(map(float, re.findall(r"[\d.]+(?=%)", decode(figure_html(figure, alt="a"))[0].i["style"])))
    assert numbers[:10] == [0, 0, 100, 0, 100, 100, 0, 100, 0, 0]
    return [numbers[i:i + 6][:2] + numbers[i:i + 6][4:] for i in range(10, len(numbers), 12)]


@pytest.mark.parametrize(("figure", "kept"), [
    (sample_figure(), 0), (figure_of(RAMP), 1), (figure_of(RAMP, cmap="gray"), 1), (figure_of(RAMP, cmap="PuOr"), 0),
    (figure_of((255 * RAMP).astype(np.uint8)[..., None].repeat(3, -1)), 1)])
def test_a_dark_page_leaves_photographs_and_dark_maps_as_they_are(figure, kept):
    assert len(holes(figure)) == kept
    assert "class" not in figure_html(Image.new("RGB", (3, 4)), alt="pixels")


@house_style()
def test_what_is_left_is_where_the_map_and_its_bar_are():
    """Inside the holes there is no paper, and outside of them nothing of the map."""
    figure = figure_of(RAMP)
    bar = figure.colorbar(figure.axes[0].images[0], ax=figure.axes[0])
    bar.outline.set_visible(False)
    figure.axes[0].spines[:].set_visible(False)
    pixels = np.asarray(decode(figure_html(figure, alt="a"))[1].convert("RGB")).astype(int)
    coloured = pixels.max(-1) - pixels.min(-1) > 40
    found = holes(figure)
    assert len(found) == 2
    for left, top, right, bottom in found:
        rows = slice(round(pixels.shape[0] * top / 100) + 2, round(pixels.shape[0] * bottom / 100) - 2)
        columns = slice(round(pixels.shape[1] * left / 100) + 2, round(pixels.shape[1] * right / 100) - 2)
        assert coloured[rows, columns].all() and coloured[rows, columns].size > 1000
        coloured[rows.start - 4:rows.stop + 4, columns.start - 4:columns.stop + 4] = False
    assert not coloured.any()


def a_photograph():
    y, x = np.mgrid[0:270, 0:360]
    smooth = 127 + 60 * np.sin(x / 9 + y / 7) + np.random.default_rng(0).normal(0, 8, (270, 360))
    return np.stack([smooth, smooth * 0.8, 255 - smooth], -1).clip(0, 255).astype(np.uint8)


def test_photographs_in_a_figure_are_packed_as_photographs():
    photograph = a_photograph()
    figure = figure_of(photograph)
    markup, pixels = figure_html(figure, alt="a"), rasterise(figure, times=2)
    read = np.asarray(decode(markup)[1].convert("RGB")).astype(int)
    assert np.abs(read - np.asarray(pixels)).mean() < 5
    assert len(markup) < 0.7 * 4 / 3 * len(packed(pixels))


def test_pixels_alone_are_packed_as_photographs_unless_they_are_enlarged(shown):
    pixels = a_photograph()
    for width in (360, 361):
        show_image(pixels, alt="a photograph", width=width)
    small, exact = (decode(data["text/html"])[1] for data in shown)
    error = [np.abs(np.asarray(picture.convert("RGB"), int) - pixels).mean() for picture in (small, exact)]
    assert 0 < error[0] < 9, "the noise goes, the picture stays"
    assert len(shown[0]["text/html"]) < 0.6 * len(shown[1]["text/html"])
    assert len(np.unique(np.asarray(exact.convert("RGB")).reshape(-1, 3), axis=0)) == 256


@pytest.mark.parametrize(
    "pixels", [np.zeros((2, 3)), np.zeros((3, 4, 5), np.uint8), np.zeros((2, 4, 5, 3), np.uint8)]
)
def test_wrong_pixels_get_an_explanation(pixels):
    with pytest.raises(TypeError, match="pixels are uint8"):
        show_image(pixels, alt="x")


def test_wrong_figure_and_width_get_an_explanation():
    with pytest.raises(TypeError, match="matplotlib Figure, got list"):
        show([], alt="x")
    with pytest.raises(ValueError, match="at least 1, got 0"):
        show(sample_figure(), alt="x", width=0)
    for width in (99, 181):
        with pytest.raises(ValueError, match="100 to 180 mm"):
            new_figure(width, 50)
    with pytest.raises(ValueError, match="needs a height"):
        new_figure(120, 0)


def test_style_is_applied_inside_and_leaves_no_trace():
    before = plt.rcParams["axes.titlesize"]
    axes = sample_figure().axes[0]
    assert axes.get_title(loc="left") == "Title"
    assert axes.xaxis.label.get_size() == 9
    assert axes.lines[0].get_color() == CYCLE[0]
    assert plt.rcParams["axes.titlesize"] == before


@house_style()
def test_titles_of_pictures_side_by_side_are_whole():
    figure = new_figure(170, 60)
    for axes in figure.subplots(1, 3):
        axes.imshow(np.eye(5))
        axes.set(title="Title", xlabel="below", ylabel="beside")
    assert np.asarray(rasterise(figure))[0].min() == 255  # the first line of pixels is empty


def test_page_is_white_where_nothing_is_drawn():
    assert rasterise(sample_figure()).getpixel((0, 0)) == (255, 255, 255)


def test_a_rare_colour_is_not_taken_for_its_neighbour_among_many():
    """Attention lies in a few patches, over a photograph of thousands of shades."""
    rng = np.random.default_rng(0)
    shades = np.array([90, 70, 50]) + rng.normal(0, 12, (240, 240, 1)) + rng.normal(0, 4, (240, 240, 3))
    pixels = shades.clip(0, 255).astype(np.uint8)
    pixels[100:108, 60:68], pixels[40:48, 200:208] = (185, 121, 22), (150, 104, 34)  # amber at two opacities
    back = np.asarray(Image.open(io.BytesIO(packed(Image.fromarray(pixels)))).convert("RGB")).astype(int)
    assert np.abs(back - pixels).max() <= 16
