"""Augmentation as a whole: alike in all frames, different from clip to clip, the same from the same seed."""

import dataclasses
import json
import math

import pytest
import torch

from videoformer_edu.data.motion import motion_batch
from videoformer_edu.data.transforms import (
    Augment,
    colour_jitter,
    cutmix,
    erase_tubes,
    horizontal_flip,
    mirrored_directions,
    mixup,
    random_resized_crop,
)

FULL = Augment(area=(0.2, 0.9), size=(9, 10), flip=0.5, mirrored="unchanged", brightness=0.4, contrast=0.3,
               saturation=0.3, hue=0.1, erase=0.5)
STRENGTHS = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


# Every random transform as (clips, labels, generator) -> clips
TRANSFORMS = {
    "crop": lambda x, y, g: random_resized_crop(x, (9, 10), generator=g),
    "flip": lambda x, y, g: horizontal_flip(x, y, mirrored="unchanged", generator=g)[0],
    "jitter": lambda x, y, g: colour_jitter(x, **STRENGTHS, generator=g),
    "erase": lambda x, y, g: erase_tubes(x, p=1.0, generator=g),
    "mixup": lambda x, y, g: mixup(x, y, classes=6, alpha=0.8, generator=g)[0],
    "cutmix": lambda x, y, g: cutmix(x, y, classes=6, alpha=0.8, generator=g)[0],
    "all": lambda x, y, g: FULL(x, y, g)[0],
}
LABELS = torch.arange(6)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_frames_that_were_equal_stay_equal(name):
    still = torch.rand(6, 3, 1, 12, 17).expand(-1, -1, 5, -1, -1)
    before = still.clone()
    out = TRANSFORMS[name](still, LABELS, generator())
    assert out.shape[:3] == (6, 3, 5)
    assert torch.equal(out, out[:, :, :1].expand_as(out))
    assert torch.equal(still, before)
    kept = out.shape[-2:] == still.shape[-2:] and (out == still).flatten(1).all(dim=1)
    assert not torch.as_tensor(kept).all()  # something was done


@pytest.mark.parametrize("name", ["crop", "flip", "jitter", "erase", "all"])
def test_clips_that_were_equal_become_different(name):
    """All from each other; a flip has but two results."""
    same = torch.rand(1, 3, 4, 12, 17).expand(6, -1, -1, -1, -1)
    out = TRANSFORMS[name](same, LABELS, generator())
    assert len(out.flatten(1).unique(dim=0)) >= (2 if name == "flip" else 6)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_the_generator_alone_decides(name):
    clips = torch.rand(6, 3, 4, 12, 17)
    chance = generator(5)
    first = TRANSFORMS[name](clips, LABELS, chance)
    second = TRANSFORMS[name](clips, LABELS, chance)
    torch.manual_seed(1)
    assert torch.equal(TRANSFORMS[name](clips, LABELS, generator(5)), first)
    assert not torch.equal(first, second)


# Random erasing


def holes(before, after):
    """Where the pixels changed, alike in all channels: `(b, t, h, w)`."""
    changed = before != after
    assert torch.equal(changed, changed[:, :1].expand_as(changed))
    return changed[:, 0]


def test_a_tube_is_one_box_of_the_clips_mean_colour_through_all_frames():
    clips = torch.rand(50, 3, 4, 21, 34)
    out = erase_tubes(clips, p=1.0, area=(0.1, 0.3), aspect=(1 / 2, 2), generator=generator())
    hole = holes(clips, out)
    for clip, result, frames in zip(clips, out, hole, strict=True):
        assert torch.equal(frames, frames[:1].expand_as(frames))
        rows, columns = frames[0].any(dim=1).nonzero().flatten(), frames[0].any(dim=0).nonzero().flatten()
        height, width = (int(line[-1] - line[0]) + 1 for line in (rows, columns))
        assert frames[0].sum() == height * width  # a filled rectangle
        assert 0.08 < height * width / (21 * 34) < 0.33 and 0.45 < width / height < 2.2
        expected = torch.stack([channel.mean() for channel in clip])
        torch.testing.assert_close(result[:, frames], expected[:, None].expand(3, int(frames.sum())))
    assert len(hole.flatten(1).unique(dim=0)) > 45


