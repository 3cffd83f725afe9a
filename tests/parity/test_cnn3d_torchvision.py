"""Our R(2+1)D is torchvision's and our SlowFast pytorchvideo's: the same weights give the same logits."""

import zlib

import pytest
import torch
from torchvision.models.video import r2plus1d_18 as torchvision_r2plus1d_18
from torchvision.models.video.resnet import BasicBlock, Conv2Plus1D, R2Plus1dStem, VideoResNet

from videoformer_edu.models import R2Plus1D, SlowFast, r2plus1d_18
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
    a, b = (torch.randn(2, 3, t, h, w, generator=torch.Generator().manual_seed(2)).requires_grad_() for _ in "ab")
    mine, other = ours(a), model(b)
    assert_same(mine, other)
    mine.square().sum().backward()
    other.square().sum().backward()
    assert (a.grad - b.grad).abs().max() / b.grad.abs().max() < 1e-4


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


# ---------------------------------------------------------------------------------------- SlowFast of pytorchvideo


def pytorchvideo_names(state):
    """Our names -> pytorchvideo's, whose block 0 is the stem, 1 to 4 the stages and 6 the head."""
    part, pathway = {"0": "conv", "1": "norm"}, {"slow": "0", "fast": "1"}
    names = {}
    for key, value in state.items():
        w = key.split(".")
        speed, kind = w[0].partition("_")[::2]
        if w[0] == "laterals":
            name = f"blocks.{w[1]}.multipathway_fusion.{'conv_fast_to_slow' if w[2] == '0' else 'norm'}"
        elif kind == "stem":
            name = f"blocks.0.multipathway_blocks.{pathway[speed]}.{part[w[2]]}"
        elif kind == "stages":
            name = f"blocks.{int(w[1]) + 1}.multipathway_blocks.{pathway[speed]}.res_blocks.{w[2]}."
            name += f"branch1_{part[w[4]]}" if w[3] == "shortcut" else f"branch2.{part[w[5]]}_{'abc'[int(w[4])]}"
        else:
            name = "blocks.6.proj"
        names[f"{name}.{w[-1]}"] = value
    return names


def slowfast_state():
    """A small SlowFast under pytorchvideo's names, each tensor drawn from a seed of its own name."""
    state = pytorchvideo_names(SlowFast(width=8, alpha=4, beta=4, fusion_kernel=5, depths=(1, 1, 1, 1), classes=5)
                               .state_dict())
    for name, value in state.items():
        if value.is_floating_point():
            noise = torch.randn(value.shape, generator=torch.Generator().manual_seed(zlib.crc32(name.encode())))
            scale = 1.4 / value[0].numel() ** 0.5 if value.ndim > 1 else 0.2
            state[name] = noise * scale + (1 if value.ndim == 1 and not name.endswith(("bias", "mean")) else 0)
            if name.endswith("var"):
                state[name].abs_()
    return state


def test_slowfast_gives_the_logits_that_pytorchvideo_gave():
    """Recorded from pytorchvideo 0.1.5, whose model took this very state, strictly: create_slowfast(model_depth=18,
    stem_dim_outs=(8, 2), slowfast_channel_reduction_ratio=4, slowfast_fusion_conv_kernel_size=(5, 1, 1),
    head_pool_kernel_sizes=((2, 2, 2), (8, 2, 2)), model_num_class=5), given frames 0 and 7 and all eight."""
    ours = SlowFast(width=8, alpha=4, beta=4, fusion_kernel=5, depths=(1, 1, 1, 1), classes=5).eval()
    report = load_pretrained(ours, slowfast_state())
    assert report.loaded == len(ours.state_dict())
    with torch.no_grad():
        logits = ours(torch.randn(2, 3, 8, 64, 64, generator=torch.Generator().manual_seed(5)))
    assert_same(logits, torch.tensor([[1.3896737, -2.4119043, 3.1423759, -1.0024633, 0.9563772],
                                      [0.8806710, -3.1148973, 2.4922667, -1.1300238, 1.8961464]]))
