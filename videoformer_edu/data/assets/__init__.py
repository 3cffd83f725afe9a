"""The short real clips that come with the package; the text file beside each has its source, licence and making."""

from importlib.resources import files
from pathlib import Path


def example_clip_path() -> Path:
    """Big Buck Bunny leaves his burrow: 60 frames of 320x180 at 25 frames per second, H.264.

    (c) Blender Foundation, www.bigbuckbunny.org, licence CC BY 3.0.
    """
    return Path(str(files(__name__) / "big_buck_bunny.mp4"))


def hand_with_cup_path() -> Path:
    """A hand tilts a black flask before a plain wall, the camera at rest: 64 frames of 160x120, 2.4 s, H.264.

    (c) OpenCV contributors, opencv.org, licence Apache-2.0 and BSD-3-Clause.
    """
    return Path(str(files(__name__) / "hand_with_cup.mp4"))


def hand_with_box_path() -> Path:
    """A hand turns a printed box above a table, the camera at rest: 72 frames of 160x120, 2.4 s, H.264.

    (c) OpenCV contributors, opencv.org, licence Apache-2.0 and BSD-3-Clause.
    """
    return Path(str(files(__name__) / "hand_with_box.mp4"))
