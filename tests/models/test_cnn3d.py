"""3-D CNNs: what a convolution reaches, two pathways at two rates, published and teaching sizes."""

import pytest
import torch

from videoformer_edu.cost import count_macs, count_parameters
from videoformer_edu.models import (
    C3D,
    R2Plus1D,
    SlowFast,
    c3d,
    c3d_motion,
    r2plus1d_18,
    r2plus1d_motion,
    slow_frames,
    slowfast_motion,
    slowfast_r50_4x16,
    slowfast_r50_8x8,
)
from videoformer_edu.models.cnn3d import Conv2Plus1D, ConvNorm, FlatConv3d, mid_channels

MODELS = {
    "c3d": lambda: C3D(frames=16, image_size=36, width=4, hidden=24, classes=7),
    "r2plus1d": lambda: R2Plus1D(width=8, depths=(1, 2), classes=7),
    "slowfast": lambda: SlowFast(width=8, alpha=4, beta=2, fusion_kernel=5, depths=(1, 1, 2), classes=7),
    "c3d_motion": lambda: c3d_motion(classes=7),
    "r2plus1d_motion": lambda: r2plus1d_motion(classes=7),
}
ANY_SIZE = [name for name in MODELS if name != "c3d"]


def build(name):
    """In eval mode, with statistics that no batch norm starts with."""
    torch.manual_seed(0)
    model = MODELS[name]().double().eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.3, 1)
            torch.nn.init.uniform_(module.bias, 0, 0.5)
    return model


def video(b=2, t=16, h=36, w=36):
    return torch.randn(b, 3, t, h, w, dtype=torch.float64)


# ---------------------------------------------------------------------------------------------------------- pieces


@pytest.mark.parametrize("make", [ConvNorm, Conv2Plus1D])
def test_a_convolution_sees_its_26_neighbours(make):
    layer, x = make(2, 3).double().eval(), torch.randn(1, 2, 5, 6, 7, dtype=torch.float64, requires_grad=True)
    for module in layer.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            torch.nn.init.constant_(module.bias, 5)  # no ReLU is shut
    layer(x)[0, :, 2, 3, 4].sum().backward()
    seen = (x.grad[0].abs().sum(0) > 0).nonzero()
    assert len(seen) == 27 and seen.aminmax(dim=0).min.tolist() == [1, 2, 3] and seen.max(0)[0].tolist() == [3, 4, 5]


@pytest.mark.parametrize(("c_in", "c_out"), [(64, 64), (64, 128), (48, 96)])
def test_two_halves_have_the_parameters_of_one_convolution(c_in, c_out):
    whole = 27 * c_in * c_out
    halves = sum(p.numel() for p in Conv2Plus1D(c_in, c_out).parameters() if p.ndim == 5)
    assert 0.99 * whole < halves <= whole and mid_channels(64, 64) == 144


# ------------------------------------------------------------------------------------------------------ properties


@pytest.mark.parametrize("name", MODELS)
def test_logits_depend_on_each_frame_on_their_order_and_on_every_parameter(name):
    net, clip = build(name), video().requires_grad_()
    net(clip).square().sum().backward()
    assert (clip.grad.abs().amax(dim=(1, 3, 4)) > 0).all()
    assert [key for key, p in net.named_parameters() if p.grad is None or p.grad.abs().sum() == 0] == []
    assert (net(clip) - net(clip.flip(2))).abs().max() > 1e-6


@pytest.mark.parametrize("name", ANY_SIZE)
@pytest.mark.parametrize(("t", "h", "w"), [(4, 9, 13), (8, 40, 24), (20, 17, 33)])
def test_any_clip(name, t, h, w):
    assert build(name)(video(t=t, h=h, w=w)).isfinite().all()


@pytest.mark.parametrize("name", MODELS)
def test_clips_of_a_batch_do_not_mix_in_eval_and_it_is_deterministic(name):
    net, clip = build(name), video(b=3)
    torch.testing.assert_close(net(clip)[1], net(clip[1:2])[0])
    assert torch.equal(net(clip), net(clip))
    assert not torch.equal(net.train()(clip), net.eval()(clip))


@pytest.mark.parametrize("name", MODELS)
def test_a_clip_that_is_none(name):
    with pytest.raises(ValueError, match="one clip needs a batch axis"):
        build(name)(video()[0])
    with pytest.raises(ValueError, match="expected 3 channels on axis 1"):
        build(name)(video().transpose(1, 2))


def test_c3d_takes_one_size_of_clip():
    net = build("c3d")
    with pytest.raises(ValueError, match=r"of \(3, 16, 36, 36\), got \(3, 16, 48, 48\).*image_size=48"):
        net(video(h=48, w=48))
    with pytest.raises(ValueError, match=r"16 frames of 16 x 16 pixels, got frames=8 .*c3d_motion"):
        C3D(frames=8, image_size=32)
    assert C3D(frames=32, image_size=70, width=1, hidden=4).double()(video(t=32, h=70, w=70)).isfinite().all()


def test_settings_that_do_not_fit():
    with pytest.raises(ValueError, match='mid must be "block" or "convolution"'):
        R2Plus1D(mid="layer")
    with pytest.raises(ValueError, match="beta 3 must divide the width 8"):
        SlowFast(width=8, beta=3)
    with pytest.raises(ValueError, match="alpha 4 does not divide 10 frames.*use 12"):
        build("slowfast")(video(t=10))


