"""The generated clips: what is in them, and that the same seed gives the same ones."""

import time

import pytest
import torch
from torch.utils.data import DataLoader

from videoformer_edu.data.motion import (
    DIRECTIONS,
    TASKS,
    MotionClips,
    axis,
    batch_seed,
    clips,
    motion_batch,
    motion_test_set,
    sign,
)
from videoformer_edu.data.pixels import MOTION_PIXELS, normalise

# What each direction means, written out independently: (dx, dy), y downwards.
MEANING = {"E": (1, 0), "W": (-1, 0), "S": (0, 1), "N": (0, -1)}
MEANING |= {"SE": (1, 1), "NW": (-1, -1), "SW": (-1, 1), "NE": (1, -1)}


def wrapped_steps(position, size):
    """Displacement from frame to frame, the short way round the torus: `(b, t - 1, 2)`."""
    return (position.diff(dim=1) + size / 2) % size - size / 2


@pytest.mark.parametrize("task", TASKS)
def test_shapes_and_types(task):
    clips, direction, digit, position = motion_batch(5, seed=1, size=20, task=task)
    assert clips.shape == (5, 3, 8, 20, 20) and clips.dtype == torch.uint8
    assert direction.shape == digit.shape == (5,) and position.shape == (5, 8, 2)
    assert direction.dtype == digit.dtype == torch.int64
    assert 0 <= direction.min() and direction.max() < len(TASKS[task].classes)


def test_another_length_and_size():
    clips, _, _, position = motion_batch(2, seed=1, frames=3, size=45)
    assert clips.shape == (2, 3, 3, 45, 45) and position.shape == (2, 3, 2)


@pytest.mark.parametrize("task", ["motion", "motion4"])
@pytest.mark.parametrize("frames, size", [(8, 32), (5, 48)])
def test_positions_move_as_labelled(task, frames, size):
    batch = motion_batch(400, seed=2, task=task, frames=frames, size=size)
    assert 0 <= batch.position.min() and batch.position.max() < size
    step = wrapped_steps(batch.position, size)  # (b, t - 1, 2)
    torch.testing.assert_close(step, step[:, :1].expand_as(step), atol=2e-4, rtol=0)  # constant velocity
    unit = size / 32 * 8 / frames
    for label, moved in zip(batch.direction.tolist(), step[:, 0], strict=True):
        for meant, distance in zip(MEANING[DIRECTIONS[label]], moved.tolist(), strict=True):
            if meant == 0:
                assert distance == pytest.approx(0, abs=2e-4)
            else:
                assert 1.5 * unit - 1e-3 <= meant * distance <= 2.5 * unit + 1e-3


def test_a_position_just_left_of_zero_is_not_rounded_up_to_the_size(monkeypatch):
    """Step 1 of a clip that moves west from just below 2 at speed 2 lands at -1e-7, and 32 - 1e-7 rounds to 32."""
    from videoformer_edu.data.motion import trajectories

    start = torch.nextafter(torch.tensor(2.0), torch.tensor(0.0))
    values = {(0, 32): start, (1.5, 2.5): torch.tensor(2.0)}
    monkeypatch.setattr(
        trajectories,
        "uniform",
        lambda low, high, *shape, generator: values.get((low, high), torch.tensor(1.0)).expand(shape),
    )
    position = trajectories.torus_motion(64, 8, 32, torch.Generator().manual_seed(0)).position
    assert 0 <= position.min() and position.max() < 32


def test_pixels_move_as_labelled():
    """Measured on the pixels alone: the centre of brightness, on the circle in x and in y."""
    batch = motion_batch(300, seed=3)
    ink = (batch.clips.float().amax(dim=1) - 140).clamp(min=0)  # background and noise stay below 140
    assert ink.sum(dim=(2, 3)).min() > 0  # a digit is visible in every frame
    angle = (torch.arange(32) + 0.5) * (2 * torch.pi / 32)
    wave = torch.polar(torch.ones(32), angle)
    centre = torch.stack([(ink.sum(2) * wave).sum(-1).angle(), (ink.sum(3) * wave).sum(-1).angle()], dim=-1)
    step = wrapped_steps(centre * 32 / (2 * torch.pi), 32).mean(dim=1)  # (b, 2) pixels a frame
    seen = torch.where(step.abs() > 0.75, step.sign(), 0.0)
    meant = torch.tensor([MEANING[DIRECTIONS[label]] for label in batch.direction.tolist()])
    assert torch.equal(seen, meant.float())
    true_step = wrapped_steps(batch.position, 32).mean(dim=1)
    assert (step - true_step).abs().median() < 0.05


def test_axis_and_sign_name_opposite_directions():
    labels = torch.arange(8)
    assert axis(labels).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert sign(labels).tolist() == [0, 1] * 4
    for label, name in enumerate(DIRECTIONS):
        dx, dy = MEANING[name]
        assert MEANING[DIRECTIONS[label ^ 1]] == (-dx, -dy)


def test_everything_scales_with_the_picture():
    small, large = motion_batch(6, seed=4, size=32), motion_batch(6, seed=4, size=64)
    assert torch.equal(small.direction, large.direction) and torch.equal(small.digit, large.digit)
    torch.testing.assert_close(large.position, 2 * small.position, atol=1e-3, rtol=0)


def test_labels_and_digits_are_uniform():
    batch = motion_batch(4000, seed=5, size=8, frames=1)
    for counts, expected in ((batch.direction.bincount(), 500), (batch.digit.bincount(), 400)):
        assert ((counts - expected).abs() < 5 * expected**0.5).all()


