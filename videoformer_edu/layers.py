"""What transformers share besides attention: the MLP, stochastic depth, the LayerNorm epsilon, how weights start."""

from __future__ import annotations

from torch import Tensor, nn

EPS = 1e-6  # the published LayerNorm epsilon; nn.LayerNorm's default 1e-5 is the commonest cause of other logits


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


def check_init(init: str) -> None:
    """A ValueError unless `init` is one of the two ways in which weights start."""
    if init not in ("published", "from_scratch"):
        raise ValueError(f'init must be "published" or "from_scratch", got {init!r}')


def position_std(init: str) -> float:
    """Standard deviation of a fresh position table."""
    check_init(init)
    return 0.02 if init == "published" else 1.0


def initialise(model: nn.Module, init: str) -> None:
    """Truncated normal of std 0.02 and zero biases in every linear map ("published"), or PyTorch's defaults."""
    if init == "published":
        for module in model.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
