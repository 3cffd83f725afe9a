"""05.2: the factorised encoder (ViViT model 2): a vector for each step, then the steps among themselves."""

from __future__ import annotations

import math

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


def norm(x, weights, name):
    """LayerNorm over d, eps 1e-6 (given)."""
    return F.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], eps=1e-6)


def block(x, weights, name, heads):
    """x (g, l, d): attention inside each of g sequences, then an MLP; norms first, two residuals (given)."""
    qkv = linear(norm(x, weights, f"{name}.attention_norm"), weights, f"{name}.attention.qkv")
    q, k, v = rearrange(qkv, "g l (three head e) -> three g head l e", three=3, head=heads)
    mixed = rearrange(F.scaled_dot_product_attention(q, k, v), "g head l e -> g l (head e)")
    x = x + linear(mixed, weights, f"{name}.attention.proj")
    hidden = F.gelu(linear(norm(x, weights, f"{name}.mlp_norm"), weights, f"{name}.mlp.0"), approximate="tanh")
    return x + linear(hidden, weights, f"{name}.mlp.2")


def encode(x, weights, name, depth, heads):
    """x (g, l, d), g sequences of l tokens -> (g, d), what CLS says of each at the end."""
    cls = weights[f"{name}.cls"].expand(len(x), 1, -1)  # (g, 1, d)
    x = torch.cat([cls, x], dim=1) + weights[f"{name}.positions.table"]  # (g, 1 + l, d)
    for i in range(depth):
        x = block(x, weights, f"{name}.blocks.{i}", heads)
    return norm(x, weights, f"{name}.norm")[:, 0]


def factorised_encoder(tokens, weights, t, depths, heads):
    """tokens (b, t*n, d), time slowest -> (b, d); depths: blocks of the spatial and of the temporal encoder."""
    steps = rearrange(tokens, "b (t n) d -> (b t) n d", t=t)
    steps = encode(steps, weights, "spatial_encoder", depths[0], heads)  # (b*t, d)
    steps = rearrange(steps, "(b t) d -> b t d", t=t)
    return encode(steps, weights, "temporal_encoder", depths[1], heads)  # (b, d)


def encoder(rng: np.random.Generator, name: str, length: int, depth: int, d: int) -> dict[str, np.ndarray]:
    """The tensors of one encoder, named as in the package's state dict."""
    out = {f"{name}.cls": make.tokens(rng, 1, d), f"{name}.positions.table": make.tokens(rng, 1 + length, d)}
    for i in range(depth):
        part = f"{name}.blocks.{i}"
        out |= make.norm(rng, f"{part}.attention_norm", d) | make.attention(rng, f"{part}.attention", d)
        out |= make.norm(rng, f"{part}.mlp_norm", d) | make.linear(rng, f"{part}.mlp.0", d + 3, d)
        out |= make.linear(rng, f"{part}.mlp.2", d, d + 3)
    return out | make.norm(rng, f"{name}.norm", d)


def clip(rng: np.random.Generator, b: int, t: int, n: int, depths: tuple, heads: int, d: int) -> dict:
    weights = encoder(rng, "spatial_encoder", n, depths[0], d) | encoder(rng, "temporal_encoder", t, depths[1], d)
    return {"tokens": make.tokens(rng, b, t * n, d), "weights": weights, "t": t, "depths": depths, "heads": heads}


def cases(rng: np.random.Generator) -> list[Case]:
    def sequences(name: str, g: int, length: int, depth: int, heads: int, d: int, unused: int = 0) -> dict:
        weights = encoder(rng, name, length, depth + unused, d)  # unused: blocks that are not to be run
        return {"x": make.tokens(rng, g, length, d), "weights": weights, "name": name, "depth": depth, "heads": heads}

    l = int(rng.integers(7, 10))
    twins = clip(rng, 3, 3, 4, (1, 2), 2, 6)
    twins["tokens"][1] = twins["tokens"][0]
    twins["tokens"][1, 4:8] = make.tokens(rng, 4, 6)  # another step 1
    twins["tokens"][2] = np.roll(twins["tokens"][0], 4, axis=0)  # the same steps in another order
    read, out = "(g, d)", "(b, d)"
    return [
        Case("one block", "encode", sequences("spatial_encoder", 3, l, 1, 2, 6), "CLS reads its own sequence",
             axes=read),
        Case("other weights", "encode", sequences("spatial_encoder", 2, l, 1, 2, 6), "each call reads its own weights",
             axes=read),
        Case("three blocks", "encode", sequences("temporal_encoder", 2, 3, 3, 3, 12), "each block has its own weights",
             axes=read),
        Case("two blocks of three", "encode", sequences("temporal_encoder", 1, 2, 2, 2, 4, unused=1),
             "depth says how many blocks are run", axes=read),
        Case("a sequence of one token", "encode", sequences("frames", 4, 1, 2, 1, 5), "any name and any length work",
             axes=read),
        Case("one channel", "encode", sequences("frames", 3, 2, 1, 1, 1), "even a width of 1 stays an axis", axes=read),
        Case("steps seen, and their order", "factorised_encoder", twins,
             "a new step changes the answer, and so does another order of the steps", axes=out,
             parts=({f"clip {c}": np.s_[c:c + 1] for c in range(3)},)),
        Case("two clips", "factorised_encoder", clip(rng, 2, 3, int(rng.integers(4, 7)), (2, 1), 4, 8),
             "no clip hears of another one", share=2, axes=out,
             parts=({f"clip {c}": np.s_[c:c + 1] for c in range(2)},)),
        Case("more steps than patches", "factorised_encoder", clip(rng, 1, 5, 2, (1, 3), 3, 6),
             "steps and patches may be any number", axes=out),
        Case("the same with other weights", "factorised_encoder", clip(rng, 1, 5, 2, (1, 3), 3, 6),
             "each call reads its own weights", axes=out),
        Case("one step of one patch", "factorised_encoder", clip(rng, 2, 1, 1, (1, 2), 1, 4),
             "both encoders run, however short the clip", axes=out),
    ]


