"""Time first: a penalty on looks outside the own tube, annealed to zero, leaves plain joint attention."""

import pytest
import torch

from experiments.time_first import BEGIN, END, PENALTY, PenalisedAttention, outside, penalty_at, time_first
from videoformer_edu.attention.core import MultiHeadAttention, Where
from videoformer_edu.attention.patterns import Full, Temporal
from videoformer_edu.attention.recording import record_attention
from videoformer_edu.models import timesformer_motion
from videoformer_edu.tokens import Grid
from videoformer_edu.training.loop import fit
from videoformer_edu.training.recipe import Recipe

GRID = Grid(3, 2, 5)


def joint_model(**changes):
    return timesformer_motion(**{**dict(attention="joint", width=16, heads=2, frames=3), **changes})


def test_only_patches_are_penalised_and_only_outside_their_own_tube():
    table = outside(GRID)
    assert table.shape == (31, 31) and table[0].sum() == 0
    for row in range(GRID.l):
        own = {1 + t * GRID.n + row % GRID.n for t in range(GRID.t)}
        assert set(torch.nonzero(table[1 + row] == 0).flatten().tolist()) == own


def test_no_penalty_is_plain_attention_and_a_high_one_is_temporal_attention():
    plain = MultiHeadAttention(width=8, heads=2)
    x = torch.randn(2, 1 + GRID.l, 8)
    where = Where(Full(), GRID)
    assert torch.equal(PenalisedAttention(plain, 0.0)(x, where=where), plain(x, where=where))
    mask = torch.ones(31, 31, dtype=torch.bool)
    mask[1:, 1:], mask[1:, 0] = Temporal().allowed(GRID), False
    torch.testing.assert_close(PenalisedAttention(plain, 1e4)(x, where=where), plain(x, mask=mask), atol=1e-6, rtol=0)


def test_the_penalty_is_a_difference_of_scores():
    plain = MultiHeadAttention(width=8, heads=2)
    torch.nn.init.zeros_(plain.qkv.weight)
    model = joint_model()
    model.blocks[0].attention = PenalisedAttention(model.blocks[0].attention, 2.0)
    torch.nn.init.zeros_(model.blocks[0].attention.qkv.weight)
    torch.nn.init.zeros_(model.blocks[0].attention.qkv.bias)
    with record_attention(model) as maps, torch.no_grad():
        model(torch.randn(2, 3, 3, 32, 32))
    looks = maps["blocks.0.attention"].probabilities.reshape(-1, 49, 49)
    torch.testing.assert_close(looks[0, 1, 1] / looks[0, 1, 2], torch.tensor(2.0).exp(), rtol=1e-5, atol=0)
    torch.testing.assert_close(looks[:, 0], torch.full_like(looks[:, 0], 1 / 49))  # CLS has no penalty


def test_the_penalty_falls_ever_more_slowly_and_never_rises():
    penalties = [penalty_at(i / 100) for i in range(101)]
    assert penalties == sorted(penalties, reverse=True)
    assert penalty_at(BEGIN) == PENALTY and penalty_at(END) == 0 == penalty_at(1.0)
    assert penalty_at((BEGIN + END) / 2) == pytest.approx(PENALTY / 4)


def test_what_is_left_is_a_plain_joint_model():
    model = joint_model()
    names, plain = list(model.state_dict()), model.blocks[0].attention
    after_step = time_first(model)
    assert type(model.blocks[0].attention) is PenalisedAttention and list(model.state_dict()) == names
    before = plain.qkv.weight.detach().clone()
    seen = []

    def look(run):
        after_step(run)
        seen.append(getattr(model.blocks[0].attention, "penalty", None))

    batches = [(torch.randn(4, 3, 3, 32, 32), torch.arange(4)) for _ in range(10)]
    fit(model, batches, Recipe(steps=10, batch=4), after_step=look)
    assert seen[:2] == [PENALTY] * 2 and PENALTY > seen[3] > seen[5] > 0 and seen[6:] == [None] * 4  # steps 1, 2, ...
    assert model.blocks[0].attention is plain and not torch.equal(before, plain.qkv.weight)


def test_a_model_without_joint_attention_is_refused():
    with pytest.raises(ValueError, match="DividedSpaceTimeBlock has no attention over all tokens"):
        time_first(joint_model(attention="divided"))
