"""SlowFast: two pathways at two rates, and a head that slides over maps larger than its window."""

import pytest
import torch
import torch.nn.functional as F

from videoformer_edu.cost import count_parameters
from videoformer_edu.models import SlowFast, slow_frames, slowfast_motion, slowfast_r50_4x16


def build(**changes):
    """In eval mode, with statistics that no batch norm starts with."""
    torch.manual_seed(0)
    options = dict(width=8, alpha=4, beta=2, fusion_kernel=5, depths=(1, 1, 2), classes=7, init="from_scratch")
    model = SlowFast(**options | changes).double().eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.3, 1)
            torch.nn.init.uniform_(module.bias, 0, 0.5)
    torch.nn.init.normal_(model.head.weight)  # answers that differ from place to place
    return model


def video(b=2, t=16, h=36, w=36):
    return torch.randn(b, 3, t, h, w, dtype=torch.float64)


def maps(net, clip):
    """The last maps of both pathways, `(b, c, t, h, w)`, as forward hooks see them."""
    last = {}
    hooks = [stages[-1].register_forward_hook(lambda module, args, out, name=name: last.__setitem__(name, out))
             for name, stages in (("slow", net.slow_stages), ("fast", net.fast_stages))]
    net(clip)
    [hook.remove() for hook in hooks]
    return last["slow"], last["fast"]


# ------------------------------------------------------------------------------------------------------ the head


def places(net, clip, window):
    """The logits of each window of `window` x `window` places, one by one, `(b, places, classes)`."""
    slow, fast = maps(net, clip)
    found = []
    for row in range(slow.shape[3] - window + 1):
        for column in range(slow.shape[4] - window + 1):
            at = (..., slice(row, row + window), slice(column, column + window))
            means = [x[at].flatten(2).mean(dim=2) for x in (slow, fast)]
            found.append(torch.cat(means, dim=1) @ net.head.weight.T + net.head.bias)
    return torch.stack(found, dim=1)


def test_on_a_larger_map_the_window_slides_and_probabilities_are_averaged():
    net, clip = build(window=3, average="probabilities"), video(h=64, w=80).requires_grad_()  # maps of 4 x 5
    each = places(net, clip, 3)
    assert each.shape == (2, 2 * 3, 7)
    want = each.softmax(dim=-1).mean(dim=1)
    got = net(clip).softmax(dim=-1)
    torch.testing.assert_close(got, want)
    assert (got - each.mean(dim=1).softmax(dim=-1)).abs().max() > 1e-3  # not the mean of the logits
    weight = torch.linspace(-1, 1, 14, dtype=torch.float64).view(2, 7)
    ours, theirs = (torch.autograd.grad((p.log() * weight).sum(), clip)[0] for p in (got, want))
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("how", ["training", "logits"])
def test_while_training_and_as_pytorchvideo_does_it_logits_are_averaged(how):
    average = "logits" if how == "logits" else "probabilities"
    net, clip = build(window=3, average=average, dropout=0.0), video(h=64, w=80)
    want = places(net, clip, 3).mean(dim=1)
    if how == "training":
        net.train()
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm3d):
                module.eval()
    torch.testing.assert_close(net(clip), want)
    torch.testing.assert_close(net.head(net.features(clip)), want)


def test_at_the_published_window_224_pixels_are_one_place_and_256_are_four():
    """A map of 7 x 7: every place is in the one window, so its mean is the mean of all. At 8 x 8 it no longer is."""
    net = SlowFast(width=8, alpha=4, beta=4, depths=(1, 1, 1, 1), classes=5).double().eval()
    with torch.no_grad():
        for size, count in ((224, 1), (256, 4)):
            clip = video(b=1, t=4, h=size, w=size)
            assert net.pooled(clip).shape[1:3] == (count ** 0.5, count ** 0.5)
            everywhere = torch.cat([x.mean(dim=(2, 3, 4)) for x in maps(net, clip)], dim=1)
            assert torch.allclose(net.features(clip), everywhere) == (count == 1)
        clip = video(b=1, t=4, h=224, w=224)
        torch.testing.assert_close(net(clip), net.head(torch.cat([x.mean(dim=(2, 3, 4)) for x in maps(net, clip)], 1)))
        assert F.softmax(net(video(b=1, t=4, h=256, w=256)), dim=-1).sum() == pytest.approx(1)


