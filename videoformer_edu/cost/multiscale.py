"""What each block of MViT costs, in closed form: the bill of the pyramid, stage by stage."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from videoformer_edu.attention.pooling import pooled_grid
from videoformer_edu.models.mvit import STEM, BlockSizes, coarser, pyramid
from videoformer_edu.tokens import Grid

KERNEL = 3**3  # of the depthwise convolutions that pool
BOX = 3 * 7 * 7  # frames, rows and columns that one token of the embedding sees


@dataclass(frozen=True)
class BlockCost:
    """One block: the grids of its queries and keys (CLS stands beside them), its width after the attention, its heads,
    and its multiply-adds by what they are spent on."""

    stage: int
    queries: Grid
    keys: Grid
    width: int
    heads: int
    projections: int  # q, k, v and out, and the skip where channels double in the attention
    pooling: int
    scores: int  # q k^T, probabilities x v, and the relative positions
    mlp: int

    @property
    def pairs(self) -> int:
        """Query-key pairs of one head, CLS included."""
        return (self.queries.l + 1) * (self.keys.l + 1)

    @property
    def macs(self) -> int:
        return self.projections + self.pooling + self.scores + self.mlp


def block_cost(block: BlockSizes, grid: Grid, *, stage: int, version: int, mlp_ratio: float = 4.0) -> BlockCost:
    """One block on tokens of `grid`, which come in with CLS in front."""
    queries, keys = pooled_grid(grid, block.q_stride), pooled_grid(grid, block.kv_stride)
    came, left, seen, d = grid.l + 1, queries.l + 1, keys.l + 1, block.attention
    pools_queries = version == 2 or prod(block.q_stride) > 1
    skip = came * block.width * d if block.width != d else 0
    distances = queries.l * d * (keys.t + keys.h + keys.w) if version == 2 else 0  # q with one table an axis
    widened = left * d * block.out if block.out != d else 0
    return BlockCost(
        stage=stage, queries=queries, keys=keys, width=d, heads=block.heads,
        projections=3 * came * block.width * d + left * d * d + skip,
        pooling=KERNEL * d * (2 * keys.l + queries.l * pools_queries),
        scores=2 * left * seen * d + distances,
        mlp=left * int(d * mlp_ratio) * (d + block.out) + widened)


def mvit_bill(*, version: int, frames: int = 16, image_size: int = 224, width: int = 96, heads: int = 1,
              stages: tuple[int, ...] = (1, 2, 11, 2), q_stride: tuple[int, int, int] = (1, 2, 2),
              kv_stride: tuple[int, int, int] = (1, 8, 8), mlp_ratio: float = 4.0) -> list[BlockCost]:
    """All blocks of an `MViT`, whose arguments these are. What lies outside of them is in `outside`."""
    grid = Grid(*coarser((frames, image_size, image_size), STEM))
    sizes = pyramid(version=version, stages=stages, grid=grid, width=width, heads=heads, q_stride=q_stride,
                    kv_stride=kv_stride)
    numbers = [stage for stage, depth in enumerate(stages) for _ in range(depth)]
    blocks = []
    for block, stage in zip(sizes, numbers, strict=True):
        blocks.append(block_cost(block, grid, stage=stage, version=version, mlp_ratio=mlp_ratio))
        grid = blocks[-1].queries
    return blocks


def outside(*, frames: int = 16, image_size: int = 224, width: int = 96, stages: int = 4, classes: int = 400,
            channels: int = 3) -> int:
    """Multiply-adds of the embedding and the head."""
    grid = Grid(*coarser((frames, image_size, image_size), STEM))
    return grid.l * channels * BOX * width + width * 2 ** (stages - 1) * classes
