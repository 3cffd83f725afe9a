"""Single digits on photographs."""

import pytest
import torch

from videoformer_edu.data.motion.images import digit_images


def test_shapes_and_a_seed_is_a_batch():
    images, digit, position, width = digit_images(5, seed=0, size=24)
    assert images.shape == (5, 3, 24, 24) and images.dtype == torch.uint8
    assert digit.shape == (5,) and position.shape == (5, 2) and width.shape == (5,)
    assert torch.equal(images, digit_images(5, seed=0, size=24).images)
    assert not torch.equal(images, digit_images(5, seed=1, size=24).images)
    assert not torch.equal(images, digit_images(5, seed=0, size=24, split="test").images)


def test_the_whole_digit_is_in_the_picture_and_where_it_is_said_to_be():
    images, _, position, width = digit_images(500, seed=1)
    assert (position - width[:, None] / 2).min() >= -1e-4 and (position + width[:, None] / 2).max() <= 32 + 1e-4
    ink = images.float().amax(dim=1) > 140  # (b, h, w): backgrounds stay below
    pixel = torch.arange(32) + 0.5
    outside_x = (pixel - position[:, :1]).abs() > width[:, None] / 2 + 0.5  # (b, w)
    outside_y = (pixel - position[:, 1:]).abs() > width[:, None] / 2 + 0.5
    assert not (ink & (outside_x[:, None, :] | outside_y[:, :, None])).any()
    assert ink.sum(dim=(1, 2)).min() >= 3


def test_places_and_digits_vary():
    _, digit, position, width = digit_images(2000, seed=2)
    assert ((digit.bincount(minlength=10) - 200).abs() < 5 * 200**0.5).all()
    place = (position - width[:, None] / 2) / (32 - width[:, None])  # 0 to 1 over the room there is
    counts = torch.histc(place, bins=10, min=0, max=1)
    assert ((counts - 400).abs() < 5 * 400**0.5).all()
    assert 10.5 <= width.min() and width.max() <= 16.5


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"batch": -1}, "batch is -1"),
        ({"size": 4}, "size is 4"),
        ({"split": "dev"}, "split is 'dev'"),
        ({"seed": None}, "neither"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        digit_images(**({"batch": 2, "seed": 0} | arguments))
