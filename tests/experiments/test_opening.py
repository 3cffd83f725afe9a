"""Time first: a price on looks outside the own tube, which falls to nothing and leaves plain joint attention."""

import pytest
import torch

from experiments.opening import BEGIN, END, PRICE, PricedAttention, outside, price_at, time_first
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


def test_only_patches_pay_and_only_outside_their_own_tube():
    costs = outside(GRID)
    assert costs.shape == (31, 31) and costs[0].sum() == 0
    for row in range(GRID.l):
        own = {1 + t * GRID.n + row % GRID.n for t in range(GRID.t)}
        assert set(torch.nonzero(costs[1 + row] == 0).flatten().tolist()) == own


def test_no_price_is_plain_attention_and_a_high_one_is_temporal_attention():
    plain = MultiHeadAttention(width=8, heads=2)
    x = torch.randn(2, 1 + GRID.l, 8)
    where = Where(Full(), GRID, cls=True)
    assert torch.equal(PricedAttention(plain, 0.0)(x, where=where), plain(x, where=where))
    mask = torch.ones(31, 31, dtype=torch.bool)
    mask[1:, 1:], mask[1:, 0] = Temporal().allowed(GRID), False
    torch.testing.assert_close(PricedAttention(plain, 1e4)(x, where=where), plain(x, mask=mask), atol=1e-6, rtol=0)


def test_the_price_is_a_difference_of_scores():
    plain = MultiHeadAttention(width=8, heads=2)
    torch.nn.init.zeros_(plain.qkv.weight)
    model = joint_model()
    model.blocks[0].attention = PricedAttention(model.blocks[0].attention, 2.0)
    torch.nn.init.zeros_(model.blocks[0].attention.qkv.weight)
    torch.nn.init.zeros_(model.blocks[0].attention.qkv.bias)
    with record_attention(model) as maps, torch.no_grad():
        model(torch.randn(2, 3, 3, 32, 32))
    looks = maps["blocks.0.attention"].probabilities.reshape(-1, 49, 49)
    torch.testing.assert_close(looks[0, 1, 1] / looks[0, 1, 2], torch.tensor(2.0).exp(), rtol=1e-5, atol=0)
    torch.testing.assert_close(looks[:, 0], torch.full_like(looks[:, 0], 1 / 49))  # CLS pays nothing


def test_the_price_falls_ever_more_slowly_and_never_rises():
    prices = [price_at(i / 100) for i in range(101)]
    assert prices == sorted(prices, reverse=True)
    assert price_at(BEGIN) == PRICE and price_at(END) == 0 == price_at(1.0)
    assert price_at((BEGIN + END) / 2) == pytest.approx(PRICE / 4)


def test_what_is_left_is_a_plain_joint_model():
    model = joint_model()
    names, plain = list(model.state_dict()), model.blocks[0].attention
    after_step = time_first(model)
    assert type(model.blocks[0].attention) is PricedAttention and list(model.state_dict()) == names
    before = plain.qkv.weight.detach().clone()
    seen = []

    def look(run):
        after_step(run)
        seen.append(getattr(model.blocks[0].attention, "price", None))

    batches = [(torch.randn(4, 3, 3, 32, 32), torch.arange(4)) for _ in range(10)]
    fit(model, batches, Recipe(steps=10, batch=4), after_step=look)
    assert seen[:2] == [PRICE] * 2 and PRICE > seen[3] > seen[5] > 0 and seen[6:] == [None] * 4  # steps 1, 2, ...
    assert model.blocks[0].attention is plain and not torch.equal(before, plain.qkv.weight)


def test_a_model_without_joint_attention_is_refused():
    with pytest.raises(ValueError, match="DividedSpaceTimeBlock has no attention over all tokens"):
        time_first(joint_model(attention="divided"))
