"""Who can have heard whom: two kinds of block in turn, a token, the number of blocks; and a pattern of one's own."""

from __future__ import annotations

from itertools import product

import numpy as np

from videoformer_edu.attention import (
    Axial,
    Full,
    LocalTemporal,
    LocalWindow,
    Spatial,
    StridedTemporal,
    Temporal,
)
from videoformer_edu.attention.patterns import factorised_dot_product
from videoformer_edu.attention.reach import Step, attentions, hops, pairs_of, reach
from videoformer_edu.figures.cube import cubes_html, lit_cube
from videoformer_edu.tokens import Grid
from videoformer_edu.widgets.page_explorer import PageExplorer, assemble
from videoformer_edu.widgets.task import task_words

GRID = Grid(8, 4, 4)
BLOCKS: dict[str, list[Step]] = {  # the attentions of a block, one after the other
    "joint": [Full()], "divided": [Temporal(), Spatial()], "axial": [Axial("t"), Axial("h"), Axial("w")],
    "factorised heads": [factorised_dot_product(2)], "window 2 x 2 x 2": [LocalWindow((2, 2, 2))],
    "shifted window": [LocalWindow((2, 2, 2), (1, 1, 1))], "near frames, space": [LocalTemporal(3), Spatial()],
    "every third frame, space": [StridedTemporal(3), Spatial()],
    "planes, rows": [LocalWindow((GRID.t, GRID.h, 1)), Axial("w")], "spatial": [Spatial()], "temporal": [Temporal()],
}
ATTENTIONS: list[Step] = list(dict.fromkeys(step for block in BLOCKS.values() for step in block))
FROM, TARGET, WITHIN = (0, 3, 0), (7, 0), 2  # the token that is to hear, the frame and row to be heard, blocks
MOST = 8


def reach_explorer(*, title: str = "Who can have heard whom?", width: int = 64) -> PageExplorer:
    """The explorer of lesson 03, on 8 frames of 4 x 4 patches. width: of the tokens, for the multiply-adds."""
    tables = [reach_table(step) for step in ATTENTIONS]
    number = (FROM[0] * GRID.h + FROM[1]) * GRID.w + FROM[2]
    labels = list(BLOCKS)
    first, then = labels.index("window 2 x 2 x 2"), labels.index("shifted window")
    config = {
        "grid": list(GRID), "labels": labels, "pairs": [int(pairs_of(step, GRID)) for step in ATTENTIONS],
        "blocks": [[ATTENTIONS.index(step) for step in block] for block in BLOCKS.values()], "width": width,
        "first": first, "then": then, "count": WITHIN, "most": MOST, "query": number,
        "from": number, "target": target_tokens(), "within": WITHIN, "fewest": fewest_pairs(),
        "task": task_words(
            f"let the token in frame {FROM[0]}, row {FROM[1]}, column {FROM[2]} hear all of frame {TARGET[0]}, row "
            f"{TARGET[1]} within {WITHIN} blocks, for the fewest pairs (named blocks only).",
            says="One block of axial attention; divided needs 3,072. Axial costs more multiply-adds, though: "
                 "each of its three attentions brings its own projections."),
    }
    after = hops([BLOCKS[labels[first]], BLOCKS[labels[then]]], GRID)[number].reshape(tuple(GRID))
    lit = (after >= 0) & (after <= WITHIN)
    heard = f"after {WITHIN} blocks the token can have heard {int(lit.sum())} of {GRID.l} tokens"
    still = cubes_html({f"{labels[first]}, then {labels[then]}": (lit_cube(lit, GRID, FROM), heard, heard)},
                       f"{title} (a still picture: run this cell to explore)")
    return assemble("reach", uses=("cube",), title=title, config=config, still=still,
                    payload=b"".join(np.packbits(table, axis=1, bitorder="little").tobytes() for table in tables))


def reach_table(step: Step) -> np.ndarray:
    """`(l, l)` bool: whom a token may look at in one attention, in any of its heads."""
    return np.logical_or.reduce([pattern.allowed(GRID).numpy() for heads in attentions(step) for pattern in heads])


def target_tokens() -> list[int]:
    return [(TARGET[0] * GRID.h + TARGET[1]) * GRID.w + column for column in range(GRID.w)]


def fewest_pairs() -> int:
    """Of all ways to do the task with the named blocks: of each, the pairs of its blocks; the least of these."""
    number = (FROM[0] * GRID.h + FROM[1]) * GRID.w + FROM[2]
    done = []
    for count in range(1, WITHIN + 1):
        for blocks in product(BLOCKS.values(), repeat=count):
            steps = [step for block in blocks for step in block]
            if reach(steps, GRID)[number, target_tokens()].all():
                done.append(int(pairs_of(steps, GRID)))
    return min(done)