def mlp(token: np.ndarray, weights: dict, name: str) -> np.ndarray:
    """Linear, GELU in its tanh form, linear."""
    hidden = oracles.linear(token, weights, f"{name}.0")
    hidden = np.array([0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) for x in hidden])
    return oracles.linear(hidden, weights, f"{name}.2")


def oracle_encode(tokens: np.ndarray, weights: dict, name: str, depth: int, heads: int) -> np.ndarray:
    """One sequence `(l, d)` -> `(d,)`."""
    table = weights[f"{name}.positions.table"].astype(np.float64)
    x = [table[0] + weights[f"{name}.cls"][0], *(table[1 + i] + token for i, token in enumerate(tokens))]
    for i in range(depth):
        part = f"{name}.blocks.{i}"
        normed = [oracles.layer_norm(token, weights, f"{part}.attention_norm") for token in x]
        updates = oracles.attention(normed, weights, f"{part}.attention", heads)
        x = [token + update for token, update in zip(x, updates, strict=True)]
        x = [token + mlp(oracles.layer_norm(token, weights, f"{part}.mlp_norm"), weights, f"{part}.mlp") for token in x]
    return oracles.layer_norm(x[0], weights, f"{name}.norm")


def oracle(case: Case) -> np.ndarray:
    given = case.inputs
    weights, heads = given["weights"], given["heads"]
    if case.function == "encode":
        return np.array([oracle_encode(x, weights, given["name"], given["depth"], heads) for x in given["x"]])
    out = []
    for tokens in given["tokens"]:
        n = len(tokens) // given["t"]
        steps = [oracle_encode(tokens[step * n:(step + 1) * n], weights, "spatial_encoder", given["depths"][0], heads)
                 for step in range(given["t"])]
        out.append(oracle_encode(np.array(steps), weights, "temporal_encoder", given["depths"][1], heads))
    return np.array(out)


def order_unseen(inputs, out: np.ndarray) -> str | None:
    if np.abs(out[0] - out[1]).max() < 1e-5:
        return "two clips with different patches in step 1 give the same answer: yours does not see that step."
    if np.abs(out[0] - out[2]).max() < 1e-5:
        return ("the same steps in another order give the same answer: nothing in yours knows which step comes first. "
                "Every encoder adds its own table of positions.")
    return None


