"""What every transformer block has besides attention: the MLP and stochastic depth."""

from __future__ import annotations

from torch import Tensor, nn


class MLP(nn.Sequential):
    """Two linear maps with a GELU between them, on each token alone: `(..., d)` -> `(..., out)`, by default `d`."""

    def __init__(self, *, width: int, hidden: int, out: int | None = None, gelu: str = "none"):
        super().__init__(nn.Linear(width, hidden), nn.GELU(approximate=gelu), nn.Linear(hidden, out or width))


class DropPath(nn.Module):
    """Stochastic depth (Huang et al. 2016): while training, drop a whole update with probability `p`, else scale it up.

    One coin for each leading index of `(..., l, d)`: a sequence is dropped as a whole.
    """

    def __init__(self, p: float = 0.0):
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"drop_path is a probability below 1, got {p}")
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        keep = x.new_empty(*x.shape[:-2], 1, 1).bernoulli_(1 - self.p)
        return x * keep / (1 - self.p)

    def extra_repr(self) -> str:
        return f"p={self.p}"
