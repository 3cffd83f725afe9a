"""Our R(2+1)D is torchvision's: the same weights give the same logits and gradients."""

import pytest
import torch
from torchvision.models.video import r2plus1d_18 as torchvision_r2plus1d_18
from torchvision.models.video.resnet import BasicBlock, Conv2Plus1D, R2Plus1dStem, VideoResNet

from videoformer_edu.models import R2Plus1D, r2plus1d_18
from videoformer_edu.pretrained import CheckpointError, load_pretrained


def shaken(model):
    """Noise on everything, on the statistics of the batch norms, too."""
    torch.manual_seed(1)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p) * p.std() * 0.3 if p.ndim > 1 else torch.randn_like(p) * 0.2)
        for name, b in model.named_buffers():
            if name.endswith("running_mean"):
                b.normal_(std=0.2)
            elif name.endswith("running_var"):
                b.uniform_(0.5, 1.5)
    return model.eval()


def theirs(depths=(1, 2, 1, 1)):
    return shaken(VideoResNet(BasicBlock, [Conv2Plus1D] * 4, list(depths), R2Plus1dStem, num_classes=9))


def assert_same(a, b, tolerance=1e-5):
    assert (a - b).abs().max() / b.abs().max() < tolerance
    assert b.std() > 0.03


@pytest.mark.parametrize(("t", "h", "w"), [(8, 32, 32), (5, 20, 37)])
def test_r2plus1d_same_weights_same_logits_and_gradients(t, h, w):
    model, ours = theirs(), R2Plus1D(depths=(1, 2, 1, 1), classes=9).eval()
    report = load_pretrained(ours, model.state_dict())
    assert report.loaded == len(model.state_dict())
    video = torch.randn(2, 3, t, h, w, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        assert_same(ours(video), model(video))
    # In float32 a value within rounding of a ReLU's kink passes in one and stops in the other: then gradients jump.
    a, b = (video.double().requires_grad_() for _ in "ab")
    ours.double()(a).square().sum().backward()
    model.double()(b).square().sum().backward()
    assert (a.grad - b.grad).abs().max() / b.grad.abs().max() < 1e-10


def test_the_published_r2plus1d():
    model, ours = shaken(torchvision_r2plus1d_18(weights=None)), r2plus1d_18().eval()
    load_pretrained(ours, model.state_dict())
    video = torch.randn(1, 3, 4, 48, 40)
    with torch.no_grad():
        assert_same(ours(video), model(video))


def test_its_channels_between_space_and_time_are_counted_once_for_each_block():
    state = torchvision_r2plus1d_18(weights=None).state_dict()
    assert state["layer2.0.conv2.0.0.weight"].shape[0] == 230  # from 64 -> 128; the second convolution is 128 -> 128
    ours = r2plus1d_18(mid="convolution", classes=400)
    assert ours.state_dict()["stages.1.0.body.1.space.0.weight"].shape[0] == 288
    with pytest.raises(CheckpointError, match="nothing was loaded"):
        load_pretrained(ours, state)
