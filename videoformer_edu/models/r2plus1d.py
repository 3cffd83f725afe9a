"""R(2+1)D: a convolution across space, then one along time (Tran et al. 2018, arXiv:1711.11248).

torchvision's weights of `r2plus1d_18` load through `pretrained` and give the same logits.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

from videoformer_edu.models.convolutions import ANY_SIZE, ConvNorm, Residual, initialise_convolutions
from videoformer_edu.tokens import check_video


class Conv2Plus1D(nn.Sequential):
    """A 3-D convolution in two: first across space, into `mid` channels, then along time (R(2+1)D, section 3.5)."""

    def __init__(self, c_in: int, c_out: int, *, mid: int | None = None, space: int = 3,
                 stride: tuple[int, int, int] = (1, 1, 1), relu: bool = True):
        mid, (t, h, w) = mid or mid_channels(c_in, c_out), stride
        super().__init__(OrderedDict(
            space=ConvNorm(c_in, mid, kernel=(1, space, space), stride=(1, h, w)),
            time=ConvNorm(mid, c_out, kernel=(3, 1, 1), stride=(t, 1, 1), relu=relu)))


def mid_channels(c_in: int, c_out: int) -> int:
    """So many channels between the two halves that they have the parameters of one 3 x 3 x 3 convolution."""
    return 27 * c_in * c_out // (9 * c_in + 3 * c_out)


class R2Plus1D(nn.Module):
    """Video `(b, c, t, h, w)` -> logits: a ResNet whose convolutions are (2+1)-dimensional. Any size of clip.

    mid: "block" counts the channels between space and time once for each block and uses them in both its convolutions,
    as torchvision does (31.5 M parameters), so that its weights fit; "convolution" counts them for each convolution,
    as the paper does (33.4 M, those of the ResNet with full 3-D convolutions).
    """

    def __init__(self, *, width: int = 64, depths: tuple[int, ...] = (2, 2, 2, 2), classes: int = 400,
                 channels: int = 3, mid: str = "block"):
        super().__init__()
        if mid not in ("block", "convolution"):
            raise ValueError(f'mid must be "block" or "convolution", got {mid!r}')
        self.channels = channels
        self.stem = Conv2Plus1D(channels, width, mid=45 * width // 64, space=7, stride=(1, 2, 2))
        self.stages = nn.ModuleList()
        c_in = width
        for i, depth in enumerate(depths):
            blocks = []
            for j in range(depth):
                c_out, stride = width * 2**i, (2, 2, 2) if i and not j else (1, 1, 1)
                between = mid_channels(c_in, c_out)
                body = nn.Sequential(
                    Conv2Plus1D(c_in, c_out, mid=between, stride=stride),
                    Conv2Plus1D(c_out, c_out, mid=between if mid == "block" else None, relu=False))
                blocks.append(Residual(body, c_in, c_out, stride=stride))
                c_in = c_out
            self.stages.append(nn.Sequential(*blocks))
        self.head = nn.Linear(c_in, classes)
        initialise_convolutions(self)

    def features(self, video: Tensor) -> Tensor:
        """video `(b, c, t, h, w)` -> `(b, d)`: the mean over time and space."""
        check_video(video, self.channels, ANY_SIZE)
        x = self.stem(video)
        for stage in self.stages:
            x = stage(x)
        return x.mean(dim=(2, 3, 4))

    def forward(self, video: Tensor) -> Tensor:
        return self.head(self.features(video))


def r2plus1d_18(**changes) -> R2Plus1D:
    """R(2+1)D-18 as torchvision has it: 16 frames, 112 pixels (31.5 M parameters, 40.5 G multiply-adds)."""
    return R2Plus1D(**changes)
