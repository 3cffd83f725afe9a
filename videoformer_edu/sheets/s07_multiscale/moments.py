"""Of 07.3: which frames the slow pathway takes, and which steps share a moment, each written twice."""

from __future__ import annotations

import torch


def slow_frames(frames, alpha):
    """-> the frames // alpha frames (int64) that the slow pathway takes, spread from the first to the last."""
    return torch.linspace(0, frames - 1, frames // alpha).long()


def meets(steps, others):
    """-> (steps, others) bool: step i stands for [i / steps, (i + 1) / steps) of the clip; which others overlap it?"""
    i, j = torch.arange(steps)[:, None], torch.arange(others)
    return (i * others < (j + 1) * steps) & (j * steps < (i + 1) * others)


def frames_one_by_one(frames, alpha):
    places = torch.linspace(0, frames - 1, steps=frames // alpha)
    return torch.tensor([int(place) for place in places])


def meets_by_spans(steps, others):
    out = torch.zeros(steps, others, dtype=torch.bool)
    for i in range(steps):
        first, last = i * others // steps, -(-(i + 1) * others // steps)
        out[i, first:last] = True
    return out
