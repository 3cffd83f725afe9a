"""04.2, its first function: ordinary attention within groups, from the tensors of a dict."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from videoformer_edu.grading.spec import Mutant
from videoformer_edu.sheets import oracles


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


def not_an_average(inputs, out: np.ndarray) -> str | None:
    """Equal tokens have equal values; weights that sum to one leave them as they are."""
    weights, name, d = inputs["weights"], inputs["name"], inputs["x"].shape[-1]
    token = inputs["x"][0, 0].astype(np.float64)
    value = oracles.linear(token, weights, f"{name}.qkv")[2 * d:]
    if np.abs(out[0] - oracles.linear(value, weights, f"{name}.proj")).max() < 1e-4:
        return None
    return ("all tokens of a group are equal here, so attention, an average of their values, must give that same "
            "value (through the output projection). Yours does not: do the weights of each query sum to one over "
            "the keys, are the values the last third of qkv, and is proj applied?")


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
    found = {name_of_torch: weights[f"{name}.{ours}"] for name_of_torch, ours in theirs.items()}
    return torch.func.functional_call(module, found, (x, x, x), {"need_weights": False})[0]
