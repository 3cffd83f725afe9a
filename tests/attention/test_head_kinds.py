"""Spatial or temporal: heads that are one or the other by construction, the masked softmax, and trained models."""

import pytest
import torch

from videoformer_edu.attention import MultiHeadAttention, Spatial, Temporal, Where, record_attention
from videoformer_edu.attention.core import attend
from videoformer_edu.attention.head_kinds import head_kinds, record_values
from videoformer_edu.attention.patterns import Full
from videoformer_edu.attention.recording import AttentionMap
from videoformer_edu.data.motion.clips import motion_test_set
from videoformer_edu.data.pixels import MOTION_PIXELS, normalise
from videoformer_edu.pretrained.small import load_small
from videoformer_edu.tokens import Grid

GRID = Grid(3, 2, 5)


def test_heads_made_by_hand_are_named():
    looks = torch.stack([p.allowed(GRID).double() for p in (Spatial(), Temporal(), Full())])  # one a head
    looks = (looks / looks.sum(-1, keepdim=True))[None]  # (1, 3, l, l)
    values = torch.randn(1, 3, GRID.l, 4, dtype=torch.double)
    spatial, temporal, even = head_kinds(AttentionMap("made", looks[:, None], Full(), GRID), values)
    assert spatial.kind == "spatial" and spatial.error["spatial"] < 1e-20
    assert spatial.share["spatial"] == pytest.approx(1)
    assert temporal.kind == "temporal" and temporal.error["temporal"] < 1e-20 and temporal.error["spatial"] > 0.1
    assert even.share == pytest.approx(even.chance)
    assert even.chance == pytest.approx({"spatial": 10 / 30, "temporal": 3 / 30})


@pytest.mark.parametrize("cls", [0, 1])
def test_the_error_is_that_of_the_masked_softmax(cls):
    module = MultiHeadAttention(width=12, heads=3).double()
    x = torch.randn(2, cls + GRID.l, 12, dtype=torch.double)
    with record_attention(module) as maps, record_values(module) as values:
        module(x, where=Where(Full(), GRID))
    q, k, v = module.qkv(x).unflatten(-1, (3, 3, 4)).permute(2, 0, 3, 1, 4)
    torch.testing.assert_close(values["attention"], v)
    found = head_kinds(maps["attention"], values["attention"])
    for kind, pattern in (("spatial", Spatial()), ("temporal", Temporal())):
        mask = torch.ones(cls + GRID.l, cls + GRID.l, dtype=torch.bool)
        mask[cls:, cls:] = pattern.allowed(GRID)
        full, alone = (attend(q, k, v, m)[:, :, cls:] for m in (None, mask))
        for head in range(3):
            want = ((alone[:, head] - full[:, head]) ** 2).mean() / (full[:, head] ** 2).mean()
            assert found[head].error[kind] == pytest.approx(want.item())
            assert found[head].kind == min(found[head].error, key=found[head].error.get)
    assert not module.qkv._forward_hooks


@torch.no_grad()
def test_the_joint_model_that_learnt_motion_has_temporal_heads():
    """Measured on 64 clips: heads 1 to 3 of the first block give 21, 32 and 44 % to their own place (chance: 6 %), and
    lose 23 to 42 % there; in the model that reached only 44 %, no head gives it more than 8 %."""
    video = normalise(motion_test_set(32).clips, MOTION_PIXELS)
    most = {}
    for name in ("timesformer_motion_joint_time_first", "timesformer_motion_joint"):
        model = load_small(name)
        with record_attention(model) as maps, record_values(model) as values:
            model(video)
        heads = [head for key in maps for head in head_kinds(maps[key], values[key])]
        most[name] = max(head.share["temporal"] for head in heads)
        if name.endswith("time_first"):
            assert [head.kind for head in heads[1:4]] == ["temporal"] * 3
            assert all(head.share["temporal"] > 0.15 and head.error["temporal"] < 0.55 for head in heads[1:4])
    assert most["timesformer_motion_joint_time_first"] > 0.35 and most["timesformer_motion_joint"] < 0.12


def test_values_of_another_pass_are_refused():
    recorded = AttentionMap("some", torch.full((1, 1, 2, 30, 30), 1 / 30), Full(), GRID)
    with pytest.raises(ValueError, match="same forward pass"):
        head_kinds(recorded, torch.randn(1, 2, 31, 4))
