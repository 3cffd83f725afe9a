"""What a control may know. On the torus: a frame nothing, a set of frames the axis; elsewhere a frame tells a lot.

Every statement is shown twice: exactly, by construction of the clips, and statistically, by a classifier that does
find the leak where there is one.
"""

import functools

import pytest
import torch
import torch.nn.functional as F
from scipy import stats

from videoformer_edu.data.motion import DIRECTIONS, TASKS, axis, motion_batch, rendering, sign
from videoformer_edu.data.motion.rendering import render
from videoformer_edu.data.motion.trajectories import torus_motion

# (dx, dy) of each direction, written out independently; y downwards
MEANING = [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1), (-1, 1), (1, -1)]


def generator(seed):
    return torch.Generator().manual_seed(seed)


def ink_map(clips, cells=8):
    """Where the digit is, in pixels: `(b, 3, t, h, w)` -> `(b, t, cells * cells)`; backgrounds stay below 140."""
    ink = (clips.float().amax(dim=1) - 140).clamp(min=0) / 115  # (b, t, h, w)
    return F.adaptive_avg_pool2d(ink, cells).flatten(2) * 10


def accuracy_of_classifier(train, train_label, test, test_label):
    """Ridge regression, solved exactly: nothing to tune, nothing to wait for."""

    def expand(features):
        mean, std = train.mean(dim=0), train.std(dim=0) + 1e-6
        features = (features - mean) / std
        return torch.cat([features, torch.ones(len(features), 1)], dim=1).double()

    x, target = expand(train), F.one_hot(train_label).double()
    weights = torch.linalg.solve(x.T @ x + 30 * torch.eye(x.shape[1]), x.T @ target)
    return ((expand(test) @ weights).argmax(dim=1) == test_label).double().mean().item()


def three_sigma(chance, count):
    return 3 * (chance * (1 - chance) / count) ** 0.5


# A single frame


@pytest.mark.parametrize("frame", [0, 3, 7])
def test_position_in_a_frame_is_uniform_for_every_class(frame):
    """Chi-square over 8x8 cells, for each direction: the position at a fixed time says nothing about the class."""
    trajectory = torus_motion(80_000, 8, 32, generator(0))
    cell = (trajectory.position[:, frame] / 4).long()
    for label in range(8):
        counts = torch.bincount((cell[:, 0] * 8 + cell[:, 1])[trajectory.label == label], minlength=64)
        assert stats.chisquare(counts.numpy()).pvalue > 1e-4, DIRECTIONS[label]


def test_size_in_a_frame_is_independent_of_the_class():
    trajectory = torus_motion(80_000, 8, 32, generator(1))
    for label in range(1, 8):
        pair = [trajectory.width[trajectory.label == kind, 0].numpy() for kind in (0, label)]
        assert stats.ks_2samp(*pair).pvalue > 1e-4


def test_a_frame_is_a_function_of_the_place_and_not_of_the_path():
    """All eight directions through the same place at frame 4: the same chance gives the same frame 4, bit for bit."""
    place, width = torch.tensor([5.0, 29.0]), torch.full((1, 8), 13.0)
    time = torch.arange(8).view(8, 1) - 4
    drawn = []
    for label in range(8):
        step = torch.tensor(MEANING[label])
        path = (place + 2.0 * step * time).remainder(32)[None]  # (1, t, 2), legal for the class
        clips, _ = render(path, width, split="train", size=32, torus=True, generator=generator(2))
        drawn.append(clips[0])  # (3, t, h, w)
    first, *others = drawn
    assert all(torch.equal(first[:, 4], other[:, 4]) for other in others)
    assert not any(torch.equal(first[:, 5], other[:, 5]) for other in others)  # the next frame does differ


