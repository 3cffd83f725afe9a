"""Every 3-D CNN: what its logits depend on, which clips it takes, published and teaching sizes."""

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
    slowfast_r50_4x16,
    slowfast_r50_8x8,
)

MODELS = {
    "c3d": lambda: C3D(frames=16, image_size=36, width=4, hidden=24, classes=7),
    "r2plus1d": lambda: R2Plus1D(width=8, depths=(1, 2), classes=7),
    "slowfast": lambda: SlowFast(width=8, alpha=4, beta=2, fusion_kernel=5, depths=(1, 1, 2), classes=7,
                                 init="from_scratch"),
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


def test_settings_that_do_not_fit():
    with pytest.raises(ValueError, match='mid must be "block" or "convolution"'):
        R2Plus1D(mid="layer")
    with pytest.raises(ValueError, match="average must be one of probabilities, logits; got 'votes'"):
        SlowFast(average="votes")
    with pytest.raises(ValueError, match='init must be "published" or "from_scratch"'):
        SlowFast(init="zero")
    with pytest.raises(ValueError, match="beta 3 must divide the width 8"):
        SlowFast(width=8, beta=3)
    with pytest.raises(ValueError, match="alpha 4 does not divide 10 frames.*use 12"):
        build("slowfast")(video(t=10))


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


@pytest.mark.parametrize(("build", "parameters"), [(c3d_motion, 71_160), (r2plus1d_motion, 158_347)])
def test_teaching_sizes(build, parameters):
    net = build()
    assert count_parameters(net) == parameters
    assert net(torch.randn(2, 3, 8, 32, 32)).shape == (2, 8)
