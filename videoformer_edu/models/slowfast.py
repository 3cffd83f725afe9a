"""SlowFast: one pathway for what is there, one for how it moves (Feichtenhofer et al. 2019, arXiv:1812.03982).

PyTorchVideo's weights of `slowfast_r50` load through `pretrained` and give the same logits; above 224 pixels the
published codes differ, see `average`.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from videoformer_edu.layers import check_init
from videoformer_edu.models.convolutions import ANY_SIZE, ConvNorm, Residual, initialise_convolutions
from videoformer_edu.tokens import check_video

AVERAGES = ("probabilities", "logits")


def slow_frames(frames: int, alpha: int) -> Tensor:
    """Which frames the slow pathway sees: spread evenly from the first to the last, so not every alpha-th.

    32 frames, alpha 4: 0 4 8 13 17 22 26 31.
    """
    return torch.linspace(0, frames - 1, frames // alpha, device="cpu").long()


class SlowFast(nn.Module):
    """Video `(b, c, t, h, w)` -> logits: a wide ResNet on few frames, a narrow one on all, joined on the way.

    The slow pathway sees t / alpha frames, the fast one all t with 1 / beta of the channels. Before each stage a
    convolution brings the fast features to the slow rate, and they are *concatenated* to the slow ones; nothing flows
    back. No stage strides time.

    The head reads the means of both pathways over all their frames and a window of `window` x `window` places, 7 x 7 as
    published: all of them at 224 pixels. On a larger map the window slides, and the answers of its places are averaged:
    their logits while training, their probabilities in eval mode, as the published code does it; the logits are then
    the logarithm of that average. average="logits" averages logits in eval mode, too, as PyTorchVideo does.
    init: "published" lets every residual block start as its shortcut (the last batch norm's gamma is 0);
    "from_scratch" leaves gamma at 1.
    """

    def __init__(self, *, alpha: int = 4, beta: int = 8, fusion_kernel: int = 7, width: int = 64,
                 depths: tuple[int, ...] = (3, 4, 6, 3), classes: int = 400, channels: int = 3, dropout: float = 0.5,
                 window: int = 7, average: str = "probabilities", init: str = "published"):
        super().__init__()
        if width % beta:
            raise ValueError(f"beta {beta} must divide the width {width}: the fast pathway has width / beta channels")
        if average not in AVERAGES:
            raise ValueError(f"average must be one of {', '.join(AVERAGES)}; got {average!r}")
        check_init(init)
        self.alpha, self.channels, self.window, self.average = alpha, channels, window, average
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
        initialise_convolutions(self, zero_init_residual=init == "published")

    def pooled(self, video: Tensor) -> Tensor:
        """video `(b, c, t, h, w)` -> `(b, h', w', d_slow + d_fast)`: the pathways' means for each place of the window.

        Raises ValueError if alpha does not divide t.
        """
        check_video(video, self.channels, ANY_SIZE)
        if over := video.shape[2] % self.alpha:
            raise ValueError(f"alpha {self.alpha} does not divide {video.shape[2]} frames, of which the slow pathway "
                             f"sees one in {self.alpha}; use {video.shape[2] - over + self.alpha}")
        chosen = slow_frames(video.shape[2], self.alpha).to(video.device)
        slow, fast = self.slow_stem(video.index_select(2, chosen)), self.fast_stem(video)
        for lateral, slow_stage, fast_stage in zip(self.laterals, self.slow_stages, self.fast_stages, strict=True):
            slow = slow_stage(torch.cat([slow, lateral(fast)], dim=1))
            fast = fast_stage(fast)
        means = torch.cat([slow.mean(dim=2), fast.mean(dim=2)], dim=1)  # over the frames: (b, d, h, w)
        window = [min(self.window, size) for size in means.shape[2:]]
        return F.avg_pool2d(means, window, stride=1).permute(0, 2, 3, 1)

    def features(self, video: Tensor) -> Tensor:
        """video `(b, c, t, h, w)` -> `(b, d_slow + d_fast)`: the mean of what the head reads."""
        return self.pooled(video).mean(dim=(1, 2))

    def forward(self, video: Tensor) -> Tensor:
        logits = self.head(self.dropout(self.pooled(video))).flatten(1, 2)  # (b, places, classes)
        places = logits.shape[1]
        if self.training or self.average == "logits" or places == 1:
            return logits.mean(dim=1)
        return logits.log_softmax(dim=-1).logsumexp(dim=1) - math.log(places)  # log of the mean probabilities


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


def slowfast_motion(**changes) -> SlowFast:
    """The small SlowFast of the course: of 8 frames the slow pathway sees 4 (81 k parameters)."""
    return SlowFast(**dict(alpha=2, beta=4, fusion_kernel=5, width=16, depths=(1, 2), classes=8, dropout=0.0,
                              init="from_scratch") | changes)


def slowfast_r50_8x8(**changes) -> SlowFast:
    """SlowFast R50 8x8: 32 frames, 8 of them slow, 256 pixels (34.6 M parameters, 65.7 G multiply-adds)."""
    return SlowFast(**changes)


def slowfast_r50_4x16(**changes) -> SlowFast:
    """SlowFast R50 4x16: 32 frames, 4 of them slow, 256 pixels (34.5 M parameters, 36.1 G multiply-adds)."""
    return SlowFast(**dict(alpha=8, fusion_kernel=5) | changes)
