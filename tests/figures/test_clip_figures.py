"""Pictures of clips show the numbers they are given: the right frame, the right column, the right sign."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from videoformer_edu.figures import clips
from videoformer_edu.figures.moving import animation, moving_html
from videoformer_edu.figures.show import rasterise

T, H, W = 5, 6, 9


@pytest.fixture
def clip() -> torch.Tensor:
    """(t, h, w, 3): each number is different from its neighbours along every axis."""
    return torch.randint(0, 256, (T, H, W, 3), dtype=torch.uint8)


def images(figure) -> list[np.ndarray]:
    """The pixels of each axes that shows a picture, in order."""
    return [np.asarray(axes.images[0].get_array()) for axes in figure.axes if axes.images]


def titles(figure) -> list[str]:
    return [axes.get_title() or axes.get_title(loc="left") for axes in figure.axes]


def test_filmstrip_shows_every_frame_under_its_time(clip):
    figure = clips.filmstrip(clip, times=[0, 3, 4, 7, 9], columns=3)
    assert all(np.array_equal(shown, frame) for shown, frame in zip(images(figure), clip, strict=True))
    assert titles(figure) == ["t=0", "t=3", "t=4", "t=7", "t=9", ""]
    assert not figure.axes[5].axison


def test_filmstrips_put_each_clip_in_its_row(clip):
    figure = clips.filmstrips({"on": clip, "back": clip.flip(0)})
    shown = images(figure)
    assert all(np.array_equal(shown[i], clip[i]) and np.array_equal(shown[T + i], clip[T - 1 - i]) for i in range(T))
    assert [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()] == ["on", "back"]
    assert titles(figure)[:T] == [f"t={i}" for i in range(T)]


def test_time_slice_is_one_column_of_all_frames(clip):
    cut = clips.time_slice(clip, 7)
    assert cut.shape == (H, T, 3)
    assert all(np.array_equal(cut[row, time], clip[time, row, 7]) for row in range(H) for time in range(T))


def test_cut_through_time_marks_the_column_and_the_frame(clip):
    figure = clips.cut_through_time(clip, 7, frame=3)
    left, right = images(figure)
    assert np.array_equal(left, clip[3]) and np.array_equal(right, clips.time_slice(clip, 7))
    assert [list(axes.lines[0].get_xdata()) for axes in figure.axes] == [[7, 7], [3, 3]]


def test_changes_are_mean_absolute_differences():
    clip = torch.zeros(4, 2, 3, 3, dtype=torch.uint8)
    clip[1:, 0, 0, 0] = 90  # one number of 18 rises by 90 ...
    clip[3] = clip[2]  # ... and then everything rests
    clip[2, 1, 2, 1] = 36  # except one number that comes for a moment
    assert clips.changes(clip).tolist() == [90 / 18, 36 / 18, 36 / 18]


def test_change_bars_stand_at_the_later_frame_and_arrows_at_the_marked():
    figure = clips.change_bars([3.0, 0.5, 2.0], marked=[2])
    (axes,) = figure.axes
    assert [(round(bar.get_x() + bar.get_width() / 2), bar.get_height()) for bar in axes.patches[:3]] == [
        (1, 3.0), (2, 0.5), (3, 2.0)]
    assert [(note.get_text(), tuple(note.xy)) for note in axes.texts] == [("t=2", (2, 0.5))]


def test_light_arrives_with_a_plus():
    first, second = np.zeros((2, 2, 4, 3), np.uint8)
    first[0, 1] = second[0, 2] = 255
    assert clips.light_moved(first, second).tolist() == [[0, -1, 1, 0], [0, 0, 0, 0]]


def test_two_frames_share_one_scale_around_zero(clip):
    figure = clips.two_frames(clip[0], clip[3], times=(0, 3))
    assert titles(figure)[:3] == ["t=0", "t=3", "t=3 minus t=0"]
    low, high = figure.axes[2].images[0].get_clim()
    assert low == -high == -np.abs(clips.light_moved(clip[0], clip[3])).max()


def test_two_equal_frames_can_be_drawn(clip):
    figure = clips.two_frames(clip[0], clip[0], times=(0, 0))
    assert rasterise(figure).width > 0
    assert images(figure)[2].max() == 0


def test_tokens_are_framed_at_their_time_row_and_column(clip):
    figure = clips.patches_in_time(clip[[0, 3]], 3, {"A": (0, 1, 0), "B": (3, 0, 2), "C": (3, 1, 1)}, times=[0, 3])
    boxes = [[(box.get_xy(), box.get_width()) for box in axes.patches] for axes in figure.axes]
    assert [marks[::2] for marks in boxes] == [[((0, 3), 3)], [((6, 0), 3), ((3, 3), 3)]]
    assert [marks[1::2] for marks in boxes] == [marks[::2] for marks in boxes], "amber on a dark line"
    assert [[text.get_text() for text in axes.texts] for axes in figure.axes] == [["A"], ["B", "C"]]
    assert [text.xyann[1] < 0 for axes in figure.axes for text in axes.texts] == [True] * 3, "above the frame"


def test_average_frames_share_one_grey_scale():
    loud, soft = torch.linspace(0, 0.9, 3 * H * W).view(3, H, W), torch.full((2, H, W), 0.3)
    figure = clips.mean_frames({"loud": (loud, "abc"), "soft": (soft, "de")})
    assert [image.get_clim() for axes in figure.axes for image in axes.images] == [(0, pytest.approx(0.9))] * 5
    assert titles(figure) == ["a", "b", "c", "d", "e", ""]
    assert np.allclose(images(figure)[1], loud[1])


@pytest.mark.parametrize("draw, words", [
    (lambda clip: clips.filmstrip(clip.float()), "uint8"),
    (lambda clip: clips.filmstrip(clip.permute(3, 0, 1, 2)), r"\(3, 5, 6, 9\)"),
    (lambda clip: clips.filmstrip(clip[:0]), "uint8"),
    (lambda clip: clips.filmstrip(clip, times=[1, 2]), "2 times for 5 frames"),
    (lambda clip: clips.filmstrips({}), "at least one"),
    (lambda clip: clips.filmstrips({"a": clip, "b": clip[:3]}), r"\[3, 5\] frames"),
    (lambda clip: clips.time_slice(clip, 9), "columns 0 to 8"),
    (lambda clip: clips.light_moved(clip[0], clip[0, :3]), "one size"),
    (lambda clip: clips.patches_in_time(clip, 4, {}), "must divide"),
    (lambda clip: clips.patches_in_time(clip, 3, {"A": (7, 0, 0)}), r"\['A'\] are not among"),
    (lambda clip: clips.mean_frames({"x": (torch.zeros(2, H, W), "abc")}), "x: expected 3 average frames"),
    (lambda clip: animation(clip.float(), fps=5), "uint8"),
    (lambda clip: animation(clip, fps=0), "fps is 0"),
])
def test_wrong_input_gets_an_explanation(clip, draw, words):
    with pytest.raises(ValueError, match=words):
        draw(clip)


def play(data: bytes) -> list[np.ndarray]:
    picture = Image.open(io.BytesIO(data))
    frames = []
    for index in range(picture.n_frames):
        picture.seek(index)
        frames.append(np.asarray(picture.convert("RGB"), dtype=int))
    return frames


def test_animation_plays_every_frame_and_then_rests(clip):
    smooth = clip.repeat_interleave(8, 1).repeat_interleave(8, 2)
    data = animation(smooth, fps=4, quality=90)
    assert all(np.abs(shown - frame.numpy()).mean() < 25 for shown, frame in zip(play(data), smooth, strict=True))
    picture = Image.open(io.BytesIO(data))
    assert picture.info["loop"] * T / 4 <= 5 and picture.info["loop"] == 4
    assert Image.open(io.BytesIO(animation(smooth, fps=0.5))).info["loop"] == 1


def test_animation_scales_down_and_never_up(clip):
    assert [frame.shape for frame in play(animation(clip, fps=4, width=3))] == [(2, 3, 3)] * T
    assert play(animation(clip, fps=4, width=300))[0].shape == (H, W, 3)


def test_moving_figure_has_its_words_and_the_moving_picture(clip):
    markup = moving_html(clip, fps=4, alt='a "test"', caption="noise", width=9)
    assert 'alt="a &quot;test&quot;"' in markup and "<figcaption" in markup
    assert markup.count('src="') == 1 and 'src="data:image/webp;base64,' in markup
    assert '<source media="(prefers-reduced-motion: reduce)" srcset="data:image/webp;base64,' in markup
    assert moving_html(clip, fps=4, alt='a "test"', caption="noise", width=9) == markup
