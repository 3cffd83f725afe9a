"""What the 3-D CNNs share: a convolution with its norm, a residual block, how their weights start.

A 3 x 3 x 3 convolution sees its 26 neighbours and nothing else; what is far away meets only layers later. In return it
needs no positions, knows that what is near belongs together, and learns from few clips.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ANY_SIZE = (1, 1, 1)  # of a clip: there is no patch that has to fit


class FlatConv3d(nn.Conv3d):
    """nn.Conv3d; a kernel without extent in time or in space is computed as the 2-D one that it is.

    Same numbers, a third faster: on a CPU PyTorch's 3-D convolutions are slow and its 2-D ones are not. R(2+1)D and
    SlowFast are made of flat kernels; C3D is not, and uses nn.Conv3d.
    """

    def forward(self, x: Tensor) -> Tensor:
        (kt, *ks), (st, *ss), (pt, *ps), (dt, *ds) = self.kernel_size, self.stride, self.padding, self.dilation
        if (kt, st, pt) == (1, 1, 0):  # each frame alone, as a batch of images (b*t, c, h, w)
            b, _, t, _, _ = x.shape
            y = F.conv2d(x.transpose(1, 2).flatten(0, 1), self.weight[:, :, 0], self.bias, ss, ps, ds, self.groups)
            return y.unflatten(0, (b, t)).transpose(1, 2)
        if (*ks, *ss, *ps) == (1, 1, 1, 1, 0, 0):  # each place alone: an image of time and places (b, c, t, h*w)
            y = F.conv2d(x.flatten(3), self.weight[..., 0], self.bias, (st, 1), (pt, 0), (dt, 1), self.groups)
            return y.unflatten(3, x.shape[3:])
        return super().forward(x)


class ConvNorm(nn.Sequential):
    """Convolution, batch norm and, unless `relu` is false, ReLU. Padded: stride 1 keeps the size."""

    def __init__(self, c_in: int, c_out: int, *, kernel: tuple[int, int, int] = (3, 3, 3),
                 stride: tuple[int, int, int] = (1, 1, 1), relu: bool = True):
        padding = tuple(size // 2 for size in kernel)
        layers = [FlatConv3d(c_in, c_out, kernel, stride, padding, bias=False), nn.BatchNorm3d(c_out)]
        super().__init__(*layers, *([nn.ReLU(inplace=True)] if relu else []))


class Residual(nn.Module):
    """relu(body(x) + shortcut(x)); the shortcut is a 1 x 1 x 1 convolution where the shape changes."""

    def __init__(self, body: nn.Module, c_in: int, c_out: int, *, stride: tuple[int, int, int] = (1, 1, 1)):
        super().__init__()
        self.body = body
        same = c_in == c_out and stride == (1, 1, 1)
        self.shortcut = nn.Identity() if same else ConvNorm(c_in, c_out, kernel=(1, 1, 1), stride=stride, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


def initialise_convolutions(model: nn.Module, *, zero_init_residual: bool = False) -> None:
    """He et al. 2015: the variance of the gradients is kept through ReLUs. Small weights in the classifier.

    zero_init_residual: the last batch norm of each block starts with gamma 0, so that the block is its shortcut.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, Residual) and zero_init_residual:
            nn.init.zeros_(module.body[-1][1].weight)
    nn.init.normal_(model.head.weight, std=0.01)
    nn.init.zeros_(model.head.bias)
