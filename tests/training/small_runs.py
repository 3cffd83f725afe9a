"""A tiny model, batches for it, and how far two models are apart."""

import torch
from torch import nn

from videoformer_edu.models import vit_digits

TINY = dict(width=8, depth=2, heads=2, classes=5)


def images(count: int = 6, seed: int = 0, classes: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(count, 3, 32, 32, generator=generator),
            torch.randint(classes, (count,), generator=generator))


def tiny(**changes) -> nn.Module:
    torch.manual_seed(1)
    return vit_digits(**{**TINY, **changes})


def source(batch: int = 6, asked: list | None = None):
    """Batches that depend on the step alone; notes in `asked` where it was told to start."""
    def from_step(start: int):
        if asked is not None:
            asked.append(start)
        step = start
        while True:
            yield images(batch, seed=100 + step)
            step += 1

    return from_step


def distance(a: nn.Module, b: nn.Module) -> float:
    """The largest difference between two models' tensors, buffers included."""
    pairs = zip(a.state_dict().items(), b.state_dict().items(), strict=True)
    return max((x.double() - y.double()).abs().max().item() for (name, x), (other, y) in pairs if name == other)
