"""Trained models on fewer tokens: nothing merged is the model; what is merged or dropped costs what was measured."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from videoformer_edu.data.motion.clips import motion_test_set
from videoformer_edu.data.pixels import MOTION_PIXELS, normalise
from videoformer_edu.models.fewer_tokens import (
    merged_logits,
    merging_block,
    merging_divided_block,
    run_length_logits,
)
from videoformer_edu.models.timesformer import timesformer_motion
from videoformer_edu.pretrained.small import load_small
from videoformer_edu.run_length import kept_tokens, savings
from videoformer_edu.tokens import Grid


@pytest.fixture(scope="module")
def clips():
    batch = motion_test_set(128)
    return normalise(batch.clips, MOTION_PIXELS), batch.direction


def small(attention):
    torch.manual_seed(3)
    return timesformer_motion(attention=attention, width=16, frames=4).eval()


@pytest.mark.parametrize("attention", ["joint", "divided"])
def test_nothing_merged_is_the_model(attention):
    model, video = small(attention), torch.randn(3, 3, 4, 32, 32)
    for whole_tubes in (True, False):
        torch.testing.assert_close(merged_logits(model, video, r=0, whole_tubes=whole_tubes), model(video))


def test_every_token_kept_is_the_model_and_repeats_may_go():
    """A clip that stands still: one frame with lengths is as good as all of them, but for positions in time."""
    model, video = small("joint"), torch.randn(2, 3, 4, 32, 32)
    keep = kept_tokens(video, patch_size=8, threshold=0.0)
    assert keep.all()
    torch.testing.assert_close(run_length_logits(model, video, keep), model(video))
    with torch.no_grad():
        model.time_positions.table.zero_()
    still = video[:, :, :1].expand(-1, -1, 4, -1, -1)
    keep = kept_tokens(still, patch_size=8)
    assert keep.sum() == 2 * 16
    torch.testing.assert_close(run_length_logits(model, still, keep), model(still), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(run_length_logits(model, still, keep, weigh=False), model(still), atol=1e-4)


@pytest.mark.parametrize("whole_tubes", [True, False])
def test_equal_places_merge_without_a_trace(whole_tubes):
    """Every patch twice, side by side, in every frame: half of them merge, and nobody notices."""
    block = small("divided").blocks[0]
    once = torch.randn(2, 1 + 4 * 5, 16)
    cls, patches = once[:, :1], once[:, 1:].unflatten(1, (4, 5))
    x = torch.cat([cls, patches.repeat_interleave(2, dim=2).flatten(1, 2)], dim=1)
    y, size = merging_divided_block(block, x, Grid(4, 2, 5), None, 5, whole_tubes)
    assert y.shape == once.shape and torch.equal(size, torch.full((2, 4, 5), 2.0))
    whole = block(x, Grid(4, 2, 5))
    torch.testing.assert_close(y[:, :1], whole[:, :1])
    torch.testing.assert_close(y[:, 1:].unflatten(1, (4, 5)), whole[:, 1:].unflatten(1, (4, 10))[:, :, ::2])
    z, again = merging_divided_block(block, y, Grid(4, 2, 5), size, 0, whole_tubes)  # and is as good in the next block
    twice = block(whole, Grid(4, 2, 5))[:, 1:].unflatten(1, (4, 10))
    torch.testing.assert_close(z[:, 1:].unflatten(1, (4, 5)), twice[:, :, ::2])
    assert again is size


def test_equal_neighbours_merge_without_a_trace_in_joint_attention():
    block, once = small("joint").blocks[0], torch.randn(2, 7, 16)
    cls, x = once[:, :1], once[:, 1:].repeat_interleave(2, dim=1)
    y, size = merging_block(block, torch.cat([cls, x], dim=1), None, 6)
    whole = block(torch.cat([cls, x], dim=1), Grid(1, 3, 4))
    torch.testing.assert_close(y, torch.cat([whole[:, :1], whole[:, 1::2]], dim=1))
    torch.testing.assert_close(merging_block(block, y, size, 0)[0][:, 0], block(whole, Grid(1, 3, 4))[:, 0])


def multiply_adds(compute):
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        compute()
    return counter.get_total_flops() // 2


def accuracy(logits, direction):
    return (logits.argmax(1) == direction).float().mean().item()


@torch.no_grad()
def test_what_merging_costs_in_accuracy(clips):
    """512 clips: joint 99.8 % down to r = 48, 94.3 at 64; divided with whole tubes 99.6 and 97.3, frame by frame 98.4
    at 16 already and 94.5 at 64."""
    video, direction = clips
    joint, divided = load_small("timesformer_motion_joint_time_first"), load_small("timesformer_motion_divided")
    assert accuracy(merged_logits(joint, video, r=48), direction) >= 0.98
    assert accuracy(merged_logits(divided, video, r=48), direction) >= 0.97
    few = [accuracy(merged_logits(divided, video, r=r, whole_tubes=False), direction) for r in (16, 64)]
    assert 0.95 <= few[0] and 0.88 <= few[1] <= 0.98


def test_merging_saves_work(clips):
    video, model = clips[0][:2], load_small("timesformer_motion_joint_time_first")
    whole, merged = (multiply_adds(lambda r=r: merged_logits(model, video, r=r)) for r in (0, 48))
    assert merged < 0.8 * whole


@torch.no_grad()
def test_what_dropping_repeats_costs_in_accuracy(clips):
    """512 clips: 57 % of the tokens dropped at a threshold of 0.1 and 99.8 % right; 74 % at 0.4 and 91.6 %."""
    video, direction = clips
    model = load_small("timesformer_motion_joint_time_first")
    for threshold, saved, at_least, at_most in ((0.1, 0.57, 0.98, 1.0), (0.4, 0.74, 0.85, 0.96)):
        keep = kept_tokens(video, patch_size=8, threshold=threshold)
        assert savings(keep) == pytest.approx(saved, abs=0.02)
        assert at_least <= accuracy(run_length_logits(model, video, keep), direction) <= at_most


def test_errors():
    video = torch.randn(1, 3, 4, 32, 32)
    with pytest.raises(ValueError, match="4 frames must divide r; got 'divided' and r=6"):
        merged_logits(small("divided"), video, r=6)
    with pytest.raises(ValueError, match="got 'space_only'"):
        merged_logits(small("space_only"), video, r=4)
    with pytest.raises(ValueError, match="must be joint, not 'divided'"):
        run_length_logits(small("divided"), video, kept_tokens(video, patch_size=8))
    with pytest.raises(ValueError, match=r"keep is \(1, 4, 2, 2\), the tokens of this clip are \(1, 4, 4, 4\)"):
        run_length_logits(small("joint"), video, kept_tokens(video, patch_size=16))