GROUP, BACK = '"b (t n) d -> (b t) n d"', '"(b t) d -> b t d"'
TABLE = 'weights[f"{name}.positions.table"]'
SECOND = 'return encode(steps, weights, "temporal_encoder", depths[1], heads)'
MUTANTS = (
    Mutant("CLS last", (("torch.cat([cls, x], dim=1)", "torch.cat([x, cls], dim=1)"), ("[:, 0]", "[:, -1]")),
           "You put CLS behind the tokens. It stands in front, and so does its row of the position table: now every "
           "token gets its neighbour's place."),
    Mutant("no positions", ((f" + {TABLE}", ""),),
           "You left the positions out: then patches of a step, or steps of a clip, are a set without order."),
    Mutant("CLS without a position", ((f" + {TABLE}", f" + torch.cat([0 * {TABLE}[:1], {TABLE}[1:]])"),),
           "Row 0 of the position table belongs to CLS and is added to it, too."),
    Mutant("positions before CLS",
           ((f"torch.cat([cls, x], dim=1) + {TABLE}", f"torch.cat([cls, x + {TABLE}[:-1]], dim=1)"),),
           "You added the rows 0 to l - 1 to the tokens: row 0 is CLS's, and the tokens begin with row 1."),
    Mutant("last norm missing", (('norm(x, weights, f"{name}.norm")[:, 0]', "x[:, 0]"),),
           "The last norm of the encoder is missing. Each of the two encoders has its own."),
    Mutant("mean for CLS", (("[:, 0]", ".mean(dim=1)"),),
           "You read the mean of all tokens. This model reads CLS, at each step and at the end; the mean is what "
           "models 3 and 4 read, which have no CLS."),
    Mutant("mean of the patches", (("[:, 0]", "[:, 1:].mean(dim=1)"),),
           "You made CLS and then read the mean of the other tokens, so CLS was for nothing. The published model reads "
           "CLS, at each step and at the end."),
    Mutant("first block again and again", (("blocks.{i}", "blocks.0"),),
           "You used the weights of block 0 in every block. Block i has its own, under blocks.i."),
    Mutant("blocks from the back", (("range(depth)", "reversed(range(depth))"),),
           "You ran the blocks from the last to the first. Block 0 comes first."),
    Mutant("last block left out", (("range(depth)", "range(max(1, depth - 1))"),),
           "One block is missing at the end: there are depth of them, 0 to depth - 1."),
    Mutant("clips and steps exchanged", ((BACK, '"(t b) d -> b t d"'),),
           "On the way to the temporal encoder you read the first axis as (t b). You built it as (b t), clip slowest: "
           "now each sequence holds steps of different clips. With one clip nobody would notice."),
    Mutant("places for steps", ((GROUP, '"b (n t) d -> (b t) n d"'),),
           "You took t·n apart as (n t), so a group holds every t-th token. The sequence is step after step: (t n)."),
    Mutant("steps averaged", ((SECOND, "return steps.mean(dim=1)"),),
           "You averaged the steps: that is the paper's frame-average baseline, blind to their order. Model 2 has a "
           "second encoder, with a CLS and positions of its own, over the t steps."),
)


def encode_in_place(x, weights, name, depth, heads):
    g, l, d = x.shape
    y = torch.empty(g, 1 + l, d)
    y[:, :1], y[:, 1:] = weights[f"{name}.cls"], x
    y = y + weights[f"{name}.positions.table"][None]
    for i in range(depth):
        y = block(y, weights, f"{name}.blocks.{i}", heads)
    return norm(y[:, 0], weights, f"{name}.norm")  # the norm of one token does not need the others


def encode_by_repeat(x, weights, name, depth, heads):
    table = weights[f"{name}.positions.table"]
    x = torch.cat([(weights[f"{name}.cls"] + table[:1]).repeat(len(x), 1, 1), x + table[1:]], dim=1)
    for part in [f"{name}.blocks.{i}" for i in range(depth)]:
        x = block(x, weights, part, heads)
    return norm(x, weights, f"{name}.norm").select(1, 0)


def step_by_step(tokens, weights, t, depths, heads):
    steps = [encode_by_repeat(step, weights, "spatial_encoder", depths[0], heads) for step in tokens.chunk(t, dim=1)]
    return encode_by_repeat(torch.stack(steps, dim=1), weights, "temporal_encoder", depths[1], heads)


def by_reshape(tokens, weights, t, depths, heads):
    b, l, d = tokens.shape
    steps = encode_in_place(tokens.reshape(b * t, l // t, d), weights, "spatial_encoder", depths[0], heads)
    return encode_in_place(steps.reshape(b, t, d), weights, "temporal_encoder", depths[1], heads)


STYLES = (
    Style("filled in place, reshape", {"encode": encode_in_place, "factorised_encoder": by_reshape}),
    Style("step by step", {"encode": encode_by_repeat, "factorised_encoder": step_by_step}),
)

EXERCISE = Exercise(
    id="05.2",
    title="The factorised encoder, token by token",
    difficulty=3,
    minutes=16,
    points=30,
    why="ports of this model go wrong here: all tokens instead of CLS to the second encoder, one table of positions "
        "instead of two, no place in time at all.",
    objectives=("build an encoder with CLS, positions, blocks and a last norm",
                "follow the tokens of ViViT 2 from patches to steps to one vector"),
    answer=(encode, factorised_encoder),
    given=(linear, norm, block),
    cases=cases,
    oracle=oracle,
    properties=(Property("steps and their order are seen", "factorised_encoder", order_unseen,
                         ("steps seen, and their order",)),),
    hints=(
        "encode is a ViT without its patches and its head: CLS in front, positions on all 1 + l tokens, the blocks, "
        "the norm, and CLS alone comes out. factorised_encoder calls it twice; only the shapes differ.",
        "For the spatial encoder a sequence is the n patches of one step of one clip, so there are b*t sequences, clip "
        "slowest. It gives (b*t, d). For the temporal encoder a sequence is the t steps of a clip: (b, t, d).",
        "weights[f'{name}.cls'] is (1, d): .expand(len(x), 1, -1) makes it (g, 1, d). Concatenate on dim=1, add the "
        "whole table (1 + l, d), loop over blocks.0, blocks.1, ..., norm, [:, 0]. On the way back: '(b t) d -> b t d'.",
    ),
    mutants=MUTANTS,
    styles=STYLES,
)
