"""A control: a model that cannot solve the task, however long it is trained.

Its accuracy is what the task gives away without the order of the frames.
"""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn

from videoformer_edu.tokens import check_video

REDUCTION = 8  # three convolutions of stride 2


class UnorderedFrames(nn.Module):
    """Video `(b, c, t, h, w)` -> logits `(b, classes)`, the same for every order of the frames.

    A small CNN reads each frame alone; mean, standard deviation and maximum over the frames go to an MLP. So it knows
    the frames as a set, and, unlike an average of votes, how they relate: which line the digit is on. Strong enough to
    reach the ceiling of every model without order.
    """

    def __init__(self, *, image_size: int = 32, widths: tuple[int, int, int] = (24, 48, 96), hidden: int = 128,
                 classes: int = 8, channels: int = 3):
        super().__init__()
        if image_size % REDUCTION or image_size < REDUCTION:
            raise ValueError(f"image_size is {image_size}; three convolutions of stride 2 need a "
                             f"multiple of {REDUCTION}")
        self.channels, self.image_size = channels, image_size
        layers = []
        for c_in, c_out in zip((channels, *widths), widths, strict=False):
            layers += [nn.Conv2d(c_in, c_out, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(c_out), nn.ReLU()]
        places = (image_size // REDUCTION) ** 2
        self.frame = nn.Sequential(*layers, nn.Flatten(), nn.Linear(places * widths[-1], widths[-1]), nn.ReLU())
        self.mlp = nn.Sequential(nn.Linear(3 * widths[-1], hidden), nn.ReLU())
        self.head = nn.Linear(hidden, classes)

    def features(self, video: Tensor) -> Tensor:
        """video `(b, c, t, h, w)` -> `(b, hidden)`."""
        check_video(video, self.channels, (1, 1, 1))
        if video.shape[3:] != (self.image_size, self.image_size):
            raise ValueError(f"this model reads frames of {self.image_size} x {self.image_size} pixels, "
                             f"got {video.shape[3]} x {video.shape[4]}")
        x = self.frame(rearrange(video, "b c t h w -> (b t) c h w"))
        x = rearrange(x, "(b t) d -> b t d", b=len(video), t=video.shape[2])
        mean = x.mean(dim=1)
        spread = torch.linalg.vector_norm(x - mean[:, None], dim=1) / video.shape[2] ** 0.5  # the standard deviation
        return self.mlp(torch.cat([mean, spread, x.amax(dim=1)], dim=-1))

    def forward(self, video: Tensor) -> Tensor:
        return self.head(self.features(video))


def unordered_motion(**changes) -> UnorderedFrames:
    """The control of the course for the order of the frames (238 k parameters)."""
    return UnorderedFrames(**changes)
