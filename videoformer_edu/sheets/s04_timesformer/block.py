"""04.3: the block."""

from __future__ import annotations

import numpy as np

from videoformer_edu.grading.spec import Case, Exercise, Property
from videoformer_edu.sheets import inputs as make
from videoformer_edu.sheets import oracles
from videoformer_edu.sheets.s04_timesformer.block_bank import MUTANTS, STYLES
from videoformer_edu.sheets.s04_timesformer.spatial import oracle_spatial_attention

SEQUENCE = "(b, 1 + t*n, d)"


def block_weights(rng: np.random.Generator, width: int, hidden: int) -> dict[str, np.ndarray]:
    """The state dict of a `DividedSpaceTimeBlock` with an open gate."""
    return {**make.norm(rng, "temporal_norm", width), **make.attention(rng, "temporal_attention.attention", width),
            **make.linear(rng, "temporal_projection", width, width),
            **make.norm(rng, "spatial_norm", width), **make.attention(rng, "spatial_attention.attention", width),
            **make.norm(rng, "mlp_norm", width), **make.linear(rng, "mlp.0", hidden, width, 1.5),
            **make.linear(rng, "mlp.2", width, hidden)}


def cases(rng: np.random.Generator) -> list[Case]:
    t, n, d, heads, hidden = 3, 10, 12, 4, 17
    weights = block_weights(rng, d, hidden)
    closed = weights | {name: np.zeros_like(value) for name, value in weights.items()
                        if name.startswith("temporal_projection")}

    def case(name: str, sees: str, x: np.ndarray, weights: dict, t: int, share: int = 1) -> Case:
        return Case(name, "divided_block", {"x": x, "weights": weights, "t": t, "heads": heads}, sees, share, SEQUENCE,
                    make.regions(len(x), t, (x.shape[1] - 1) // t))

    return [
        case("gate closed", "with temporal_projection at zero, frames do not see one another",
             make.twins(rng, t, n, d, changed=1), closed, t),
        case("gate open", "time, space and MLP, each with its norm and its residual",
             make.tokens(rng, 2, 1 + t * n, d), weights, t, share=3),
        case("quiet tokens", "the norms' eps is the published 1e-6",
             0.003 * make.tokens(rng, 2, 1 + t * n, d), weights, t),
        case("another clip length", "nothing is fixed to three frames of ten patches",
             make.tokens(rng, 2, 1 + 5 * 6, d), weights, 5),
    ]


def oracle_divided_block(x: np.ndarray, weights: dict, t: int, heads: int) -> np.ndarray:
    """x `(b, 1 + t*n, d)` -> the same shape: time, space, MLP, each on normed tokens and added to what was there."""
    x = x.astype(np.float64)
    n = (x.shape[1] - 1) // t
    after_time = x.copy()
    for clip in range(len(x)):
        for place in range(n):
            rows = [1 + frame * n + place for frame in range(t)]
            tube = [oracles.layer_norm(x[clip, row], weights, "temporal_norm") for row in rows]
            tube = oracles.attention(tube, weights, "temporal_attention.attention", heads)
            for row, token in zip(rows, tube, strict=True):
                after_time[clip, row] += oracles.linear(token, weights, "temporal_projection")
    normed = np.array([[oracles.layer_norm(token, weights, "spatial_norm") for token in clip] for clip in after_time])
    after_space = after_time + oracle_spatial_attention(normed, weights, t, heads)
    return np.array([[token + oracles.mlp(oracles.layer_norm(token, weights, "mlp_norm"), weights) for token in clip]
                     for clip in after_space])


def oracle(case: Case) -> np.ndarray:
    return oracle_divided_block(*case.inputs.values())


def time_leaks(inputs, out: np.ndarray) -> str | None:
    """The two clips differ in frame 1 only, and the gate is closed."""
    n = (inputs["x"].shape[1] - 1) // inputs["t"]
    for frame in (0, 2):
        rows = np.s_[1 + frame * n:1 + (frame + 1) * n]
        if np.abs(out[0, rows] - out[1, rows]).max() > 1e-5:
            return (f"temporal_projection is all zeros here, yet a new frame 1 changes the patches of frame "
                    f"{frame}. The update along time must pass through temporal_projection, and through nothing "
                    "else, before it is added.")
    return None


EXERCISE = Exercise(
    id="04.3",
    title="The block, with its gate on time",
    difficulty=4,
    minutes=15,
    points=35,
    why="this is the whole of TimeSformer: twelve of these blocks. With the gate closed it is an image model, "
        "which is how image weights become a video model.",
    objectives=("put three norms, three updates and three residuals in the published order",
                "explain what a zero temporal projection does at step 0"),
    functions={"divided_block": "x, weights, t, heads"},
    cases=cases,
    oracle=oracle,
    properties=(Property("closed gate", "divided_block", time_leaks, ("gate closed",)),),
    needs=("04.1", "04.2"),
    hints=(
        "Three times the same sentence: take the norm of what you have, compute an update from it, add the "
        "update to what you had. Time first, then space, then the MLP. CLS sits out the first one.",
        "Time: norm of the patches, to_tubes, multi_head with the name temporal_attention.attention, from_tubes, "
        "then the linear map temporal_projection; add to the patches. Join CLS again before the spatial norm.",
        "The norm: F.layer_norm(x, x.shape[-1:], weights[name + '.weight'], weights[name + '.bias'], eps=1e-6). "
        "The MLP: linear map mlp.0, F.gelu, linear map mlp.2, on CLS and patches alike.",
    ),
    mutants=MUTANTS,
    styles=STYLES,
)
