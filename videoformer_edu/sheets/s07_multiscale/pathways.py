"""07.3: two pathways: which frames the slow one takes, who meets whom in time, and the fusion."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange

from videoformer_edu.grading.spec import Case, Exercise, Mutant, Property, Style
from videoformer_edu.sheets import inputs as make
from videoformer_edu.sheets import oracles
from videoformer_edu.sheets.s07_multiscale.given import linear, norm
from videoformer_edu.sheets.s07_multiscale.moments import frames_one_by_one, meets, meets_by_spans, slow_frames


def fuse(slow, fast, weights, name, heads, slow_steps, fast_steps):
    """slow (b, ts*n, d) looks at fast (b, tf*n', d'), where their moments meet -> (b, ts*n, d), with a residual."""
    q = linear(norm(slow, weights, f"{name}.slow_norm"), weights, f"{name}.attention.q")
    kv = linear(norm(fast, weights, f"{name}.fast_norm"), weights, f"{name}.attention.kv")
    k, v = kv.chunk(2, dim=-1)  # all keys, all values
    q, k, v = (rearrange(part, "b l (n e) -> b n l e", n=heads) for part in (q, k, v))
    places, other_places = slow.shape[1] // slow_steps, fast.shape[1] // fast_steps
    may = meets(slow_steps, fast_steps)  # step by step; then token by token
    may = may.repeat_interleave(places, 0).repeat_interleave(other_places, 1)
    scores = q @ k.transpose(2, 3) / math.sqrt(q.shape[-1])
    out = scores.masked_fill(~may, -math.inf).softmax(dim=-1) @ v
    return slow + linear(rearrange(out, "b n l e -> b l (n e)"), weights, f"{name}.attention.proj")


NAME = "fusions.0"


def fusion_inputs(rng, b: int, steps: tuple, places: tuple, widths: tuple, heads: int, name: str = NAME) -> dict:
    d, other = widths
    weights = make.norm(rng, f"{name}.slow_norm", d) | make.norm(rng, f"{name}.fast_norm", other)
    weights |= make.linear(rng, f"{name}.attention.q", d, d, 1.3)
    weights |= make.linear(rng, f"{name}.attention.kv", 2 * d, other, 1.3)
    weights |= make.linear(rng, f"{name}.attention.proj", d, d)
    slow, fast = make.tokens(rng, b, steps[0] * places[0], d), make.tokens(rng, b, steps[1] * places[1], other)
    return {"slow": slow, "fast": fast, "weights": make.shuffled(rng, weights), "name": name, "heads": heads,
            "slow_steps": steps[0], "fast_steps": steps[1]}


def cases(rng: np.random.Generator) -> list[Case]:
    lit = fusion_inputs(rng, 2, (2, 6), (3, 2), (4, 6), 2)
    lit["slow"][1], lit["fast"][1] = lit["slow"][0], lit["fast"][0]
    lit["fast"][1, 2 * 4:2 * 5] = make.tokens(rng, 2, 6)  # another fast step 4
    steps = int(rng.choice([3, 5])), int(rng.choice([4, 7]))
    tokens = "(b, ts·n, d)"
    return [
        Case("32 frames, one in 4", "slow_frames", {"frames": 32, "alpha": 4}, "as SlowFast takes them",
             axes="(frames // alpha,)"),
        Case("8 frames, one in 4", "slow_frames", {"frames": 8, "alpha": 4}, "the first and the last",
             axes="(frames // alpha,)"),
        Case("any clip", "slow_frames", {"frames": int(rng.integers(33, 60)), "alpha": int(rng.integers(3, 6))},
             "alpha need not divide the frames", axes="(frames // alpha,)"),
        Case("all frames", "slow_frames", {"frames": int(rng.integers(5, 12)), "alpha": 1}, "alpha 1 takes every frame",
             axes="(frames // alpha,)"),
        Case("2 slow, 8 fast", "meets", {"steps": 2, "others": 8}, "four fast frames for each slow one",
             axes="(steps, others)"),
        Case("steps that do not divide", "meets", {"steps": steps[0], "others": steps[1]},
             "a fast step on a border meets both", axes="(steps, others)"),
        Case("more steps than others", "meets", {"steps": int(rng.integers(7, 10)), "others": 3}, "it works both ways",
             axes="(steps, others)"),
        Case("the same steps", "meets", {"steps": 4, "others": 4}, "each step meets itself", axes="(steps, others)"),
        Case("another fast step", "fuse", lit, "a slow step hears the fast steps of its moment alone", axes=tokens,
             parts=({f"clip {c}": np.s_[c:c + 1] for c in range(2)},)),
        Case("two clips", "fuse", fusion_inputs(rng, 2, (2, 4), (2, 3), (6, 3), int(rng.choice([2, 3]))),
             "no clip hears of another one", share=2, axes=tokens, gradient=True),
        Case("borders within a fast step", "fuse", fusion_inputs(rng, 1, (3, 4), (2, 2), (6, 4), 3, "fusion"),
             "overlap decides, not division", share=2, axes=tokens),
        Case("as many steps in both", "fuse", fusion_inputs(rng, 3, (3, 3), (4, 1), (5, 8), 1),
             "then each step hears its own", axes=tokens),
    ]


def oracle(case: Case) -> np.ndarray:
    given = case.inputs
    if case.function == "slow_frames":
        count = given["frames"] // given["alpha"]
        return np.array([int(np.linspace(0, given["frames"] - 1, count, dtype=np.float32)[i]) for i in range(count)])
    if case.function == "meets":
        return np.array([[overlap(i, given["steps"], j, given["others"]) for j in range(given["others"])]
                         for i in range(given["steps"])])
    return np.array([one_clip(slow, fast, given) for slow, fast in zip(given["slow"], given["fast"], strict=True)])


def overlap(i: int, steps: int, j: int, others: int) -> bool:
    """Cut the clip into steps·others equal moments and see whether the two share one."""
    return bool({m for m in range(steps * others) if m // others == i} & {
        m for m in range(steps * others) if m // steps == j})


def one_clip(slow: np.ndarray, fast: np.ndarray, given) -> np.ndarray:
    weights, name, heads = given["weights"], given["name"], given["heads"]
    d = slow.shape[1]
    e, n, other = d // heads, len(slow) // given["slow_steps"], len(fast) // given["fast_steps"]
    queries = [oracles.linear(oracles.layer_norm(x, weights, f"{name}.slow_norm"), weights, f"{name}.attention.q")
               for x in slow]
    made = [oracles.linear(oracles.layer_norm(x, weights, f"{name}.fast_norm"), weights, f"{name}.attention.kv")
            for x in fast]
    out = []
    for l, query in enumerate(queries):
        heard = [one for k, one in enumerate(made)
                 if overlap(l // n, given["slow_steps"], k // other, given["fast_steps"])]
        mixed = np.zeros(d)
        for head in range(heads):
            own = slice(head * e, (head + 1) * e)
            scores = np.array([query[own] @ one[:d][own] / math.sqrt(e) for one in heard])
            shares = np.exp(scores - scores.max())
            mixed[own] = shares / shares.sum() @ np.array([one[d:][own] for one in heard])
        out.append(slow[l] + oracles.linear(mixed, weights, f"{name}.attention.proj"))
    return np.array(out)


def last_frame(inputs, out: np.ndarray) -> str | None:
    last, end = int(out[-1]), inputs["frames"] - 1
    if len(out) == 1 or last == end:
        return None
    return f"the last frame that yours takes is {last} of 0 to {end}: the end is never seen."


def lonely(inputs, out: np.ndarray) -> str | None:
    if out.any(1).all() and out.any(0).all():
        return None
    return "there is a step that meets nobody. Spans that cover the clip always overlap some other span."


def out_of_time(inputs, out: np.ndarray) -> str | None:
    """Clip 1 is clip 0 with another fast step 4 of 6; the slow steps are 2 of 3 places."""
    moved = np.abs(out[0] - out[1]).max(axis=-1) > 1e-5
    if moved[:3].any():
        return "slow step 0 (the first half of the clip) heard of a change in fast step 4 of 6, in the second half."
    return None if moved[3:].all() else "a change in fast step 4 of 6 did not reach all of slow step 1."


LINSPACE = "torch.linspace(0, frames - 1, frames // alpha).long()"
MEETS = "(i * others < (j + 1) * steps) & (j * steps < (i + 1) * others)"
SPREAD = "may.repeat_interleave(places, 0).repeat_interleave(other_places, 1)"
PROJ = 'linear(rearrange(out, "b n l e -> b l (n e)"), weights, f"{name}.attention.proj")'
MUTANTS = (
    Mutant("every alpha-th", ((LINSPACE, "torch.arange(frames)[::alpha][:frames // alpha]"),),
           "You took every alpha-th frame. Then the last frames are never seen; SlowFast spreads the slow frames from "
           "the first to the last."),
    Mutant("rounded to the nearest", ((LINSPACE, LINSPACE.replace(".long()", ".round().long()")),),
           "You rounded to the nearest frame. The published code rounds down: of 32 frames, one in 4, the third is 8 "
           "and the fourth 13."),
    Mutant("middle of each span", ((LINSPACE, "(torch.arange(frames // alpha) * alpha + alpha // 2)"),),
           "You took the middle of each span. The first slow frame is frame 0 and the last is the last."),
    Mutant("counted from 1", ((LINSPACE, "torch.linspace(1, frames, frames // alpha).long()"),),
           "You counted frames from 1. The first is frame 0, the last is frame frames - 1."),
    Mutant("step by number", ((MEETS, "i == j"),),
           "You let steps of the same number meet. Slow step 1 of 2 is the second half of the clip, fast step 1 of 8 "
           "is at its beginning."),
    Mutant("everybody meets", ((MEETS, "(i >= 0) & (j >= 0)"),),
           "You let every step meet every other one. Steps meet where their parts of the clip overlap."),
    Mutant("divided and rounded", ((MEETS, "j * steps // others == i"),),
           "You gave each of the others to one step, by where it *begins*. One that lies across a border meets both."),
    Mutant("borders touch", ((MEETS, "(i * others <= (j + 1) * steps) & (j * steps <= (i + 1) * others)"),),
           "You let spans meet that only touch. The end of a span does not belong to it: use <, not <=."),
    Mutant("mask turned round", (("~may", "may"),),
           "Your mask keeps what should be hidden. masked_fill writes where it is True, so it needs ~may."),
    Mutant("tokens repeated for steps", ((SPREAD, "may.repeat(places, 1).repeat(1, other_places)"),),
           "You repeated the table as a whole. The tokens of a step stand side by side, so each row and each column is "
           "repeated in its place: repeat_interleave."),
    Mutant("no residual", (("return slow + linear(", "return linear("),),
           "The residual is missing: then all that the slow pathway knew is dropped, and only fast values go on."),
    Mutant("residual of the normed", (("return slow + linear(", 'return norm(slow, weights, f"{name}.slow_norm") + '
                                       "linear("),),
           "You added the normed tokens. The residual carries slow as it came."),
    Mutant("fast not normed", (('norm(fast, weights, f"{name}.fast_norm")', "fast"),),
           "The fast tokens have a norm of their own, fast_norm, before keys and values are made."),
    Mutant("slow not normed", (('linear(norm(slow, weights, f"{name}.slow_norm"), weights, f"{name}.attention.q")',
                                'linear(slow, weights, f"{name}.attention.q")'),),
           "The slow tokens have a norm of their own, slow_norm, before queries are made."),
    Mutant("values first", (("k, v = kv.chunk", "v, k = kv.chunk"),),
           "You took the first half of kv for the values. All keys come first, then all values."),
    Mutant("no scale", ((" / math.sqrt(q.shape[-1])", ""),),
           "You did not divide the scores by the square root of e, the width of a head."),
    Mutant("no output projection", ((PROJ, 'rearrange(out, "b n l e -> b l (n e)")'),),
           "The output projection, attention.proj, is missing."),
)


def fuse_step_by_step(slow, fast, weights, name, heads, slow_steps, fast_steps):
    q = linear(norm(slow, weights, f"{name}.slow_norm"), weights, f"{name}.attention.q")
    k, v = linear(norm(fast, weights, f"{name}.fast_norm"), weights, f"{name}.attention.kv").chunk(2, -1)
    n, other, out = slow.shape[1] // slow_steps, fast.shape[1] // fast_steps, []
    for i, row in enumerate(meets_by_spans(slow_steps, fast_steps)):
        heard = row.repeat_interleave(other)
        parts = [rearrange(part, "b l (n e) -> b n l e", n=heads)
                 for part in (q[:, i * n:(i + 1) * n], k[:, heard], v[:, heard])]
        out.append(rearrange(F.scaled_dot_product_attention(*parts), "b n l e -> b l (n e)"))
    return slow + linear(torch.cat(out, dim=1), weights, f"{name}.attention.proj")


STYLES = (
    Style("step by step", {"slow_frames": frames_one_by_one, "meets": meets_by_spans, "fuse": fuse_step_by_step}),
    Style("the fused attention", edits=((
        "    scores = q @ k.transpose(2, 3) / math.sqrt(q.shape[-1])\n"
        "    out = scores.masked_fill(~may, -math.inf).softmax(dim=-1) @ v\n",
        "    out = F.scaled_dot_product_attention(q, k, v, may)\n"),)),
)

EXERCISE = Exercise(
    id="07.3",
    title="Two frame rates that meet in time",
    difficulty=4,
    minutes=18,
    points=35,
    why="frames of two rates have two numberings; whoever lines them up by number mixes beginnings with ends, and "
        "nothing fails.",
    objectives=("choose the frames of a slow pathway", "let two sets of tokens meet by their moments",
                "fuse with norms of their own and a residual"),
    answer=(slow_frames, meets, fuse),
    given=(linear, norm),
    cases=cases,
    oracle=oracle,
    properties=(Property("the end is seen", "slow_frames", last_frame),
                Property("nobody is alone", "meets", lonely),
                Property("in its own time", "fuse", out_of_time, ("another fast step",))),
    hints=(
        "slow_frames: torch.linspace from the first frame to the last, frames // alpha of them, rounded down. meets: "
        "two spans overlap where each begins before the other ends.",
        "Multiply instead of dividing: i / steps < (j + 1) / others is i · others < (j + 1) · steps. All of i at once: "
        "a column torch.arange(steps)[:, None]; all of j: a row.",
        "fuse: q from the normed slow tokens, k and v from the normed fast ones; heads apart; the table of steps "
        "becomes one of tokens by repeat_interleave along both axes; scores where it is False are -inf; softmax, times "
        "v, heads together, proj, and slow is added.",
    ),
    mutants=MUTANTS,
    styles=STYLES,
)