@pytest.mark.parametrize("task", TASKS)
def test_a_seed_is_a_batch(task):
    first, again, other = (motion_batch(3, seed=seed, task=task) for seed in (6, 6, 7))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first.clips, other.clips)
    generator = torch.Generator().manual_seed(6)
    drawn = motion_batch(3, generator=generator, task=task)
    assert torch.equal(first.clips, drawn.clips)
    assert not torch.equal(first.clips, motion_batch(3, generator=generator, task=task).clips)


def test_the_global_random_state_plays_no_part():
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = motion_batch(2, seed=8)
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(2)
    assert torch.equal(first.clips, motion_batch(2, seed=8).clips)


def test_test_set_is_fixed_and_of_unseen_material():
    small = motion_test_set(70)
    assert small.clips.shape == (70, 3, 8, 32, 32)
    same = motion_batch(70, seed=12345, split="test")
    assert all(torch.equal(a, b) for a, b in zip(small, same, strict=True))
    train = motion_batch(70, seed=12345, split="train")
    assert torch.equal(train.direction, small.direction) and not torch.equal(train.clips, small.clips)
    assert motion_test_set.__defaults__ == (1024,)


def test_the_pixels_of_the_generated_clips():
    values = normalise(torch.tensor([0, 51, 255], dtype=torch.uint8), MOTION_PIXELS)
    torch.testing.assert_close(values, torch.tensor([-1.4, -0.6, 2.6]))
    with pytest.raises(ValueError, match="normalise comes last, and once"):
        normalise(values, MOTION_PIXELS)


def test_stream_of_batches():
    stream = MotionClips(steps=4, batch=3, seed=9, frames=2, size=16)
    batches = list(stream)
    assert len(stream) == len(batches) == 4
    assert all(batch.clips.shape == (3, 3, 2, 16, 16) for batch in batches)
    third = motion_batch(3, seed=batch_seed(9, 2), frames=2, size=16)
    assert torch.equal(batches[2].clips, third.clips)
    assert not torch.equal(batches[0].clips, batches[1].clips)
    resumed = list(MotionClips(steps=4, start=2, batch=3, seed=9, frames=2, size=16))
    assert len(resumed) == 2 and torch.equal(resumed[0].clips, third.clips)
    loaded = list(DataLoader(stream, batch_size=None))
    assert type(loaded[0]) is type(batches[0]) and torch.equal(loaded[3].clips, batches[3].clips)


def test_workers_share_the_steps(monkeypatch):
    stream = MotionClips(steps=5, batch=2, frames=1, size=8)
    alone = [batch.clips for batch in stream]
    shared = {}
    for worker in range(2):
        info = type("Info", (), {"id": worker, "num_workers": 2})
        monkeypatch.setattr(clips, "get_worker_info", lambda info=info: info)
        shared[worker] = [batch.clips for batch in stream]
    in_turn = [shared[step % 2][step // 2] for step in range(5)]  # the order in which a DataLoader asks
    assert all(torch.equal(a, b) for a, b in zip(alone, in_turn, strict=True))


def test_seeds_of_runs_and_steps_differ():
    seeds = {batch_seed(run, step) for run in range(5) for step in range(2000)}
    assert len(seeds) == 10000


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"batch": 0}, "batch is 0; expected a whole number of at least 1"),
        ({"batch": 2.0}, "batch is 2.0"),
        ({"frames": 0}, "frames is 0"),
        ({"size": 7}, "size is 7; expected a whole number of at least 8"),
        ({"split": "val"}, 'split is \'val\'; expected "train" or "test"'),
        ({"task": "motion9"}, "task is 'motion9'; expected one of 'motion', 'motion4', 'motion8', 'order6'"),
        ({"task": "order6", "frames": 4}, "needs frames=8"),
        ({"seed": None}, "neither of generator and seed"),
        ({"generator": torch.Generator()}, "both of generator and seed"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        motion_batch(**({"batch": 2, "seed": 0} | arguments))


@pytest.mark.timing
def test_thousands_of_clips_a_second():
    """Aim 2,000 a second on one quiet core (5,000 measured); half of it must hold beside other work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        motion_batch(64, seed=0)  # reads digits and photographs
        rates = []
        for seed in range(5):
            start = time.process_time()
            motion_batch(512, seed=seed)
            rates.append(512 / (time.process_time() - start))
    finally:
        torch.set_num_threads(threads)
    print(f"{max(rates):.0f} clips of 8x32x32 a second of processor time")
    assert max(rates) >= 1000


@pytest.mark.parametrize("task", ["motion", "motion4", "motion8"])
@pytest.mark.parametrize("frames, speed", [(12, 1.5), (20, 2.5)])
def test_at_a_higher_speed_a_longer_clip_goes_on_as_fast_frame_by_frame(task, frames, speed):
    usual = motion_batch(200, seed=6, task=task).position
    longer = motion_batch(200, seed=6, task=task, frames=frames, speed=speed)
    assert torch.equal(longer.direction, motion_batch(200, seed=6, task=task).direction)
    moved, meant = (wrapped_steps(position, 32)[:, :1] for position in (longer.position, usual))
    torch.testing.assert_close(moved, meant, atol=2e-4, rtol=0)


def test_a_speed_must_be_one():
    with pytest.raises(ValueError, match="speed is 0; expected a number above 0"):
        motion_batch(2, seed=0, speed=0)
    with pytest.raises(ValueError, match="needs frames=8 and speed=1"):
        motion_batch(2, seed=0, task="order6", speed=2)