# -------------------------------------------------------------------------------------------------------- SlowFast


def test_slow_frames_are_spread_from_the_first_to_the_last():
    assert slow_frames(32, 4).tolist() == [0, 4, 8, 13, 17, 22, 26, 31]
    assert slow_frames(32, 8).tolist() == [0, 10, 20, 31]
    assert slow_frames(9, 3).tolist() == [0, 4, 8] and slow_frames(4, 4).tolist() == [0]


def test_the_slow_pathway_sees_the_slow_frames_and_the_fast_one_all():
    net, clip = build("slowfast"), video().requires_grad_()
    for lateral in net.laterals:
        torch.nn.init.zeros_(lateral[1].weight)  # nothing of the fast features passes
    slow, fast = net.features(clip).split([8 * 4 * 4, 4 * 4 * 4], dim=1)
    seen = torch.autograd.grad(slow.sum(), clip, retain_graph=True)[0].abs().amax(dim=(0, 1, 3, 4)) > 0
    assert seen.nonzero().flatten().tolist() == slow_frames(16, 4).tolist() == [0, 5, 10, 15]
    assert (torch.autograd.grad(fast.sum(), clip)[0].abs().amax(dim=(1, 3, 4)) > 0).all()


def test_laterals_bring_the_fast_features_to_the_slow_ones_and_nothing_flows_back():
    net, clip = build("slowfast"), video()
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


# ----------------------------------------------------------------------------------------------------------- sizes


@pytest.mark.parametrize(("build", "shape", "millions", "gmacs"), [
    (r2plus1d_18, (16, 112, 112), "31.505", 40.52),
    (lambda: r2plus1d_18(mid="convolution"), (16, 112, 112), "33.371", None),
    (slowfast_r50_8x8, (32, 256, 256), "34.566", 65.71), (slowfast_r50_8x8, (32, 224, 224), "34.566", 50.31),
    (slowfast_r50_4x16, (32, 256, 256), "34.480", 36.10), (c3d, (16, 112, 112), "79.635", 38.55),
], ids=["r2plus1d_18", "r2plus1d_18 of the paper", "slowfast 256", "slowfast 224", "slowfast 4x16", "c3d"])
def test_published_parameters_and_costs(build, shape, millions, gmacs):
    with torch.device("meta"):
        net = build()
    assert f"{count_parameters(net) / 1e6:.3f}" == millions
    assert gmacs is None or count_macs(net, 1, 3, *shape) / 1e9 == pytest.approx(gmacs, rel=1e-3)


def test_c3d_has_78_million_parameters_before_its_head_most_of_them_linear():
    with torch.device("meta"):
        net = c3d()
    convolutions = count_parameters(net.convolutions)
    assert f"{convolutions / 1e6:.1f}" == "27.7"
    assert f"{(count_parameters(net) - count_parameters(net.head)) / 1e6:.1f}" == "78.0"


def test_slowfast_4x16_fuses_over_five_frames():
    with torch.device("meta"):
        assert [lateral[0].kernel_size[0] for lateral in slowfast_r50_4x16().laterals] == [5] * 4


@pytest.mark.parametrize(("build", "parameters"), [(c3d_motion, 71_160), (r2plus1d_motion, 158_347)])
def test_teaching_sizes(build, parameters):
    net = build()
    assert count_parameters(net) == parameters
    assert net(torch.randn(2, 3, 8, 32, 32)).shape == (2, 8)


def test_the_small_slowfast():
    assert 5e4 < count_parameters(slowfast_motion()) < 5e5
    assert slowfast_motion()(torch.randn(2, 3, 8, 32, 32)).shape == (2, 8)


@pytest.mark.parametrize("options", [
    dict(kernel_size=(1, 3, 5), stride=(1, 2, 3), padding=(0, 1, 2)),
    dict(kernel_size=(1, 3, 2), dilation=(1, 2, 3), groups=2),
    dict(kernel_size=(3, 1, 1), stride=(2, 1, 1), padding=(1, 0, 0)),
    dict(kernel_size=(3, 1, 1), dilation=(2, 1, 1), groups=2, bias=False),
    dict(kernel_size=(1, 1, 1)), dict(kernel_size=(1, 1, 1), stride=(2, 2, 3)),
    dict(kernel_size=(1, 3, 3), padding=(1, 1, 1)), dict(kernel_size=(3, 1, 1), padding=(1, 1, 0)),
    dict(kernel_size=(3, 1, 1), stride=(1, 2, 1)), dict(kernel_size=(2, 3, 3), padding=1),
], ids=str)
def test_a_flat_convolution_is_the_3d_one(options):
    flat = FlatConv3d(4, 6, **options).double()
    full = torch.nn.Conv3d(4, 6, **options).double()
    full.load_state_dict(flat.state_dict())
    x = torch.randn(2, 4, 7, 8, 9, dtype=torch.double)
    gradients = []
    for module in (flat, full):
        video = x.clone().requires_grad_()
        out = module(video)
        weight = torch.linspace(-1, 1, out.numel(), dtype=torch.double).view(out.shape)
        gradients.append((out, *torch.autograd.grad((out * weight).sum(), [video, *module.parameters()])))
    for got, want in zip(*gradients, strict=True):
        torch.testing.assert_close(got, want)