def test_bytes_are_erased_with_a_rounded_mean():
    clips = torch.randint(0, 256, (4, 1, 3, 12, 17), dtype=torch.uint8)
    out = erase_tubes(clips, p=1.0, area=(0.5, 0.6), generator=generator())
    assert out.dtype == torch.uint8
    for clip, result in zip(clips, out, strict=True):
        assert set(result[clip != result].tolist()) == {round(clip.double().mean().item())}


def test_how_many_are_erased_and_how_large():
    clips = torch.arange(4.0).view(1, 1, 1, 2, 2).repeat(2000, 1, 1, 10, 10)
    hole = holes(clips, erase_tubes(clips, p=0.3, area=(0.1, 0.4), aspect=(1, 1), generator=generator()))[:, 0]
    share = hole.flatten(1).float().mean(dim=1)
    assert abs((share > 0).float().mean().item() - 0.3) < 5 * (0.3 * 0.7 / 2000) ** 0.5
    erased = share[share > 0]
    assert abs(erased.mean().item() - 0.25) < 5 * (0.3 / math.sqrt(12)) / len(erased) ** 0.5 + 0.005  # whole pixels


def test_a_tube_may_last_for_a_part_of_the_clip():
    clips = torch.rand(200, 1, 10, 6, 7)
    options = {"p": 1.0, "area": (0.2, 0.5), "length": (0.3, 0.5), "generator": generator()}
    alive = holes(clips, erase_tubes(clips, **options)).flatten(2).any(dim=2)  # (b, t)
    assert set(alive.sum(dim=1).tolist()) == {3, 4, 5}
    assert (alive.int().diff(dim=1) == 1).sum(dim=1).max() <= 1  # without a gap
    assert all(alive[:, frame].any() for frame in range(10))


def test_one_clip_alone():
    clip = torch.rand(3, 4, 12, 17)
    for transform in (
        lambda x: erase_tubes(x, p=1.0, generator=generator()),
        lambda x: colour_jitter(x, brightness=0.5, hue=0.2, generator=generator()),
    ):
        assert torch.equal(transform(clip), transform(clip[None])[0])


@pytest.mark.parametrize(
    "change, message",
    [
        ({"p": -0.1}, "p is -0.1; expected a probability"),
        ({"area": (0.3, 0.2)}, r"area is \(0.3, 0.2\); expected"),
        ({"aspect": (0, 2)}, r"aspect is \(0, 2\); expected"),
        ({"length": (0.5, 1.5)}, r"length is \(0.5, 1.5\); expected"),
        ({"generator": None}, "generator is None; expected one on the CPU"),
        ({"clips": torch.zeros(2, 4, 3, 5, 6)}, r"looks like \(t, c, h, w\)"),
    ],
)
def test_bad_erasing(change, message):
    with pytest.raises(ValueError, match=message):
        erase_tubes(**({"clips": torch.zeros(2, 3, 4, 5, 6), "generator": generator()} | change))


# The recipe


def test_a_recipe_is_its_steps_in_order():
    clips, labels, chance = torch.rand(6, 3, 4, 12, 17), torch.arange(6), generator(3)
    recipe = dataclasses.replace(FULL, aspect=(0.5, 0.8), flip=0.7, mirrored=mirrored_directions("motion"), erase=0.4)
    out, new = recipe(clips, labels, generator(3))

    expected = random_resized_crop(clips, (9, 10), area=(0.2, 0.9), aspect=(0.5, 0.8), generator=chance)
    expected, flipped = horizontal_flip(expected, labels, mirrored=(1, 0, 2, 3, 6, 7, 4, 5), p=0.7, generator=chance)
    expected = colour_jitter(expected, brightness=0.4, contrast=0.3, saturation=0.3, hue=0.1, generator=chance)
    expected = erase_tubes(expected, p=0.4, generator=chance)
    assert torch.equal(out, expected) and torch.equal(new, flipped)
    assert not torch.equal(new, labels)


