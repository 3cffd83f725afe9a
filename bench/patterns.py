"""What sparse patterns save: every pattern beside the same module under a dense mask, in one run.

    OMP_NUM_THREADS=1 python bench/patterns.py                 14 x 14 patches, 8 to 128 frames
    OMP_NUM_THREADS=1 python bench/patterns.py --frames 8 64   these lengths only

For each pattern and length: query-key pairs (closed form), multiply-adds of the attention itself counted in the real
forward pass (the linear maps, the same for all, left out), the time of one forward pass, how many times less that is
than dense attention under the pattern's mask, and the most memory that the forward pass held at once. Equal outputs are
asserted first. Time is processor time on one thread, the least of several runs in turn; a matrix product timed before
and after tells how quiet the machine was.
"""

from __future__ import annotations

import argparse
import os
import time

os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler that reads the memory is to be quiet

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from videoformer_edu.attention import (
    Axial,
    GlobalSpatial,
    LocalTemporal,
    LocalWindow,
    MultiHeadAttention,
    SparseAttention,
    SparseSpaceTime,
    Spatial,
    StridedTemporal,
    Temporal,
    record_attention,
)
from videoformer_edu.tokens import Grid

WIDTH, HEADS = 64, 2
PATTERNS = {
    "local temporal, 3 frames": LocalTemporal(3),
    "dilated temporal, 3 frames, every 4th": LocalTemporal(3, dilation=4),
    "strided temporal, every 4th": StridedTemporal(4),
    "temporal": Temporal(),
    "axial, rows": Axial("w"),
    "global spatial, stride 2": GlobalSpatial(2),
    "spatial": Spatial(),
    "windows (8, 7, 7)": LocalWindow((8, 7, 7)),
    "shifted windows": LocalWindow((8, 7, 7), (4, 3, 3)),
    "sparse: local + spatial + strided": SparseSpaceTime(3, 4, 1),
    "sparse, strided keys": SparseSpaceTime(3, 4, 2),
}

HEADER = (f"{'pattern':39}{'frames':>7}{'pairs':>13}{'MAC/pair/d':>11}{'ms':>9}{'dense ms':>10}{'times less':>11}"
          f"{'MB':>8}")


def seconds(function) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start


def attention_macs(module: SparseAttention, x: torch.Tensor, grid: Grid) -> int:
    """Counted multiply-adds of q k^T and of probabilities x values."""
    counter = FlopCounterMode(display=False)
    with record_attention(module), counter:
        module(x, grid)
    return counter.get_total_flops() // 2 - 4 * grid.l * WIDTH**2


def peak_bytes(function) -> int:
    """The most bytes that were allocated at once above what was there before, from the profiler's record."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        function()
    held = most = 0
    for event in record.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            most = max(most, held)
    return most


def probe() -> float:
    a, b = torch.ones(1024, 1024), torch.ones(1024, 1024)
    return min(seconds(lambda: a @ b) for _ in range(3))


def measure(pattern, frames: int, *, side: int = 14, repeats: int = 3, dense: bool = True) -> dict[str, float]:
    """One row. `dense=False` leaves the masked comparison out, whose mask alone is `l*l` bytes."""
    grid = Grid(frames, side, side)
    torch.manual_seed(0)
    module = SparseAttention(width=WIDTH, heads=HEADS, pattern=pattern)
    x = torch.randn(1, grid.l, WIDTH)
    row = dict(frames=frames, pairs=pattern.pairs(grid))
    with torch.inference_mode():
        row["macs"] = attention_macs(module, x, grid)
        ways = {"sparse": lambda: module(x, grid)}
        if dense:
            mask = pattern.allowed(grid)
            ways["dense"] = lambda: MultiHeadAttention.forward(module, x, mask=mask)
            torch.testing.assert_close(ways["sparse"](), ways["dense"](), rtol=1e-4, atol=1e-5)
        row["bytes"] = peak_bytes(ways["sparse"])
        times = {name: [] for name in ways}
        for _ in range(repeats):
            for name, way in ways.items():
                times[name].append(seconds(way))
    row |= {name: min(values) for name, values in times.items()}
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--frames", type=int, nargs="+", default=[8, 16, 32, 64, 128])
    parser.add_argument("--dense-up-to", type=int, default=64, help="compare with the dense mask up to so many frames")
    parser.add_argument("--only", default="", help="only the patterns whose name holds this")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, one thread, fp32, forward; 14 x 14, width {WIDTH}, {HEADS} heads, batch 1")
    before = probe()
    print(HEADER)
    for name, pattern in PATTERNS.items():
        if arguments.only not in name:
            continue
        for frames in arguments.frames:
            row = measure(pattern, frames, dense=frames <= arguments.dense_up_to)
            compared = ("{:10.1f}{:11.1f}".format(1e3 * row["dense"], row["dense"] / row["sparse"])
                        if "dense" in row else f"{'-':>10}{'-':>11}")
            print(f"{name:39}{frames:7}{row['pairs']:13,}{row['macs'] / row['pairs'] / WIDTH:11.2f}"
                  f"{1e3 * row['sparse']:9.1f}{compared}{row['bytes'] / 1e6:8.1f}", flush=True)
    print(f"a 1024 x 1024 matrix product: {1e3 * before:.1f} ms before, {1e3 * probe():.1f} ms after")


if __name__ == "__main__":
    main()
