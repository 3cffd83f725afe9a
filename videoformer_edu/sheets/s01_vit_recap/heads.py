"""01.3: attention, and several heads of it."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange

from videoformer_edu.grading.spec import Case, Exercise, Mutant, Property, Style
from videoformer_edu.sheets import inputs as make
from videoformer_edu.sheets import oracles


def linear(x, weights, name):
    """One linear map of the dict, on the last axis (given)."""
    return F.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])


def attend(q, k, v):
    """q (..., l, e), k (..., s, e), v (..., s, f) -> (..., l, f): the mean of v, weighed by each query's shares."""
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5  # (..., l, s)
    return scores.softmax(dim=-1) @ v


def multi_head(x, weights, name, heads):
    """x (b, l, d) -> (b, l, d): queries, keys and values from name.qkv, attention in each head, then name.proj."""
    qkv = linear(x, weights, f"{name}.qkv")  # (b, l, 3*d)
    q, k, v = rearrange(qkv, "b l (three head e) -> three b head l e", three=3, head=heads)
    out = attend(q, k, v)  # (b, head, l, e)
    return linear(rearrange(out, "b head l e -> b l (head e)"), weights, f"{name}.proj")


def cases(rng: np.random.Generator) -> list[Case]:
    queries, keys, e, f = (int(size) for size in rng.permutation([3, 4, 6, 7]))
    heads, e2 = (int(size) for size in rng.permutation([2, 3]))
    axes = "(b, l, d)"

    def attending(name: str, sees: str, q: np.ndarray, k: np.ndarray, v: np.ndarray, share: int = 1) -> Case:
        return Case(name, "attend", {"q": q, "k": k, "v": v}, sees, share, "(..., l, f)")

    def multi(name: str, sees: str, x: np.ndarray, heads: int, part: str, share: int = 1) -> Case:
        weights = make.attention(rng, part, x.shape[-1])
        return Case(name, "multi_head", {"x": x, "weights": weights, "name": part, "heads": heads}, sees, share, axes)

    new, d = partial(make.tokens, rng), heads * (2 * e2 + 1)
    return [
        attending("equal values", "the mean of equal values is that value, whoever is looked at",
                  new(2, queries, e), new(2, keys, e), np.repeat(new(2, 1, f), keys, axis=1)),
        attending("keys in another order", "keys are a set: their order does not matter",
                  *reordered(rng, queries, keys, e, f)),
        attending("more axes in front", "every group and head for itself", new(2, 3, queries, e), new(2, 3, keys, e),
                  new(2, 3, keys, f), share=2),
        attending("one query, one number", "a width of one is a width", new(1, 1), new(5, 1), new(5, 1)),
        attending("one key", "whoever asks, one key gives what it has", new(3, e), new(1, e), new(1, f)),
        attending("scores beyond 100", "their exp is infinite in float32", new(3, 16) + 5, new(6, 16) + 5, new(6, 4)),
        attending("wide vectors", "wide vectors need a softer softmax", new(8, 64), new(5, 64), new(5, 9)),
        multi("tokens in another order", "attention follows its tokens wherever they stand",
              shuffled(rng, 2 * keys + 1, 4 * 5), 4, "attention"),
        multi("three pictures", "each head and each picture by itself", new(3, 7, d), heads, "blocks.0.attention", 2),
        multi("other weights", "weights are read anew in every call", new(1, 4, d), heads, "blocks.0.attention"),
        multi("one token", "a token alone gets its own value, projected", new(3, 1, 6), 2, "a"),
        multi("one head", "one head is plain attention", new(2, queries, 8), 1, "a"),
        multi("heads of one channel", "as many heads as channels", new(1, 9, 6), 6, "attention", share=1),
    ]


def reordered(rng: np.random.Generator, queries: int, keys: int, e: int, f: int) -> tuple[np.ndarray, ...]:
    """Two groups of the same queries, keys and values; in the second the keys and their values stand turned round."""
    q, k, v = make.tokens(rng, queries, e), make.tokens(rng, keys, e), make.tokens(rng, keys, f)
    return np.stack([q, q]), np.stack([k, k[::-1]]), np.stack([v, v[::-1]])


def shuffled(rng: np.random.Generator, length: int, d: int) -> np.ndarray:
    """`(2, l, d)`: the same tokens, the second time turned round."""
    x = make.tokens(rng, length, d)
    return np.stack([x, x[::-1]])


