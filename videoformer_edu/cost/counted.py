"""Costs counted in the real module."""

from __future__ import annotations

from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

from videoformer_edu.attention.core import Attention
from videoformer_edu.attention.recording import record_attention
from videoformer_edu.models import VideoMAEPretraining


def count_macs(model: nn.Module, *shape: int) -> int:
    """Multiply-adds of `model` on an input of this shape, counted in the real forward pass.

    Runs on the meta device: shapes only, no numbers, no memory. Attention is recorded meanwhile, because torch's
    counter sees explicit matrix products but counts nothing for the fused kernel on a CPU.
    """
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}  # also those no checkpoint holds
    meta = {name: torch.empty_like(p, device="meta") for name, p in tensors.items()}
    counter = FlopCounterMode(display=False)
    attends = any(isinstance(module, Attention) for module in model.modules())  # a 3-D CNN does not
    with torch.no_grad(), record_attention(model) if attends else nullcontext(), counter:
        functional_call(model, meta, (torch.empty(shape, device="meta"),))
    return counter.get_total_flops() // 2


def count_parameters(model: nn.Module) -> int:
    """All parameters, trained or not."""
    return sum(p.numel() for p in model.parameters())


class Reconstruction(nn.Module):
    """VideoMAE's pretraining of one clip, `ratio` of it hidden. Which tubes those are does not change the cost."""

    def __init__(self, model: VideoMAEPretraining, ratio: float = 0.9):
        super().__init__()
        self.model, self.ratio = model, ratio

    def forward(self, video: Tensor) -> Tensor:
        grid = self.model.encoder.grid
        order = torch.arange(grid.l, device=video.device).expand(len(video), -1)
        hidden = int(self.ratio * grid.n) * grid.t
        return self.model.reconstruct(video, order[:, :-hidden], order[:, -hidden:])
