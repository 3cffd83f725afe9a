"""07.2: the pyramid of MViT: which grids meet in each block, and what that costs."""

from __future__ import annotations

import numpy as np

from videoformer_edu.grading.spec import Case, Exercise, Mutant, Property, Style


def pooled_grid(grid, stride):
    """grid and stride (t, h, w) -> the grid that is left; a box that is not full counts."""
    return tuple(-(-size // step) for size, step in zip(grid, stride, strict=True))


def blocks_of(grid, width, heads, depths, kv_stride):
    """One (queries, keys, width, heads) for each block; grids are (t, h, w), depths the blocks of each stage."""
    blocks = []
    for stage, depth in enumerate(depths):
        for i in range(depth):
            begins = stage > 0 and i == 0
            q_stride = (1, 2, 2) if begins else (1, 1, 1)
            if begins:  # queries have been pooled, so keys are pooled by so much less, from this block on
                kv_stride = tuple(max(1, kv // q) for kv, q in zip(kv_stride, q_stride, strict=True))
            queries, keys = pooled_grid(grid, q_stride), pooled_grid(grid, kv_stride)
            blocks.append((queries, keys, width * 2**stage, heads * 2**stage))
            grid = queries
    return tuple(blocks)


def block_macs(grid, queries, keys, width_in, width):
    """Multiply-adds of one block of version 2, CLS included, without convolutions, distances and the skip."""
    came, left, seen = (t * h * w + 1 for t, h, w in (grid, queries, keys))
    projections = 3 * came * width_in * width + left * width * width
    scores = 2 * left * seen * width
    mlp = 2 * left * width * 4 * width
    return projections + scores + mlp


def cases(rng: np.random.Generator) -> list[Case]:
    t, side = int(rng.integers(3, 7)), int(rng.integers(9, 15))
    width, deep = int(rng.choice([24, 40, 48])), int(rng.integers(2, 5))
    wide = (t, side, side + int(rng.integers(3, 6)))
    part = "(queries, keys, width, heads) of each block"
    block = {"grid": (t, 12, 20), "queries": (t, 6, 10), "keys": (t, 3, 5), "width_in": width, "width": 2 * width}
    return [
        Case("sides that divide", "pooled_grid", {"grid": (8, 56, 56), "stride": (1, 8, 8)}, "7 x 7 keys a step",
             axes="(t, h, w)"),
        Case("a side that does not", "pooled_grid", {"grid": wide, "stride": (1, 2, 4)}, "what is left over is a box, "
             "too", axes="(t, h, w)"),
        Case("pooled in time as well", "pooled_grid", {"grid": (7, 5, 6), "stride": (2, 1, 3)}, "any axis may be "
                                                                                                "pooled",
             axes="(t, h, w)"),
        Case("one stage", "blocks_of", {"grid": (4, 8, 6), "width": 12, "heads": 2, "depths": (3,),
                                        "kv_stride": (1, 4, 2)}, "without a second stage nothing changes", axes=part),
        Case("MViT-B", "blocks_of", {"grid": (8, 56, 56), "width": 96, "heads": 1, "depths": (1, 2, 11, 2),
                                     "kv_stride": (1, 8, 8)}, "the published table", axes=part),
        Case("any pyramid", "blocks_of", {"grid": wide, "width": width, "heads": 3, "depths": (2, 1, deep),
                                          "kv_stride": (1, 4, 4)}, "sides that do not divide round up", axes=part),
        Case("more stages than the keys have to give", "blocks_of",
             {"grid": (2, 24, 16), "width": 8, "heads": 2, "depths": (1, 1, 2, 1), "kv_stride": (1, 2, 2)},
             "a stride of keys does not fall below 1", axes=part),
        Case("nothing pooled", "block_macs", {"grid": (2, 3, 4), "queries": (2, 3, 4), "keys": (2, 3, 4), "width_in": 5,
                                              "width": 5}, "a plain block"),
        Case("a stage begins", "block_macs", block, "what came in is projected, what is left pays for the rest"),
        Case("block 1 of MViTv2", "block_macs", {"grid": (8, 56, 56), "queries": (8, 28, 28), "keys": (8, 14, 14),
                                                 "width_in": 96, "width": 192}, "the published size"),
    ]


def oracle(case: Case) -> tuple | int:
    given = case.inputs
    if case.function == "pooled_grid":
        return counted(given["grid"], given["stride"])
    if case.function == "block_macs":
        came, left, seen = (1 + int(np.prod(given[name])) for name in ("grid", "queries", "keys"))
        d, out = given["width_in"], given["width"]
        total = came * d * (out + out + out)  # q, k and v of every token that came in
        total += left * seen * out + left * seen * out  # q k^T, shares x v
        return total + left * out * out + left * (out * 4 * out + 4 * out * out)
    grid, strides = tuple(given["grid"]), list(given["kv_stride"])
    out = []
    for stage, depth in enumerate(given["depths"]):
        for i in range(depth):
            halves = stage > 0 and i == 0
            if halves:
                strides = [strides[0], max(1, strides[1] // 2), max(1, strides[2] // 2)]
            queries = counted(grid, (1, 2, 2)) if halves else grid
            out.append((queries, counted(grid, tuple(strides)), given["width"] * 2**stage, given["heads"] * 2**stage))
            grid = queries
    return tuple(out)


def counted(grid: tuple, stride: tuple) -> tuple[int, ...]:
    """Walk along each axis in steps and count the stops."""
    return tuple(len(range(0, size, step)) for size, step in zip(grid, stride, strict=True))


def more_blocks(inputs, out) -> str | None:
    blocks = sum(inputs["depths"])
    return None if len(out) == blocks else f"the stages have {blocks} blocks together, and yours lists {len(out)}."


MLP = "2 * left * width * 4 * width"
PROJECTIONS = "3 * came * width_in * width + left * width * width"
MUTANTS = (
    Mutant("axes reversed", (("zip(grid, stride, ", "zip(grid[::-1], stride, "),),
           "You paired the grid's axes from the back with the stride's from the front. Both are (t, h, w)."),
    Mutant("rounded down", (("-(-size // step)", "size // step"),),
           "You rounded down. The convolutions are padded, so a last box that is not full still makes a token."),
    Mutant("keys of the pooled queries",
           (("pooled_grid(grid, q_stride), pooled_grid(grid, kv_stride)",
             "pooled_grid(grid, q_stride), pooled_grid(pooled_grid(grid, q_stride), kv_stride)"),),
           "You pooled the keys from what the queries left. Both come from the tokens that came in: in the first block "
           "of a stage the keys are finer than in the others."),
    Mutant("keys always pooled as at first", (("            if begins:", "            if False:"),),
           "You pooled keys by as much in every stage. Where queries are pooled by 2, keys are pooled by 2 less from "
           "then on, so that keys stay as many."),
    Mutant("stride of keys below 1", (("max(1, kv // q)", "max(1, kv // q) if kv > 1 else 2"),),
           "Your keys are pooled where there is nothing left to take off. A stride stays 1 once it is 1."),
    Mutant("first stage pooled, too", (("begins = stage > 0 and i == 0", "begins = i == 0"),),
           "You pooled the queries of the first stage as well. It begins on the grid of the embedding."),
    Mutant("every block pools", (("begins = stage > 0 and i == 0", "begins = stage > 0"),),
           "You pooled the queries in every block. Only the first block of a stage does, and not that of the first "
           "stage."),
    Mutant("the last block of a stage pools", (("begins = stage > 0 and i == 0",
                                                "begins = stage < len(depths) - 1 and i == depth - 1"),),
           "You pooled where a stage ends. The grid halves in the *first* block of the next one."),
    Mutant("width not doubled", (("width * 2**stage, heads", "width, heads"),),
           "Your channels stay as they are. They double from stage to stage."),
    Mutant("width doubled with every block", (("width * 2**stage, heads * 2**stage", "width * 2**len(blocks), heads * "
                                               "2**stage"),),
           "You doubled the channels in every block. They double once a stage."),
    Mutant("heads not doubled", (("heads * 2**stage", "heads"),),
           "Your heads stay as they are. They double with the channels, so a head keeps its width."),
    Mutant("CLS forgotten", (("t * h * w + 1 for", "t * h * w for"),),
           "You left out CLS. It is projected, asks, answers and passes the MLP as every token does."),
    Mutant("q, k and v of what is left", ((PROJECTIONS, "3 * left * width_in * width + left * width * width"),),
           "You projected only the tokens that are left. Pooling comes after the projections, so q, k and v are made "
           "of every token that came in."),
    Mutant("output projection of what came", ((PROJECTIONS, "3 * came * width_in * width + came * width * width"),),
           "Your output projection works on the tokens that came in. After the attention only the pooled queries are "
           "left."),
    Mutant("one product of two", (("2 * left * seen * width", "left * seen * width"),),
           "You counted one of the two products: queries with keys, and shares with values."),
    Mutant("scores among the tokens that came", (("2 * left * seen * width", "2 * came * came * width"),),
           "You counted all pairs of the tokens that came in. Pooled queries meet pooled keys."),
    Mutant("MLP of what came", ((MLP, "2 * came * width * 4 * width"),),
           "Your MLP works on the tokens that came in. The queries are pooled before it."),
    Mutant("one map of the MLP", ((MLP, "left * width * 4 * width"),),
           "You counted one map of the MLP. There are two: to four times the width, and back."),
)


def grid_by_ceil(grid, stride):
    return [int(np.ceil(size / step)) for size, step in zip(grid, stride, strict=True)]


def blocks_from_the_first(grid, width, heads, depths, kv_stride):
    out = []
    for stage in range(len(depths)):
        came = grid
        for _ in range(stage):
            grid = came
            came = pooled_grid(came, (1, 2, 2))
        strides = [max(1, step // 2**stage) for step in kv_stride[1:]]
        for i in range(depths[stage]):
            source = came if stage == 0 or i else grid
            out.append((came, pooled_grid(source, (kv_stride[0], *strides)), width << stage, heads << stage))
        grid = out[0][0]
    return out


def macs_term_by_term(grid, queries, keys, width_in, width):
    came, left, seen = (np.prod(one) + 1 for one in (grid, queries, keys))
    return int(came * width_in * 3 * width + left * (width**2 + 2 * seen * width + 8 * width**2))


STYLES = (
    Style("other words", {"pooled_grid": grid_by_ceil, "blocks_of": blocks_from_the_first,
                          "block_macs": macs_term_by_term}),
    Style("ceil by addition", edits=(("-(-size // step)", "(size + step - 1) // step"),)),
)

EXERCISE = Exercise(
    id="07.2",
    title="The pyramid and its bill",
    difficulty=3,
    minutes=14,
    points=25,
    why="you know what a multiscale model costs before you train it, and which grids its maps lie on.",
    objectives=("derive the grids of queries and keys of every block", "count a pooled block"),
    answer=(pooled_grid, blocks_of, block_macs),
    cases=cases,
    oracle=oracle,
    properties=(Property("all blocks", "blocks_of", more_blocks),),
    hints=(
        "Walk through the blocks and carry three things along: the grid of the tokens, how much keys are pooled, and "
        "the number of the stage.",
        "The first block of a stage (not of the first) pools its queries by (1, 2, 2); from that block on the keys' "
        "stride is max(1, kv // q) along each axis. Keys are pooled from the tokens that came in, as the queries are.",
        "block_macs: q, k, v for t·h·w + 1 tokens that came in (3 · came · width_in · width); output projection for "
        "those left (left · width²); two products with left · seen pairs; the MLP, two maps of width x 4·width, for "
        "those left.",
    ),
    mutants=MUTANTS,
    styles=STYLES,
)