def draw_maps(count, task, seed, split):
    """Ink maps `(b, t, 64)` and labels of `count` clips, a few at a time to stay small in memory."""
    chance, maps, labels = generator(seed), [], []
    for _ in range(count // 100):
        batch = motion_batch(100, generator=chance, task=task, split=split)
        maps.append(ink_map(batch.clips))
        labels.append(batch.direction)
    return torch.cat(maps), torch.cat(labels)


@pytest.fixture(scope="module")
def clips():
    """Training and test clips of a task, drawn once."""
    return functools.cache(lambda task: (draw_maps(3000, task, 10, "train"), draw_maps(1500, task, 11, "test")))


@pytest.mark.parametrize("frame", [0, 4, 7])
def test_a_classifier_of_one_frame_stays_at_chance(clips, frame):
    (train, train_label), (test, test_label) = clips("motion")
    accuracy = accuracy_of_classifier(train[:, frame], train_label, test[:, frame], test_label)
    assert abs(accuracy - 1 / 8) < three_sigma(1 / 8, len(test))


@pytest.mark.parametrize("task, frame, at_least", [("motion8", 0, 0.5), ("order6", 4, 0.5)])
def test_the_same_classifier_finds_the_leaks(clips, task, frame, at_least):
    """`motion8` leaks in its first frame, `order6` in a frame at a known index."""
    (train, train_label), (test, test_label) = clips(task)
    accuracy = accuracy_of_classifier(train[:, frame], train_label, test[:, frame], test_label)
    print(f"{task}, frame {frame} alone: {accuracy:.1%}")
    assert accuracy > at_least


# A set of frames


def test_a_clip_played_backwards_is_a_clip_of_the_opposite_direction(monkeypatch):
    """Exactly: the reversed path is a legal path of class y ^ 1, and its clip holds the same frames."""
    monkeypatch.setattr(rendering, "NOISE", 0.0)  # fresh in every frame: the same in distribution, not in value
    forward = torus_motion(64, 8, 32, generator(3))
    backward = forward.position.flip(1)
    step = (backward.diff(dim=1) + 16) % 32 - 16  # (b, t - 1, 2)
    opposite = [DIRECTIONS[label ^ 1] for label in forward.label.tolist()]
    for name, path in zip(opposite, step, strict=True):
        east, south = path[:, 0], path[:, 1]
        for letter, along in (("E", east), ("W", -east), ("S", south), ("N", -south)):
            if letter in name:
                assert 1.499 <= along.min() and along.max() <= 2.501
        for letters, along in (("EW", east), ("SN", south)):
            if not set(letters) & set(name):
                assert along.abs().max() < 2e-5
    there, _ = render(forward.position, forward.width, split="train", size=32, torus=True, generator=generator(4))
    back, _ = render(backward, forward.width, split="train", size=32, torus=True, generator=generator(4))
    assert torch.equal(back, there.flip(2))


def test_reversed_clips_are_as_likely_as_those_of_the_opposite_direction():
    """Start and speed of E clips read backwards against those of W clips: the same distributions."""
    trajectory = torus_motion(80_000, 8, 32, generator(5))
    for label in range(0, 8, 2):
        back = trajectory.position[trajectory.label == label].flip(1)
        opposite = trajectory.position[trajectory.label == label + 1]
        for value in (lambda path: path[:, 0, 0], lambda path: path[:, 0, 1], wrapped_speed):
            assert stats.ks_2samp(value(back).numpy(), value(opposite).numpy()).pvalue > 1e-4


def wrapped_speed(path):
    return ((path[:, 1] - path[:, 0] + 16) % 32 - 16).abs().amax(dim=1)


def test_a_classifier_of_the_set_of_frames_knows_the_axis_and_not_the_sign(clips):
    """Order-less features (mean, spread and maximum over the frames): the ceiling is exactly 50 %."""
    (train, train_label), (test, test_label) = clips("motion")

    def bag(maps):
        rows = maps.unflatten(2, (8, 8)).sum(2).var(dim=1), maps.unflatten(2, (8, 8)).sum(3).var(dim=1)
        return torch.cat([maps.mean(1), maps.std(1), maps.amax(1), *rows], dim=1)

    train, test = bag(train), bag(test)
    axis_accuracy = accuracy_of_classifier(train, axis(train_label), test, axis(test_label))
    sign_accuracy = accuracy_of_classifier(train, sign(train_label), test, sign(test_label))
    print(f"a bag of frames: axis {axis_accuracy:.1%} (chance 25 %), sign {sign_accuracy:.1%} (chance 50 %)")
    assert axis_accuracy > 0.5
    assert abs(sign_accuracy - 0.5) < three_sigma(0.5, len(test))


def test_the_order_of_frames_does_hold_the_sign():
    """The label is there to be learned: one step of the known positions gives it without an error."""
    batch = motion_batch(200, seed=12)
    step = ((batch.position[:, 1] - batch.position[:, 0] + 16) % 32 - 16).round().sign()
    assert [MEANING.index(tuple(row)) for row in step.int().tolist()] == batch.direction.tolist()


# The leaky tasks are what they say


def test_pairs_of_motion8_are_reversals():
    """Even and odd classes: opposite paths, or sizes that grow and shrink; the middle of the path is the centre."""
    trajectory = TASKS["motion8"].trajectory(4000, 8, 32, generator(6))
    travel = trajectory.position[:, -1] - trajectory.position[:, 0]  # (b, 2)
    growth = trajectory.width[:, -1] / trajectory.width[:, 0]
    expected = [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1), (0, 0), (0, 0)]
    for label, direction in enumerate(expected):
        mine = trajectory.label == label
        assert torch.equal(travel[mine].sign(), torch.tensor(direction).float().expand(int(mine.sum()), 2))
    assert growth[trajectory.label == 6].min() > 1.49 and growth[trajectory.label == 7].max() < 0.67
    assert (growth[trajectory.label < 6] == 1).all()
    middle = trajectory.position.mean(dim=1)
    assert middle.min() > 12 - 1e-3 and middle.max() < 20 + 1e-3


def test_orders_of_order6_visit_the_same_eight_places():
    trajectory = TASKS["order6"].trajectory(300, 8, 32, generator(7))
    x, y = trajectory.position[..., 0], trajectory.position[..., 1]
    assert (y == y[:, :1]).all()
    places = x.sort(dim=1).values
    gap = places.diff(dim=1)
    torch.testing.assert_close(gap, gap[:, :1].expand_as(gap), atol=1e-4, rtol=0)
    visited = x.argsort(dim=1).argsort(dim=1)
    names = TASKS["order6"].classes
    assert names[:2] == ("01234567", "76543210") and len(set(names)) == 6
    for label, order in zip(trajectory.label.tolist(), visited.tolist(), strict=True):
        assert "".join(map(str, order)) == names[label]