def test_published_blocks_start_as_their_shortcuts_and_from_scratch_they_do_not():
    blocks = [block for net in (SlowFast(width=8, depths=(1, 2)), SlowFast(width=8, depths=(1, 2), init="from_scratch"))
              for stages in (net.slow_stages, net.fast_stages) for stage in stages for block in stage]
    gammas = [block.body[-1][1].weight for block in blocks]
    assert len(gammas) == 12
    assert all(g.count_nonzero() == 0 for g in gammas[:6]) and all((g == 1).all() for g in gammas[6:])
    block = SlowFast(width=8, depths=(1, 2)).slow_stages[0][0]
    assert block.body[-1][1].weight.count_nonzero() == 0 and block.body[0][1].weight.min() == 1
    x = torch.randn(2, block.body[0][0].in_channels, 3, 5, 4)
    torch.testing.assert_close(block.eval()(x), torch.relu(block.shortcut(x)))


# -------------------------------------------------------------------------------------------------- the pathways


def test_slow_frames_are_spread_from_the_first_to_the_last():
    assert slow_frames(32, 4).tolist() == [0, 4, 8, 13, 17, 22, 26, 31]
    assert slow_frames(32, 8).tolist() == [0, 10, 20, 31]
    assert slow_frames(9, 3).tolist() == [0, 4, 8] and slow_frames(4, 4).tolist() == [0]


def test_the_slow_pathway_sees_the_slow_frames_and_the_fast_one_all():
    net, clip = build(), video().requires_grad_()
    for lateral in net.laterals:
        torch.nn.init.zeros_(lateral[1].weight)  # nothing of the fast features passes
    slow, fast = net.features(clip).split([8 * 4 * 4, 4 * 4 * 4], dim=1)
    seen = torch.autograd.grad(slow.sum(), clip, retain_graph=True)[0].abs().amax(dim=(0, 1, 3, 4)) > 0
    assert seen.nonzero().flatten().tolist() == slow_frames(16, 4).tolist() == [0, 5, 10, 15]
    assert (torch.autograd.grad(fast.sum(), clip)[0].abs().amax(dim=(1, 3, 4)) > 0).all()


def test_laterals_bring_the_fast_features_to_the_slow_ones_and_nothing_flows_back():
    net, clip = build(), video()
    features, changed = net.features(clip), clip.clone()
    changed[:, :, 7] += 1  # not a slow frame
    slow = (net.features(changed) - features).abs()[:, :128]
    assert slow.max() > 1e-6
    for p in net.slow_stem.parameters():
        p.data += 0.1
    torch.testing.assert_close(net.features(clip)[:, 128:], features[:, 128:], rtol=0, atol=0)


def test_temporal_kernels_of_the_pathways():
    """Slow: only the last two stages look at time. Fast: all do, the stem at five frames."""
    net = slowfast_motion(depths=(1, 1, 1, 1))
    assert [stage[0].body[0][0].kernel_size for stage in net.slow_stages] == [(1, 1, 1)] * 2 + [(3, 1, 1)] * 2
    assert [stage[0].body[0][0].kernel_size for stage in net.fast_stages] == [(3, 1, 1)] * 4
    assert (net.slow_stem[0][0].kernel_size, net.fast_stem[0][0].kernel_size) == ((1, 7, 7), (5, 7, 7))


def test_slowfast_4x16_fuses_over_five_frames():
    with torch.device("meta"):
        assert [lateral[0].kernel_size[0] for lateral in slowfast_r50_4x16().laterals] == [5] * 4


def test_the_small_slowfast():
    assert 5e4 < count_parameters(slowfast_motion()) < 5e5
    assert slowfast_motion()(torch.randn(2, 3, 8, 32, 32)).shape == (2, 8)
