"""The short real clip that comes with the package; `big_buck_bunny.txt` has its source and licence."""

from importlib.resources import files
from pathlib import Path


def example_clip_path() -> Path:
    """Big Buck Bunny leaves his burrow: 60 frames of 320x180 at 25 frames per second, H.264.

    (c) Blender Foundation, www.bigbuckbunny.org, licence CC BY 3.0.
    """
    return Path(str(files(__name__) / "big_buck_bunny.mp4"))
