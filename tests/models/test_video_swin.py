"""Video Swin: what reaches what, a pyramid in space alone, windows that shrink, published sizes."""

import pytest
import torch

from videoformer_edu.attention import record_attention
from videoformer_edu.cost import count_macs, count_parameters
from videoformer_edu.models import (
    VideoSwin,
    video_swin_base,
    video_swin_large,
    video_swin_motion,
    video_swin_small,
    video_swin_tiny,
)
from videoformer_edu.models.video_swin import PatchMerging, SwinBlock
from videoformer_edu.tokens import Grid, to_grid, to_sequence

SMALL = dict(patch_size=2, width=12, depths=(2, 2, 1), heads=(2, 4, 3), window=(2, 3, 4), classes=7,
             init="from_scratch")


def build(**changes):
    torch.manual_seed(0)
    return VideoSwin(**{**SMALL, **changes}).double()


def video(b=2, t=6, h=14, w=18):
    return torch.randn(b, 3, t, h, w, dtype=torch.float64)


# ---------------------------------------------------------------------------------------------------------- pieces


def test_merging_puts_four_neighbours_side_by_side():
    """Channels: even row and column; odd row, even column; even row, odd column; both odd. No partner: zeros."""
    merging, x = PatchMerging(width=5).double(), torch.randn(2, 3, 3, 5, 5).double()  # (b, t, h, w, d)
    got, grid = merging(to_sequence(x), Grid(3, 3, 5))
    assert grid == Grid(3, 2, 3) and got.shape == (2, 3 * 2 * 3, 10)
    got, nothing = to_grid(got, grid), torch.zeros(2, 5).double()
    corner = torch.cat([x[:, 1, 2, 4], nothing, nothing, nothing], -1)
    torch.testing.assert_close(got[:, 1, 1, 2], merging.reduction(merging.norm(corner)))
    inner = torch.cat([x[:, 2, 0, 2], x[:, 2, 1, 2], x[:, 2, 0, 3], x[:, 2, 1, 3]], -1)
    torch.testing.assert_close(got[:, 2, 0, 1], merging.reduction(merging.norm(inner)))


def test_each_block_is_two_residuals_on_normed_tokens():
    block = SwinBlock(width=12, heads=3, window=(2, 3, 4), shift=(1, 1, 2)).double()
    grid, x = Grid(3, 7, 5), torch.randn(2, 105, 12).double()
    y = x + block.attention(block.attention_norm(x), grid)
    torch.testing.assert_close(block(x, grid), y + block.mlp(block.mlp_norm(y)))
    assert block.attention_norm.eps == block.mlp_norm.eps == 1e-5


def test_two_blocks_reach_as_far_as_the_shifted_windows_carry():
    """From one token: its window, then the shifted windows that meet it. Grid 4 x 6 x 8 in windows of 2 x 3 x 4."""
    stage, grid = build().stages[0], Grid(4, 6, 8)
    x = torch.randn(1, grid.l, 12, dtype=torch.float64, requires_grad=True)
    token = (1 * 6 + 2) * 8 + 3  # frame 1, row 2, column 3
    reach = []
    for blocks in (stage.blocks[:1], stage.blocks):
        y = x
        for block in blocks:
            y = block(y, grid)
        grad = torch.autograd.grad(y[0, token].sum(), x)[0]
        reach.append(to_grid(grad.abs().sum(-1, keepdim=True), grid)[0, ..., 0] > 0)
    assert reach[0].nonzero().aminmax(dim=0).max.tolist() == [1, 2, 3] and reach[0].sum() == 2 * 3 * 4
    assert reach[1].all()  # the shifted window round the token touches all eight plain windows


# ------------------------------------------------------------------------------------------------------ properties


def test_logits_depend_on_each_frame_on_their_order_and_on_every_parameter():
    net, clip = build(), video().requires_grad_()
    net(clip).square().sum().backward()
    assert (clip.grad.abs().amax(dim=(1, 3, 4)) > 0).all()
    assert [name for name, p in net.named_parameters() if p.grad is None or p.grad.abs().sum() == 0] == []
    assert (net(clip) - net(clip.flip(2))).abs().max() > 1e-4


@pytest.mark.parametrize(("t", "h", "w"), [(1, 2, 2), (5, 13, 7), (2, 30, 8), (9, 6, 21)])
def test_any_clip(t, h, w):
    """Also those that neither tubelets nor windows fill."""
    net = build()
    assert net(video(t=t, h=h, w=w)).isfinite().all()
    x, grid = net.embed(video(t=t, h=h, w=w))
    assert grid == Grid((t + 1) // 2, (h + 1) // 2, (w + 1) // 2) and x.shape == (2, grid.l, 12)


def test_clips_of_a_batch_do_not_mix_and_eval_is_deterministic():
    net, clip = build(drop_path=0.6), video(b=3)
    assert not torch.equal(net.train()(clip), net(clip))
    net.eval()
    torch.testing.assert_close(net(clip)[1], net(clip[1:2])[0])
    assert torch.equal(net(clip), net(clip))


def test_stochastic_depth_rises_linearly_over_all_stages():
    rates = [block.drop_path.p for stage in build(drop_path=0.4).stages for block in stage.blocks]
    assert rates == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])


