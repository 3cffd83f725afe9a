"""Run-length tokenisation: which patches are kept, by a loop over pixels; run lengths by walking; a real hand."""

import pytest
import torch

from videoformer_edu.data.assets import example_clip_path, hand_with_box_path, hand_with_cup_path
from videoformer_edu.data.pixels import Pixels, normalise
from videoformer_edu.data.video.clips import read_frames
from videoformer_edu.run_length import kept_tokens, run_lengths, savings


def patch_of(clip, frame, row, column, p):
    return clip[:, frame, row * p:(row + 1) * p, column * p:(column + 1) * p]


def kept_by_hand(clip, p, tubelet, threshold, reference):
    """One patch after the other: the first frame of the tubelet before against the last of this one."""
    _, t, h, w = clip.shape
    keep = torch.zeros(t // tubelet, h // p, w // p, dtype=torch.bool)
    for row in range(h // p):
        for column in range(w // p):
            keep[0, row, column], last = True, 0
            for step in range(1, t // tubelet):
                before = step - 1 if reference == "previous" else last
                there = patch_of(clip, before * tubelet, row, column, p)
                now = patch_of(clip, step * tubelet + tubelet - 1, row, column, p)
                if float((there - now).abs().mean()) > threshold:
                    keep[step, row, column], last = True, step
    return keep


@pytest.mark.parametrize("reference", ["previous", "kept"])
@pytest.mark.parametrize(("shape", "patch", "tubelet"), [
    ((2, 3, 6, 4, 6), 2, 1), ((1, 3, 8, 6, 3), 3, 2), ((2, 1, 9, 2, 4), 2, 3), ((1, 2, 1, 2, 2), 2, 1)])
def test_kept_tokens_are_those_that_differ(shape, patch, tubelet, reference):
    video = torch.randn(shape).cumsum(2) * torch.rand(*shape[:2], 1, 1, 1)  # neighbouring frames are alike
    for threshold in (0.0, 0.3, 0.6, 1.2):
        keep = kept_tokens(video, patch_size=patch, tubelet_size=tubelet, threshold=threshold, reference=reference)
        want = torch.stack([kept_by_hand(clip, patch, tubelet, threshold, reference) for clip in video])
        assert torch.equal(keep, want)
        lengths = run_lengths(keep)
        for clip, row, column in torch.nonzero(keep[:, 0]).tolist():
            tube, total = keep[clip, :, row, column].tolist(), 0
            for step, kept in enumerate(tube):
                long = next((i for i in range(step + 1, len(tube)) if tube[i]), len(tube)) - step
                assert lengths[clip, step, row, column] == (long if kept else 0)
                total += int(lengths[clip, step, row, column])
            assert total == len(tube)
        assert savings(keep) == pytest.approx(1 - int(keep.sum()) / keep.numel())


def test_a_slow_change_is_seen_only_against_the_patch_that_was_kept():
    """It brightens by 0.04 a frame: never more than 0.1 from frame to frame, yet 0.6 over the clip."""
    video = torch.arange(16).mul(0.04)[None, None, :, None, None].expand(1, 3, 16, 4, 4)
    previous = kept_tokens(video, patch_size=4, threshold=0.1)
    kept = kept_tokens(video, patch_size=4, threshold=0.1, reference="kept")
    assert run_lengths(previous).flatten().tolist() == [16] + [0] * 15
    assert run_lengths(kept).flatten().tolist() == [3, 0, 0] * 5 + [1]


def test_savings_on_real_clips_depend_on_the_camera():
    """16 frames, 7 x 7 patches of 16 pixels in units of ImageNet's standard deviation, threshold 0.1, as in the paper.

    Measured with tubelets of one frame: cup 55 %, box 57 %, rabbit 38 %; of two, as published: 33, 42 and 8 %.
    """
    imagenet, found = Pixels((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)), {}
    for path in (hand_with_cup_path(), hand_with_box_path(), example_clip_path()):
        clip = read_frames(path, frames=16, size=112)
        video = normalise(clip.permute(3, 0, 1, 2), imagenet)[None]
        found[path.stem] = [savings(kept_tokens(video, patch_size=16, tubelet_size=size)) for size in (1, 2)]
    assert found["hand_with_cup"] == pytest.approx([0.55, 0.33], abs=0.02)
    assert found["hand_with_box"] == pytest.approx([0.57, 0.42], abs=0.02)
    assert found["big_buck_bunny"] == pytest.approx([0.38, 0.08], abs=0.02)


def test_errors():
    video = torch.randn(1, 3, 4, 4, 4)
    with pytest.raises(ValueError, match="previous, kept; got 'first'"):
        kept_tokens(video, patch_size=2, reference="first")
    with pytest.raises(ValueError, match="frames is 4, which the patch size 3"):
        kept_tokens(video, patch_size=2, tubelet_size=3)
    with pytest.raises(ValueError, match="first step of every tube"):
        run_lengths(torch.zeros(1, 2, 2, 2, dtype=torch.bool))
