"""07.1: pooling attention (MViT version 2): queries, keys and values pooled on their grids, CLS set aside."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange

from videoformer_edu.grading.spec import Case, Exercise, Mutant, Property, Style
from videoformer_edu.sheets import inputs as make
from videoformer_edu.sheets.s07_multiscale.given import distance_scores, linear, norm
from videoformer_edu.sheets.s07_multiscale.pooled_heads_oracle import oracle


def pool(x, weights, name, grid, stride):
    """x (b, head, 1 + t*h*w, e), CLS first -> (b, head, 1 + t'*h'*w', e); grid and stride are (t, h, w)."""
    t, h, w = grid
    cls, patches = x[:, :, :1], x[:, :, 1:]
    patches = rearrange(patches, "b n (t h w) e -> (b n) e t h w", t=t, h=h, w=w)
    filters = weights[f"{name}.conv.weight"]  # (e, 1, 3, 3, 3): one for each channel, the same for all heads
    patches = F.conv3d(patches, filters, stride=stride, padding=1, groups=len(filters))
    patches = rearrange(patches, "(b n) e t h w -> b n (t h w) e", n=x.shape[1])
    return norm(torch.cat([cls, patches], dim=2), weights, f"{name}.norm")


def pooling_attention(x, weights, name, heads, grid, q_stride, kv_stride):
    """x (b, 1 + t*h*w, d) -> (b, 1 + t'*h'*w', d'): the update, on the grid of the pooled queries."""
    qkv = linear(x, weights, f"{name}.qkv")  # (b, 1 + l, 3*d')
    q, k, v = rearrange(qkv, "b l (three n e) -> three b n l e", three=3, n=heads)
    q = pool(q, weights, f"{name}.pool_q", grid, q_stride)
    k = pool(k, weights, f"{name}.pool_k", grid, kv_stride)
    v = pool(v, weights, f"{name}.pool_v", grid, kv_stride)
    queries = tuple(-(-size // step) for size, step in zip(grid, q_stride, strict=True))
    keys = tuple(-(-size // step) for size, step in zip(grid, kv_stride, strict=True))
    scores = q @ k.transpose(2, 3) / math.sqrt(q.shape[-1])
    scores = scores + distance_scores(q, weights, f"{name}.relative", queries, keys)
    out = scores.softmax(dim=-1) @ v  # (b, head, 1 + l', e)
    out = torch.cat([out[:, :, :1], out[:, :, 1:] + q[:, :, 1:]], dim=2)  # residual pooling
    return linear(rearrange(out, "b n l e -> b l (n e)"), weights, f"{name}.proj")


def pooling_weights(rng: np.random.Generator, name: str, e: int) -> dict[str, np.ndarray]:
    filters = (rng.standard_normal((e, 1, 3, 3, 3)) / 3).astype(np.float32)
    return {f"{name}.conv.weight": filters} | make.norm(rng, f"{name}.norm", e)


def up(size: int, step: int) -> int:
    return -(-size // step)


def attention_inputs(rng, b: int, grid: tuple, heads: int, e: int, width: int, q_stride: tuple, kv_stride: tuple,
                     name: str = "attention") -> dict:
    weights = make.linear(rng, f"{name}.qkv", 3 * heads * e, width, 1.2) | make.linear(rng, f"{name}.proj", heads * e,
                                                                                      heads * e)
    for which in "qkv":
        weights |= pooling_weights(rng, f"{name}.pool_{which}", e)
    for axis, size, q, kv in zip("thw", grid, q_stride, kv_stride, strict=True):
        rows = 2 * max(up(size, q), up(size, kv)) - 1
        weights[f"{name}.relative.{axis}.table"] = (0.5 * rng.standard_normal((rows, e))).astype(np.float32)
    return {"x": make.tokens(rng, b, 1 + math.prod(grid), width), "weights": make.shuffled(rng, weights), "name": name,
            "heads": heads, "grid": grid, "q_stride": q_stride, "kv_stride": kv_stride}


def cases(rng: np.random.Generator) -> list[Case]:
    def pooled(name: str, b: int, heads: int, grid: tuple, e: int, stride: tuple) -> dict:
        return {"x": make.tokens(rng, b, heads, 1 + math.prod(grid), e), "weights": pooling_weights(rng, name, e),
                "name": name, "grid": grid, "stride": stride}

    lit = pooled("pool_k", 2, 1, (2, 4, 6), 5, (1, 2, 2))
    lit["x"][1] = lit["x"][0]
    lit["x"][1, :, 0] += make.tokens(rng, 5)  # another CLS, the same patches
    heads, e = int(rng.choice([2, 3])), int(rng.choice([4, 6]))  # a norm of two or three numbers is all but a sign
    update, out = "(b, head, 1 + t'·h'·w', e)", "(b, 1 + t'·h'·w', d')"
    odd = (int(rng.choice([2, 3])), 5, 3)
    return [
        Case("another CLS", "pool", lit, "patches are pooled among themselves, CLS goes round", axes=update),
        Case("two clips, some heads", "pool", pooled("attention.pool_q", 2, heads, (3, 2, 4), e, (1, 2, 2)),
             "no head and no clip hears of another", axes=update, gradient=True),
        Case("stride 1", "pool", pooled("p", 1, 2, odd, 7, (1, 1, 1)), "a stride of 1 filters and leaves the grid",
             axes=update),
        Case("sides that do not divide", "pool", pooled("q", 3, 1, (1, 5, 7), 5, (1, 2, 4)),
             "a box that is not full counts", axes=update),
        Case("keys pooled", "pooling_attention",
             attention_inputs(rng, 2, (2, 4, 2), 2, 5, 3, (1, 1, 1), (1, 2, 2)),
             "as many tokens leave as came", axes=out, share=2, gradient=True),
        Case("a stage begins", "pooling_attention",
             attention_inputs(rng, 1, (2, 4, 4), heads, e, heads * e // 2, (1, 2, 2), (1, 4, 4), "blocks.1.attention"),
             "a quarter of the tokens leaves, twice as wide", axes=out, share=2),
        Case("queries coarser than keys", "pooling_attention",
             attention_inputs(rng, 2, (3, 4, 2), 1, 7, 4, (1, 2, 2), (1, 1, 1)), "either may be the finer", axes=out),
    ]


def cls_mixed_in(inputs, out: np.ndarray) -> str | None:
    """Clip 1 is clip 0 with another CLS."""
    if np.abs(out[0, :, 1:] - out[1, :, 1:]).max() > 1e-5:
        return ("two clips with the same patches and another CLS have different pooled patches: CLS has been convolved "
                "with them.")
    if np.abs(out[0, :, 0] - out[1, :, 0]).max() < 1e-5:
        return "two clips with another CLS come back with the same CLS."
    return None


CUT = '"b n (t h w) e -> (b n) e t h w"'
CONV = "F.conv3d(patches, filters, stride=stride, padding=1, groups=len(filters))"
NORMED = 'norm(torch.cat([cls, patches], dim=2), weights, f"{name}.norm")'
ADDED = "torch.cat([out[:, :, :1], out[:, :, 1:] + q[:, :, 1:]], dim=2)"
SCALE = " / math.sqrt(q.shape[-1])"
DISTANCES = 'scores + distance_scores(q, weights, f"{name}.relative", queries, keys)'
MUTANTS = (
    Mutant("CLS among the patches", (("x[:, :, :1], x[:, :, 1:]", "x[:, :, :1], x[:, :, :-1]"),),
           "You laid the first t·h·w tokens of the sequence on the grid. The first of them is CLS, and every patch "
           "sits one place too far to the right: set CLS aside first."),
    Mutant("CLS last", ((NORMED, NORMED.replace("[cls, patches]", "[patches, cls]")),),
           "You put CLS behind the patches. It came first and stays first."),
    Mutant("time fastest", ((CUT, '"b n (h w t) e -> (b n) e t h w"'),),
           "You read the sequence as (h w t). It is step after step, row after row: (t h w)."),
    Mutant("rows and columns exchanged", ((CUT, '"b n (t w h) e -> (b n) e t h w"'),),
           "You read each step column by column. It is row by row: (t h w), the width fastest."),
    Mutant("norm of the patches alone", ((NORMED, 'torch.cat([cls, norm(patches, weights, f"{name}.norm")], dim=2)'),),
           "CLS goes round the convolution, but not round the norm: all tokens are normed together."),
    Mutant("no norm", ((NORMED, "torch.cat([cls, patches], dim=2)"),),
           "The norm after the pooling is missing. Each of q, k and v has its own."),
    Mutant("a mean", ((CONV, "F.avg_pool3d(patches, stride, stride, ceil_mode=True) + 0 * filters.sum()"),),
           "You took the mean of each box. The filters say how to pool, and a filter of 3 x 3 x 3 reaches beyond its "
           "box."),
    Mutant("a maximum", ((CONV, "F.max_pool3d(patches, 3, stride, padding=1) + 0 * filters.sum()"),),
           "You took the maximum. That is how the skip around the attention is pooled; queries, keys and values are "
           "filtered."),
    Mutant("every second token",
           ((CONV, "patches[:, :, ::stride[0], ::stride[1], ::stride[2]] + 0 * filters.sum()"),),
           "You picked tokens and dropped their neighbours. Pooling filters: each token that is left is made of 3 x 3 "
           "x 3 of those before."),
    Mutant("filters turned round", (("F.conv3d(patches, filters,", "F.conv3d(patches, filters.flip(2, 3, 4),"),),
           "Your filters are turned round in all three axes. PyTorch's convolution does not flip: weight [0, 0, 0] "
           "belongs to the frame before, the row above, the column to the left."),
    Mutant("no scale", ((SCALE, ""),),
           "You did not divide the dot products by the square root of e, the width of a head."),
    Mutant("scale of the width", ((SCALE, " / math.sqrt(q.shape[1] * q.shape[-1])"),),
           "You divided by the square root of the whole width. A dot product runs over one head's e channels."),
    Mutant("no residual pooling", ((ADDED, "1 * out"),),
           "The pooled queries are not added to what the attention gives (version 2's residual pooling)."),
    Mutant("residual pooling of CLS, too", ((ADDED, "out + q"),),
           "You added the query of CLS, too. Residual pooling is for patches: CLS is left out."),
    Mutant("distances left out", ((DISTANCES, "scores + 0"),),
           "The relative positions are missing: nothing in your attention knows where a token is."),
    Mutant("distances of the scaled query", ((DISTANCES, DISTANCES.replace("(q,", "(q / math.sqrt(q.shape[-1]),")),),
           "You gave distance_scores the scaled query. The scale belongs to the dot products with keys alone; it takes "
           "the pooled query as it is."),
    Mutant("one filter for keys and values", (("{name}.pool_v", "{name}.pool_k"),),
           "You pooled the values as the keys. They have a filter and a norm of their own, pool_v."),
    Mutant("queries pooled only where a stage begins",
           (("    q = pool(q,", "    q = q if tuple(q_stride) == (1, 1, 1) else pool(q,"),),
           "You let queries through as they are where the stride is 1. That is version 1; in version 2 they pass their "
           "filter and norm in every block."),
    Mutant("no output projection", (('return linear(rearrange(out, "b n l e -> b l (n e)"), weights, f"{name}.proj")',
                                     'return rearrange(out, "b n l e -> b l (n e)")'),),
           "The output projection is missing: heads are joined, but never mixed."),
    Mutant("heads cut wrongly", (('"b l (three n e) -> three b n l e"', '"b l (n three e) -> three b n l e"'),),
           "You cut the channels head by head. They lie as in sheet 01: all queries, all keys, all values, and in each "
           "third head after head."),
)


def pool_by_loops(x, weights, name, grid, stride):
    heads = [x[:, n, 1:].transpose(1, 2).reshape(len(x), -1, *grid) for n in range(x.shape[1])]
    filters = weights[f"{name}.conv.weight"]
    made = [F.conv3d(F.pad(head, (1,) * 6), filters, stride=stride, groups=head.shape[1]).flatten(2) for head in heads]
    patches = torch.stack(made, dim=1).transpose(2, 3)  # (b, head, l', e)
    return norm(torch.cat((x[:, :, 0:1], patches), 2), weights, name + ".norm")


def by_fused_attention(x, weights, name, heads, grid, q_stride, kv_stride):
    b, l, _ = x.shape
    q, k, v = linear(x, weights, f"{name}.qkv").view(b, l, 3, heads, -1).permute(2, 0, 3, 1, 4)
    (q, k, v) = (pool(part, weights, f"{name}.pool_{which}", grid, q_stride if which == "q" else kv_stride)
                 for which, part in zip("qkv", (q, k, v), strict=True))
    queries, keys = ([math.ceil(a / s) for a, s in zip(grid, stride, strict=True)] for stride in (q_stride, kv_stride))
    out = F.scaled_dot_product_attention(q, k, v, distance_scores(q, weights, f"{name}.relative", queries, keys))
    out = out + F.pad(q[:, :, 1:], (0, 0, 1, 0))
    return linear(out.transpose(1, 2).flatten(2), weights, f"{name}.proj")


STYLES = (
    Style("head by head", {"pool": pool_by_loops}),
    Style("the fused attention", {"pooling_attention": by_fused_attention}),
)

EXERCISE = Exercise(
    id="07.1",
    title="Pooling attention, with CLS set aside",
    difficulty=4,
    minutes=22,
    points=40,
    why="it is the one idea that makes a pyramid of attention affordable, and CLS among the patches is an error "
        "without a message.",
    objectives=("pool tokens on their grid by a learned filter", "build MViT's attention, version 2"),
    answer=(pool, pooling_attention),
    given=(linear, norm, distance_scores),
    cases=cases,
    oracle=oracle,
    properties=(Property("CLS goes round the convolution", "pool", cls_mixed_in, ("another CLS",)),),
    hints=(
        "pool: three things one after the other. CLS off; patches to a clip (b·head, e, t, h, w), filtered, and back "
        "to a sequence; CLS on again, then the norm over everything.",
        "F.conv3d with padding=1 and groups=e uses one filter for each channel. Heads share the filters, so let them "
        "lie in the batch: '(b n) e t h w'. The grid that is left is rounded up: -(-size // stride).",
        "pooling_attention: cut qkv as '(three n e)', pool each with its own weights (pool_q, pool_k, pool_v), scores "
        "= q·k / sqrt(e) + distance_scores(q, weights, f'{name}.relative', queries, keys), softmax over keys, times v; "
        "add q to all but CLS; join the heads; proj.",
    ),
    mutants=MUTANTS,
    styles=STYLES,
)