def test_windows_shift_in_every_second_layer_of_a_stage():
    net = build(depths=(3, 2), heads=(2, 4))
    shifts = [block.attention.pattern.shift for stage in net.stages for block in stage.blocks]
    assert shifts == [(0, 0, 0), (1, 1, 2), (0, 0, 0), (0, 0, 0), (1, 1, 2)]


def test_a_window_larger_than_the_map_uses_the_same_distances():
    """A model made for windows of 4 x 5 x 7, on 2 x 3 x 4 tokens, equals one made for these with the middle of its
    tables: the distances that occur. The published index does not."""
    one = dict(depths=(3,), heads=(3,))
    large, small = build(**one, window=(4, 5, 7)), build(**one, window=(2, 3, 4))
    quirky = build(**one, window=(4, 5, 7), reference_quirks=True)
    state = large.state_dict()
    for key in state:
        if key.endswith("bias_table"):
            state[key].normal_()
    quirky.load_state_dict(state)
    middle = {key: value.reshape(7, 9, 13, 3)[2:5, 2:7, 3:10].reshape(-1, 3) if key.endswith("bias_table") else value
              for key, value in state.items()}
    small.load_state_dict(middle)
    clip = video(t=4, h=6, w=8)
    torch.testing.assert_close(large(clip), small(clip))
    assert (quirky(clip) - small(clip)).abs().max() > 1e-4
    long = video(t=4, h=10, w=14)  # 2 x 5 x 7: shorter in time alone, where both are right
    torch.testing.assert_close(large(long), quirky(long))


def test_maps_are_recorded_with_their_grids_and_change_nothing():
    net, clip = build(), video()
    with record_attention(net) as maps:
        recorded = net(clip)
    torch.testing.assert_close(recorded, net(clip))
    grids = {0: Grid(3, 7, 9), 1: Grid(3, 4, 5), 2: Grid(3, 2, 3)}
    assert list(maps) == [f"stages.{i}.blocks.{j}.attention" for i in range(3) for j in range(2 if i < 2 else 1)]
    for name, m in maps.items():
        assert m.grid == grids[int(name.split(".")[1])] and not m.cls
        assert not (m.dense()[:, :, ~m.pattern.allowed(m.grid)]).any()


@pytest.mark.parametrize(("changes", "message"), [
    (dict(heads=(2, 4)), "every stage needs a depth and a number of heads"),
    (dict(heads=(2, 5, 3)), "5 heads do not divide the width 24"),
    (dict(init="zeros"), 'init must be "published" or "from_scratch"'),
    (dict(window=(2, 0, 4)), "window h"),
])
def test_a_model_that_cannot_be_built(changes, message):
    with pytest.raises(ValueError, match=message):
        build(**changes)


def test_a_clip_that_is_none():
    with pytest.raises(ValueError, match="one clip needs a batch axis"):
        build()(video()[0])
    with pytest.raises(ValueError, match="expected 3 channels on axis 1"):
        build()(video().transpose(1, 2))
    with pytest.raises(ValueError, match="frames is 0"):
        build()(video(t=0))


# --------------------------------------------------------------------------------------------------- published sizes


@pytest.mark.parametrize(("model", "parameters", "published_m", "gmacs", "published"), [
    (video_swin_tiny, "28.158", 28, 87.76, 87.9), (video_swin_small, "49.817", 50, 165.68, 165.9),
    (video_swin_base, "88.049", 88, 281.33, 281.6), (video_swin_large, "196.954", 197, 603.27, 604)])
def test_published_parameters_and_costs(model, parameters, published_m, gmacs, published):
    with torch.device("meta"):
        net = model()
    millions = count_parameters(net) / 1e6
    assert f"{millions:.3f}" == parameters and round(millions) == published_m
    counted = count_macs(net, 1, 3, 32, 224, 224) / 1e9
    assert counted == pytest.approx(gmacs, rel=1e-3) and counted == pytest.approx(published, rel=0.01)


def test_the_small_model_of_the_lessons():
    net = video_swin_motion()
    assert 1e5 < count_parameters(net) < 5e5
    assert net(torch.randn(2, 3, 8, 32, 32)).shape == (2, 8)
