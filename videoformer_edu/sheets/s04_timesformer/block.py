"""04.3: the block."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from videoformer_edu.grading.spec import Case, Exercise, Mutant, Property, Style
from videoformer_edu.sheets import inputs as make
from videoformer_edu.sheets import oracles
from videoformer_edu.sheets.s04_timesformer import spatial, tubes
from videoformer_edu.sheets.s04_timesformer.spatial import (
    linear,
    multi_head,
    oracle_spatial_attention,
    spatial_attention,
)
from videoformer_edu.sheets.s04_timesformer.tubes import from_tubes, to_tubes


def norm(x, weights, name):
    """LayerNorm over d with the tensors name.weight and name.bias."""
    return F.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], eps=1e-6)


def divided_block(x, weights, t, heads):
    """x (b, 1 + t*n, d), CLS first -> the same shape: time, then space, then the MLP."""
    cls, patches = x[:, :1], x[:, 1:]
    tubes = to_tubes(norm(patches, weights, "temporal_norm"), t)  # (b*n, t, d)
    tubes = multi_head(tubes, weights, "temporal_attention.attention", heads)
    patches = patches + linear(from_tubes(tubes, len(x)), weights, "temporal_projection")
    x = torch.cat([cls, patches], dim=1)
    x = x + spatial_attention(norm(x, weights, "spatial_norm"), weights, t, heads)
    hidden = F.gelu(linear(norm(x, weights, "mlp_norm"), weights, "mlp.0"))
    return x + linear(hidden, weights, "mlp.2")

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
    around = make.norm(rng, "mlp_norm", d) | make.norm(rng, "temporal_norm", d)
    weights = block_weights(rng, d, hidden)
    closed = weights | {name: np.zeros_like(value) for name, value in weights.items()
                        if name.startswith("temporal_projection")}

    def case(name: str, sees: str, x: np.ndarray, weights: dict, t: int, share: int = 1) -> Case:
        return Case(name, "divided_block", {"x": x, "weights": weights, "t": t, "heads": heads}, sees, share, SEQUENCE,
                    make.regions(len(x), t, (x.shape[1] - 1) // t))

    return [
        Case("a norm alone", "norm", {"x": 2 + make.tokens(rng, 2, 5, d), "weights": around, "name": "mlp_norm"},
             "every token has mean 0 and variance 1 before scale and shift", axes="(b, l, d)"),
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
    if case.function == "norm":
        x, weights, name = case.inputs.values()
        return np.array([[oracles.layer_norm(token, weights, name) for token in clip] for clip in x])
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


TIME_NORM, SPACE_NORM, MLP_NORM = (f'weights, "{part}_norm")' for part in ("temporal", "spatial", "mlp"))
UPDATE = 'linear(from_tubes(tubes, len(x)), weights, "temporal_projection")'
JOIN = "    x = torch.cat([cls, patches], dim=1)\n"
SPACE = '    x = x + spatial_attention(norm(x, weights, "spatial_norm"), weights, t, heads)\n'
EACH_ITS_OWN = "Each of the three parts has its own scale and shift: temporal_norm, spatial_norm, mlp_norm."

MUTANTS = (
    Mutant("CLS left out of space", spatial.CLS_LEFT_OUT,
           "CLS is split off before both attentions and joined again for the MLP: it never sees a patch. The logits "
           "are read from CLS, so they would be the same for every video. Let CLS take part in the spatial "
           "attention, one copy in each frame."),
    Mutant("gate left out", ((UPDATE, "from_tubes(tubes, len(x))"),),
           "temporal_projection is missing: the update along time is added as it is. That linear map is the gate "
           "which, at zero, keeps time out when the block starts from an image model."),
    Mutant("gate on the sum", ((f"patches + {UPDATE}", UPDATE.replace("linear(", "linear(patches + ")),),
           "You sent patches plus update through temporal_projection. Only the update goes through it; the residual "
           "passes by outside. With the gate at zero you would erase the patches."),
    Mutant("temporal residual missing", ((f"patches + {UPDATE}", UPDATE),),
           "The residual of the temporal part is missing: the patches are replaced by the update. patches + "
           "projection(...), so that a closed gate leaves them as they are."),
    Mutant("spatial residual missing", (("x = x + spatial_attention", "x = spatial_attention"),),
           "The residual of the spatial part is missing: x + spatial_attention(...)."),
    Mutant("MLP residual missing", (("return x + linear(hidden", "return linear(hidden"),),
           "The residual of the MLP is missing: x + mlp(...)."),
    Mutant("spatial norm used twice", ((TIME_NORM, SPACE_NORM),),
           f"Your temporal attention uses the spatial norm. {EACH_ITS_OWN}"),
    Mutant("temporal norm used twice", ((SPACE_NORM, TIME_NORM),),
           f"Your spatial attention uses the temporal norm. {EACH_ITS_OWN}"),
    Mutant("spatial norm for the MLP", ((MLP_NORM, SPACE_NORM),),
           f"Your MLP uses the spatial norm, as if one LayerNorm served both. {EACH_ITS_OWN}"),
    Mutant("temporal norm missing", ((f"norm(patches, {TIME_NORM}", "patches"),),
           "The temporal attention reads tokens that were not normed: temporal_norm is missing."),
    Mutant("spatial norm missing", ((f"norm(x, {SPACE_NORM}", "x"),),
           "The spatial attention reads tokens that were not normed: spatial_norm is missing."),
    Mutant("MLP norm missing", ((f"norm(x, {MLP_NORM}", "x"),),
           "The MLP reads tokens that were not normed: mlp_norm is missing."),
    Mutant("eps 1e-5", (("eps=1e-6", "eps=1e-5"),),
           "Your LayerNorm uses eps 1e-5, PyTorch's default; the published one is 1e-6. The difference is small but "
           "it reaches the logits, most of all where tokens are small. Pass eps=1e-6."),
    Mutant("no scale and shift",
           (('x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], eps', "x.shape[-1:], eps"),),
           "Your norm stops at mean 0 and variance 1. Its learned scale, name.weight, and shift, name.bias, are "
           "missing."),
    Mutant("tanh GELU", (('"mlp.0"))', '"mlp.0"), approximate="tanh")'),),
           "Your GELU is the tanh approximation. TimeSformer's is the exact one (erf): F.gelu(x) without "
           "`approximate`."),
    Mutant("frames for tubes",
           (('rearrange(x, "b (t n) d -> (b n) t d", t=t)', "x.reshape(-1, t, x.shape[-1])"),),
           "Your temporal groups are a plain reshape of (b, t·n, d): they hold neighbours of one frame instead of "
           "one place through time. Use to_tubes from 04.1 before the temporal attention."),
    Mutant("copies of CLS summed", ((".mean(dim=1)", ".sum(dim=1)"),),
           "The copies of CLS are added up in your spatial attention; take their mean, or CLS grows with the length "
           "of the clip."),
)


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.qkv, self.proj = heads, nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):  # (..., l, d)
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(-2, -3) for part in self.qkv(x).chunk(3, -1))
        weight = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1)
        return self.proj((weight @ v).transpose(-2, -3).flatten(-2))


class Block(nn.Module):
    """The same keys as the weights, so that load_state_dict does the wiring."""

    def __init__(self, width, hidden, heads):
        super().__init__()
        self.temporal_norm, self.spatial_norm, self.mlp_norm = (nn.LayerNorm(width, eps=1e-6) for _ in range(3))
        self.temporal_attention = nn.ModuleDict({"attention": Attention(width, heads)})
        self.spatial_attention = nn.ModuleDict({"attention": Attention(width, heads)})
        self.temporal_projection = nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, x, t):
        cls, patches = x[:, :1], x[:, 1:].unflatten(1, (t, -1))  # (b, t, n, d)
        tubes = self.temporal_attention["attention"](self.temporal_norm(patches).transpose(1, 2))
        patches = patches + self.temporal_projection(tubes).transpose(1, 2)
        frames = torch.cat([cls[:, None].expand(-1, t, -1, -1), patches], dim=2)  # (b, t, 1 + n, d)
        update = self.spatial_attention["attention"](self.spatial_norm(frames))
        cls, patches = cls + update[:, :, 0].mean(1, keepdim=True), patches + update[:, :, 1:]
        x = torch.cat([cls, patches.flatten(1, 2)], dim=1)
        return x + self.mlp(self.mlp_norm(x))


def as_module(x, weights, t, heads):
    module = Block(x.shape[-1], len(weights["mlp.0.weight"]), heads)
    module.load_state_dict(weights)
    return module(x, t)


def norm_by_hand(x, weights, name):
    centred = x - x.mean(-1, keepdim=True)
    scaled = centred / (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt()
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


STYLES = (
    Style("a module with a state dict", {"divided_block": as_module}),
    Style("the norm written out", {"norm": norm_by_hand}),
)

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
    answer=(norm, divided_block),
    cases=cases,
    oracle=oracle,
    properties=(Property("closed gate", "divided_block", time_leaks, ("gate closed",)),),
    needs=(tubes.EXERCISE, spatial.EXERCISE),
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