def oracle(case: Case) -> np.ndarray:
    if case.function == "multi_head":
        x, weights, name, heads = case.inputs.values()
        return np.array([oracles.attention([token.astype(np.float64) for token in group], weights, name, heads)
                         for group in x])
    q, k, v = (case.inputs[name].astype(np.float64) for name in "qkv")
    out = np.zeros((*q.shape[:-1], v.shape[-1]))
    for place in np.ndindex(q.shape[:-1]):
        group, query = place[:-1], q[place]
        scores = [sum(a * b for a, b in zip(query, key, strict=True)) / math.sqrt(len(query)) for key in k[group]]
        top = max(scores)
        total = sum(math.exp(score - top) for score in scores)
        for score, value in zip(scores, v[group], strict=True):
            out[place] += math.exp(score - top) / total * value
    return out


def no_mean(inputs, out: np.ndarray) -> str | None:
    """All values of a group are equal."""
    apart = float(np.abs(out - inputs["v"][:, :1]).max())
    if apart <= 1e-5:
        return None
    return f"all values are equal here, so every mean of them is that value; yours is off by {apart:.2f}."


def order_matters(inputs, out: np.ndarray) -> str | None:
    apart = float(np.abs(out[0] - out[1]).max())
    if apart <= 1e-5:
        return None
    return ("the two groups hold the same queries, keys and values, and in the second the keys stand in another order, "
            f"each with its value. Your results differ by {apart:.2f}.")


def place_matters(inputs, out: np.ndarray) -> str | None:
    apart = float(np.abs(out[0] - out[1, ::-1]).max())
    if apart <= 1e-4:
        return None
    return ("picture 1 holds the tokens of picture 0 in another order. Each token should get the same in both; yours "
            f"differ by {apart:.2f}.")


SCALE = " / q.shape[-1] ** 0.5"
SPLIT = '"b l (three head e) -> three b head l e", three=3, head=heads'
MERGED = 'rearrange(out, "b head l e -> b l (head e)")'


def mutant(name: str, old: str, new: str, sentence: str) -> Mutant:
    return Mutant(name, ((old, new),), sentence)


MUTANTS = (
    mutant("scale missing", SCALE, "",
           "You did not divide the scores by √e. Sums of e products spread as √e; undivided, wide vectors give nearly "
           "all attention to one key."),
    mutant("scaled by e", SCALE, " / q.shape[-1]",
           "You divided the scores by e. Their spread grows with √e (variances add up, not spreads): divide by the "
           "root."),
    mutant("softmax over the queries", "dim=-1", "dim=-2",
           "Your softmax runs over the queries. Each query shares out a total of 1 among the keys: scores are "
           "(queries, keys), so softmax over the last axis."),
    mutant("softmax missing", "scores.softmax(dim=-1)", "scores",
           "The softmax is missing: raw scores weigh the values, so the result is no mean and can grow without bound."),
    mutant("scale after the softmax", "scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5  # (..., l, s)\n"
           "    return scores.softmax(dim=-1) @ v",
           "scores = q @ k.transpose(-2, -1)\n    return (scores.softmax(dim=-1) / q.shape[-1] ** 0.5) @ v",
           "You divided by √e after the softmax: your shares no longer sum to one. The scores are divided, before "
           "it."),
    mutant("cosine instead of a dot product", "scores = q @ k.transpose(-2, -1)",
           "scores = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-2, -1)",
           "You normalised queries and keys to length one. A score is their plain dot product: a long query may "
           "insist."),
    mutant("scaled by the whole width", "out = attend(q, k, v)", "out = attend(q / heads ** 0.5, k, v)",
           "You divided the scores by √d. A head adds up only its own e = d / heads products: divide by √e."),
    mutant("heads before three", "(three head e)", "(head three e)",
           "You took the 3·d apart as (head, three, e). The weights lie as (three, head, e): all queries, then all "
           "keys, then all values."),
    mutant("heads interleaved", "(three head e)", "(three e head)",
           "Your heads take every heads-th channel, (e, head). A head is a run of e neighbouring channels, (head, e)."),
    mutant("queries and keys exchanged", "q, k, v = rearrange", "k, q, v = rearrange",
           "Queries and keys are exchanged. In qkv the first d outputs are queries, the next keys, the last values."),
    mutant("keys and values exchanged", "q, k, v = rearrange", "q, v, k = rearrange",
           "Keys and values are exchanged. In qkv the first d outputs are queries, the next keys, the last values."),
    mutant("one head for all", f"rearrange(qkv, {SPLIT})", "qkv[:, None].chunk(3, dim=-1)",
           "Your attention has one head of the whole width, whatever `heads` says. Cut it into heads first, each "
           "with shares of its own."),
    mutant("heads merged as (e head)", '"b head l e -> b l (head e)"', '"b head l e -> b l (e head)"',
           "You joined the heads with their channels interleaved, (e, head). Join them one after the other, (head, e), "
           "the way they were cut."),
    mutant("heads joined by a reshape", MERGED, "out.reshape(x.shape)",
           "You joined the heads by a reshape while they still stood before the tokens: (b, head, l, e) has to become "
           "(b, l, head, e) first, or tokens are mixed."),
    mutant("heads cut by a reshape", f"rearrange(qkv, {SPLIT})",
           "(part.reshape(len(x), heads, x.shape[1], -1) for part in qkv.chunk(3, dim=-1))",
           "You cut the heads by a reshape to (b, head, l, e) alone, which deals the tokens out to the heads. Cut the "
           "width first, (b, l, head, e), then exchange l and head."),
    mutant("attention over the pictures", "out = attend(q, k, v)",
           "out = attend(*(part.transpose(0, 2) for part in (q, k, v))).transpose(0, 2)",
           "Your attention runs over the batch: tokens of different pictures look at one another. That is what "
           "nn.MultiheadAttention does with (b, l, d) unless batch_first=True."),
    mutant("proj missing", f'linear({MERGED}, weights, f"{{name}}.proj")', MERGED,
           "The output projection is missing: after the heads are joined, proj lets their answers mix."),
    mutant("residual inside", f"return linear({MERGED}", f"return x + linear({MERGED}",
           "You returned x plus the attention. The function gives the update alone; the block adds the residual, and "
           "would then add it twice."),
)


