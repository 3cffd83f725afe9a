"""C3D: 3 x 3 x 3 convolutions from the first layer to the last (Tran et al. 2015, arXiv:1412.0767)."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from videoformer_edu.models.convolutions import ANY_SIZE
from videoformer_edu.tokens import check_video


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
        check_video(video, self.clip[0], ANY_SIZE)
        if video.shape[1:] != self.clip:
            raise ValueError(f"fc6 is made for clips (c, t, h, w) of {self.clip}, got {tuple(video.shape[1:])}; build "
                             f"C3D(frames={video.shape[2]}, image_size={video.shape[3]}) or resize the clip")
        x = self.convolutions(video).flatten(1)
        x = self.dropout(torch.relu(self.fc6(x)))
        return self.dropout(torch.relu(self.fc7(x)))

    def forward(self, video: Tensor) -> Tensor:
        return self.head(self.features(video))


def c3d(**changes) -> C3D:
    """C3D: 16 frames of 112 x 112 pixels (78 M parameters before the head, 38.5 G multiply-adds)."""
    return C3D(**changes)
