"""The measure of attention on the digit, against cases that can be counted by hand."""

import pytest
import torch

from experiments.attention_on_digit import attention_facts, digit_places, on_digit, patch_of, tubes_and_digit
from experiments.material import REPORT_SEED
from videoformer_edu.data.motion import motion_test_set
from videoformer_edu.data.motion.images import digit_images
from videoformer_edu.data.motion.rendering import coverage
from videoformer_edu.models import timesformer_motion, vivit_motion


def test_coverage_by_hand():
    position = torch.tensor([[[6.0, 3.0], [6.0, 15.0]]])  # (x, y) in frames of 16 pixels, patches of 8 x 4
    covered = coverage(position, torch.full((1, 2), 4.0), (2, 4), 16, torus=True)  # (1, 2, 2, 4)
    # x from 4 to 8: column 1 whole. y from 1 to 5: half of the upper row of patches.
    expected = torch.zeros(1, 2, 2, 4)
    expected[0, 0, 0, 1] = 4 / 8
    # y from 13 round the edge to 1: 3 pixels below and 1 pixel above.
    expected[0, 1, 1, 1], expected[0, 1, 0, 1] = 3 / 8, 1 / 8
    torch.testing.assert_close(covered, expected)
    flat = coverage(position, torch.full((1, 2), 4.0), (2, 4), 16, torus=False)
    assert flat[0, 1, 0].sum() == 0  # without a torus nothing comes round


def test_coverage_keeps_the_square_whole_on_the_torus():
    clips = motion_test_set(9)
    covered = coverage(clips.position, torch.full((9, 8), 12.0), (4, 4), 32, torus=True)
    area = covered.sum(dim=(-2, -1)) * 64
    assert ((area - 144).abs() <= 25).all()  # a side of 12 pixels covers 11 to 13 pixel centres


@pytest.mark.parametrize(("kind", "size"), [("digits", 32), ("digits", 48), ("motion", 32), ("motion", 64)])
def test_covered_patches_are_where_the_digit_is(kind, size):
    """The digit is brighter than its background: covered patches must be."""
    inputs, covered = digit_places(kind, 200, (8, 8), size=size)
    frames = inputs.mean(dim=1).unflatten(0, (200, 1)).flatten(1, -3)  # (b, t, H, W), grey
    patches = frames.unflatten(-1, (8, size // 8)).unflatten(-3, (8, size // 8)).mean(dim=(-1, -3))  # (b, t, h, w)
    assert covered.mean() == pytest.approx(0.18, abs=0.03)  # the same scene at any size
    inside, outside = patches[covered == 1], patches[covered == 0]
    assert len(inside) > 200 and len(outside) > 200
    assert inside.mean() > outside.mean() + 0.5


def test_places_belong_to_the_held_out_examples():
    inputs, covered = digit_places("digits", 5, (8, 8))
    drawn = digit_images(1024, seed=REPORT_SEED, split="test")
    assert covered.shape == (5, 1, 8, 8)
    torch.testing.assert_close(inputs, (drawn.images[:5].float() / 255 - 0.35) / 0.25)


def test_a_tubelet_is_covered_as_its_frames_are_on_average():
    _, frames = digit_places("motion", 6, (4, 4))  # (6, 8, 4, 4)
    for s in (2, 4):
        _, tubelets = digit_places("motion", 6, (4, 4), tubelet=s)
        assert tubelets.shape == (6, 8 // s, 4, 4)
        by_hand = sum(frames[:, i::s] for i in range(s)) / s
        torch.testing.assert_close(tubelets, by_hand)


def test_of_vivit_only_what_has_places_or_runs_along_time():
    assert patch_of(vivit_motion(tubelet_size=4, patch_size=16)) == (4, 16)
    assert patch_of(timesformer_motion()) == (1, 8)
    kinds = {}
    for variant in ("spatio_temporal", "factorised_encoder", "factorised_self_attention", "factorised_dot_product"):
        facts = attention_facts(vivit_motion(variant=variant), "motion", count=4)
        kinds[variant] = {name: "mass" if "mass" in one else "presence" for name, one in facts.items()}
    assert kinds == {
        "spatio_temporal": {f"encoder.blocks.{i}.attention": "mass" for i in (0, 1)},
        "factorised_encoder": {f"spatial_encoder.blocks.{i}.attention": "mass" for i in (0, 1)},
        "factorised_self_attention": {f"encoder.blocks.{i}.temporal_attention": "presence" for i in (0, 1)},
        "factorised_dot_product": {f"encoder.blocks.{i}.attention.time": "presence" for i in (0, 1)}}


def test_attention_spread_evenly_is_at_chance_and_attention_on_the_digit_is_not():
    covered = torch.rand(3, 5, 2, 4)
    even = on_digit(torch.full((3, 2, 5, 2, 4), 0.01), covered)
    assert even["mass"] == [even["chance"]] * 2
    assert even["mean_of_heads"] == even["chance"]
    sharp = torch.zeros(3, 2, 5, 8)
    best = covered.flatten(2).argmax(dim=-1, keepdim=True)[:, None].expand(-1, 2, -1, -1)
    sharp.scatter_(-1, best, 1.0)
    seen = on_digit(sharp.unflatten(-1, (2, 4)), covered)
    assert seen["mass"][0] == pytest.approx(covered.flatten(2).amax(-1).mean().item(), abs=1e-3)
    assert seen["peak"] == pytest.approx((covered.flatten(2).amax(-1) > 0.5).float().mean().item(), abs=1e-3)
    assert seen["peak_chance"] == pytest.approx((covered > 0.5).float().mean().item(), abs=1e-3)


def test_the_heads_are_told_apart():
    covered = torch.zeros(1, 1, 1, 2)
    covered[..., 0] = 1
    looks = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]]).reshape(1, 3, 1, 1, 2)
    assert on_digit(looks, covered)["mass"] == [0.9, 0.2, 0.5]


def test_tubes_that_look_where_the_digit_is_and_where_it_is_not():
    covered = torch.rand(4, 5, 2, 3)
    covered[:, 0], covered[:, 1] = 1, 0  # every place is visited and left
    there = covered.flatten(2).transpose(1, 2)  # (b, n, t)
    attracted = there / there.sum(-1, keepdim=True)
    repelled = (1.5 - there) / (1.5 - there).sum(-1, keepdim=True)
    rows = torch.stack([attracted, repelled], dim=2)  # (b, n, head, t)
    probabilities = rows[:, :, :, None].expand(-1, -1, -1, 5, -1)  # every query alike
    assert tubes_and_digit(probabilities, covered) == [1.0, -1.0]
