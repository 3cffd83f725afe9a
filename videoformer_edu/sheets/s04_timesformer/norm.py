"""04.3, its first function: the LayerNorm of the block, from the tensors of a dict."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from videoformer_edu.grading.spec import Case, Mutant
from videoformer_edu.sheets import inputs as make
from videoformer_edu.sheets import oracles


def norm(x, weights, name):
    """LayerNorm over d with the tensors name.weight and name.bias."""
    return F.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], eps=1e-6)


def cases(rng: np.random.Generator) -> list[Case]:
    """Names, widths and the size of the tokens vary: the quieter they are, the more eps counts."""
    def case(label: str, sees: str, name: str, sizes: tuple, scale: float, shift: float, **more) -> Case:
        b, l, d = make.sizes(rng, *sizes)
        weights = {key: value for one in (name, "spatial_norm", "blocks.1.mlp_norm")
                   for key, value in make.norm(rng, one, d).items()}
        x = (shift + scale * make.tokens(rng, b, l, d)).astype(np.float32)
        return Case(label, "norm", {"x": x, "weights": make.shuffled(rng, weights), "name": name}, sees,
                    axes="(b, l, d)", **more)

    some = case("loud tokens", "every token has mean 0 and variance 1 before scale and shift", "mlp_norm",
                ((2, 3), (5, 6), (8, 12)), 3.0, 2.0, gradient=True)
    return [
        some,
        Case("other weights, same names", "norm", some.inputs | {"weights": {
            key: value[::-1].copy() for key, value in some.inputs["weights"].items()}}, "every call is a new one",
            axes="(b, l, d)"),
        case("quiet tokens", "the norms' eps is the published 1e-6, added to the variance", "temporal_norm",
             ((2, 3), (4, 7), (5, 9)), 1e-3, 0.0),
        case("one token", "any size works", "spatial_norm", ((1,), (2,), (3, 4)), 1.0, -0.5),
        case("one long clip", "any size works", "blocks.7.norm", ((1,), (23, 31), (16, 21)), 0.2, 0.0),
    ]


def oracle_norm(x: np.ndarray, weights: dict, name: str) -> np.ndarray:
    """x `(b, l, d)` -> the same shape, token by token."""
    return np.array([[oracles.layer_norm(token, weights, name) for token in clip] for clip in x])


LINE = 'F.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], eps=1e-6)'
LEARNED = ' * weights[f"{name}.weight"] + weights[f"{name}.bias"]'
BY_HAND = "(x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True, correction=0) + 1e-6).sqrt()"

NORM_MUTANTS = (
    Mutant("eps 1e-5", (("eps=1e-6", "eps=1e-5"),),
           "Your LayerNorm uses eps 1e-5, PyTorch's default; the published one is 1e-6. The difference is small but "
           "it reaches the logits, most of all where tokens are small. Pass eps=1e-6."),
    Mutant("eps too small", (("eps=1e-6", "eps=0.0"),),
           "Your norm's eps is missing, or so small that it does nothing. The published 1e-6 is added to the variance; "
           "it counts where tokens are small."),
    Mutant("no scale and shift", ((LINE, "F.layer_norm(x, x.shape[-1:], eps=1e-6)"),),
           "Your norm stops at mean 0 and variance 1. Its learned scale, name.weight, and shift, name.bias, are "
           "missing."),
    Mutant("shift left out", (('weights[f"{name}.bias"], eps', "eps"),),
           "Your norm scales and does not shift: name.bias is missing."),
    Mutant("scale and shift exchanged",
           ((LINE, 'F.layer_norm(x, x.shape[-1:], weights[f"{name}.bias"], weights[f"{name}.weight"], eps=1e-6)'),),
           "Scale and shift are exchanged: name.weight multiplies, name.bias is added."),
    Mutant("unbiased spread", ((LINE, BY_HAND.replace(", correction=0", "") + LEARNED),),
           "You divided by the unbiased spread, with d - 1 in it, which is what x.var and x.std do unless told "
           "otherwise. LayerNorm divides by d: correction=0."),
    Mutant("mean not subtracted", ((LINE, BY_HAND.replace("(x - x.mean(-1, keepdim=True))", "x") + LEARNED),),
           "You divided by the spread and left the mean where it was. LayerNorm subtracts the token's mean first."),
    Mutant("variance without its root", ((LINE, BY_HAND.replace(".sqrt()", "") + LEARNED),),
           "You divided by the variance. Its root, the standard deviation, is what brings the spread to 1."),
    Mutant("eps on the standard deviation",
           ((LINE, BY_HAND.replace("(x.var(-1, keepdim=True, correction=0) + 1e-6).sqrt()",
                                   "(x.var(-1, keepdim=True, correction=0).sqrt() + 1e-6)") + LEARNED),),
           "You added eps to the standard deviation. It is added to the variance, before the root."),
    Mutant("norm over tokens and channels",
           ((LINE, BY_HAND.replace("(-1,", "((-2, -1),") + LEARNED),),
           "You took mean and variance over tokens and channels together. Every token is normed by itself, over the "
           "last axis alone."),
    Mutant("norm over the tokens", ((LINE, BY_HAND.replace("(-1,", "(-2,") + LEARNED),),
           "You took mean and variance over the tokens, channel by channel. Every token is normed by itself, over its "
           "d channels: the last axis."),
)


def norm_by_hand(x, weights, name):
    centred = x - x.mean(-1, keepdim=True)
    scaled = centred / (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt()
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def norm_as_module(x, weights, name):
    module = torch.nn.LayerNorm(x.shape[-1], eps=1e-6)
    module.load_state_dict({part: weights[f"{name}.{part}"] for part in ("weight", "bias")})
    return module(x)