def attend_fused(q, k, v):
    return F.scaled_dot_product_attention(q, k, v)


def multi_head_chunked(x, weights, name, heads):
    parts = linear(x, weights, f"{name}.qkv").chunk(3, dim=-1)
    out = attend_fused(*(part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in parts))
    return linear(out.transpose(1, 2).flatten(2), weights, f"{name}.proj")


def attend_by_einsum(q, k, v):
    scores = torch.einsum("...qe,...ke->...qk", q, k) * q.size(-1) ** -0.5
    shares = torch.exp(scores - scores.amax(-1, keepdim=True))
    return torch.einsum("...qk,...kf->...qf", shares / shares.sum(-1, keepdim=True), v)


def multi_head_by_heads(x, weights, name, heads):
    made = x @ weights[f"{name}.qkv.weight"].T + weights[f"{name}.qkv.bias"]
    d = x.shape[-1]
    e = d // heads
    out = [attend_by_einsum(*(made[..., part * d + head * e:part * d + (head + 1) * e] for part in range(3)))
           for head in range(heads)]
    return torch.cat(out, dim=-1) @ weights[f"{name}.proj.weight"].T + weights[f"{name}.proj.bias"]


STYLES = (
    Style("fused attention", {"attend": attend_fused, "multi_head": multi_head_chunked}),
    Style("einsum, head by head", {"attend": attend_by_einsum, "multi_head": multi_head_by_heads}),
)

EXERCISE = Exercise(
    id="01.3",
    title="Attention, and several heads of it",
    difficulty=3,
    minutes=15,
    points=30,
    why="these are the lines that every transformer has in common, for words, pictures and films. Each later sheet "
        "calls them.",
    objectives=("write scaled dot-product attention for any number of axes in front",
                "cut queries, keys and values into heads and join the heads again"),
    hints=(
        "attend: scores, shares, mean, in three steps; write the shape of each. multi_head: name the parts of the 3·d "
        "numbers of a token before you move anything: which runs slowest, which fastest?",
        "attend: scores (..., l, s) = q times k transposed, over √e; softmax over s; times v. multi_head: (three head "
        "e) on the last axis; attend wants (b, head, l, e).",
        'q, k, v = rearrange(qkv, "b l (three head e) -> three b head l e", three=3, head=heads); then attend; then '
        'rearrange(out, "b head l e -> b l (head e)"), and proj.',
    ),
    answer=(attend, multi_head),
    given=(linear,),
    cases=cases,
    oracle=oracle,
    properties=(
        Property("a mean", "attend", no_mean, ("equal values",)),
        Property("keys are a set", "attend", order_matters, ("keys in another order",)),
        Property("tokens are a set", "multi_head", place_matters, ("tokens in another order",)),
    ),
    mutants=MUTANTS,
    styles=STYLES,
)
