"""What the 3-D CNNs share: a convolution's reach, flat kernels, how the weights of residual blocks start."""

import pytest
import torch

from videoformer_edu.models.convolutions import ConvNorm, FlatConv3d
from videoformer_edu.models.r2plus1d import Conv2Plus1D, mid_channels


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
