"""The horizontal flip, and what becomes of labels that know left from right."""

import pytest
import torch

from videoformer_edu.data.augment import horizontal_flip
from videoformer_edu.data.mirroring import mirrored_directions, mirrored_names
from videoformer_edu.data.motion import motion_batch
from videoformer_edu.data.motion.trajectories import TASKS

OPPOSITE = {"E": "W", "W": "E", "S": "S", "N": "N", "SE": "SW", "SW": "SE", "NE": "NW", "NW": "NE"}
MEANING = {"E": (1, 0), "W": (-1, 0), "S": (0, 1), "N": (0, -1)}
MEANING |= {"SE": (1, 1), "NW": (-1, -1), "SW": (-1, 1), "NE": (1, -1)}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("task", ["motion", "motion4"])
def test_east_becomes_west_and_south_stays(task):
    classes = TASKS[task].classes
    assert [classes[label] for label in mirrored_directions(task)] == [OPPOSITE[name] for name in classes]


@pytest.mark.parametrize("task, lost", [
    ("motion8", r"8 classes: SW \(of SE\), NE \(of NW\)"),
    ("order6", r"6 classes: 43526170 \(of 34251607\), 07162534 \(of 70615243\)"),
])
def test_a_task_without_the_mirror_image_of_a_class_must_not_be_flipped(task, lost):
    with pytest.raises(ValueError, match=f"mirror images that are none of the {lost}; do not flip"):
        mirrored_directions(task)


def test_an_unknown_task():
    with pytest.raises(ValueError, match="task is 'spin'; expected one of 'motion'"):
        mirrored_directions("spin")


def wrapped(distance, size=32):
    return (distance + size / 2) % size - size / 2


@pytest.mark.parametrize("task", ["motion", "motion4"])
def test_flipped_clips_move_as_their_new_labels_say(task):
    """By the true path in a mirror, and by the centre of brightness of the flipped pixels."""
    batch = motion_batch(300, seed=3, task=task)
    clips, labels = horizontal_flip(
        batch.clips, batch.direction, mirrored=mirrored_directions(task), p=1.0, generator=generator()
    )
    meant = torch.tensor([MEANING[TASKS[task].classes[label]] for label in labels.tolist()])

    mirror = batch.position * torch.tensor([-1, 1]) + torch.tensor([32, 0])
    step = wrapped(mirror.diff(dim=1)).mean(dim=1)
    assert torch.equal(torch.where(step.abs() > 0.75, step.sign(), 0.0), meant.float())

    ink = (clips.float().amax(dim=1) - 140).clamp(min=0)  # background and noise stay below 140
    wave = torch.polar(torch.ones(32), (torch.arange(32) + 0.5) * (2 * torch.pi / 32))
    centre = torch.stack([(ink.sum(2) * wave).sum(-1).angle(), (ink.sum(3) * wave).sum(-1).angle()], dim=-1)
    seen = wrapped((centre * 32 / (2 * torch.pi)).diff(dim=1)).mean(dim=1)
    assert torch.equal(torch.where(seen.abs() > 0.75, seen.sign(), 0.0), meant.float())


def test_flipped_clips_are_clips_of_the_task():
    """As many of each label as before, and the old label would be wrong for three quarters of them."""
    batch = motion_batch(2000, seed=1, frames=2, size=8)
    _, labels = horizontal_flip(
        batch.clips, batch.direction, mirrored=mirrored_directions("motion"), p=1.0, generator=generator()
    )
    assert (labels.bincount(minlength=8) - 250).abs().max() < 5 * 250**0.5
    assert (labels != batch.direction).float().mean().item() == pytest.approx(0.75, abs=0.05)


