"""MViT: pooling attention against plain loops, what the two versions promise, published sizes."""

import pytest
import torch
import torch.nn.functional as F

from videoformer_edu.attention import record_attention
from videoformer_edu.attention.distances import DistanceTable, RelativePositions, distances
from videoformer_edu.attention.pooling import HeadPool, Pooled
from videoformer_edu.cost import count_macs, count_parameters
from videoformer_edu.models import MViT, mvit_motion, mvit_v1_b, mvit_v2_b, mvit_v2_l, mvit_v2_s
from videoformer_edu.models.mvit import BlockSizes, pyramid
from videoformer_edu.tokens import Grid

SMALL = dict(frames=6, image_size=20, width=12, heads=2, stages=(1, 2, 1), classes=7, kv_stride=(1, 4, 4),
             mlp_ratio=2.5, init="from_scratch")


def build(version, **changes):
    torch.manual_seed(0)
    return MViT(**{**SMALL, "version": version, **changes}).double()


def video(b=2, t=6, h=20, w=20):
    return torch.randn(b, 3, t, h, w, dtype=torch.float64)


# ------------------------------------------------------------------------------------------------------ the pieces


def test_a_distance_tells_how_far_the_key_is_on_the_finer_of_the_two_axes():
    device = torch.device("cpu")
    for size in (1, 2, 5):
        want = [[size - 1 + q - k for k in range(size)] for q in range(size)]
        assert distances(size, size, device).tolist() == want
    assert distances(6, 3, device)[4].tolist() == [8, 6, 4]  # three keys, at 0, 2 and 4 of six; row 4 is no distance
    assert distances(2, 4, device).tolist() == [[3, 2, 1, 0], [5, 4, 3, 2]]
    for q in range(1, 40):
        for k in range(1, 40):
            both = distances(q, k, device)
            assert both.min() >= 0 and both.max() <= 2 * max(q, k) - 2 and both.shape == (q, k)
            exact = [[q_ * max(k, q) // q + (k - 1 - k_) * max(k, q) // k for k_ in range(k)] for q_ in range(q)]
            assert both.tolist() == exact


def test_relative_positions_against_loops():
    grid, keys, e = Grid(3, 4, 5), Grid(3, 2, 3), 6
    torch.manual_seed(0)
    positions = RelativePositions(sizes=grid, width=e, std=1.0).double()
    q = torch.randn(2, 3, 1 + grid.l, e, dtype=torch.float64)
    bias = positions(q, grid, keys)
    assert bias.shape == (2, 3, 1 + grid.l, 1 + keys.l)
    assert bias[:, :, 0].abs().max() == bias[..., 0].abs().max() == 0  # CLS has no place
    tables = [table.between(*sizes) for table, *sizes in zip(positions.children(), grid, keys, strict=True)]
    for i in range(grid.l):
        for j in range(keys.l):
            at = (i // 20, i // 5 % 4, i % 5), (j // 6, j // 3 % 2, j % 3)
            vector = sum(table[a, b] for table, a, b in zip(tables, *at, strict=True))
            torch.testing.assert_close(bias[:, :, 1 + i, 1 + j], q[:, :, 1 + i] @ vector)


def test_a_distance_table_of_another_size_is_resized():
    table = DistanceTable(size=4, width=5, std=1.0)
    assert table.between(4, 4).shape == (4, 4, 5) and table.table.shape == (7, 5)
    wider = F.interpolate(table.table.detach().T[None], size=11, mode="linear")[0].T
    torch.testing.assert_close(table.between(6, 3).detach(), wider[distances(6, 3, torch.device("cpu"))])


@pytest.mark.parametrize("stride", [(1, 1, 1), (1, 2, 2), (2, 1, 4)])
def test_pooling_a_head_at_a_time_gives_the_same(stride):
    grid, heads, e = Grid(3, 5, 7), 4, 6
    torch.manual_seed(0)
    pool = HeadPool(stride=stride, channels=e).double()
    x = torch.randn(2, 1 + grid.l, heads, e, dtype=torch.float64)
    out, pooled = pool(x, grid)
    assert pooled == Grid(*(-(-size // step) for size, step in zip(grid, stride, strict=True)))
    for head in range(heads):
        patches = x[:, 1:, head].unflatten(1, tuple(grid)).permute(0, 4, 1, 2, 3).contiguous()
        one = torch.cat([x[:, :1, head], pool.conv(patches).flatten(2).mT], dim=1)
        torch.testing.assert_close(out[:, head], pool.norm(one))


def test_the_pyramid_of_version_1_doubles_channels_early_and_that_of_version_2_late():
    options = dict(stages=(1, 2, 1), grid=Grid(8, 56, 56), width=96, heads=1, q_stride=(1, 2, 2), kv_stride=(1, 8, 8))
    one, two, four, eight = (1, 1, 1), (1, 2, 2), (1, 4, 4), (1, 8, 8)
    rows = [BlockSizes(96, 96, 192, 1, one, eight, Grid(8, 56, 56)),
            BlockSizes(192, 192, 192, 2, two, four, Grid(8, 28, 28)),
            BlockSizes(192, 192, 384, 2, one, four, Grid(8, 28, 28)),
            BlockSizes(384, 384, 384, 4, two, two, Grid(8, 14, 14))]
    assert pyramid(version=1, **options) == rows
    widths = [(96, 96, 96), (96, 192, 192), (192, 192, 192), (192, 384, 384)]
    assert pyramid(version=2, **options) == [BlockSizes(*w, *row[3:]) for w, row in zip(widths, rows, strict=True)]


# ------------------------------------------------------------------------------------------------------ properties


@pytest.mark.parametrize("version", [1, 2])
def test_logits_depend_on_each_frame_on_their_order_and_on_every_parameter(version):
    """But for what places the queries of the last block's patches: the head reads CLS, which has no place."""
    net, clip = build(version, stages=(1, 2, 2)), video().requires_grad_()
    net(clip).square().sum().backward()
    assert (clip.grad.abs().amax(dim=(1, 3, 4)) > 0).all()
    silent = [name for name, p in net.named_parameters() if p.grad is None or p.grad.abs().sum() == 0]
    last = "blocks.4.attention."
    assert silent == [] if version == 1 else sorted(silent) == [last + "pool_q.conv.weight"] + [
        f"{last}relative.{axis}.table" for axis in "htw"]
    assert (net(clip) - net(clip.flip(2))).abs().max() > 1e-4


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(("t", "h", "w"), [(1, 8, 8), (7, 20, 20), (12, 9, 30), (3, 41, 17), (1, 1, 1)])
def test_clips_of_any_length_and_size(version, t, h, w):
    net, clip = build(version), video(t=t, h=h, w=w)
    assert net(clip).isfinite().all()
    with record_attention(net) as maps:
        net(clip)
    assert maps["blocks.0.attention"].grid == Grid(-(-t // 2), -(-h // 4), -(-w // 4))


def test_absolute_positions_are_resized_axis_by_axis():
    net, clip = build(1), video(t=10, h=28, w=16)
    space, time = net.space_positions(7, 4), net.time_positions(5)
    seen = []
    net.blocks[0].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    net(clip)
    patches, _ = net.embed(clip)
    want = patches.unflatten(1, (5, 28)) + time[:, None] + space[1:]
    torch.testing.assert_close(seen[0][:, 1:], want.flatten(1, 2))
    torch.testing.assert_close(seen[0][:, 0], (net.cls[0] + space[:1]).expand(2, -1))


@pytest.mark.parametrize("version", [1, 2])
def test_clips_of_a_batch_do_not_mix_and_eval_is_deterministic(version):
    net, clip = build(version, drop_path=0.4, dropout=0.5), video(b=3)
    assert not torch.equal(net.train()(clip), net(clip))
    net.eval()
    torch.testing.assert_close(net(clip)[1], net(clip[1:2])[0])
    assert torch.equal(net(clip), net(clip))


@pytest.mark.parametrize("version", [1, 2])
def test_maps_know_the_grids_of_queries_and_keys(version):
    net, clip = build(version), video()
    with record_attention(net) as maps:
        recorded = net(clip)
    torch.testing.assert_close(recorded, net(clip))  # the open way and the fused kernel agree
    assert list(maps) == [f"blocks.{i}.attention" for i in range(4)]
    queries = [Grid(3, 5, 5), Grid(3, 3, 3), Grid(3, 3, 3), Grid(3, 2, 2)]
    keys = [Grid(3, 2, 2), Grid(3, 3, 3), Grid(3, 2, 2), Grid(3, 3, 3)]
    kv_strides, q_strides = [(1, 4, 4), (1, 2, 2), (1, 2, 2), (1, 1, 1)], [(1, 1, 1), (1, 2, 2), (1, 1, 1), (1, 2, 2)]
    assert [m.pattern for m in maps.values()] == [Pooled(kv, q) for kv, q in zip(kv_strides, q_strides, strict=True)]
    for m, grid, key_grid in zip(maps.values(), queries, keys, strict=True):
        assert (m.grid, m.key_grid, m.cls) == (grid, key_grid, True)
        assert m.pattern.pairs(m.clip) == grid.l * key_grid.l
        heads = m.probabilities.shape[2]
        assert m.dense().shape == (2, heads, 1 + grid.l, 1 + key_grid.l)
        assert m.looks_from(2, 1, 1).shape == m.cls_looks().shape == (2, heads, *key_grid)
        torch.testing.assert_close(m.dense().sum(-1), torch.ones(2, heads, 1 + grid.l, dtype=torch.float64))


def test_version_2_tells_frames_by_distance_alone():
    """No absolute positions: without the distances in time, and with frames that the stem cannot tell apart, the order
    of the steps is invisible; with them it is not."""
    net = build(2)
    patches, grid = net.embed(video())
    net.embed.forward = lambda clip: (clip, grid)  # from here on the "clip" is tokens
    flipped = patches.unflatten(1, tuple(grid)).flip(1).flatten(1, 3)
    assert (net(patches) - net(flipped)).abs().max() > 1e-4
    for block in net.blocks:
        torch.nn.init.zeros_(block.attention.relative.t.table)
        for pool in (block.attention.pool_q, block.attention.pool_k, block.attention.pool_v):
            pool.conv.weight.data[:, :, [0, 2]] = 0  # the convolutions, too, see one step each
    torch.testing.assert_close(net(patches), net(flipped))


def test_bfloat16_autocast_stays_close():
    for version in (1, 2):
        net, clip = build(version).float(), video().float()
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            half = net(clip)
        assert (half.float() - net(clip)).abs().max() < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("version", [1, 2])
def test_one_graph_for_the_compiler(version):
    net, clip = build(version).eval(), video()
    compiled = torch.compile(net, backend="eager", fullgraph=True, dynamic=False)
    assert torch.equal(compiled(clip), net(clip))
    compiled(clip).sum().backward()
    assert net.blocks[0].attention.qkv.weight.grad.abs().sum() > 0


def test_what_inference_kept_serves_training():
    net, clip = build(2), video(t=14, h=36, w=28)  # grids that no other test uses
    with torch.inference_mode():
        net(clip)
    net(clip).sum().backward()
    assert net.blocks[0].attention.relative.h.table.grad.abs().sum() > 0


# --------------------------------------------------------------------------------------------------- published sizes


@pytest.mark.parametrize(("build", "frames", "size", "parameters", "gmacs", "published"), [
    (mvit_v1_b, 16, 224, 36_610_672, 70.60, 70.5), (mvit_v1_b, 32, 224, 36_611_440, 169.96, 170),
    (mvit_v2_s, 16, 224, 34_537_744, 64.22, 64), (mvit_v2_b, 32, 224, 51_230_128, 224.47, 225),
    (mvit_v2_l, 40, 312, 213_390_112, 2823.4, 2828)])
def test_published_parameters_and_costs(build, frames, size, parameters, gmacs, published):
    with torch.device("meta"):
        model = build(frames=frames)
    assert count_parameters(model) == parameters
    macs = count_macs(model, 1, 3, frames, size, size) / 1e9
    assert macs == pytest.approx(gmacs, rel=1e-3) and macs == pytest.approx(published, rel=0.01)


def test_the_small_model_has_the_recorded_size():
    assert {v: count_parameters(mvit_motion(version=v)) for v in (1, 2)} == {1: 354_696, 2: 316_040}


def test_fresh_published_weights_and_from_scratch():
    net = mvit_v1_b(frames=4, image_size=32, stages=(1, 1), kv_stride=(1, 2, 2))
    assert 0.015 < net.space_positions.table.std() < 0.025
    for name, p in net.named_parameters():
        if name.endswith("bias") and not name.startswith("embed."):
            assert (p == 0.02).all(), name  # of linear maps and norms alike
        elif "conv" in name or name == "embed.proj.weight" or "mlp" in name and name.endswith("0.weight"):
            assert 0.015 < p.std() < 0.025, name
        elif "norm" in name:
            assert (p == 1).all(), name
    net = mvit_motion(version=1)
    assert 0.9 < net.space_positions.table.std() < 1.1 and 0.9 < net.time_positions.table.square().mean() < 1.1


def test_errors():
    with pytest.raises(ValueError, match="version must be 1 or 2, got 3"):
        build(3)
    with pytest.raises(ValueError, match=r"each step of q_stride must be 1 or even, got \(1, 3, 3\)"):
        build(1, q_stride=(1, 3, 3))
    with pytest.raises(ValueError, match="5 heads do not divide the width 12"):
        build(1, heads=5)
    with pytest.raises(ValueError, match=r"expected 3 channels on axis 1 of \(b, c, t, h, w\)"):
        build(1)(video().transpose(1, 2))
    with pytest.raises(ValueError, match="stages must name the blocks of each stage"):
        build(1, stages=())
