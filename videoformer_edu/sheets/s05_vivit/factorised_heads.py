"""05.3: factorised dot-product attention (ViViT model 4): some heads look along time, the others across space."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange

from videoformer_edu.grading.spec import Case, Exercise, Mutant, Property, Style
from videoformer_edu.sheets import inputs as make
from videoformer_edu.sheets import oracles
from videoformer_edu.sheets.s05_vivit.encoder import linear


def factorised_heads(x, weights, name, t, heads):
    """x (b, t*n, d), time slowest -> the same shape; first half of the heads along time, second half across space."""
    qkv = linear(x, weights, f"{name}.qkv")  # (b, t*n, 3*d): all queries, all keys, all values
    qkv = rearrange(qkv, "b (t n) (three head e) -> three b head t n e", t=t, three=3, head=heads)
    time, space = qkv.chunk(2, dim=2)  # half of the heads each
    time = F.scaled_dot_product_attention(*rearrange(time, "three b head t n e -> three b head n t e"))
    time = rearrange(time, "b head n t e -> b (t n) (head e)")
    space = F.scaled_dot_product_attention(*space)  # (b, head/2, t, n, e)
    space = rearrange(space, "b head t n e -> b (t n) (head e)")
    return linear(torch.cat([time, space], dim=-1), weights, f"{name}.proj")


def score_counts(t, n, heads):
    """Query-key scores of one attention, over all heads -> (joint, factorised)."""
    return heads * (t * n) ** 2, heads // 2 * t * n * (t + n)


NAME = "encoder.blocks.0.attention"


def clip(rng: np.random.Generator, b: int, t: int, n: int, heads: int, e: int, name: str = NAME) -> dict:
    return {"x": make.tokens(rng, b, t * n, heads * e), "weights": make.attention(rng, name, heads * e), "name": name,
            "t": t, "heads": heads}


def cases(rng: np.random.Generator) -> list[Case]:
    t, n = int(rng.integers(3, 5)), int(rng.integers(5, 8))
    lit = clip(rng, 2, 3, 5, 2, 3)
    lit["x"] *= 0.3  # small tokens, even shares: nobody's share is so small that a change is lost in rounding
    lit["x"][1] = lit["x"][0]
    lit["x"][1, 7] += make.tokens(rng, 6)  # the patch at place 2 of step 1
    loud = clip(rng, 1, 3, 4, 4, 2)
    loud["weights"][f"{NAME}.qkv.bias"][:16] += 9  # of queries and keys: scores beyond 100, whose exp is infinite
    among = clip(rng, 1, 3, 2, 2, 3)
    among["weights"] = (make.attention(rng, "encoder.blocks.1.attention", 6) | among["weights"]
                        | make.norm(rng, "encoder.norm", 6))
    axes, counts = "(b, t*n, d)", "(joint, factorised)"
    return [
        Case("one patch differs", "factorised_heads", lit, "a patch is heard in its own step and in its own tube",
             axes=axes),
        Case("two clips", "factorised_heads", clip(rng, 2, t, n, 4, 3), "each head stays on its axis", share=2,
             axes=axes, parts=make_parts(2, t, n)),
        Case("six heads", "factorised_heads", clip(rng, 1, 2, 3, 6, 2, "attention"), "any even number of heads works",
             axes=axes),
        Case("one step", "factorised_heads", clip(rng, 3, 1, 4, 2, 5), "with one step the time heads see themselves",
             axes=axes),
        Case("one step of one place", "factorised_heads", clip(rng, 2, 1, 1, 2, 2), "both halves see themselves",
             axes=axes),
        Case("weights among others", "factorised_heads", among, "weights are found by their names", axes=axes),
        Case("large scores", "factorised_heads", loud, "a trained model may be very sure of itself", axes=axes),
        Case("other weights", "factorised_heads", clip(rng, 2, 3, 5, 2, 3), "each call reads its own weights",
             axes=axes),
        Case("a small clip", "score_counts", {"t": 2, "n": 3, "heads": 2}, "what can be counted by hand", axes=counts),
        Case("a clip", "score_counts", {"t": int(rng.integers(5, 9)), "n": int(rng.integers(10, 99)), "heads": 4},
             "any clip", axes=counts),
        Case("ViViT-B", "score_counts", {"t": 16, "n": 196, "heads": 12}, "the published size", axes=counts),
        Case("one long step", "score_counts", {"t": 1, "n": 97, "heads": 2}, "one step is a clip, too", axes=counts),
        Case("a large clip", "score_counts", {"t": 33, "n": int(rng.integers(350, 400)) * 2 + 1, "heads": 14},
             "whole numbers, however large", axes=counts),
    ]


def make_parts(b: int, t: int, n: int) -> tuple[dict[str, tuple], ...]:
    """By step and by clip: where a message can point."""
    steps = {f"step {s}": np.s_[:, s * n:(s + 1) * n] for s in range(t)}
    return steps, {f"clip {c}": np.s_[c:c + 1] for c in range(b)}


def oracle(case: Case) -> np.ndarray | tuple[int, int]:
    given = case.inputs
    t, heads = given["t"], given["heads"]
    if case.function == "score_counts":
        l = t * given["n"]
        looks = sum(1 for i in range(l) for j in (range(l) if l < 99 else ()) if i % given["n"] == j % given["n"])
        looks = looks if l < 99 else l * t  # a token looks at the t tokens of its tube
        return heads * l * l, heads // 2 * looks + heads // 2 * l * given["n"]
    x, weights, name = given["x"].astype(np.float64), given["weights"], given["name"]
    b, l, d = x.shape
    n, e = l // t, d // heads
    out = np.zeros((b, l, d))
    for c in range(b):
        made = [oracles.linear(token, weights, f"{name}.qkv") for token in x[c]]
        for i in range(l):
            mixed = np.zeros(d)
            for head in range(heads):
                own = slice(head * e, (head + 1) * e)
                keys = [j for j in range(l) if (j % n == i % n if head < heads // 2 else j // n == i // n)]
                scores = np.array([made[i][:d][own] @ made[j][d:2 * d][own] / np.sqrt(e) for j in keys])
                shares = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
                mixed[own] = sum(share * made[j][2 * d:][own] for share, j in zip(shares, keys, strict=True))
            out[c, i] = oracles.linear(mixed, weights, f"{name}.proj")
    return out


def wrong_listeners(inputs, out: np.ndarray) -> str | None:
    """Clip 1 is clip 0 with another patch at step 1, place 2."""
    moved = set(np.flatnonzero(np.abs(out[0] - out[1]).max(axis=-1) > 1e-5).tolist())
    wanted = {i for i in range(15) if i // 5 == 1 or i % 5 == 2}
    if moved == wanted:
        return None

    def names(found: set[int]) -> str:
        return ", ".join(f"step {i // 5} place {i % 5}" for i in sorted(found)[:4]) + (" ..." if len(found) > 4 else "")

    words = [f"{what}: {names(found)}" for what, found in (("heard it and should not", moved - wanted),
                                                           ("should have heard it", wanted - moved)) if found]
    return f"a patch changed at step 1, place 2, of 3 steps of 5 places. Tokens that {'; tokens that '.join(words)}."


CUT = '"b (t n) (three head e) -> three b head t n e"'
TIME = 'F.scaled_dot_product_attention(*rearrange(time, "three b head t n e -> three b head n t e"))'
BACK = '"b head n t e -> b (t n) (head e)"'
SPACE = "space = F.scaled_dot_product_attention(*space)"
JOIN, COUNT = "torch.cat([time, space], dim=-1)", "heads // 2 * t * n * (t + n)"
MUTANTS = (
    Mutant("space first", (("time, space = qkv", "space, time = qkv"), (JOIN, "torch.cat([space, time], dim=-1)")),
           "Your first half of the heads looks across space. In the published code the first half looks along time; "
           "the weights were trained that way."),
    Mutant("halves joined the wrong way", ((JOIN, "torch.cat([space, time], dim=-1)"),),
           "You joined the halves as space, time. Head i's channels have to return to where head i was: time first."),
    Mutant("every second head", (("qkv.chunk(2, dim=2)", "qkv[:, :, ::2], qkv[:, :, 1::2]"),),
           "You gave every second head to time. It is the first half, heads 0 to heads/2 - 1."),
    Mutant("all heads along time", ((SPACE, 'space = rearrange(F.scaled_dot_product_attention(*rearrange(space, '
                                     '"three b head t n e -> three b head n t e")), "b head n t e -> b head t n e")'),),
           "All of your heads look along time, so no patch hears of another place. The second half looks across "
           "space."),
    Mutant("all heads across space",
           ((TIME, 'rearrange(F.scaled_dot_product_attention(*time), "b head t n e -> b head n t e")'),),
           "All of your heads look across space, so no step hears of another. The first half looks along time."),
    Mutant("joint in every head",
           ((TIME, 'rearrange(F.scaled_dot_product_attention(*time.flatten(3, 4)), "b h (t n) e -> b h n t e", t=t)'),
            (SPACE, "space = F.scaled_dot_product_attention(*space.flatten(3, 4)).unflatten(2, (t, -1))")),
           "Each of your heads looks at the whole clip: that is joint attention (model 1), with its (t·n)² scores."),
    Mutant("places for steps", ((CUT, CUT.replace("(t n)", "(n t)", 1).replace("b (n t)", "b (n t)")),
                                (BACK, '"b head n t e -> b (n t) (head e)"'),
                                ('"b head t n e -> b (t n) (head e)"', '"b head t n e -> b (n t) (head e)"')),
           "You read t·n as (n t). The sequence is step after step, time slowest: (t n)."),
    Mutant("time returned in the order of places", ((BACK, '"b head n t e -> b (n t) (head e)"'),),
           "Your time heads hand their tokens back place after place, (n t), and the space heads step after step. Both "
           "have to return in the order of the sequence, (t n)."),
    Mutant("heads before three", ((CUT, CUT.replace("(three head e)", "(head three e)")),),
           "You took the 3·d apart as (head, three, e). The published weights lie as (three, head, e): all queries "
           "first, then all keys, then all values."),
    Mutant("heads interleaved", ((CUT, CUT.replace("(three head e)", "(three e head)")),),
           "Your heads take every heads-th channel, (e, head). A head is a run of e neighbouring channels, (head, e)."),
    Mutant("output projection missing", ((f'linear({JOIN}, weights, f"{{name}}.proj")', JOIN),),
           "The output projection is missing. It is the one place where the time heads and the space heads of a token "
           "meet."),
    Mutant("residual inside", (("return linear(torch.cat", "return x + linear(torch.cat"),),
           "You returned x plus the update. The function returns the update alone; the block adds the residual."),
    Mutant("all heads counted twice", ((COUNT, "heads * t * n * (t + n)"),),
           "You let every head look both along time and across space. A head does one of the two: half of the heads "
           "make t·n·t scores each, the others t·n·n."),
    Mutant("one group alone", ((COUNT, "heads // 2 * (t**2 + n**2)"),),
           "You counted one tube and one frame. There are n tubes of t² scores and t frames of n²."),
    Mutant("one head alone", ((COUNT, "t * n * (t + n) // 2"),),
           "You left out the number of heads in the factorised count: each head has scores of its own."),
    Mutant("joint for one head", (("return heads * (t * n) ** 2", "return (t * n) ** 2"),),
           "You left out the number of heads in the joint count: each head has its own (t·n)² scores."),
)


def attend(q, k, v):
    return (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1) @ v


def by_batches(x, weights, name, t, heads):
    b, _, d = x.shape
    half = d // 2
    q, k, v = linear(x, weights, f"{name}.qkv").chunk(3, dim=-1)
    out = []
    for part, pattern in ((slice(0, half), "b (t n) (head e) -> (b n) head t e"),
                          (slice(half, d), "b (t n) (head e) -> (b t) head n e")):
        made = attend(*(rearrange(z[..., part], pattern, t=t, head=heads // 2) for z in (q, k, v)))
        back = "(b n) head t e -> b (t n) (head e)" if part.start == 0 else "(b t) head n e -> b (t n) (head e)"
        out.append(rearrange(made, back, b=b))
    return linear(torch.cat(out, dim=-1), weights, f"{name}.proj")


def by_masks(x, weights, name, t, heads):
    l = x.shape[1]
    n = l // t
    number = torch.arange(l)
    same_place = number[:, None] % n == number % n
    same_step = number[:, None] // n == number // n
    mask = torch.stack([same_place] * (heads // 2) + [same_step] * (heads // 2))
    q, k, v = (z.unflatten(-1, (heads, -1)).transpose(1, 2) for z in linear(x, weights, f"{name}.qkv").chunk(3, dim=-1))
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return linear(out.transpose(1, 2).flatten(2), weights, f"{name}.proj")


def counted_apart(t, n, heads):
    along_time, across_space = n * t * t, t * n * n
    return heads * t * t * n * n, (along_time + across_space) * heads // 2


STYLES = (
    Style("groups on the batch axis", {"factorised_heads": by_batches}),
    Style("two masks, all scores", {"factorised_heads": by_masks, "score_counts": counted_apart}),
)

EXERCISE = Exercise(
    id="05.3",
    title="Factorised heads",
    difficulty=3,
    minutes=12,
    points=20,
    why="time and space in one attention, with an image model's parameters; generative video models were found to have "
        "grown such heads by themselves.",
    objectives=("share the heads of one attention out between time and space", "count the scores that it saves"),
    answer=(factorised_heads, score_counts),
    given=(linear,),
    cases=cases,
    oracle=oracle,
    properties=(Property("heard in its step and its tube", "factorised_heads", wrong_listeners,
                         ("one patch differs",)),),
    hints=(
        "Queries, keys and values are made once, for all heads, as always. Then the heads part: the first half needs "
        "the steps of one place side by side, the second half the places of one step.",
        "(three, b, head, t, n, e) lets you split on the axis of heads. F.scaled_dot_product_attention attends over "
        "the axis before the last: for time bring t there, for space n stands there already.",
        "Return both halves to '(t n) (head e)', concatenate them on the last axis, time first, and project once. "
        "Counts: a token of a time head looks at t tokens, one of a space head at n.",
    ),
    mutants=MUTANTS,
    styles=STYLES,
    differentiable=("factorised_heads",),
)
