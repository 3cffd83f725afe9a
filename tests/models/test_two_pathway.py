"""The two-pathway transformer: aligned in real time, no frame lost, and nothing of what the naive one gets wrong."""

import pytest
import torch
from torch import nn

from videoformer_edu.attention import record_attention
from videoformer_edu.attention.cross import AlignedTime
from videoformer_edu.cost import attention_macs, count_macs, count_parameters
from videoformer_edu.models import TransformerBlock, TwoPathwayTransformer, two_pathway_base, two_pathway_motion
from videoformer_edu.models.two_pathway import Fusion
from videoformer_edu.tokens import Grid, TubeletEmbed

SMALL = dict(frames=12, image_size=12, patch_size=4, alpha=4, slow_width=16, fast_width=8, slow_heads=4, fast_heads=2,
             depth=4, fuse_every=2, classes=7, mlp_ratio=2.5, init="from_scratch")


def build(**changes):
    torch.manual_seed(0)
    return TwoPathwayTransformer(**{**SMALL, **changes}).double()


def video(b=2, t=12, h=12, w=12):
    return torch.randn(b, 3, t, h, w, dtype=torch.float64)


# ------------------------------------------------------------------------- the two pathways agree about the time


@pytest.mark.parametrize(("frames", "alpha", "tubelets", "slow", "fast"), [
    (32, 4, (1, 1), [0, 4, 8, 13, 17, 22, 26, 31], list(range(32))),  # as in SlowFast; not every fourth
    (32, 4, (2, 2), [2, 10.5, 19.5, 28.5], [2 * i + 0.5 for i in range(16)]),
    (8, 4, (1, 1), [0, 7], list(range(8))), (10, 4, (1, 5), [0, 9], [2, 7]),
    (16, 4, (1, 4), [0, 5, 10, 15], [1.5, 5.5, 9.5, 13.5])])
def test_each_step_knows_its_time_in_frames_of_the_clip(frames, alpha, tubelets, slow, fast):
    net = build(frames=frames, alpha=alpha, slow_tubelet=tubelets[0], fast_tubelet=tubelets[1])
    times = net.times(frames)
    assert times[0].tolist() == slow and times[1].tolist() == fast


def test_the_same_moment_has_the_same_time_in_both_pathways_whatever_the_length_of_the_clip():
    net = build()
    for frames in (12, 9, 40):
        slow, fast = net.times(frames)
        assert torch.equal(net.time_features(slow), net.time_features(fast)[slow.long()])
    features = net.time_features(net.times(12)[1])
    assert features.square().mean().item() == pytest.approx(1, abs=1e-5)
    between = torch.cdist(net.time_features(net.times(48)[1]), net.time_features(net.times(48)[1])) + 99 * torch.eye(48)
    assert between.min() > 0.5  # no two frames of a clip four times as long look alike


def test_a_slow_step_sees_the_fast_frames_of_its_span_and_no_others():
    fusion = Fusion(slow_width=12, fast_width=6, heads=3).double()
    slow_grid, fast_grid = Grid(3, 2, 2), Grid(12, 2, 3)
    slow, fast = torch.randn(2, 12, 12).double(), torch.randn(2, 72, 6).double().requires_grad_()
    out = fusion(slow, slow_grid, fast, fast_grid).unflatten(1, tuple(slow_grid))
    for step in range(3):
        gradient, = torch.autograd.grad(out[:, step].square().sum(), fast, retain_graph=True)
        seen = gradient.unflatten(1, tuple(fast_grid)).abs().sum(dim=(0, 2, 3, 4)) > 0
        assert seen.tolist() == [4 * step <= frame < 4 * step + 4 for frame in range(12)]


def test_fusion_is_a_residual_with_its_own_norms():
    fusion = Fusion(slow_width=12, fast_width=6, heads=3).double()
    grids, slow, fast = (Grid(2, 2, 2), Grid(4, 2, 2)), torch.randn(2, 8, 12).double(), torch.randn(2, 16, 6).double()
    out = fusion(slow, grids[0], fast, grids[1])
    torch.testing.assert_close(out, fusion(slow, grids[0], 5 * fast + 3, grids[1]), rtol=1e-4, atol=1e-4)
    assert (out - slow).abs().max() > 0.01
    torch.nn.init.zeros_(fusion.attention.proj.weight), torch.nn.init.zeros_(fusion.attention.proj.bias)
    assert torch.equal(fusion(slow, grids[0], fast, grids[1]), slow)


def test_news_flows_from_fast_to_slow_and_not_back():
    net, clip = build(), video()
    slow_only = clip.clone()
    slow_only[:, :, 6:9] += 1  # frames that the slow pathway does not see: it takes 0, 5 and 11
    before, after = net.features(clip), net.features(slow_only)
    assert (before - after)[:, :16].abs().max() > 1e-4
    for fusion in net.fusions:
        torch.nn.init.zeros_(fusion.attention.proj.weight)
    before, after = net.features(clip), net.features(slow_only)
    assert torch.equal(before[:, :16], after[:, :16]) and (before - after)[:, 16:].abs().max() > 1e-4
    for p in net.slow.parameters():
        torch.nn.init.zeros_(p)
    assert torch.equal(net.features(clip)[:, 16:], before[:, 16:])


