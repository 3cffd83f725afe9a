"""Pictures of attention draw the numbers that came in: which cell, which frame, which colour scale."""

import numpy as np
import pytest
import torch
from matplotlib.patches import Rectangle

from videoformer_edu.figures.attention import (
    attention_matrix,
    attention_on_frames,
    for_display,
    looks_below,
    mean_by_displacement,
    similarity_by_displacement,
    value_maps,
)
from videoformer_edu.figures.show import rasterise


def images_of(axes):
    return [np.ma.getdata(image.get_array()) for image in axes.get_images()]


def texts_of(axes):
    return [text.get_text() for text in axes.texts]


def frames_of(t=3, height=8, width=20):
    return torch.randint(0, 256, (t, height, width, 3), dtype=torch.uint8)


def outlines(axes):
    return {patch.get_xy() for patch in axes.patches if isinstance(patch, Rectangle)}


# ------------------------------------------------------------------------------------------------------- matrices


def test_matrix_puts_queries_in_rows_and_keys_in_columns():
    weights = torch.tensor([[0.1, 0.2, 0.7], [0.5, 0.25, 0.25]])
    axes = attention_matrix(weights, ["door", "grass"], key_names=["sky", "roof", "lawn"]).axes[0]
    assert np.allclose(images_of(axes)[0], weights)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["door", "grass"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["sky", "roof", "lawn"]
    assert texts_of(axes) == ["0.10", "0.20", "0.70", "0.50", "0.25", "0.25"]
    assert "query" in axes.get_ylabel() and "key" in axes.get_xlabel()


def test_matrix_colours_shares_from_zero_and_scores_around_zero():
    weights = torch.tensor([[0.5, 0.5], [0.25, 0.75]])
    assert attention_matrix(weights, "ab").axes[0].get_images()[0].get_clim() == (0, 0.75)
    scores = torch.tensor([[-3.0, 1.0], [0.0, 2.0]])
    assert attention_matrix(scores, "ab", signed=True).axes[0].get_images()[0].get_clim() == (-3, 3)


def test_matrix_writes_no_numbers_where_they_would_not_fit():
    many = torch.full((9, 9), 1 / 9)
    assert texts_of(attention_matrix(many, "abcdefghi").axes[0]) == []
    assert len(texts_of(attention_matrix(many, "abcdefghi", numbers=True).axes[0])) == 81


def test_matrix_numbers_can_be_read_on_their_cells():
    axes = attention_matrix(torch.tensor([[0.0, 1.0]]), ["q"], key_names=["a", "b"]).axes[0]
    assert [text.get_color() for text in axes.texts] == ["white", "black"]  # viridis: dark at 0, yellow at 1


@pytest.mark.parametrize("call, words", [
    (lambda: attention_matrix(torch.rand(4, 2, 2), "ab"), r"weights \(q, k\), got the shape \(4, 2, 2\)"),
    (lambda: attention_matrix(torch.rand(2, 3), "ab"), "2 key_names for 3"),
    (lambda: attention_matrix(torch.rand(2, 2), "abc"), "3 names for 2"),
    (lambda: attention_matrix(torch.tensor([[float("nan")]]), "a"), "NaN"),
])
def test_matrix_refuses_what_it_cannot_draw(call, words):
    with pytest.raises(ValueError, match=words):
        call()


# --------------------------------------------------------------------------------------------------------- frames


def test_each_frame_gets_its_own_map_on_one_scale():
    frames, looks = frames_of(), torch.rand(3, 2, 5)
    looks[1, 0, 3] = 2.0
    figure = attention_on_frames(frames, looks)
    for i, axes in enumerate(figure.axes[:3]):
        pixels, values = images_of(axes)
        assert np.array_equal(pixels, for_display(frames.numpy())[i])
        assert np.allclose(values, looks[i])
        assert axes.get_images()[1].get_clim() == (0, 2)
        assert axes.get_title(loc="left") == f"t = {i}"


def test_attention_is_opacity():
    """Where nobody looks the frame is uncovered, and the strongest share is the least transparent; one colour."""
    picture = attention_on_frames(frames_of(), torch.rand(3, 2, 5)).axes[0].get_images()[1]
    shares = np.linspace(0, picture.get_clim()[1], 5)
    red, green, blue, opacity = picture.cmap(picture.norm(shares)).T
    assert opacity[0] == 0 and (np.diff(opacity) > 0.2).all() and 0.9 < opacity[-1] < 1
    assert np.ptp(red) == np.ptp(green) == np.ptp(blue) == 0 and red[0] > green[0] > blue[0] == 0


@pytest.mark.parametrize("side, edges", [(13, "nearest"), (14, "bilinear")])
def test_only_fine_maps_are_smooth(side, edges):
    pixels, picture = attention_on_frames(frames_of(1), torch.rand(1, 3, side)).axes[0].get_images()
    assert pixels.get_interpolation() == "nearest" and picture.get_interpolation() == edges


def test_a_map_lies_over_the_whole_frame():
    axes = attention_on_frames(frames_of(), torch.rand(3, 2, 5)).axes[0]
    extents = {tuple(image.get_extent()) for image in axes.get_images()}
    assert extents == {(0, 5, 2, 0)}  # left, right, bottom, top: row 0 is at the top


def test_the_query_is_outlined_in_its_frame_row_and_column_alone():
    axes = attention_on_frames(frames_of(), torch.rand(3, 2, 5), query=(2, 1, 4)).axes
    assert [outlines(ax) for ax in axes[:3]] == [set(), set(), {(4, 1)}]


def test_several_queries():
    axes = attention_on_frames(frames_of(), torch.rand(3, 2, 5), query=[(0, 0, 3), (2, 1, 0)]).axes
    assert [outlines(ax) for ax in axes[:3]] == [{(3, 0)}, set(), {(0, 1)}]


def test_names_and_empty_places_in_the_last_row():
    figure = attention_on_frames(frames_of(5), torch.rand(5, 2, 5), names=list("abcde"), columns=3)
    drawn = [ax for ax in figure.axes if len(ax.get_images()) == 2]
    assert [ax.get_title(loc="left") for ax in drawn] == list("abcde")


@pytest.mark.parametrize("call, words", [
    (lambda: attention_on_frames(frames_of(2), torch.rand(3, 2, 5)), "2 frames but maps for 3"),
    (lambda: attention_on_frames(frames_of().float(), torch.rand(3, 2, 5)), "uint8"),
    (lambda: attention_on_frames(frames_of().permute(0, 3, 1, 2), torch.rand(3, 2, 5)), "permute"),
    (lambda: attention_on_frames(frames_of(), torch.rand(3, 4, 2, 5)), "pick one picture and one head"),
    (lambda: attention_on_frames(frames_of(), torch.rand(3, 2, 5), query=(2, 5, 1)), r"\(2, 5, 1\) is outside"),
    (lambda: attention_on_frames(frames_of(), torch.rand(3, 2, 5), names=["a"]), "1 names for 3"),
])
def test_frames_refuse_what_they_cannot_draw(call, words):
    with pytest.raises(ValueError, match=words):
        call()


# ------------------------------------------------------------------------------------------------ maps side by side


def test_pictures_stand_above_their_maps():
    frames, looks = frames_of(3, 8, 20), torch.rand(3, 2, 5)
    figure = looks_below(frames, looks, ["a", "b", "c"])
    above, below = figure.axes[:3], figure.axes[3:6]
    for i in range(3):
        (pixels, none), (under, shares) = images_of(above[i]), images_of(below[i])
        assert np.array_equal(pixels, under) and np.array_equal(pixels, for_display(frames.numpy())[i])
        assert not none.any() and np.allclose(shares, looks[i])
    assert [axes.get_title(loc="left") for axes in (*above, *below)] == ["", "", "", "a", "b", "c"]


def test_pairs_of_places_are_averaged_by_how_far_they_lie_apart():
    h, w = 2, 3
    maps = torch.rand(h, w, h, w, generator=torch.Generator().manual_seed(0)).double()
    mean = mean_by_displacement(maps)
    assert mean.shape == (2 * h - 1, 2 * w - 1)
    for down in range(-h + 1, h):
        for right in range(-w + 1, w):
            values = [maps[i, j, i + down, j + right].item() for i, j in np.ndindex(h, w)
                      if 0 <= i + down < h and 0 <= j + right < w]
            assert mean[h - 1 + down, w - 1 + right] == pytest.approx(sum(values) / len(values))


def test_a_place_with_itself_is_left_out_and_the_scale_is_that_of_the_others():
    maps = torch.rand(3, 4, 3, 4) * 0.1
    maps.view(12, 12).fill_diagonal_(1)
    figure = similarity_by_displacement({"learned": maps, "fresh": maps / 2}, reach=2)
    drawn = [axes.get_images()[0] for axes in figure.axes[:2]]
    for image, part in zip(drawn, (1, 2), strict=True):
        shown = image.get_array()
        assert shown.shape == (5, 5) and shown.mask.sum() == 1 and shown.mask[2, 2]
        assert np.allclose(shown, mean_by_displacement(maps / part)[:, 1:6])
        low, high = image.get_clim()
        assert low == -high and 0.05 < high < 0.1
        assert image.get_extent() == [-2.5, 2.5, 2.5, -2.5], "rows count downwards"


def test_similarity_that_cannot_be_averaged_says_why():
    with pytest.raises(ValueError, match="similarity"):
        mean_by_displacement(torch.rand(6, 6))
    with pytest.raises(ValueError, match=r"reshape\(h, w, h, w\)"):
        mean_by_displacement(torch.rand(2, 3, 3, 2))
    with pytest.raises(ValueError, match="reach is 1 to 1"):
        similarity_by_displacement({"a": torch.rand(2, 3, 2, 3)}, reach=2)


def test_value_maps_share_one_scale():
    figure = value_maps({"a": torch.tensor([[1.0, 2.0]]), "b": torch.tensor([[-4.0, 0.0]])}, label="metres")
    first, second = figure.axes[:2]
    assert (first.get_title(loc="left"), second.get_title(loc="left")) == ("a", "b")
    assert np.allclose(images_of(first)[0], [[1, 2]]) and np.allclose(images_of(second)[0], [[-4, 0]])
    assert first.get_images()[0].get_clim() == second.get_images()[0].get_clim() == (-4, 2)
    assert figure.axes[-1].get_ylabel() == "metres"
    with pytest.raises(ValueError, match="no map"):
        value_maps({}, label="metres")


@pytest.mark.parametrize("draw", [
    lambda: attention_matrix(torch.rand(8, 8), [f"t{t}·{n}" for t in (0, 1) for n in ("sky", "roof", "lawn", "door")]),
    lambda: attention_on_frames(frames_of(8, 32, 32), torch.rand(8, 4, 4)),
    lambda: similarity_by_displacement({"a": torch.rand(4, 5, 4, 5), "b": torch.rand(4, 5, 4, 5)}, reach=3),
    lambda: value_maps({"a": torch.rand(3, 4)}, label="x"),
])
def test_the_same_picture_twice_fits_the_page(draw):
    torch.manual_seed(3)
    first = rasterise(draw())
    torch.manual_seed(3)
    assert np.array_equal(np.asarray(first), np.asarray(rasterise(draw())))
    assert 390 <= first.width <= 710  # 100 to 180 mm at 100 dots an inch
