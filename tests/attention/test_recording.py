"""Recorded maps are what the model did: they reproduce its output, and they light the right patch."""

import pytest
import torch
from einops import rearrange
from torch import nn

from videoformer_edu.attention import Where, record_attention
from videoformer_edu.attention.core import MultiHeadAttention
from videoformer_edu.attention.patterns import Full
from videoformer_edu.models import TimeSformer, ViT
from videoformer_edu.tokens import Grid

GRID = Grid(3, 2, 5)


def model(attention="divided"):
    torch.manual_seed(0)
    net = TimeSformer(frames=3, image_size=20, patch_size=4, width=12, depth=2, heads=3, classes=7,
                      attention=attention, init="from_scratch")
    return net.double().eval()


def video(seed=0):
    return torch.randn(2, 3, 3, 8, 20, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("attention", ["divided", "joint", "space_only"])
def test_names_grids_and_rows(attention):
    net = model(attention)
    with record_attention(net) as maps:
        recorded = net(video())
    torch.testing.assert_close(recorded, net(video()))
    kinds = ["temporal_attention", "spatial_attention"] if attention == "divided" else ["attention"]
    assert list(maps) == [f"blocks.{i}.{kind}" for i in range(2) for kind in kinds]
    for m in maps.values():
        assert m.grid == GRID and m.cls is not m.name.endswith("temporal_attention")
        torch.testing.assert_close(m.probabilities.sum(-1), torch.ones_like(m.probabilities.sum(-1)))
        torch.testing.assert_close(m.dense().sum(-1), torch.ones_like(m.dense().sum(-1)))
        assert not m.probabilities.requires_grad


@pytest.mark.parametrize("attention", ["divided", "joint", "space_only"])
def test_maps_times_values_reproduce_every_modules_output(attention):
    """The values are caught by a hook on qkv and the output by a hook on proj: nothing of the recorder is used."""
    net, caught = model(attention), {}
    for name, module in net.named_modules():
        if isinstance(module, MultiHeadAttention):
            pair = caught[name] = []
            module.qkv.register_forward_hook(lambda m, i, out, pair=pair: pair.append(out))
            module.proj.register_forward_pre_hook(lambda m, i, pair=pair: pair.append(i[0]))
    with record_attention(net) as maps:
        net(video())
    assert len(caught) == len(maps)
    for (qkv, out), m in zip(caught.values(), maps.values(), strict=True):
        if qkv.ndim == 3:
            qkv, out = qkv[:, None], out[:, None]  # one group
        v = rearrange(qkv[..., 24:], "b g k (head e) -> b g head k e", head=3)
        mixed = rearrange(m.probabilities @ v, "b g head q e -> b g q (head e)")
        torch.testing.assert_close(mixed, out, rtol=1e-12, atol=1e-12)


def test_dense_map_times_values_is_divided_attention_with_cls_averaged():
    net = model()
    m, x = net.blocks[0].spatial_attention, torch.randn(2, 31, 12, dtype=torch.float64)
    with record_attention(m) as maps:
        want = m(x, GRID)
    (dense,) = (recorded.dense() for recorded in maps.values())
    v = rearrange(m.attention.qkv(x)[..., 24:], "b s (head e) -> b head s e", head=3)
    got = m.attention.proj(rearrange(dense @ v, "b head s e -> b s (head e)"))
    torch.testing.assert_close(got, want)


def test_dense_is_zero_where_the_pattern_forbids():
    net = model()
    with record_attention(net) as maps:
        net(video())
    time, space = maps["blocks.1.temporal_attention"], maps["blocks.1.spatial_attention"]
    assert torch.equal(time.dense() > 0, time.pattern.allowed(GRID).expand(2, 3, -1, -1))
    patches = space.dense()[:, :, 1:, 1:]
    assert torch.equal(patches > 0, space.pattern.allowed(GRID).expand(2, 3, -1, -1))


@pytest.mark.parametrize(("attention", "name", "query"), [
    ("divided", "temporal_attention", (0, 1, 3)), ("divided", "spatial_attention", (2, 0, 4)),
    ("joint", "attention", (0, 0, 0)), ("space_only", "attention", (2, 0, 0))])
def test_a_single_lit_patch_is_lit_in_the_right_frame(attention, name, query):
    """Every query likes bright tokens; only the patch (t=2, h=1, w=3) is bright. Who may see it must light it."""
    net = model(attention)
    with torch.no_grad():  # position-free, so that only the pixels speak
        net.space_positions.table.zero_()
        if attention != "space_only":
            net.time_positions.table.zero_()
        for block in net.blocks:
            mha = [m for n, m in block.named_modules() if isinstance(m, MultiHeadAttention)]
            for m in mha:
                m.qkv.weight[:24].copy_(torch.eye(12).repeat(2, 1))
                m.qkv.bias[:24].zero_()
                m.qkv.bias[:12] = 40 * torch.nn.functional.layer_norm(net.patch_embed.proj.weight.sum((1, 2, 3)), (12,))
        net.patch_embed.proj.bias.zero_()
    clip = torch.zeros(1, 3, 3, 8, 20, dtype=torch.float64)
    clip[:, :, 2, 4:8, 12:16] = 1.0
    with record_attention(net) as maps:
        net(clip)
    looks = maps[f"blocks.0.{name}"].looks_from(*query).mean(1)[0]  # (t, h, w)
    assert tuple(torch.unravel_index(looks.argmax(), looks.shape)) == (2, 1, 3)
    assert looks[2, 1, 3] > 0.9


def test_looks_from_reads_the_row_of_the_dense_map():
    net = model()
    with record_attention(net) as maps:
        net(video())
    for m in maps.values():
        for t, h, w in ((0, 0, 0), (2, 1, 3), (1, 0, 4)):
            row = t * 10 + h * 5 + w + int(m.cls)
            want = m.dense()[:, :, row, int(m.cls):].unflatten(-1, tuple(GRID))
            torch.testing.assert_close(m.looks_from(t, h, w), want)
        if m.cls:
            torch.testing.assert_close(m.cls_looks(), m.dense()[:, :, 0, 1:].unflatten(-1, tuple(GRID)))


def test_errors_and_clean_up():
    net = model()
    with pytest.raises(ValueError, match="nothing to record"), record_attention(nn.Linear(2, 2)):
        pass
    with record_attention(net) as maps:
        net(video())
        with pytest.raises(RuntimeError, match="recorded already"), record_attention(net):
            pass
    time = maps["blocks.0.temporal_attention"]
    with pytest.raises(IndexError, match="h=2 is outside the grid"):
        time.looks_from(0, 2, 0)
    with pytest.raises(ValueError, match="no CLS"):
        time.cls_looks()
    with pytest.raises(RuntimeError, match="boom"), record_attention(net):
        raise RuntimeError("boom")
    assert all(m.record is None for m in net.modules() if isinstance(m, MultiHeadAttention))
    alone = MultiHeadAttention(width=12, heads=3)
    with record_attention(alone), pytest.raises(ValueError, match="where="):
        alone(torch.randn(1, 4, 12))
    with record_attention(alone) as maps:
        alone(torch.randn(1, 4, 12), where=Where(Full(), Grid(1, 2, 2)))
    assert list(maps) == ["attention"]


def test_a_second_pass_replaces_the_first_and_off_costs_nothing():
    net = model()
    with record_attention(net) as maps:
        net(video(0))
        first = maps["blocks.0.spatial_attention"].probabilities
        net(video(1))
    assert not torch.equal(first, maps["blocks.0.spatial_attention"].probabilities)
    with torch.profiler.profile() as profile:
        net(video())
    names = {event.name for event in profile.events()}
    assert any("scaled_dot_product" in name for name in names) and "aten::softmax" not in names


def test_image_models_record_too():
    net = ViT(image_size=20, patch_size=4, width=12, depth=2, heads=3, classes=7)
    with record_attention(net) as maps:
        net(torch.randn(2, 3, 8, 20))
    assert maps["blocks.1.attention"].looks_from(0, 1, 3).shape == (2, 3, 1, 2, 5)
    assert maps["blocks.1.attention"].cls_looks().shape == (2, 3, 1, 2, 5)
