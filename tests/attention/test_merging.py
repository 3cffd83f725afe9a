"""Token merging against the paper's five steps in plain loops; sizes, order and undoing."""

import math

import pytest
import torch

from videoformer_edu.attention import MultiHeadAttention
from videoformer_edu.attention.merging import match, merge, proportional_attention, unmerge


def merged_by_hand(keys, r, cls):
    """ToMe, section 3.2, one clip: the set of tokens that each new token is made of."""
    l = len(keys)
    r = min(r, (l - cls) // 2)
    first, second = list(range(0, l, 2)), list(range(1, l, 2))
    edges = []
    for a in first:
        if a < cls or not second:
            continue
        alike = [float(torch.dot(keys[a], keys[b]) / keys[a].norm() / keys[b].norm()) for b in second]
        edges.append((max(alike), a, second[alike.index(max(alike))]))
    made_of = {i: {i} for i in range(l)}
    for _, a, b in sorted(edges, reverse=True)[:r]:
        made_of[b] |= made_of.pop(a)
    return sorted(made_of.values(), key=max)


def made_of(groups):
    return [{i for i, g in enumerate(groups.tolist()) if g == number} for number in range(int(groups.max()) + 1)]


@pytest.mark.parametrize("cls", [0, 1])
@pytest.mark.parametrize(("l", "r"), [(8, 3), (9, 4), (13, 1), (12, 6), (7, 99), (5, 0), (1, 0), (2, 1), (1, 3)])
def test_match_is_the_papers_matching(l, r, cls):
    keys = torch.randn(3, l, 5, dtype=torch.double)
    for clip, groups in zip(keys, match(keys, r, cls=cls), strict=True):
        want = merged_by_hand(clip, r, cls)
        assert sorted(map(sorted, made_of(groups))) == sorted(map(sorted, want))
        assert len(want) == l - min(r, (l - cls) // 2)
        assert not cls or made_of(groups)[0] == {0}  # CLS stays alone, and first
        survivors = [max(members, key=lambda i: (i % 2, i) if len(members) > 1 else (1, i))
                     for members in made_of(groups)]
        assert survivors == sorted(survivors)  # in their old order


def test_merging_again_and_again_keeps_means_and_sizes():
    """A token that was merged three times is still the mean of all the tokens it stands for."""
    x, keep = torch.randn(2, 23, 6, dtype=torch.double), None
    y, size, origin = x, None, torch.arange(23).repeat(2, 1)
    for r in (5, 7, 2):
        groups = match(y, r, cls=1)
        y, size = merge(y, groups, size)
        origin = groups.gather(1, origin)
        keep = size
    assert y.shape == (2, 9, 6) and torch.equal(keep.sum(1), torch.tensor([23.0, 23.0], dtype=torch.double))
    for clip in range(2):
        for number in range(9):
            members = [i for i in range(23) if origin[clip, i] == number]
            torch.testing.assert_close(y[clip, number], x[clip, members].mean(0))
            assert size[clip, number] == len(members)
    back = unmerge(y, origin)
    assert back.shape == x.shape and torch.equal(back[0, 3], y[0, origin[0, 3]])
    torch.testing.assert_close(back.mean(1), x.mean(1))  # means of means, weighed by how often they come back


def test_the_order_of_tokens_within_each_set_does_not_matter():
    keys = torch.randn(1, 12, 4, dtype=torch.double)
    order = torch.empty(12, dtype=torch.long)
    order[::2], order[1::2] = 2 * torch.tensor([3, 0, 5, 1, 4, 2]), 2 * torch.tensor([2, 5, 0, 4, 3, 1]) + 1
    plain, moved = match(keys, 4)[0], match(keys[:, order], 4)[0]
    assert {frozenset(order[list(m)].tolist()) for m in made_of(moved)} == {frozenset(m) for m in made_of(plain)}


def test_a_key_of_size_s_weighs_as_s_equal_keys():
    module = MultiHeadAttention(width=12, heads=3).double()
    x, size = torch.randn(2, 4, 12, dtype=torch.double), torch.tensor([[1, 3, 2, 1], [2, 1, 1, 4]])
    out, keys = proportional_attention(module, x, size.double())
    for clip in range(2):
        copies = x[clip].repeat_interleave(size[clip], dim=0)
        first = size[clip].cumsum(0) - size[clip]
        torch.testing.assert_close(out[clip], module(copies)[first])
    torch.testing.assert_close(keys, module.qkv(x)[..., 12:24].unflatten(-1, (3, 4)).transpose(1, 2))
    assert torch.equal(proportional_attention(module, x, None)[0], module(x))


def test_errors():
    with pytest.raises(ValueError, match="got r=-1"):
        match(torch.randn(1, 4, 2), -1)
    assert math.isfinite(match(torch.zeros(1, 4, 2), 2).float().sum())  # keys of zeros are alike to no one
