"""The closed forms against the counted module, and both against the published tables."""

import pytest
import torch

from videoformer_edu.attention import Spatial, Temporal
from videoformer_edu.cost import (
    PUBLISHED_TIMESFORMER,
    count_macs,
    count_parameters,
    crossing,
    timesformer_cost,
    timesformer_pairs,
    vit_cost,
    vivit_cost,
    vivit_pairs,
)
from videoformer_edu.models import TimeSformer, ViT, ViViT
from videoformer_edu.models.vivit import VARIANTS
from videoformer_edu.tokens import Grid

ATTENTIONS = ("divided", "joint", "space_only")
SMALL = dict(frames=3, image_size=20, patch_size=4, width=24, depth=5, heads=4, classes=7, mlp_ratio=2.5)


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_closed_form_is_the_counted_module_exactly(attention):
    model, cost = TimeSformer(**SMALL, attention=attention), timesformer_cost(**SMALL, attention=attention)
    assert cost.macs == count_macs(model, 1, 3, 3, 20, 20)
    assert cost.parameters == count_parameters(model)
    assert cost.tokens == 3 * 25 + 1


def test_vit_closed_form_is_the_counted_module_exactly():
    size = {k: v for k, v in SMALL.items() if k != "frames"}
    model, cost = ViT(**size), vit_cost(**size)
    assert (cost.macs, cost.parameters) == (count_macs(model, 1, 3, 20, 20), count_parameters(model))


@pytest.mark.parametrize(("variant", "temporal_depth"), [*((v, 4) for v in VARIANTS), ("factorised_encoder", 0)])
def test_vivit_closed_form_is_the_counted_module_exactly(variant, temporal_depth):
    size = {**SMALL, "frames": 6, "tubelet_size": 2, "variant": variant, "temporal_depth": temporal_depth}
    model, cost = ViViT(**size), vivit_cost(**size)
    assert (cost.macs, cost.parameters) == (count_macs(model, 1, 3, 6, 20, 20), count_parameters(model))


def test_counting_leaves_the_model_alone_and_scales_with_the_batch():
    model = ViT(image_size=8, patch_size=4, width=12, depth=1, heads=3, classes=2)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    assert count_macs(model, 5, 3, 8, 8) == 5 * count_macs(model, 1, 3, 8, 8)
    assert all(torch.equal(before[k], v) and v.device.type == "cpu" for k, v in model.state_dict().items())


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_pairs_are_those_of_the_patterns_and_cls(attention):
    grid = Grid(3, 2, 5)
    with_cls = {"joint": (30 + 1) ** 2, "space_only": Spatial().pairs(grid) + 3 * (2 * 10 + 1)}
    with_cls["divided"] = with_cls["space_only"] + Temporal().pairs(grid)
    assert timesformer_pairs(grid, attention) == with_cls[attention]


def test_vivit_pairs_are_those_of_the_patterns_and_cls():
    grid = Grid(3, 2, 5)
    divided = Spatial().pairs(grid) + Temporal().pairs(grid)
    want = {"spatio_temporal": 31**2, "factorised_encoder": Spatial().pairs(grid) + 3 * (2 * 10 + 1),
            "factorised_self_attention": divided, "factorised_dot_product": divided}
    assert {variant: vivit_pairs(grid, variant) for variant in VARIANTS} == want


def test_half_of_the_heads_score_either_pair_in_model_4():
    model_3, model_4 = (vivit_cost(variant=variant) for variant in VARIANTS[2:])
    assert model_4.pairs == model_3.pairs and 2 * model_4.attention_bytes == model_3.attention_bytes


def test_attention_memory_is_heads_times_pairs_times_four_bytes():
    cost = timesformer_cost(attention="joint")
    assert cost.attention_bytes == 12 * (8 * 196 + 1) ** 2 * 4


@pytest.mark.parametrize("row", PUBLISHED_TIMESFORMER, ids=lambda row: row.name)
def test_published_costs_within_one_per_cent(row):
    cost = timesformer_cost(frames=row.frames, image_size=row.image_size, attention=row.attention)
    assert cost.macs / 1e9 == pytest.approx(row.gmacs, rel=0.01)
    tables = 768 * (1 + 1 + (row.image_size // 16) ** 2 + row.frames)  # the paper's count leaves these out
    assert (cost.parameters - tables) / 1e6 == pytest.approx(row.parameters_m, abs=0.05)


def test_published_vit_base():
    cost = vit_cost()
    assert cost.macs / 1e9 == pytest.approx(17.6, rel=0.01) and cost.parameters / 1e6 == pytest.approx(86.6, rel=0.01)


@pytest.mark.parametrize(("frames", "size", "space", "joint", "divided"), [
    (8, 224, 140.5, 179.6, 195.8), (16, 224, 281.0, 449.7, 392.1), (32, 224, 562.0, 1261.8, 785.9),
    (96, 224, 1686.1, 8135.7, 2379.9), (16, 448, 1255.9, 3973.7, 1702.7)])
def test_the_table_of_the_reference_implementations(frames, size, space, joint, divided):
    """G multiply-adds counted from the published code, to the digit that is printed."""
    for attention, gmacs in zip(ATTENTIONS, (divided, joint, space), strict=True):
        cost = timesformer_cost(frames=frames, image_size=size, attention=attention)
        assert round(cost.macs / 1e9, 1) == gmacs


def test_divided_is_dearer_at_8_frames_and_cheaper_from_11():
    assert crossing() == 11
    assert crossing(image_size=448) < 11 < crossing(image_size=112)
    assert crossing(limit=5) is None
    for frames, cheaper in ((10, "joint"), (11, "divided")):
        macs = {a: timesformer_cost(frames=frames, attention=a).macs for a in ("joint", "divided")}
        assert min(macs, key=macs.get) == cheaper


def test_errors():
    with pytest.raises(ValueError, match="patch_size 16 must divide image_size 220"):
        timesformer_cost(image_size=220)
    with pytest.raises(ValueError, match="attention must be one of"):
        timesformer_cost(attention="axial")
    with pytest.raises(ValueError, match="t=0"):
        timesformer_cost(frames=0)
    with pytest.raises(ValueError, match="variant must be one of"):
        vivit_cost(variant="model 2")
    with pytest.raises(ValueError, match="tubelet_size 2 must divide frames 7"):
        vivit_cost(frames=7)
