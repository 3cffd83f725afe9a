"""04.2, its first function: ordinary attention within groups, from the tensors of a dict."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from videoformer_edu.grading.spec import Case, Mutant
from videoformer_edu.sheets import inputs as make
from videoformer_edu.sheets import oracles

NAME = "spatial_attention.attention"


def linear(x, weights, name):
    """One linear map of the dict, on the last axis (given)."""
    return F.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])


def multi_head(x, weights, name, heads):
    """x (g, l, d): g groups of l tokens -> (g, l, d); every token looks at its own group."""
    qkv = linear(x, weights, f"{name}.qkv")  # (g, l, 3*d)
    q, k, v = rearrange(qkv, "g l (three head e) -> three g head l e", three=3, head=heads)
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5  # (g, head, l, l)
    out = scores.softmax(dim=-1) @ v  # (g, head, l, e)
    return linear(rearrange(out, "g head l e -> g l (head e)"), weights, f"{name}.proj")


def cases(rng: np.random.Generator) -> list[Case]:
    """Groups, tokens, heads and channels of a head vary, and so do the names of the dict and the order in it."""
    def case(label: str, sees: str, name: str, sizes: tuple, *, gain: float = 1.0, equal: bool = False,
             **more) -> Case:
        g, l, heads, e = make.sizes(rng, *sizes)
        d = heads * e
        weights = make.attention(rng, name, d)
        weights[f"{name}.qkv.weight"][:2 * d] *= gain  # queries and keys
        x = np.repeat(make.tokens(rng, g, 1, d), l, axis=1) if equal else make.tokens(rng, g, l, d)
        other = make.attention(rng, name.replace("spatial", "temporal") + ".other", d)
        return Case(label, "multi_head", {"x": x, "weights": make.shuffled(rng, weights | other), "name": name,
                                          "heads": heads}, sees, axes="(g, l, d)",
                    parts=({f"group {i}": np.s_[i:i + 1] for i in range(g)},) if g > 1 else (), **more)

    groups = case("some groups", "each group attends within itself", NAME, ((5, 6), (4, 7), (2, 3), (3, 5)),
                  gradient=True)
    others = {name: values[::-1].copy() for name, values in groups.inputs["weights"].items()}
    return [
        case("equal tokens", "the average of equal values is that value, whatever the scores", NAME,
             ((2, 3), (6, 7), (4,), (3, 5)), equal=True),
        groups,
        Case("other weights, same names", "multi_head", groups.inputs | {"weights": others},
             "the weights are read anew in every call", axes="(g, l, d)", parts=groups.parts),
        case("one head", "any number of heads that divides d works", "blocks.11.attention",
             ((2, 4), (6, 8), (1,), (5, 7))),
        case("one channel a head", "any number of heads that divides d works", "temporal_attention.attention",
             ((2, 4), (3, 5), (6, 8), (1,))),
        case("one token a group", "one token alone looks at itself", NAME, ((3, 4), (1,), (2,), (5, 6))),
        case("one long group", "any size works", "attention", ((1,), (19, 23), (2, 3), (4, 8))),
        case("scores of hundreds", "a trained model's scores may be large, and softmax has to bear that",
             "blocks.2.attention", ((3, 4), (5, 6), (2,), (4, 7)), gain=9.0, free=True),
    ]


def oracle_multi_head(x: np.ndarray, weights: dict, name: str, heads: int) -> np.ndarray:
    """x `(g, l, d)` -> the same shape, group by group."""
    return np.array([oracles.attention(list(group.astype(np.float64)), weights, name, heads) for group in x])


def not_an_average(inputs, out: np.ndarray) -> str | None:
    """Equal tokens have equal values; weights that sum to one leave them as they are."""
    weights, name, d = inputs["weights"], inputs["name"], inputs["x"].shape[-1]
    for group, given in zip(inputs["x"], out, strict=True):
        value = oracles.linear(group[0].astype(np.float64), weights, f"{name}.qkv")[2 * d:]
        if np.abs(given - oracles.linear(value, weights, f"{name}.proj")).max() > 1e-4:
            return ("all tokens of a group are equal here, so attention, an average of their values, must give that "
                    "same value (through the output projection). Yours does not: do the weights of each query sum to "
                    "one over the keys, are the values the last third of qkv, and is proj applied?")
    return None


def off_at_large_scores(inputs, out: np.ndarray) -> str | None:
    off = np.abs(out - oracle_multi_head(**inputs)).max()
    return None if off < 2e-3 else (
        f"the scores reach some hundreds here, and the result is off by up to {off:.2g}. Where a softmax is written "
        "out as exp and sum, the largest score is subtracted first; nothing is cut off.")


SPLIT = 'rearrange(qkv, "g l (three head e) -> three g head l e", three=3, head=heads)'
MERGE = 'rearrange(out, "g head l e -> g l (head e)")'

MULTI_HEAD_MUTANTS = (
    Mutant("scale missing", ((" / q.shape[-1] ** 0.5", ""),),
           "You did not divide the scores by √e. Sums of e products grow with e; undivided, the softmax leans on a "
           "single key and little gradient is left."),
    Mutant("scaled by the whole width", (("q.shape[-1] ** 0.5", "x.shape[-1] ** 0.5"),),
           "You divided the scores by √d. A head adds up only its own e = d / heads products: divide by √e."),
    Mutant("scaled by e instead of its root", (("q.shape[-1] ** 0.5", "q.shape[-1]"),),
           "You divided the scores by e. Their spread grows with √e (variances add up, not spreads), so divide by "
           "the square root."),
    Mutant("softmax over the queries", (("softmax(dim=-1)", "softmax(dim=-2)"),),
           "Your softmax runs over the queries. Each query shares out a total of 1 among the keys: the scores are "
           "(queries, keys), so softmax over the last axis."),
    Mutant("softmax missing", ((".softmax(dim=-1)", ""),),
           "The softmax is missing: raw scores weigh the values, so the result is no average and can grow without "
           "bound."),
    Mutant("heads before three", (("(three head e)", "(head three e)"),),
           "You took the 3·d apart as (head, three, e). The published weights lie as (three, head, e): all queries "
           "first, then all keys, then all values. The shapes agree either way, the numbers do not."),
    Mutant("heads interleaved", (("(three head e)", "(three e head)"),),
           "Your heads take every heads-th channel, (e, head). A head is a run of e neighbouring channels, "
           "(head, e)."),
    Mutant("queries and keys exchanged", (("q, k, v =", "k, q, v ="),),
           "Queries and keys are exchanged. In qkv the first third of the rows makes queries, the second keys, the "
           "third values."),
    Mutant("keys and values exchanged", (("q, k, v =", "q, v, k ="),),
           "Keys and values are exchanged. In qkv the first third of the rows makes queries, the second keys, the "
           "third values."),
    Mutant("heads ignored", (("head=heads", "head=1"),),
           "Your attention has a single head, as wide as d. Split q, k and v into `heads` heads of e channels each; "
           "every head has a softmax of its own."),
    Mutant("heads interleaved when joined", (("g l (head e)", "g l (e head)"),),
           "You joined the heads as (e head). Each head's e channels stay together, one head after the other: "
           "(head e)."),
    Mutant("one softmax over all heads", ((".softmax(dim=-1)", ".flatten(1).softmax(dim=-1).view_as(scores)"),),
           "Your softmax runs over everything in a group at once. Each query of each head shares out its own total of "
           "1 among the keys: softmax over the last axis alone."),
    Mutant("fused attention without moving the heads",
           (("three g head l e", "three g l head e"), (MERGE, 'rearrange(out, "g l head e -> g l (head e)")')),
           "Your q, k and v are (g, l, head, e), so the heads of one token look at each other. Attention works on the "
           "two last axes, which must be (l, e): bring the heads before the tokens, (g, head, l, e)."),
    Mutant("heads joined without moving them", ((MERGE, "out.reshape(x.shape)"),),
           "You joined the heads by a reshape while they still stood before the tokens: (g, head, l, e) has to "
           "become (g, l, head, e) first, or tokens are mixed."),
    Mutant("heads cut without moving them",
           ((SPLIT, "[part.reshape(len(x), heads, x.shape[1], -1) for part in qkv.chunk(3, dim=-1)]"),
            (MERGE, "out.reshape(x.shape)")),
           "You made the heads by a reshape to (g, head, l, e) alone, which deals the tokens out to the heads. Cut "
           "the width first, (g, l, head, e), then exchange l and head; the same on the way back."),
    Mutant("attention over the groups",
           (('qkv = linear(x, weights, f"{name}.qkv")', 'qkv = linear(x.transpose(0, 1), weights, f"{name}.qkv")'),
            (MERGE, 'rearrange(out, "l head g e -> g l (head e)")')),
           "Your attention runs over the first axis: tokens of different groups look at one another. That is what "
           "nn.MultiheadAttention does with (g, l, d) unless batch_first=True."),
    Mutant("output projection missing",
           (("return linear(" + MERGE + ', weights, f"{name}.proj")', "return " + MERGE),),
           "The output projection is missing: after the heads are joined, proj lets them talk to one another."),
)


def fused(x, weights, name, heads):
    made = linear(x, weights, f"{name}.qkv")
    q, k, v = (part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in made.chunk(3, dim=-1))
    out = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
    return linear(out, weights, f"{name}.proj")


def by_einsum(x, weights, name, heads):
    made = torch.einsum("gld,rd->glr", x, weights[f"{name}.qkv.weight"]) + weights[f"{name}.qkv.bias"]
    q, k, v = made.reshape(*x.shape[:2], 3, heads, -1).unbind(2)
    weight = (torch.einsum("gqhe,gkhe->ghqk", q, k) / q.shape[-1] ** 0.5).softmax(-1)
    out = torch.einsum("ghqk,gkhe->gqhe", weight, v).reshape(x.shape)
    return out @ weights[f"{name}.proj.weight"].T + weights[f"{name}.proj.bias"]


def torch_module(x, weights, name, heads):
    module = nn.MultiheadAttention(x.shape[-1], heads, batch_first=True)
    theirs = {"in_proj_weight": "qkv.weight", "in_proj_bias": "qkv.bias",
              "out_proj.weight": "proj.weight", "out_proj.bias": "proj.bias"}
    module.load_state_dict({key: weights[f"{name}.{ours}"] for key, ours in theirs.items()})
    return module(x, x, x, need_weights=False)[0]
