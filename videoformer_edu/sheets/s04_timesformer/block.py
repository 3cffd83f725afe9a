"""04.3: the block."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from videoformer_edu.grading.spec import Case, Exercise, Mutant, Property, Style
from videoformer_edu.sheets import inputs as make
from videoformer_edu.sheets import oracles
from videoformer_edu.sheets.s04_timesformer import spatial, tubes
from videoformer_edu.sheets.s04_timesformer.multi_head import fused, linear, multi_head, torch_module
from videoformer_edu.sheets.s04_timesformer.norm import NORM_MUTANTS, norm, norm_as_module, norm_by_hand, oracle_norm
from videoformer_edu.sheets.s04_timesformer.norm import cases as norm_cases
from videoformer_edu.sheets.s04_timesformer.spatial import oracle_spatial_attention, spatial_attention
from videoformer_edu.sheets.s04_timesformer.tubes import from_tubes, to_tubes


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


def cases(rng: np.random.Generator) -> list[Case]:
    def case(label: str, sees: str, sizes: tuple, *, closed: bool = False, scale: float = 1.0,
             share: int = 1, gradient: bool = False) -> Case:
        b, t, n, heads, e, hidden = make.sizes(rng, *sizes)
        d = heads * e
        weights = make.shuffled(rng, make.divided_block(rng, d, hidden))
        if closed:
            weights |= {key: 0 * weights[key] for key in weights if key.startswith("temporal_projection")}
        x = make.twins(rng, t, n, d, changed=1) if closed else scale * make.tokens(rng, b, 1 + t * n, d)
        return Case(label, "divided_block", {"x": x.astype(np.float32), "weights": weights, "t": t, "heads": heads},
                    sees, share, "(b, 1 + t*n, d)", make.regions(len(x), t, n), gradient=gradient)

    several = case("gate open", "time, space and MLP, each with its norm and its residual",
                   ((2, 3), (3, 4), (4, 5), (2, 3, 4), (6, 7), (11, 13)), share=3, gradient=True)
    others = {name: values[::-1].copy() for name, values in several.inputs["weights"].items()}
    return norm_cases(rng) + [
        case("gate closed", "with temporal_projection at zero, frames do not see one another",
             ((2,), (3, 4), (5, 7), (3, 4), (6, 8), (9, 11)), closed=True, gradient=True),
        several,
        Case("other weights, same names", "divided_block", several.inputs | {"weights": others},
             "every call is a new one", 1, several.axes, several.parts),
        case("quiet tokens", "the norms' eps is the published 1e-6", ((2, 3), (4,), (3, 5), (2, 3), (6, 7), (8, 10)),
             scale=0.003),
        case("one clip", "one clip goes as several do", ((1,), (2,), (6, 9), (3, 4), (5, 7), (8, 12))),
        case("one frame", "with one frame it is the block of an image model",
             ((3, 5), (1,), (6, 7), (2, 4), (3, 5), (8, 9))),
        case("one patch a frame, a wide MLP", "nothing is fixed to one size",
             ((2, 4), (6, 7), (1,), (2, 3), (4, 5), (53, 67))),
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
    normed = oracle_norm(after_time, weights, "spatial_norm")
    after_space = after_time + oracle_spatial_attention(normed, weights, t, heads)
    return np.array([[token + oracles.mlp(oracles.layer_norm(token, weights, "mlp_norm"), weights) for token in clip]
                     for clip in after_space])


def oracle(case: Case) -> np.ndarray:
    return (oracle_norm if case.function == "norm" else oracle_divided_block)(**case.inputs)


def time_leaks(inputs, out: np.ndarray) -> str | None:
    """The two clips differ in frame 1 only, and the gate is closed."""
    t = inputs["t"]
    n = (inputs["x"].shape[1] - 1) // t
    for frame in (frame for frame in range(t) if frame != 1):
        rows = np.s_[1 + frame * n:1 + (frame + 1) * n]
        if np.abs(out[0, rows] - out[1, rows]).max() > 1e-5:
            return (f"temporal_projection is all zeros here, and yet two clips that differ only in frame 1 give "
                    f"different patches in frame {frame}. With that gate closed a patch depends on CLS and on the "
                    "patches of its own frame, and on nothing else.")
    return None


TIME_NORM, SPACE_NORM, MLP_NORM = (f'weights, "{part}_norm")' for part in ("temporal", "spatial", "mlp"))
START = "    cls, patches = x[:, :1], x[:, 1:]\n    tubes"
TUBES = 'tubes = to_tubes(norm(patches, weights, "temporal_norm"), t)'
UPDATE = 'linear(from_tubes(tubes, len(x)), weights, "temporal_projection")'
JOIN = "    x = torch.cat([cls, patches], dim=1)\n"
SPACE = '    x = x + spatial_attention(norm(x, weights, "spatial_norm"), weights, t, heads)\n'
MLP = 'hidden = F.gelu(linear(norm(x, weights, "mlp_norm"), weights, "mlp.0"))'
EACH_ITS_OWN = "Each of the three parts has its own scale and shift: temporal_norm, spatial_norm, mlp_norm."
WITH_CLS = (("    " + TUBES, '    normed, n = norm(x, weights, "temporal_norm"), (x.shape[1] - 1) // t\n'
             "    tubes = torch.cat([normed[:, :1].repeat_interleave(n, dim=0), to_tubes(normed[:, 1:], t)], dim=1)"),
            ("from_tubes(tubes, len(x))", "from_tubes(tubes[:, 1:], len(x))"))
NORMED_TIME = (TUBES, 'patches = norm(patches, weights, "temporal_norm")\n    tubes = to_tubes(patches, t)')
NORMED_SPACE = ('norm(x, weights, "spatial_norm"), weights, t', "x, weights, t"), (
    JOIN, JOIN + '    x = norm(x, weights, "spatial_norm")\n')
NORMED_MLP = (MLP, 'x = norm(x, weights, "mlp_norm")\n    hidden = F.gelu(linear(x, weights, "mlp.0"))')

MUTANTS = (
    *NORM_MUTANTS,
    Mutant("CLS left out of space", spatial.CLS_LEFT_OUT,
           "CLS takes no part in your spatial attention: it never sees a patch. The logits are read from CLS, so they "
           "would be the same for every video. Give every frame a copy of CLS."),
    Mutant("CLS in time", WITH_CLS,
           "CLS takes part in your temporal attention. The paper's equation has it as a key there, the published code "
           "and its weights do not: only the patches, x[:, 1:], go through time."),
    Mutant("CLS updated along time",
           (*WITH_CLS, (JOIN, '    cls = cls + linear(tubes[:, :1].unflatten(0, (len(x), n)).mean(dim=1), weights, '
                              '"temporal_projection")\n' + JOIN)),
           "Your temporal step updates CLS. In the published code CLS sits out that step: only the patches, x[:, 1:], "
           "go through time."),
    Mutant("space before time", ((SPACE, ""), (START, SPACE + START)),
           "Your block attends over space first and then along time. TimeSformer goes along time first; the published "
           "weights were trained in that order."),
    Mutant("space from the old tokens", ((JOIN, JOIN.replace("x =", "old, x = x,")), (f"norm(x, {SPACE_NORM}",
                                                                                   f"norm(old, {SPACE_NORM}")),
           "Your spatial attention reads the tokens as they were before time was added. The three updates follow one "
           "another: each starts from the result of the one before."),
    Mutant("MLP from the tokens before space", ((SPACE, "    old = x\n" + SPACE), (f"norm(x, {MLP_NORM}",
                                                                                  f"norm(old, {MLP_NORM}")),
           "Your MLP reads the tokens as they were before the spatial step. Each step starts from the result of the "
           "one before."),
    Mutant("space's weights in time", (('"temporal_attention.attention"', '"spatial_attention.attention"'),),
           "Your temporal step uses the spatial attention's weights. It has four of its own: "
           "temporal_attention.attention."),
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
    Mutant("temporal residual from the normed", (NORMED_TIME,),
           "Your temporal residual adds to the normed patches. Norm them for the attention only, and add the update to "
           "the patches as they were."),
    Mutant("all residuals from the normed", (NORMED_TIME, *NORMED_SPACE, NORMED_MLP),
           "All your residuals add to the normed tokens. A norm is for what goes into attention or MLP; the update is "
           "added to the tokens as they were."),
    Mutant("norm after the residual",
           ((f"norm(patches, {TIME_NORM}", "patches"), (f"patches = patches + {UPDATE}",
             f"patches = norm(patches + {UPDATE}, {TIME_NORM}"),
            (SPACE, f"    x = norm(x + spatial_attention(x, weights, t, heads), {SPACE_NORM}\n"),
            (f"norm(x, {MLP_NORM}", "x"), ('return x + linear(hidden, weights, "mlp.2")',
                                          f'return norm(x + linear(hidden, weights, "mlp.2"), {MLP_NORM}')),
           "You norm after adding (post-norm, as in the first Transformer). ViT and TimeSformer are pre-norm: the norm "
           "stands before each update, and the sum stays as it is."),
    Mutant("spatial norm in time", ((TIME_NORM, SPACE_NORM),),
           f"Your temporal attention uses the spatial norm. {EACH_ITS_OWN}"),
    Mutant("temporal norm in space", ((SPACE_NORM, TIME_NORM),),
           f"Your spatial attention uses the temporal norm. {EACH_ITS_OWN}"),
    Mutant("spatial norm for the MLP", ((MLP_NORM, SPACE_NORM),),
           f"Your MLP uses the spatial norm, as if one LayerNorm served both. {EACH_ITS_OWN}"),
    Mutant("temporal norm missing", ((f"norm(patches, {TIME_NORM}", "patches"),),
           "The temporal attention reads tokens that were not normed: temporal_norm is missing."),
    Mutant("spatial norm missing", ((f"norm(x, {SPACE_NORM}", "x"),),
           "The spatial attention reads tokens that were not normed: spatial_norm is missing."),
    Mutant("MLP norm missing", ((f"norm(x, {MLP_NORM}", "x"),),
           "The MLP reads tokens that were not normed: mlp_norm is missing."),
    Mutant("tanh GELU", (('"mlp.0"))', '"mlp.0"), approximate="tanh")'),),
           "Your GELU is the tanh approximation. TimeSformer has the exact one (erf): F.gelu(x), no `approximate`."),
    Mutant("ReLU", (("F.gelu(", "F.relu("),),
           "Your MLP has a ReLU between its linear maps; TimeSformer has a GELU there, F.gelu."),
    Mutant("no activation", (("F.gelu(", "("),),
           "Nothing stands between the two linear maps of your MLP, so together they are one linear map. F.gelu goes "
           "between them."),
    Mutant("MLP on the patches only",
           (('return x + linear(hidden, weights, "mlp.2")',
             'return torch.cat([x[:, :1], (x + linear(hidden, weights, "mlp.2"))[:, 1:]], dim=1)'),),
           "CLS skips your MLP. The MLP works on every token, CLS included."),
    Mutant("frames for tubes", (('rearrange(x, "b (t n) d -> (b n) t d", t=t)', "x.reshape(-1, t, x.shape[-1])"),),
           "Your temporal groups are a plain reshape of (b, t·n, d): they hold neighbours of one frame instead of one "
           "place through time. Use to_tubes from 04.1 before the temporal attention."),
    Mutant("patches passed for frames", ((START, "    t = (x.shape[1] - 1) // t\n" + START),),
           "Your block counts n frames of t patches. t is the number of frames."),
    Mutant("joint attention in space",
           (("x + spatial_attention(norm(x,", "x + multi_head(norm(x,"),
            ('"spatial_norm"), weights, t,', '"spatial_norm"), weights, "spatial_attention.attention",')),
           "Your spatial step attends over the whole clip at once, which is joint attention. Use spatial_attention "
           "from 04.2: its groups are single frames."),
    Mutant("copies of CLS summed", ((".mean(dim=1)", ".sum(dim=1)"),),
           "The copies of CLS are added up in your spatial attention; take their mean, or CLS grows with the length of "
           "the clip."),
)


def in_four_axes(x, weights, t, heads, norm=norm_by_hand, attend=fused, space=spatial.by_expand):
    cls, patches = x[:, :1], x[:, 1:].unflatten(1, (t, -1))  # (b, t, n, d)
    tubes = norm(patches, weights, "temporal_norm").transpose(1, 2).flatten(0, 1)
    tubes = attend(tubes, weights, "temporal_attention.attention", heads).unflatten(0, (len(x), -1)).transpose(1, 2)
    x = torch.cat([cls, (patches + linear(tubes, weights, "temporal_projection")).flatten(1, 2)], dim=1)
    x = x + space(norm(x, weights, "spatial_norm"), weights, t, heads)
    return x + linear(F.gelu(linear(norm(x, weights, "mlp_norm"), weights, "mlp.0")), weights, "mlp.2")


def with_modules(x, weights, t, heads):
    return in_four_axes(x, weights, t, heads, norm_as_module, torch_module, spatial.frame_by_frame)


STYLES = (
    Style("written out, in four axes", {"divided_block": in_four_axes, "norm": norm_by_hand}),
    Style("modules that load copies of the weights", {"divided_block": with_modules, "norm": norm_as_module}),
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
