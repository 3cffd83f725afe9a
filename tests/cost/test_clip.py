"""What a clip costs in closed form: its memory against the bytes that are found, its work against counted modules."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import videoformer_edu.attention.core as core
from videoformer_edu.attention import record_attention
from videoformer_edu.cost import count_macs, count_parameters, timesformer_cost
from videoformer_edu.cost.clip import PASSES, activations, clip_cost
from videoformer_edu.cost.memory import loss, memory, on_shapes, peak_bytes, saved_bytes
from videoformer_edu.models import TimeSformer, ViViT
from videoformer_edu.models.blocks import checkpoint_blocks
from videoformer_edu.models.timesformer import ATTENTIONS

SIZES = [dict(frames=3, image_size=20, patch_size=4, width=24, depth=3, heads=4, mlp_ratio=4.0),
         dict(frames=7, image_size=16, patch_size=8, width=48, depth=2, heads=3, mlp_ratio=5.0),
         dict(frames=1, image_size=24, patch_size=4, width=36, depth=1, heads=2, mlp_ratio=4.0)]


def found(size, attention, *, checkpointing=False):
    """Bytes kept by a step, and alive at once in a forward pass alone, of one clip: on shapes, by every operation."""
    model = dict(**size, attention=attention, classes=7)
    with on_shapes(lambda: TimeSformer(**model)) as built:
        batch = torch.empty(1, 3, size["frames"], *2 * [size["image_size"]]), torch.zeros(1, dtype=torch.long)
        if checkpointing:
            checkpoint_blocks(built.train())
        kept = saved_bytes(built, batch)
        with torch.no_grad():
            return kept, peak_bytes(lambda: built(batch[0]))


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size['frames']} frames")
def test_activations_are_the_bytes_that_are_found(size, attention):
    closed = activations(**size, attention=attention, classes=7)
    assert (closed.kept, closed.forward) == found(size, attention)
    assert closed.checkpointed == found(size, attention, checkpointing=True)[0]
    deeper = activations(**{**size, "depth": size["depth"] + 2}, attention=attention, classes=7)
    assert deeper.kept - closed.kept == 2 * closed.block


@pytest.mark.parametrize(("attention", "least"), [("joint", 1.0), ("space_only", 0.97), ("divided", 0.95)])
def test_attention_in_the_open_needs_its_tables(attention, least, monkeypatch):
    """The tables alone grow with the pairs, so a clip of many tokens and narrow ones shows them."""
    size = dict(frames=6, image_size=48, patch_size=4, width=24, depth=2, heads=6)
    monkeypatch.setattr(core, "is_faster", lambda q, bias: False)
    kept, forward = found({**size, "mlp_ratio": 4.0}, attention)
    costs = [clip_cost(**size, attention=attention, classes=7, purpose=purpose, stored=True)
             for purpose in ("inference", "training")]
    assert least <= forward / costs[0].working <= 1 / least
    assert 0.95 < kept / costs[1].working < 1.05
    fused = clip_cost(**size, attention=attention, classes=7)
    assert forward > 5 * fused.working


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_without_tubelets_it_is_the_timesformer(attention):
    size = dict(frames=6, image_size=32, patch_size=8, width=24, depth=3, heads=4, classes=5)
    cost, closed = clip_cost(**size, attention=attention), timesformer_cost(**size, attention=attention)
    assert cost[:3] == (closed.tokens, closed.macs, closed.parameters)


def test_with_tubelets_joint_attention_is_vivits_model_1():
    size = dict(frames=6, image_size=32, patch_size=8, tubelet_size=2, width=24, depth=3, heads=4, classes=5)
    cost, model = clip_cost(**size), ViViT(**size)
    assert cost.macs == count_macs(model, 1, 3, 6, 32, 32)
    grid = 3 * 16  # ViViT has one table for all places; here are one for space and one for time
    assert count_parameters(model) - cost.parameters == 24 * ((grid + 1) - (16 + 1) - 3)


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_training_is_three_passes(attention):
    """Every product has two more in the backward pass; only the pixels need no gradient. Recorded, attention is in the
    open, where the counter sees its products."""
    size = dict(frames=4, image_size=32, patch_size=8, width=32, depth=3, heads=4, classes=5)
    model = TimeSformer(**size, attention=attention)
    batch = torch.randn(1, 3, 4, 32, 32), torch.tensor([3])
    with record_attention(model), FlopCounterMode(display=False) as counter:
        loss(model, batch).backward()
    embedding = 4 * 16 * 3 * 64 * 32
    assert counter.get_total_flops() // 2 == 3 * timesformer_cost(**size, attention=attention).macs - embedding
    assert PASSES["training"] == 3


@pytest.mark.parametrize("attention", ["divided", "joint"])
def test_memory_adds_up_and_is_near_the_peak_of_a_step(attention):
    for purpose, copies in {"inference": 1, "training": 3, "checkpointed": 3}.items():
        cost = clip_cost(attention=attention, purpose=purpose)
        assert cost.memory == 4 * copies * cost.parameters + cost.working
        if purpose != "inference":
            found = memory("timesformer_base", attention=attention, checkpointing=purpose == "checkpointed")
            assert 0.95 < cost.working / found.peak < 1.05


@pytest.mark.parametrize(("wrong", "says"), [
    (dict(purpose="testing"), "purpose must be one of inference, training, checkpointed; got 'testing'"),
    (dict(frames=9, tubelet_size=2), "tubelet_size 2 must divide frames 9"),
    (dict(frames=9, tubelet_size=0), "tubelet_size 0 must divide"),
    (dict(attention="windows"), "attention must be one of divided, joint, space_only; got 'windows'"),
    (dict(image_size=100), "patch_size 16 must divide image_size 100"),
])
def test_what_does_not_fit_is_said(wrong, says):
    with pytest.raises(ValueError, match=says):
        clip_cost(**wrong)


def test_activations_name_what_they_do_not_know():
    with pytest.raises(ValueError, match="attention must be one of"):
        activations(attention="axial")
