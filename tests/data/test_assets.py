"""The real clips that come with the package: small, sound, with their notice, and what their text says of them."""

import pytest

from videoformer_edu.data.assets import example_clip_path, hand_with_box_path, hand_with_cup_path
from videoformer_edu.data.video.clips import clip_info, decode_frames


@pytest.mark.parametrize(("path", "frames", "height", "width"), [
    (example_clip_path(), 60, 180, 320), (hand_with_cup_path(), 64, 120, 160), (hand_with_box_path(), 72, 120, 160)],
    ids=lambda value: getattr(value, "stem", None))
def test_each_clip_is_small_and_its_text_stands_beside_it(path, frames, height, width):
    info = clip_info(path)
    assert (info.frames, info.height, info.width) == (frames, height, width)
    assert path.stat().st_size < 150_000
    text = path.with_suffix(".txt").read_text()
    assert text.startswith(path.name) and f"{frames} frames (2.4 s)" in text and f"{width}x{height}" in text
    for heading in ("Licence", "Changes", "How it was made"):
        assert heading in text


def changes(path):
    clip = decode_frames(path, range(48)).float() / 255
    return (clip[1:] - clip[:-1]).abs().mean(-1)  # (47, h, w)


def test_the_camera_rests_over_the_hands_and_moves_over_the_rabbit():
    """At rest most pixels keep their value from frame to frame; measured 74, 74 and 48 % under two of 256 steps."""
    cup, box, rabbit = ((changes(path()) < 2 / 256).float().mean()
                        for path in (hand_with_cup_path, hand_with_box_path, example_clip_path))
    assert cup > 0.65 and box > 0.65 and rabbit < 0.55
