"""The one attention: values against plain loops and torch's own module, masks, gradients, the fused path."""

import math

import pytest
import torch
from torch import nn

from videoformer_edu.attention import MultiHeadAttention, attend
from videoformer_edu.attention.core import attention_scores, softmax_over_keys

B, G, HEADS, L, E = 2, 3, 4, 5, 6
D = HEADS * E


def qkv(seed=0):
    g = torch.Generator().manual_seed(seed)
    return (torch.randn(B, G, HEADS, L, E, generator=g, dtype=torch.float64) for _ in range(3))


def probabilities(q, k, mask=None):
    return softmax_over_keys(attention_scores(q, k, mask))


def test_attend_is_the_equation_in_loops():
    q, k, v = qkv()
    got = attend(q, k, v)
    for b in range(B):
        for head in range(HEADS):
            for i in range(L):
                weights = [math.exp(float(q[b, 1, head, i] @ k[b, 1, head, j]) / math.sqrt(E)) for j in range(L)]
                want = sum(w / sum(weights) * v[b, 1, head, j] for j, w in enumerate(weights))
                torch.testing.assert_close(got[b, 1, head, i], want)


def test_masked_pairs_get_exactly_nothing():
    q, k, v = qkv()
    mask = torch.rand(L, L, generator=torch.Generator().manual_seed(1)) > 0.4
    mask |= torch.eye(L, dtype=torch.bool)
    p = probabilities(q, k, mask)
    assert (p.masked_select(~mask.expand_as(p)) == 0).all()
    torch.testing.assert_close(p.sum(-1), torch.ones(B, G, HEADS, L, dtype=torch.float64))
    torch.testing.assert_close(attend(q, k, v, mask), p @ v)


@pytest.mark.parametrize("shape", [(L, L), (HEADS, L, L), (G, 1, L, L), (B, G, HEADS, L, L)])
def test_masks_of_every_rank_broadcast(shape):
    q, k, v = qkv()
    mask = (torch.rand(shape, generator=torch.Generator().manual_seed(2)) > 0.5) | torch.eye(L, dtype=torch.bool)
    torch.testing.assert_close(attend(q, k, v, mask), probabilities(q, k, mask) @ v)


def test_keys_may_be_more_than_queries():
    q, k, v = qkv()
    torch.testing.assert_close(attend(q[..., :2, :], k, v), attend(q, k, v)[..., :2, :])


def test_recorded_and_fused_paths_agree_forward_and_backward():
    inputs = [x.requires_grad_() for x in qkv()]
    seen = []
    outs = [attend(*inputs), attend(*inputs, record=seen.append)]
    torch.testing.assert_close(*outs)
    assert len(seen) == 1
    grads = [torch.autograd.grad(out.square().sum(), inputs) for out in outs]
    for fused, open_ in zip(*grads, strict=True):
        torch.testing.assert_close(fused, open_)


def test_module_equals_torch_multihead_attention():
    ours = MultiHeadAttention(width=D, heads=HEADS).double()
    theirs = nn.MultiheadAttention(D, HEADS, batch_first=True).double()
    with torch.no_grad():
        theirs.in_proj_weight.copy_(ours.qkv.weight)
        theirs.in_proj_bias.copy_(ours.qkv.bias)
        theirs.out_proj.weight.copy_(ours.proj.weight)
        theirs.out_proj.bias.copy_(ours.proj.bias)
    x = torch.randn(B, L, D, dtype=torch.float64)
    torch.testing.assert_close(ours(x), theirs(x, x, x, need_weights=False)[0])
    mask = torch.ones(L, L, dtype=torch.bool).tril()
    torch.testing.assert_close(ours(x, mask=mask), theirs(x, x, x, attn_mask=~mask)[0])  # the opposite polarity


def test_groups_do_not_mix():
    module = MultiHeadAttention(width=D, heads=HEADS)
    x = torch.randn(B, G, L, D)
    torch.testing.assert_close(module(x)[1, 2], module(x[1:2, 2])[0])


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="5 heads do not divide the width 24"):
        MultiHeadAttention(width=24, heads=5)