def test_bytes_and_floats_are_augmented_alike():
    batch = motion_batch(6, seed=0)
    from_bytes, labels = FULL(batch.clips, batch.direction, generator())
    from_floats, _ = FULL(batch.clips.float() / 255, batch.direction, generator())
    assert from_bytes.dtype == torch.float32 and 0 <= from_bytes.min() and from_bytes.max() <= 1
    assert torch.equal(from_bytes, from_floats) and torch.equal(labels, batch.direction)


def test_without_a_size_the_crop_keeps_the_size_of_the_clips():
    out, _ = Augment(area=(0.3, 0.6))(torch.rand(2, 3, 4, 12, 17), torch.tensor([0, 1]), generator())
    assert out.shape == (2, 3, 4, 12, 17)


def test_by_default_nothing_happens():
    clips, labels = torch.rand(2, 3, 4, 12, 17), torch.tensor([0, 1])
    out, new = Augment()(clips, labels, generator())
    assert torch.equal(out, clips) and torch.equal(new, labels)


@pytest.mark.parametrize("recipe", [Augment(), FULL, Augment(flip=0.5, mirrored=mirrored_directions("motion4"))])
def test_a_recipe_can_be_stored_and_printed(recipe):
    stored = json.loads(json.dumps(dataclasses.asdict(recipe)))
    again = Augment(**stored)
    assert again == recipe and hash(again) == hash(recipe)
    assert eval(repr(recipe), {"Augment": Augment}) == recipe


@pytest.mark.parametrize(
    "options, message",
    [
        ({"flip": 0.5}, "flip is 0.5 and mirrored is missing: which label has a mirrored clip"),
        ({"flip": 1.5, "mirrored": "unchanged"}, "flip is 1.5; expected a probability"),
        ({"flip": 0.5, "mirrored": (1, 2, 0)}, "a clip flipped twice must have its first label again"),
        ({"size": 8}, "size is 8 and area is missing"),
        ({"size": (8, 0), "area": (0.1, 1.0)}, "size is 0"),
        ({"area": (0.0, 1.0)}, r"area is \(0.0, 1.0\); expected"),
        ({"aspect": (1.0, 0.5)}, r"aspect is \(1.0, 0.5\); expected"),
        ({"contrast": -1}, "contrast is -1; expected a strength of at least 0"),
        ({"hue": 0.7}, "hue is 0.7; expected a strength of at least 0, at most 0.5"),
        ({"erase": 2}, "erase is 2; expected a probability"),
    ],
)
def test_bad_recipes_are_refused_at_once(options, message):
    with pytest.raises(ValueError, match=message):
        Augment(**options)


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ((torch.rand(3, 4, 5, 6), torch.tensor([1])), ValueError, r"clips are \(3, 4, 5, 6\)"),
        ((torch.rand(2, 3, 4, 5, 6) * 255, LABELS[:2]), ValueError, "divide them by 255"),
        ((torch.rand(2, 3, 4, 5, 6), LABELS), ValueError, r"labels are \(6,\); expected \(2,\)"),
        ((torch.rand(2, 3, 4, 5, 6), torch.rand(2, 6)), TypeError, "labels are torch.float32"),
    ],
)
def test_a_recipe_checks_what_it_is_given(arguments, error, message):
    with pytest.raises(error, match=message):
        Augment()(*arguments, generator())


def test_a_recipe_needs_a_generator_even_if_it_draws_nothing():
    with pytest.raises(ValueError, match="generator is None; expected one on the CPU"):
        Augment()(torch.rand(2, 3, 4, 5, 6), LABELS[:2], None)
