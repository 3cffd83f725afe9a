"""The blocks of a model: found, numbered by their depth, and computed twice instead of kept."""

import copy
import functools
import re

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from videoformer_edu.attention.recording import record_attention
from videoformer_edu.models import (
    c3d_motion,
    mvit_motion,
    r2plus1d_motion,
    slowfast_motion,
    timesformer_motion,
    two_pathway_motion,
    video_swin_motion,
    videomae_motion,
    videomae_pretraining_motion,
    vit_digits,
    vivit_motion,
)
from videoformer_edu.models.blocks import blocks_of, checkpoint_blocks, keep_activations, layer_ids


def tiny(depth: int = 2) -> nn.Module:
    return vit_digits(width=8, depth=depth, heads=2, classes=5)


def test_the_blocks_of_a_model_are_the_innermost_ones():
    assert list(blocks_of(video_swin_motion())) == [f"stages.{i}.blocks.{j}" for i in range(2) for j in range(2)]
    assert list(blocks_of(slowfast_motion())) == [f"{path}_stages.{i}" for path in ("slow", "fast") for i in range(2)]
    assert list(blocks_of(two_pathway_motion())) == [f"{path}.blocks.{i}" for path in ("slow", "fast")
                                                     for i in range(2)]


def ids(model: nn.Module) -> dict[str, set[int]]:
    """Layer numbers by the first words of the name."""
    start = re.compile(r"(?:[a-z_]+\.)*?(?:stages\.\d+\.)?(?:blocks|layers)\.\d+|stages\.\d+\.merging|[a-z_]+")
    found: dict[str, set[int]] = {}
    for name, layer in layer_ids(model).items():
        found.setdefault(start.match(name)[0], set()).add(layer)
    return found


def test_layers_of_vit_and_timesformer():
    assert ids(vit_digits()) == {"cls": {0}, "patch_embed": {0}, "space_positions": {0}, "blocks.0": {1},
                                 "blocks.1": {2}, "blocks.2": {3}, "norm": {4}, "head": {4}}
    assert ids(timesformer_motion()) == {"cls": {0}, "patch_embed": {0}, "space_positions": {0}, "time_positions": {0},
                                         "blocks.0": {1}, "blocks.1": {2}, "norm": {3}, "head": {3}}


def test_vivit_counts_spatial_blocks_and_then_temporal_ones():
    layers = layer_ids(vivit_motion(variant="factorised_encoder", depth=2, temporal_depth=3))
    expected = {"tubelet_embed.proj.weight": 0, "spatial_encoder.cls": 0, "spatial_encoder.positions.table": 0,
                "spatial_encoder.blocks.0.mlp.0.weight": 1, "spatial_encoder.blocks.1.mlp.0.weight": 2,
                "spatial_encoder.norm.weight": 3, "temporal_encoder.cls": 3, "temporal_encoder.positions.table": 3,
                "temporal_encoder.blocks.0.attention.qkv.bias": 3, "temporal_encoder.blocks.2.mlp_norm.bias": 5,
                "temporal_encoder.norm.weight": 6, "head.weight": 6}
    assert {name: layers[name] for name in expected} == expected
    assert ids(vivit_motion(variant="factorised_self_attention")) == {
        "tubelet_embed": {0}, "encoder": {0, 3}, "encoder.blocks.0": {1}, "encoder.blocks.1": {2}, "head": {3}}


def test_layers_of_videomae_swin_mvit_and_the_small_cnns():
    assert ids(videomae_motion()) == {"encoder": {0}, "encoder.blocks.0": {1}, "encoder.blocks.1": {2},
                                      "encoder.blocks.2": {3}, "norm": {4}, "head": {4}}
    assert ids(video_swin_motion()) == {  # the merging belongs to the block that it feeds
        "tubelet_embed": {0}, "tubelet_norm": {0}, "stages.0.blocks.0": {1}, "stages.0.blocks.1": {2},
        "stages.1.merging": {3}, "stages.1.blocks.0": {3}, "stages.1.blocks.1": {4}, "norm": {5}, "head": {5}}
    assert ids(mvit_motion()) == {"cls": {0}, "embed": {0}, "blocks.0": {1}, "blocks.1": {2}, "blocks.2": {3},
                                  "blocks.3": {4}, "norm": {5}, "head": {5}}
    assert ids(r2plus1d_motion()) == {"layers.0": {1}, "layers.1": {2}, "layers.2": {3}, "head": {4}}


