"""The course's own small 3-D CNN, with the convolutions of C3D or of R(2+1)D: what fits clips of 8 x 32 x 32."""

from __future__ import annotations

from torch import Tensor, nn

from videoformer_edu.models.convolutions import ANY_SIZE, ConvNorm
from videoformer_edu.models.r2plus1d import Conv2Plus1D
from videoformer_edu.tokens import check_video


class SmallCNN3d(nn.Module):
    """Video `(b, c, t, h, w)` -> logits: a few strided convolutions, the mean over what is left, a linear head.

    factorised: (2+1)-dimensional convolutions in place of 3 x 3 x 3 ones.
    """

    def __init__(self, *, widths: tuple[int, ...], factorised: bool, classes: int = 8, channels: int = 3,
                 dropout: float = 0.0):
        super().__init__()
        self.channels = channels
        layers = []
        for i, (c_in, c_out) in enumerate(zip((channels, *widths), widths, strict=False)):
            stride = (2, 2, 2) if i else (1, 2, 2)  # the first layer sees every frame
            layers.append((Conv2Plus1D if factorised else ConvNorm)(c_in, c_out, stride=stride))
        self.layers = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(widths[-1], classes)

    def features(self, video: Tensor) -> Tensor:
        """video `(b, c, t, h, w)` -> `(b, widths[-1])`."""
        check_video(video, self.channels, ANY_SIZE)
        return self.layers(video).mean(dim=(2, 3, 4))

    def forward(self, video: Tensor) -> Tensor:
        return self.head(self.dropout(self.features(video)))


def c3d_motion(**changes) -> SmallCNN3d:
    """The small C3D of the course: three 3 x 3 x 3 convolutions (71 k parameters)."""
    return SmallCNN3d(**dict(widths=(16, 32, 64), factorised=False) | changes)


def r2plus1d_motion(**changes) -> SmallCNN3d:
    """The small R(2+1)D of the course: three pairs, across space and along time (158 k parameters)."""
    return SmallCNN3d(**dict(widths=(24, 48, 96), factorised=True, dropout=0.1) | changes)
