"""Rollout against the product of whole matrices, filled pair by pair; and the models for which there is none."""

import pytest
import torch

from videoformer_edu.attention import LocalWindow, SparseAttention, record_attention
from videoformer_edu.attention.rollout import attention_rollout, token_attribution
from videoformer_edu.models import (
    MViT,
    TimeSformer,
    VideoMAE,
    VideoMAEPretraining,
    VideoSwin,
    ViT,
    ViViT,
    tube_mask,
    two_pathway_motion,
)
from videoformer_edu.tokens import Grid

GRID = Grid(3, 2, 5)
SIZE = dict(image_size=20, patch_size=4, width=12, depth=3, heads=3, classes=7, init="from_scratch")


def record(model, *inputs):
    """Maps of a forward pass, after queries and keys have grown: a fresh model's maps are nearly uniform."""
    with record_attention(model.double().eval()) as maps, torch.no_grad():
        for name, p in model.named_parameters():
            if name.endswith("qkv.weight"):
                p[: 2 * len(p) // 3] *= 4
        model(*inputs)
    return maps


def timesformer(attention="divided", seed=0):
    torch.manual_seed(seed)
    return record(TimeSformer(frames=3, attention=attention, **SIZE), torch.randn(2, 3, 3, 8, 20, dtype=torch.float64))


def vivit(variant, **changes):
    torch.manual_seed(0)
    model = ViViT(variant=variant, frames=6, tubelet_size=2, **{**SIZE, "heads": 4, "temporal_depth": 2, **changes})
    return record(model, torch.randn(2, 3, 6, 8, 20, dtype=torch.float64))


def product(matrices, skip=0.5):
    """A_L ... A_1 of square matrices `(b, s, s)`, whole, one after the other."""
    out = torch.eye(matrices[0].shape[-1], dtype=torch.float64)
    for w in matrices:
        out = ((1 - skip) * w + skip * torch.eye(w.shape[-1], dtype=w.dtype)) @ out
    return out


def temporal(m, cls):
    """The whole matrix of attention along tubes, pair by pair; CLS, where there is one, looks at itself."""
    w = torch.zeros(2, cls + GRID.l, cls + GRID.l, dtype=torch.float64)
    if cls:
        w[:, 0, 0] = 1
    for place in range(GRID.n):
        for query in range(GRID.t):
            for key in range(GRID.t):
                w[:, cls + query * GRID.n + place, cls + key * GRID.n + place] = m.probabilities[
                    :, place, :, query, key].mean(1)
    return w


def spatial(m, cls):
    """The whole matrix of attention within frames, pair by pair; the rows of CLS's copies are averaged."""
    w = torch.zeros(2, cls + GRID.l, cls + GRID.l, dtype=torch.float64)
    for frame in range(GRID.t):
        for query in range(cls + GRID.n):
            for key in range(cls + GRID.n):
                row, column = (0 if cls and i == 0 else frame * GRID.n + i for i in (query, key))
                share = m.probabilities[:, frame, :, query, key].mean(1)
                w[:, row, column] += share / GRID.t if cls and query == 0 else share
    return w


def whole(m):
    return m.probabilities[:, 0].mean(1)


# ----------------------------------------------------------------------------------------- against the whole product


def test_image():
    torch.manual_seed(0)
    maps = record(ViT(**SIZE), torch.randn(2, 3, 8, 20, dtype=torch.float64))
    result = attention_rollout(maps)
    assert len(maps) == 3 and result.grid == Grid(1, 2, 5) and result.cls
    want = product([whole(m) for m in maps.values()])
    torch.testing.assert_close(result.dense()[:, 0], want)
    torch.testing.assert_close(token_attribution(maps), want[:, 0, 1:].reshape(2, 1, 2, 5))


@pytest.mark.parametrize("skip", [0.5, 0.2, 0.0])
def test_joint(skip):
    maps = timesformer("joint")
    want = product([whole(m) for m in maps.values()], skip)
    torch.testing.assert_close(attention_rollout(maps, skip=skip).dense()[:, 0], want)
    torch.testing.assert_close(token_attribution(maps, skip=skip), want[:, 0, 1:].reshape(2, *GRID))


@pytest.mark.parametrize("skip", [0.5, 0.3])
def test_divided(skip):
    """CLS sits out attention along time, and is in every frame for attention across space."""
    maps = timesformer()
    eye = torch.eye(31, dtype=torch.float64)
    want = eye
    for time, space in zip(list(maps.values())[::2], list(maps.values())[1::2], strict=True):
        for w in (temporal(time, 1), spatial(space, 1)):
            want = ((1 - skip) * w + skip * eye) @ want
    result = attention_rollout(maps, skip=skip)
    torch.testing.assert_close(result.dense()[:, 0], want)
    torch.testing.assert_close(result.looks_from(2, 1, 3)[:, 0], want[:, 1 + 20 + 5 + 3, 1:].reshape(2, *GRID))
    torch.testing.assert_close(token_attribution(maps, skip=skip), want[:, 0, 1:].reshape(2, *GRID))


def frames_apart(maps):
    """`(b, t*(1 + n), t*(1 + n))`: each frame with a CLS of its own, and no pair between frames."""
    matrices = []
    for m in maps:
        w = torch.zeros(2, 3, 11, 3, 11, dtype=torch.float64)
        for frame in range(3):
            w[:, frame, :, frame] = m.probabilities[:, frame].mean(1)
        matrices.append(w.reshape(2, 33, 33))
    return matrices


def test_space_only_keeps_a_cls_for_every_frame():
    maps = timesformer("space_only")
    ends = product(frames_apart(maps.values())).reshape(2, 3, 11, 3, 11)
    result = attention_rollout(maps)
    torch.testing.assert_close(token_attribution(maps), ends[:, :, 0, :, 1:].mean(1).reshape(2, *GRID))
    torch.testing.assert_close(result.looks_from(1, 0, 4)[:, 0], ends[:, 1, 5, :, 1:].reshape(2, *GRID))
    averaged_in_every_block = product([spatial(m, 1) for m in maps.values()])[:, 0, 1:].reshape(2, *GRID)
    assert (token_attribution(maps) - averaged_in_every_block).abs().max() > 1e-4  # not the divided model's rule


@pytest.mark.parametrize("skip", [0.5, 0.25])
def test_factorised_encoder(skip):
    """One state for all: the temporal encoder's CLS, then each step's CLS and patches. Each encoder moves its own."""
    maps = list((named := vivit("factorised_encoder")).values())
    assert len(maps) == 3 + 2
    steps = [0, *(1 + 11 * t for t in range(3))]  # the rows that the temporal encoder sees
    want = torch.eye(34, dtype=torch.float64)
    for w in frames_apart(maps[:3]):
        mixed = torch.eye(34, dtype=torch.float64).repeat(2, 1, 1)
        mixed[:, 1:, 1:] = (1 - skip) * w + skip * torch.eye(33, dtype=torch.float64)
        want = mixed @ want
    for m in maps[3:]:
        mixed = torch.eye(34, dtype=torch.float64).repeat(2, 1, 1)
        for i, row in enumerate(steps):
            for j, column in enumerate(steps):
                mixed[:, row, column] = (1 - skip) * whole(m)[:, i, j] + skip * (i == j)
        want = mixed @ want
    result = attention_rollout(named, skip=skip)
    assert (result.grid, result.key_grid, result.cls) == (Grid(3, 1, 1), GRID, True)
    patches = want[:, steps, 1:].reshape(2, 4, 3, 11)[..., 1:].flatten(2)
    torch.testing.assert_close(result.dense()[:, 0, :, 1:], patches)
    torch.testing.assert_close(result.dense()[:, 0, :, 0], 1 - patches.sum(-1))  # all the rest is with some CLS
    torch.testing.assert_close(token_attribution(named, skip=skip), patches[:, 0].reshape(2, *GRID))


def test_factorised_encoder_with_averaged_steps():
    maps = vivit("factorised_encoder", temporal_depth=0)
    ends = product(frames_apart(maps.values())).reshape(2, 3, 11, 3, 11)
    torch.testing.assert_close(token_attribution(maps), ends[:, :, 0, :, 1:].mean(1).reshape(2, *GRID))


@pytest.mark.parametrize("order", ["space_time", "time_space"])
def test_factorised_self_attention_reads_the_mean(order):
    maps = vivit("factorised_self_attention", order=order)
    want = product([(temporal if "temporal" in name else spatial)(m, 0) for name, m in maps.items()])
    torch.testing.assert_close(attention_rollout(maps).dense()[:, 0], want)
    torch.testing.assert_close(token_attribution(maps), want.mean(1).reshape(2, *GRID))


def test_factorised_dot_product_is_one_layer_whose_heads_are_shared_out():
    maps = vivit("factorised_dot_product")
    names = sorted({name.rpartition(".")[0] for name in maps})
    assert len(maps) == 6 and len(names) == 3
    want = product([(temporal(maps[f"{n}.time"], 0) + spatial(maps[f"{n}.space"], 0)) / 2 for n in names])
    torch.testing.assert_close(attention_rollout(maps).dense()[:, 0], want)


def test_videomae_and_model_1():
    torch.manual_seed(0)
    maps = record(VideoMAE(frames=6, tubelet_size=2, **SIZE), torch.randn(2, 3, 6, 8, 20, dtype=torch.float64))
    want = product([whole(m) for m in maps.values()])
    torch.testing.assert_close(token_attribution(maps), want.mean(1).reshape(2, *GRID))
    maps = vivit("spatio_temporal")
    want = product([whole(m) for m in maps.values()])
    torch.testing.assert_close(token_attribution(maps), want[:, 0, 1:].reshape(2, *GRID))


# -------------------------------------------------------------------------------------------------------- properties


@pytest.mark.parametrize("maps", [lambda: timesformer(), lambda: timesformer("space_only"),
                                  lambda: vivit("factorised_encoder"), lambda: vivit("factorised_dot_product")],
                         ids=["divided", "space_only", "factorised_encoder", "factorised_dot_product"])
def test_nothing_is_lost_or_made(maps):
    sums = attention_rollout(maps()).dense().sum(-1)
    torch.testing.assert_close(sums, torch.ones_like(sums))


def test_half_precision():
    exact = {}
    for dtype in (torch.float32, torch.bfloat16):
        torch.manual_seed(0)
        model = TimeSformer(frames=3, **SIZE).eval().to(dtype)
        with record_attention(model) as maps, torch.no_grad():
            model(torch.randn(2, 3, 3, 8, 20).to(dtype))
        exact[dtype] = token_attribution(maps).float()
    torch.testing.assert_close(exact[torch.bfloat16], exact[torch.float32], rtol=0.05, atol=1e-3)


def test_windows_on_one_grid_have_a_rollout():
    torch.manual_seed(0)
    layers = torch.nn.ModuleList(SparseAttention(width=12, heads=3, pattern=LocalWindow((2, 2, 3))) for _ in range(2))
    x, grid = torch.randn(2, 48, 12, dtype=torch.float64), Grid(2, 4, 6)
    with record_attention(layers.double()) as maps:
        for layer in layers:
            x = x + layer(x, grid)
    first, second = (m.dense().mean(1) for m in maps.values())
    torch.testing.assert_close(attention_rollout(maps).dense()[:, 0], product([first, second]))
    assert (token_attribution(maps) > 0).all()


# ------------------------------------------------------------------------------------------------ where there is none


def clip(frames=4, size=16):
    return torch.randn(1, 3, frames, size, size, dtype=torch.float64)


def test_pooled_keys():
    torch.manual_seed(0)
    model = MViT(version=2, frames=4, image_size=16, width=8, heads=1, stages=(1, 1), classes=3, kv_stride=(1, 2, 2))
    with pytest.raises(ValueError, match=r"blocks.0.attention looks at \(2, 2, 2\) pooled keys from \(2, 4, 4\) que"):
        attention_rollout(record(model, clip()))


def test_merged_patches():
    torch.manual_seed(0)
    model = VideoSwin(width=8, depths=(1, 1), heads=(1, 2), window=(2, 2, 2), classes=3)
    with pytest.raises(ValueError, match=r"stages.1.blocks.0.attention lies on the grid \(2, 2, 2\), the first map on"):
        attention_rollout(record(model, clip()))


def test_padded_windows():
    torch.manual_seed(0)
    model = VideoSwin(width=8, depths=(1,), heads=(1,), window=(2, 3, 3), classes=3)
    with pytest.raises(ValueError, match="stages.0.blocks.0.attention has rows that do not sum to one, because part"):
        token_attribution(record(model, clip()))


def test_hidden_tokens():
    torch.manual_seed(0)
    model = VideoMAEPretraining(frames=4, image_size=16, patch_size=4, width=8, depth=1, heads=2, decoder_width=8,
                                decoder_depth=1, decoder_heads=2)
    with pytest.raises(ValueError, match="some tokens are hidden"):
        attention_rollout(record(model, clip(), tube_mask(Grid(2, 4, 4), 0.5)))


def test_two_pathways():
    torch.manual_seed(0)
    with pytest.raises(ValueError, match="rollout is not defined here"):
        attention_rollout(record(two_pathway_motion(), clip(8, 32)))


def test_bad_arguments():
    with pytest.raises(ValueError, match="there are no maps; call the model inside"):
        attention_rollout({})
    for skip in (1, -0.1):
        with pytest.raises(ValueError, match=f"skip is the share of the residual.*got {skip}"):
            attention_rollout(timesformer(), skip=skip)