@pytest.mark.parametrize("make", [two_pathway_motion, slowfast_motion, videomae_pretraining_motion])
def test_a_model_that_is_no_stack_has_no_layer_decay(make):
    model = make()
    with pytest.raises(ValueError, match=f"{type(model).__name__} is not one stack of layers.*layer_decay=1"):
        layer_ids(model)


def test_a_model_without_blocks_has_no_layers():
    with pytest.raises(ValueError, match="Sequential has no blocks.*blocks, stages or layers"):
        layer_ids(nn.Sequential(nn.Linear(2, 2)))


# -------------------------------------------------------------------------------------------- activation checkpointing


@pytest.mark.parametrize("make", [
    functools.partial(timesformer_motion, drop_path=0.5), functools.partial(vivit_motion, drop_path=0.5),
    functools.partial(vivit_motion, variant="factorised_encoder", drop_path=0.5),
    functools.partial(video_swin_motion, drop_path=0.5), functools.partial(mvit_motion, drop_path=0.5),
    functools.partial(videomae_motion, drop_path=0.5), functools.partial(two_pathway_motion, drop_path=0.5),
    c3d_motion, functools.partial(r2plus1d_motion, dropout=0.5), slowfast_motion])
def test_checkpointed_blocks_give_the_same_gradients(make):
    clips, labels = torch.randn(3, 3, 8, 32, 32), torch.tensor([0, 7, 3])
    torch.manual_seed(1)
    model = make()
    names = list(model.state_dict())
    results = []
    for checkpointed in (False, True):
        twin = copy.deepcopy(model)
        if checkpointed:
            checkpoint_blocks(twin)
        torch.manual_seed(2)
        loss = F.cross_entropy(twin(clips), labels)
        loss.backward()
        results.append((loss.item(), {name: p.grad for name, p in twin.named_parameters() if p.grad is not None},
                        {name: buffer.clone() for name, buffer in twin.named_buffers()}, torch.rand(3)))
        assert list(twin.state_dict()) == names
    (loss, gradients, buffers, chance), (again, other, statistics, same_chance) = results
    assert loss == again and gradients.keys() == other.keys() and torch.equal(chance, same_chance)
    for name, gradient in gradients.items():
        torch.testing.assert_close(other[name], gradient, atol=1e-6, rtol=1e-5)
    assert all(torch.equal(buffer, statistics[name]) for name, buffer in buffers.items())  # nothing counted twice


def test_checkpointing_really_leaves_activations_out_and_can_be_taken_back():
    model, inputs, labels = tiny(depth=3), torch.randn(6, 3, 32, 32), torch.arange(6) % 5
    calls = {name: [] for name in blocks_of(model)}
    for name, block in blocks_of(model).items():
        block.mlp.register_forward_pre_hook(lambda *_, name=name: calls[name].append(name))

    def one_step() -> list[int]:
        for seen in calls.values():
            seen.clear()
        F.cross_entropy(model(inputs), labels).backward()
        return [len(seen) for seen in calls.values()]

    assert one_step() == [1, 1, 1]
    checkpoint_blocks(model)
    checkpoint_blocks(model)  # twice is once
    assert one_step() == [2, 2, 2]
    with torch.no_grad():
        model(inputs)
    assert [len(seen) for seen in calls.values()] == [3, 3, 3]  # nothing to compute again
    keep_activations(model)
    assert one_step() == [1, 1, 1]


def test_attention_is_recorded_through_a_checkpoint():
    model, inputs = tiny(), torch.randn(2, 3, 32, 32)
    with record_attention(model) as plain:
        model(inputs)
    checkpoint_blocks(model)
    with record_attention(model) as maps:
        model(inputs).sum().backward()
    assert maps.keys() == plain.keys() == {"blocks.0.attention", "blocks.1.attention"}
    for name, recorded in maps.items():
        torch.testing.assert_close(recorded.probabilities, plain[name].probabilities)
