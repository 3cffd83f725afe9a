"""The sparse transformer does what its pattern says, and no more work than that."""

import pytest
import torch

from videoformer_edu.attention.core import dense_attention
from videoformer_edu.attention.patterns import Full
from videoformer_edu.attention.sparse_patterns import LocalTemporal, SparseSpaceTime
from videoformer_edu.cost import count_macs
from videoformer_edu.models import SparseTransformer, sparse_motion
from videoformer_edu.tokens import Grid

SMALL = dict(frames=10, image_size=12, patch_size=4, width=12, depth=2, heads=3, classes=7, mlp_ratio=2.0,
             init="from_scratch")


def test_a_model_is_blocks_of_dense_attention_under_its_pattern():
    pattern = SparseSpaceTime(window=3, stride=3)
    model, video = SparseTransformer(pattern=pattern, **SMALL).eval(), torch.randn(2, 3, 10, 12, 12)
    grid = Grid(5, 3, 3)
    tubelets = model.tubelet_embed.proj(video).flatten(3).permute(0, 2, 3, 1)  # (b, t, n, d)
    x = (tubelets + model.space_positions.table + model.time_positions.table[:, None]).flatten(1, 2)
    for block in model.blocks:
        x = x + dense_attention(block.attention, block.attention_norm(x), pattern, grid)
        x = x + block.mlp(block.mlp_norm(x))
    expected = model.head(model.norm(x).mean(1))
    torch.testing.assert_close(model(video), expected, rtol=1e-4, atol=1e-5)
    assert model(video).shape == (2, 7)


def test_what_no_path_connects_has_no_gradient():
    """One block that sees only frames one apart: the update of frame 0 cannot know frame 2."""
    model = SparseTransformer(pattern=LocalTemporal(3), **{**SMALL, "depth": 1})
    x = torch.randn(1, 45, 12, requires_grad=True)
    model.blocks[0](x, Grid(5, 3, 3))[0, 4].sum().backward()  # the middle place of frame 0
    touched = x.grad[0].abs().sum(-1).reshape(5, 9).ne(0)
    assert touched.nonzero().tolist() == [[0, 4], [1, 4]]


def test_the_cost_follows_the_keys_of_a_token():
    """16 of its own step, 3 near ones and 2 every fourth are gathered, not 128."""
    full, sparse = (count_macs(sparse_motion(pattern=p, frames=16), 1, 3, 16, 32, 32) for p in (Full(), None))
    depth, width, tokens = 2, 64, 8 * 16
    assert full - sparse == depth * 2 * width * tokens * (tokens - (16 + 3 + 2))


@pytest.mark.parametrize("shape", [(1, 3, 14, 16, 20), (3, 3, 2, 12, 8)])
def test_other_clips_are_accepted(shape):
    assert SparseTransformer(**SMALL)(torch.randn(shape)).shape == (shape[0], 7)


def test_tubelets_must_divide_the_frames():
    with pytest.raises(ValueError, match="tubelet_size 3 must divide frames 10"):
        SparseTransformer(**{**SMALL, "tubelet_size": 3})


def test_every_parameter_learns():
    model = sparse_motion()
    model(torch.randn(2, 3, 8, 32, 32)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_the_small_model_looks_at_as_many_tokens_as_it_says():
    looks = SparseSpaceTime().allowed(Grid(4, 4, 4)).sum(dim=1).unflatten(0, (4, 16))
    assert looks.tolist() == [[17] * 16, [18] * 16, [18] * 16, [17] * 16]  # the ends have one neighbour in time