def test_only_the_chosen_clips_are_flipped_with_their_labels_and_all_their_frames():
    clips, labels = torch.rand(400, 3, 2, 4, 5), torch.arange(400) % 8
    mirrored = mirrored_directions("motion")
    out, new = horizontal_flip(clips, labels, mirrored=mirrored, p=0.3, generator=generator())
    flipped = (out == clips.flip(-1)).flatten(1).all(dim=1)
    assert torch.equal(out[~flipped], clips[~flipped])
    assert new.tolist() == [mirrored[k] if f else k for k, f in zip(labels.tolist(), flipped.tolist(), strict=True)]
    assert abs(flipped.float().mean().item() - 0.3) < 5 * (0.3 * 0.7 / 400) ** 0.5


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_twice_is_once_and_back(dtype):
    clips, labels = (255 * torch.rand(8, 3, 2, 4, 5)).to(dtype), torch.arange(8)
    once = horizontal_flip(clips, labels, mirrored=mirrored_directions("motion"), p=1.0, generator=generator())
    twice = horizontal_flip(*once, mirrored=mirrored_directions("motion"), p=1.0, generator=generator())
    assert torch.equal(twice[0], clips) and torch.equal(twice[1], labels)
    assert not torch.equal(once[0], clips) and not torch.equal(once[1], labels)


def test_unchanged_labels():
    clips, labels = torch.rand(3, 3, 2, 4, 5), torch.tensor([7, 100, 2])
    out, new = horizontal_flip(clips, labels, mirrored="unchanged", p=1.0, generator=generator())
    assert torch.equal(out, clips.flip(-1)) and torch.equal(new, labels)


def test_the_type_of_the_labels_stays():
    labels = torch.tensor([0, 1], dtype=torch.int32)
    _, new = horizontal_flip(torch.rand(2, 3, 2, 4, 5), labels, mirrored=[1, 0], p=1.0, generator=generator())
    assert new.dtype == torch.int32 and new.tolist() == [1, 0]


def test_names_are_paired_by_their_words():
    classes = [
        "Pushing something from left to right",
        "Lifting something up",
        "Pushing something from right to left",
        "Turning the camera LEFT",
        "Turning the camera right",
        "move_leftwards",
        "move_rightwards",
        "Putting something upright on the table",
        "Someone left-handed",
        "Someone right-handed",
        "Clefts and copyright",
    ]
    assert mirrored_names(classes) == (2, 1, 0, 4, 3, 6, 5, 7, 9, 8, 10)


def test_other_words_that_know_the_side():
    classes = ("wheel clockwise", "wheel counterclockwise", "left")
    assert mirrored_names(classes[:2]) == (0, 1)  # not known without being told
    assert mirrored_names(classes[:2], pairs=[("clockwise", "counterclockwise")]) == (1, 0)


def test_a_name_without_its_mirror_image():
    with pytest.raises(ValueError, match=r"none of the 2 classes: turn right \(of turn left\); do not flip"):
        mirrored_names(["Turn left", "Stop"])


CLIPS, LABELS = torch.zeros(2, 3, 4, 5, 6), torch.tensor([0, 3])


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"mirrored": [1, 2, 0, 3]}, ValueError, "a clip flipped twice must have its first label again"),
        ({"mirrored": [1, 0, 2, 5]}, ValueError, "a clip flipped twice must"),
        ({"mirrored": [1, 0, 2, -1]}, ValueError, "a clip flipped twice must"),
        ({"mirrored": "no"}, ValueError, "mirrored is 'no'; expected \"unchanged\", or the label of each mirror image"),
        ({"mirrored": [1, 0]}, ValueError, "labels go from 0 to 3; mirrored has 2 classes"),
        ({"clips": CLIPS[0]}, ValueError, r"clips are \(3, 4, 5, 6\); expected uint8 or float \(b, c, t, h, w\), c"),
        ({"labels": LABELS / 2}, TypeError, "labels are torch.float32; expected a tensor of whole numbers"),
        ({"labels": LABELS[:1]}, ValueError, r"labels are \(1,\); expected \(2,\)"),
        ({"generator": None}, ValueError, "generator is None; expected one on the CPU"),
    ],
)
def test_bad_arguments(change, error, message):
    arguments = {"clips": CLIPS, "labels": LABELS, "mirrored": [1, 0, 2, 3], "generator": generator()} | change
    with pytest.raises(error, match=message):
        horizontal_flip(arguments.pop("clips"), arguments.pop("labels"), **arguments)


def test_the_map_cannot_be_forgotten():
    with pytest.raises(TypeError, match="mirrored"):
        horizontal_flip(CLIPS, LABELS, generator=generator())