# ------------------------------------------------------------------------------------------------------ properties


@pytest.mark.parametrize("changes", [{}, {"slow_tubelet": 3}, {"fast_tubelet": 2}, {"alpha": 1}, {"alpha": 5}], ids=str)
def test_logits_depend_on_each_frame_on_their_order_and_on_every_parameter(changes):
    if "slow_tubelet" in changes:
        changes = {**changes, "alpha": 2}
    net, clip = build(**changes), video().requires_grad_()
    net(clip).square().sum().backward()
    assert (clip.grad.abs().amax(dim=(1, 3, 4)) > 0).all()
    assert [name for name, p in net.named_parameters() if p.grad is None or p.grad.abs().sum() == 0] == []
    for order in (clip.flip(2), clip[:, :, torch.randperm(12)], clip.roll(1, dims=2)):
        assert (net(clip) - net(order)).abs().max() > 1e-4


@pytest.mark.parametrize(("t", "h", "w"), [(8, 12, 12), (9, 4, 8), (16, 20, 12), (37, 8, 28)])
def test_other_lengths_and_sizes(t, h, w):
    assert build()(video(t=t, h=h, w=w)).isfinite().all()


def test_clips_of_a_batch_do_not_mix_and_eval_is_deterministic():
    net, clip = build(drop_path=0.4), video(b=3)
    assert not torch.equal(net.train()(clip), net(clip))
    net.eval()
    torch.testing.assert_close(net(clip)[1], net(clip[1:2])[0])
    assert torch.equal(net(clip), net(clip))


def test_maps_of_both_pathways_and_of_what_crosses():
    net, clip = build(), video(h=8, w=20)
    with record_attention(net) as maps:
        recorded = net(clip)
    torch.testing.assert_close(recorded, net(clip))
    slow, fast = Grid(3, 2, 5), Grid(12, 2, 5)
    want = {}
    for i in range(4):
        want |= {f"slow.blocks.{i}.attention": (slow, slow), f"fast.blocks.{i}.attention": (fast, fast)}
        want |= {f"fusions.{i // 2}.attention": (slow, fast)} if i % 2 else {}
    assert list(maps) == list(want)
    for name, m in maps.items():
        assert ((m.grid, m.key_grid), m.cls) == (want[name], False)
        torch.testing.assert_close(m.dense().sum(-1), torch.ones_like(m.dense().sum(-1)))
    crossing = maps["fusions.1.attention"]
    assert crossing.pattern == AlignedTime(fast)
    looks = crossing.looks_from(t=1, h=1, w=2).sum(dim=(0, 1, 3, 4))
    assert (looks > 0).tolist() == [4 <= frame < 8 for frame in range(12)]


def test_bfloat16_autocast_stays_close():
    net, clip = build().float(), video().float()
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        half = net(clip)
    assert (half.float() - net(clip)).abs().max() < 0.1


@pytest.mark.slow
def test_one_graph_for_the_compiler():
    net, clip = build(), video()
    compiled = torch.compile(net, backend="eager", fullgraph=True, dynamic=False)
    assert torch.equal(compiled(clip), net(clip))
    compiled(clip).sum().backward()
    assert net.fusions[0].attention.q.weight.grad.abs().sum() > 0


# ------------------------------------------------------------------------------- what the naive model gets wrong


class Naive(nn.Module):
    """Two pathways as they are often sketched: every fourth frame in tubelets of four, no positions, a plain mean."""

    def __init__(self):
        super().__init__()
        self.slow_embed = TubeletEmbed(tubelet_size=4, patch_size=4, width=16)
        self.fast_embed = TubeletEmbed(tubelet_size=1, patch_size=4, width=8)
        self.slow_block = TransformerBlock(width=16, heads=4)
        self.fast_block = TransformerBlock(width=8, heads=2)

    def forward(self, clip):
        slow, slow_grid = self.slow_embed(clip[:, :, ::4])
        fast, fast_grid = self.fast_embed(clip)
        slow = self.slow_block(slow, slow_grid).mean(1)
        return torch.cat([slow, self.fast_block(fast, fast_grid).mean(1)], dim=-1), slow_grid


def test_short_clips_that_break_the_naive_model():
    naive, net = Naive().double(), build(frames=8)
    with pytest.raises(ValueError, match="frames is 2, which the patch size 4 does not divide"):
        naive(video(t=8))
    assert naive(video(t=16))[1].t == 1  # one step for sixteen frames
    assert net(video(t=8)).isfinite().all() and len(net.times(8)[0]) == 2 and len(net.times(16)[0]) == 4


