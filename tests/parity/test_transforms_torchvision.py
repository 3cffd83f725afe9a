"""Our transforms of a clip are torchvision's of a picture.

A clip as one tall picture, its frames below each other, is what torchvision's colours and ours should agree on.
"""

import pytest
import torch
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms.v2 import functional as reference

from videoformer_edu.data.augment import (
    adjust_brightness,
    adjust_contrast,
    adjust_hue,
    adjust_saturation,
    erase_tubes,
    horizontal_flip,
    random_boxes,
    random_resized_crop,
)
from videoformer_edu.data.pixels import Pixels, normalise
from videoformer_edu.data.views import views

B, C, T, H, W = 4, 3, 2, 21, 34


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def tall(clip):
    """`(c, t, h, w)` -> `(c, t h, w)`."""
    return clip.flatten(1, 2)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "ours, theirs, factors",
    [
        (adjust_brightness, reference.adjust_brightness, (0.0, 0.6, 1.0, 1.8)),
        (adjust_contrast, reference.adjust_contrast, (0.0, 0.6, 1.0, 1.8)),
        (adjust_saturation, reference.adjust_saturation, (0.0, 0.6, 1.0, 1.8)),
        (adjust_hue, reference.adjust_hue, (-0.5, -0.1, 0.0, 0.3)),
    ],
)
def test_colours(ours, theirs, factors, channels):
    if ours is adjust_hue:
        channels = 3  # grey has no hue
    clips = torch.rand(B, channels, T, H, W)
    out = ours(clips, torch.tensor(factors).view(-1, 1, 1, 1, 1))
    for clip, mine, factor in zip(clips, out, factors, strict=True):
        torch.testing.assert_close(tall(mine), theirs(tall(clip), factor), atol=1e-5, rtol=0)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("size", [(11, 9), (40, 50)])
def test_resized_crop(dtype, size):
    clips = (255 * torch.rand(B, C, T, H, W)).to(dtype)
    out = random_resized_crop(clips, size, area=(0.2, 0.8), generator=generator())
    boxes = random_boxes(clips, (0.2, 0.8), (3 / 4, 4 / 3), generator())
    for clip, mine, *box in zip(clips, out, *(numbers.tolist() for numbers in boxes), strict=True):
        expected = reference.resized_crop(clip.transpose(0, 1), *box, list(size), antialias=True)
        torch.testing.assert_close(mine.transpose(0, 1), expected, atol=1 if dtype == torch.uint8 else 1e-4, rtol=0)


@pytest.mark.parametrize("shape", [(10, 100), (100, 10), (7, 3)])
def test_the_box_where_no_area_fits(shape):
    expected = RandomResizedCrop.get_params(torch.zeros(3, *shape), [0.99, 1.0], [0.8, 1.5])
    boxes = random_boxes(torch.zeros(1, 3, T, *shape), (0.99, 1.0), (0.8, 1.5), generator())
    assert tuple(int(number) for number in boxes) == tuple(expected)


@pytest.mark.parametrize("shape", [(H, W), (W, H), (30, 30), (18, 25)])
def test_centre_crop(shape):
    clips = torch.rand(B, C, T, *shape)
    expected = reference.center_crop(reference.resize(clips, [13], antialias=True), [13, 13])
    torch.testing.assert_close(views(clips, frames=T, size=13)[:, 0], expected)


def test_flip():
    clips, labels = torch.rand(B, C, T, H, W), torch.arange(B)
    out, _ = horizontal_flip(clips, labels, mirrored="unchanged", p=1.0, generator=generator())
    assert torch.equal(out, reference.horizontal_flip(clips))


def test_erase():
    clips = torch.rand(B, C, T, H, W)
    out = erase_tubes(clips, p=1.0, generator=generator())
    for clip, mine in zip(clips, out, strict=True):
        hole = (clip != mine)[0, 0]
        (top, left), (bottom, right) = hole.nonzero().amin(dim=0).tolist(), hole.nonzero().amax(dim=0).tolist()
        colour = clip.mean(dim=(1, 2, 3)).view(C, 1, 1)
        expected = reference.erase(clip.transpose(0, 1), top, left, bottom - top + 1, right - left + 1, colour)
        torch.testing.assert_close(mine.transpose(0, 1), expected)


def test_normalise():
    clips, mean, std = torch.rand(B, C, T, H, W), [0.1, 0.2, 0.3], [0.5, 0.4, 0.2]
    expected = reference.normalize(clips.transpose(1, 2), mean, std).transpose(1, 2)
    torch.testing.assert_close(normalise(clips, Pixels(mean, std)), expected)
