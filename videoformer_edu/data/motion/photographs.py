"""Backgrounds: square crops of ten real photographs that scikit-image and scikit-learn carry with them.

The files are read directly from the installed packages. `skimage.data.astronaut()` and its like would do the
same, but they ask a download manager first; a file that lies on the disk needs none.
"""

from functools import lru_cache
from importlib.resources import files

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from videoformer_edu.data.arguments import check_split

PHOTOGRAPHS = (
    ("skimage", "data/astronaut.png"),
    ("skimage", "data/chelsea.png"),
    ("skimage", "data/coffee.png"),
    ("skimage", "data/rocket.jpg"),
    ("sklearn", "datasets/images/china.jpg"),
    ("sklearn", "datasets/images/flower.jpg"),
    ("skimage", "data/brick.png"),
    ("skimage", "data/grass.png"),
    ("skimage", "data/gravel.png"),
    ("skimage", "data/camera.png"),
)
CROPS = 256  # per split


def read_photograph(package: str, path: str) -> Tensor:
    """One photograph as uint8 `(3, h, w)`; grey ones are repeated to RGB."""
    from PIL import Image

    with (files(package) / path).open("rb") as file, Image.open(file) as picture:
        pixels = np.array(picture.convert("RGB"))  # (h, w, 3)
    return torch.from_numpy(pixels).permute(2, 0, 1)


@lru_cache(maxsize=4)
def photograph_crops(split: str = "train", size: int = 32) -> Tensor:
    """256 square crops, uint8 `(256, 3, size, size)`; crop i comes from photograph i mod 10.

    Train crops come from the top half of every photograph and test crops from the bottom half, so that no
    test background was ever seen in training.
    """
    check_split(split)
    halves = []
    for package, path in PHOTOGRAPHS:
        photograph = read_photograph(package, path)
        middle = photograph.shape[1] // 2
        halves.append(photograph[:, :middle] if split == "train" else photograph[:, middle:])

    rng = np.random.default_rng(0 if split == "train" else 1)
    crops = []
    for index in range(CROPS):
        half = halves[index % len(halves)]  # (3, h, w)
        _, height, width = half.shape
        side = int(rng.uniform(0.5, 1) * min(height, width))
        top = int(rng.integers(0, height - side + 1))
        left = int(rng.integers(0, width - side + 1))
        crop = half[None, :, top : top + side, left : left + side]
        crops.append(F.interpolate(crop, size=(size, size), mode="bilinear", align_corners=False, antialias=True))
    return torch.cat(crops)