def test_the_naive_slow_pathway_never_sees_the_end_and_ours_does():
    clip = video(t=16)
    end = clip.clone()
    end[:, :, 13:] += 1
    naive = Naive().double()
    assert torch.equal(naive(clip)[0][:, :16], naive(end)[0][:, :16])
    net = build(frames=16)
    for fusion in net.fusions:
        torch.nn.init.zeros_(fusion.attention.proj.weight)
    assert (net.features(clip) - net.features(end))[:, :16].abs().max() > 1e-3


def test_shuffled_frames_are_invisible_to_the_naive_model_and_not_to_ours():
    clip = video(t=16)
    shuffled = clip.unflatten(2, (4, 4))[:, :, :, [2, 0, 3, 1]].flatten(2, 3)  # within each span of four
    naive, net = Naive().double(), build(frames=16)
    torch.testing.assert_close(naive(clip)[0][:, 16:], naive(shuffled)[0][:, 16:])
    for fusion in net.fusions:
        torch.nn.init.zeros_(fusion.attention.proj.weight)
    difference = (net.features(clip) - net.features(shuffled)).abs()
    assert difference[:, 16:].max() > 1e-3


# ----------------------------------------------------------------------------------------------------- sizes, errors


def test_the_cost_of_the_base_model_follows_from_its_pairs():
    with torch.device("meta"):
        model = two_pathway_base()
    slow, fast, patch = 4 * 196, 16 * 196, 3 * 16 * 16
    want = slow * patch * 768 + fast * patch * 192 + (4 * 768 + 16 * 192) * 32 + (768 + 192) * 400
    for tokens, width in ((slow, 768), (fast, 192)):
        want += 12 * (attention_macs(tokens, tokens**2, width) + 8 * tokens * width**2)
    crossing = AlignedTime(Grid(16, 14, 14)).pairs(Grid(4, 14, 14))
    want += 4 * (2 * slow * 768**2 + 2 * fast * 192 * 768 + 2 * crossing * 768)
    assert count_macs(model, 1, 3, 16, 224, 224) == want
    assert (count_parameters(model), round(want / 1e9, 1)) == (97_654_480, 152.0)


def test_the_small_model_has_the_recorded_size():
    assert count_parameters(two_pathway_motion()) == 139_752


def test_errors():
    for changes, message in (
            ({"frames": 4}, "4 frames leave the slow pathway too few steps, 1.*at least 8 frames"),
            ({"frames": 20, "slow_tubelet": 2}, "slow_tubelet 2 must divide the slow frames, 20 // alpha 4 = 5"),
            ({"fast_tubelet": 5}, "fast_tubelet 5 must divide the 12 frames"),
            ({"fuse_every": 3}, "fuse_every 3 must divide depth 4"),
            ({"alpha": 0}, "alpha, slow_tubelet and fast_tubelet must be at least 1"),
            ({"patch_size": 5}, "patch_size 5 must divide image_size 12"),
            ({"fast_heads": 3}, "3 heads do not divide")):
        with pytest.raises(ValueError, match=message):
            build(**changes)
    net = build()
    for clip, message in ((video(t=7), "7 frames leave the slow pathway too few steps, 1"),
                          (video()[0], "expected a video"),
                          (video(h=10), "height is 10, which the patch size 4 does not divide"),
                          (video().transpose(1, 2)[:, :, [0, 1, 2] * 4], "expected 3 channels on axis 1")):
        with pytest.raises(ValueError, match=message):
            net(clip)


# ------------------------------------------------------------------------------------- what the fast pathway is worth


def test_a_slowed_fast_pathway_sees_its_own_frames_alone():
    net, clip = build(fast_alpha=3), video()
    assert net.times(12)[1].tolist() == [0, 3, 7, 11] == net.times(12)[1].long().tolist()
    clip.requires_grad_()
    net.features(clip)[:, 16:].square().sum().backward()  # the fast half
    seen = (clip.grad.abs().amax(dim=(0, 1, 3, 4)) > 0).nonzero().flatten().tolist()
    assert seen == [0, 3, 7, 11]


def test_without_the_fast_pathway_the_slow_one_is_left():
    net, clip = build(fast_width=0), video().requires_grad_()
    assert net.fast is None and len(net.fusions) == 0 and net.features(clip).shape == (2, 16)
    whole = build()
    net.load_state_dict({name: p for name, p in whole.state_dict().items() if name.startswith("slow.")}, strict=False)
    for fusion in whole.fusions:  # nothing crosses
        torch.nn.init.zeros_(fusion.attention.proj.weight), torch.nn.init.zeros_(fusion.attention.proj.bias)
    assert torch.equal(net.features(clip), whole.features(clip)[:, :16])
    net(clip).square().sum().backward()
    assert (clip.grad.abs().amax(dim=(0, 1, 3, 4)) > 0).nonzero().flatten().tolist() == [0, 5, 11]


@pytest.mark.parametrize("changes", [dict(fast_alpha=0), dict(fast_alpha=13), dict(fast_alpha=2, fast_tubelet=4)])
def test_a_fast_pathway_that_does_not_fit(changes):
    with pytest.raises(ValueError, match="fast_alpha|fast_tubelet"):
        build(**changes)
