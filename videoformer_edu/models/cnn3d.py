"""Convolutions in space and time, which video transformers are measured against: C3D, R(2+1)D and SlowFast.

A 3 x 3 x 3 convolution sees its 26 neighbours and nothing else; what is far away meets only layers later. In return it
needs no positions, knows that what is near belongs together, and learns from few clips.

C3D: Tran et al. 2015, arXiv:1412.0767. R(2+1)D: Tran et al. 2018, arXiv:1711.11248. SlowFast: Feichtenhofer et al.
2019, arXiv:1812.03982. Weights of torchvision's `r2plus1d_18` and pytorchvideo's `slowfast_r50` load through
`pretrained` and give the same logits.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from videoformer_edu.tokens import check_video

ANY = (1, 1, 1)  # no patch has to fit

# ---------------------------------------------------------------------------------------------------------- pieces


class FlatConv3d(nn.Conv3d):
    """nn.Conv3d; a kernel without extent in time or in space is computed as the 2-D one that it is: a third faster."""

    def forward(self, x: Tensor) -> Tensor:
        (kt, *ks), (st, *ss), (pt, *ps), (dt, *ds) = self.kernel_size, self.stride, self.padding, self.dilation
        if (kt, st, pt) == (1, 1, 0):  # each frame alone, as a batch of images (b*t, c, h, w)
            y = F.conv2d(x.transpose(1, 2).flatten(0, 1), self.weight[:, :, 0], self.bias, ss, ps, ds, self.groups)
            return y.unflatten(0, (len(x), -1)).transpose(1, 2)
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


class Residual(nn.Module):
    """relu(body(x) + shortcut(x)); the shortcut is a 1 x 1 x 1 convolution where the shape changes."""

    def __init__(self, body: nn.Module, c_in: int, c_out: int, *, stride: tuple[int, int, int] = (1, 1, 1)):
        super().__init__()
        self.body = body
        same = c_in == c_out and stride == (1, 1, 1)
        self.shortcut = nn.Identity() if same else ConvNorm(c_in, c_out, kernel=(1, 1, 1), stride=stride, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


def initialise_convolutions(model: nn.Module) -> None:
    """He et al. 2015: the variance of the gradients is kept through ReLUs. Small weights in the classifier."""
    for module in model.modules():
        if isinstance(module, nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    nn.init.normal_(model.head.weight, std=0.01)
    nn.init.zeros_(model.head.bias)


# ------------------------------------------------------------------------------------------------------------- C3D


class C3D(nn.Module):
    """Video `(b, c, t, h, w)` -> logits: eight 3 x 3 x 3 convolutions, five poolings, two wide linear layers.

    The linear layers hold 50 of its 78 M parameters and are made for one size of clip: any other is a ValueError.
    """

    def __init__(self, *, frames: int = 16, image_size: int = 112, width: int = 64, hidden: int = 4096,
                 classes: int = 400, channels: int = 3, dropout: float = 0.5):
        super().__init__()
        if frames < 16 or image_size < 16:
            raise ValueError(f"five poolings need 16 frames of 16 x 16 pixels, got frames={frames} and "
                             f"image_size={image_size}; for smaller clips there is c3d_motion()")
        self.clip = (channels, frames, image_size, image_size)
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for group, (factor, count) in enumerate([(1, 1), (2, 1), (4, 2), (8, 2), (8, 2)], start=1):
            for letter in "ab"[:count]:
                layers[f"conv{group}{letter}"] = nn.Conv3d(channels, width * factor, 3, padding=1)
                layers[f"relu{group}{letter}"] = nn.ReLU(inplace=True)
                channels = width * factor
            time, pad = (1 if group == 1 else 2), (1 if group == 5 else 0)  # time is kept in the first pooling
            layers[f"pool{group}"] = nn.MaxPool3d((time, 2, 2), (time, 2, 2), padding=(0, pad, pad))
        self.convolutions = nn.Sequential(layers)
        places = frames // 16 * (image_size // 32 + 1) ** 2
        self.fc6, self.fc7 = nn.Linear(channels * places, hidden), nn.Linear(hidden, hidden)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, classes)

    def features(self, video: Tensor) -> Tensor:
        """video `(b, c, t, h, w)` -> `(b, hidden)`: the activations of fc7 that the head reads."""
        check_video(video, self.clip[0], ANY)
        if video.shape[1:] != self.clip:
            raise ValueError(f"fc6 is made for clips (c, t, h, w) of {self.clip}, got {tuple(video.shape[1:])}; build "
                             f"C3D(frames={video.shape[2]}, image_size={video.shape[3]}) or resize the clip")
        x = self.convolutions(video).flatten(1)
        x = self.dropout(torch.relu(self.fc6(x)))
        return self.dropout(torch.relu(self.fc7(x)))

    def forward(self, video: Tensor) -> Tensor:
        return self.head(self.features(video))


# --------------------------------------------------------------------------------------------------------- R(2+1)D


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
        check_video(video, self.channels, ANY)
        x = self.stem(video)
        for stage in self.stages:
            x = stage(x)
        return x.mean(dim=(2, 3, 4))

    def forward(self, video: Tensor) -> Tensor:
        return self.head(self.features(video))


# -------------------------------------------------------------------------------------------------------- SlowFast


def slow_frames(frames: int, alpha: int) -> Tensor:
    """Which frames the slow pathway sees: spread evenly from the first to the last, so not every alpha-th.

    32 frames, alpha 4: 0 4 8 13 17 22 26 31.
    """
    return torch.linspace(0, frames - 1, frames // alpha, device="cpu").long()


class SlowFast(nn.Module):
    """Video `(b, c, t, h, w)` -> logits: a wide ResNet on few frames, a narrow one on all, joined on the way.

    The slow pathway sees t / alpha frames, the fast one all t with 1 / beta of the channels. Before each stage a
    convolution brings the fast features to the slow rate, and they are *concatenated* to the slow ones; nothing flows
    back. No stage strides time. The mean of each pathway over all places, side by side, is what the head reads.
    """

    def __init__(self, *, alpha: int = 4, beta: int = 8, fusion_kernel: int = 7, width: int = 64,
                 depths: tuple[int, ...] = (3, 4, 6, 3), classes: int = 400, channels: int = 3, dropout: float = 0.5):
        super().__init__()
        if width % beta:
            raise ValueError(f"beta {beta} must divide the width {width}: the fast pathway has width / beta channels")
        self.alpha, self.channels = alpha, channels
        slow, fast = width, width // beta
        self.slow_stem, self.fast_stem = stem(channels, slow, time=1), stem(channels, fast, time=5)
        self.laterals, self.slow_stages, self.fast_stages = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for i, depth in enumerate(depths):
            self.laterals.append(ConvNorm(fast, 2 * fast, kernel=(fusion_kernel, 1, 1), stride=(alpha, 1, 1)))
            inner, stride = width * 2**i, 2 if i else 1
            time = 3 if i >= len(depths) - 2 else 1  # the slow pathway looks at time in its last two stages only
            self.slow_stages.append(bottlenecks(slow + 2 * fast, inner, depth, time=time, stride=stride))
            self.fast_stages.append(bottlenecks(fast, inner // beta, depth, time=3, stride=stride))
            slow, fast = 4 * inner, 4 * inner // beta
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(slow + fast, classes)
        initialise_convolutions(self)

    def features(self, video: Tensor) -> Tensor:
        """video `(b, c, t, h, w)` -> `(b, d_slow + d_fast)`. Raises ValueError if alpha does not divide t."""
        check_video(video, self.channels, ANY)
        if over := video.shape[2] % self.alpha:
            raise ValueError(f"alpha {self.alpha} does not divide {video.shape[2]} frames, of which the slow pathway "
                             f"sees one in {self.alpha}; use {video.shape[2] - over + self.alpha}")
        chosen = slow_frames(video.shape[2], self.alpha).to(video.device)
        slow, fast = self.slow_stem(video.index_select(2, chosen)), self.fast_stem(video)
        for lateral, slow_stage, fast_stage in zip(self.laterals, self.slow_stages, self.fast_stages, strict=True):
            slow = slow_stage(torch.cat([slow, lateral(fast)], dim=1))
            fast = fast_stage(fast)
        return torch.cat([slow.mean(dim=(2, 3, 4)), fast.mean(dim=(2, 3, 4))], dim=1)

    def forward(self, video: Tensor) -> Tensor:
        return self.head(self.dropout(self.features(video)))


def stem(channels: int, width: int, *, time: int) -> nn.Sequential:
    """A 7 x 7 convolution over `time` frames and a max-pooling: a quarter of the rows and columns."""
    return nn.Sequential(ConvNorm(channels, width, kernel=(time, 7, 7), stride=(1, 2, 2)),
                         nn.MaxPool3d((1, 3, 3), (1, 2, 2), padding=(0, 1, 1)))


def bottlenecks(c_in: int, inner: int, depth: int, *, time: int, stride: int) -> nn.Sequential:
    """A stage: narrow to `inner` channels (over `time` frames), 3 x 3 across space, widen to four times `inner`."""
    blocks = []
    for j in range(depth):
        step = (1, stride, stride) if j == 0 else (1, 1, 1)
        body = nn.Sequential(ConvNorm(c_in, inner, kernel=(time, 1, 1)),
                             ConvNorm(inner, inner, kernel=(1, 3, 3), stride=step),
                             ConvNorm(inner, 4 * inner, kernel=(1, 1, 1), relu=False))
        blocks.append(Residual(body, c_in, 4 * inner, stride=step))
        c_in = 4 * inner
    return nn.Sequential(*blocks)


# -------------------------------------------------------------------------------------------------- teaching sizes


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
        check_video(video, self.channels, ANY)
        return self.layers(video).mean(dim=(2, 3, 4))

    def forward(self, video: Tensor) -> Tensor:
        return self.head(self.dropout(self.features(video)))


def c3d_motion(**changes) -> SmallCNN3d:
    """The small C3D of the course: three 3 x 3 x 3 convolutions (71 k parameters)."""
    return SmallCNN3d(**{**dict(widths=(16, 32, 64), factorised=False), **changes})


def r2plus1d_motion(**changes) -> SmallCNN3d:
    """The small R(2+1)D of the course: three pairs, across space and along time (158 k parameters)."""
    return SmallCNN3d(**{**dict(widths=(24, 48, 96), factorised=True, dropout=0.1), **changes})


def slowfast_motion(**changes) -> SlowFast:
    """The small SlowFast of the course: of 8 frames the slow pathway sees 4 (81 k parameters)."""
    return SlowFast(**{**dict(alpha=2, beta=4, fusion_kernel=5, width=16, depths=(1, 2), classes=8, dropout=0.0),
                       **changes})


# ------------------------------------------------------------------------------------------------- published sizes


def c3d(**changes) -> C3D:
    """C3D: 16 frames of 112 x 112 pixels (78 M parameters before the head, 38.5 G multiply-adds)."""
    return C3D(**changes)


def r2plus1d_18(**changes) -> R2Plus1D:
    """R(2+1)D-18 as torchvision has it: 16 frames, 112 pixels (31.5 M parameters, 40.5 G multiply-adds)."""
    return R2Plus1D(**changes)


def slowfast_r50_8x8(**changes) -> SlowFast:
    """SlowFast R50 8x8: 32 frames, 8 of them slow, 256 pixels (34.6 M parameters, 65.7 G multiply-adds)."""
    return SlowFast(**changes)


def slowfast_r50_4x16(**changes) -> SlowFast:
    """SlowFast R50 4x16: 32 frames, 4 of them slow, 256 pixels (34.5 M parameters, 36.1 G multiply-adds)."""
    return SlowFast(**{**dict(alpha=8, fusion_kernel=5), **changes})
