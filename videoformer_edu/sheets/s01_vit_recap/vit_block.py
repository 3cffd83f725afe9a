"""01.4: the block of a vision transformer."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from videoformer_edu.grading.spec import Case, Exercise, Mutant, Property, Style
from videoformer_edu.sheets import inputs as make
from videoformer_edu.sheets import oracles
from videoformer_edu.sheets.s01_vit_recap import heads
from videoformer_edu.sheets.s01_vit_recap.heads import linear, multi_head, multi_head_chunked, place_matters


def norm(x, weights, name):
    """LayerNorm of each token x (..., d), with name.weight, name.bias and eps = 1e-6."""
    return F.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], eps=1e-6)


def vit_block(x, weights, heads):
    """x (b, l, d) -> (b, l, d): attention on normed tokens, added; then the MLP on normed tokens, added."""
    x = x + multi_head(norm(x, weights, "attention_norm"), weights, "attention", heads)
    hidden = F.gelu(linear(norm(x, weights, "mlp_norm"), weights, "mlp.0"))
    return x + linear(hidden, weights, "mlp.2")


def block_weights(rng: np.random.Generator, d: int, hidden: int) -> dict[str, np.ndarray]:
    """The state dict of a `TransformerBlock`."""
    return {**make.norm(rng, "attention_norm", d), **make.attention(rng, "attention", d),
            **make.norm(rng, "mlp_norm", d), **make.linear(rng, "mlp.0", hidden, d, 1.5),
            **make.linear(rng, "mlp.2", d, hidden)}


def cases(rng: np.random.Generator) -> list[Case]:
    b, l, width = (int(size) for size in rng.permutation([2, 3, 5]))  # noqa: E741 - the papers' letter
    heads = int(rng.choice([2, 4]))
    axes, tokens = "(..., d)", "(b, l, d)"

    def normed(name: str, sees: str, x: np.ndarray, part: str) -> Case:
        return Case(name, "norm", {"x": x, "weights": make.norm(rng, part, x.shape[-1]), "name": part}, sees, axes=axes)

    def block(name: str, sees: str, x: np.ndarray, weights: dict, heads: int, share: int = 2) -> Case:
        return Case(name, "vit_block", {"x": x, "weights": weights, "heads": heads}, sees, share, tokens)

    d, hidden = heads * (2 * width + 1), 17
    silent = {name: np.zeros_like(value) if name.startswith(("attention.proj", "mlp.2")) else value
              for name, value in block_weights(rng, 6, 13).items()}
    other = make.tokens(rng, l + 2, 10)
    plain = Case("plain scale and shift", "norm", {
        "x": 3 * make.tokens(rng, 4, l, 9) + 2,
        "weights": {"norm.weight": np.ones(9, np.float32), "norm.bias": np.zeros(9, np.float32)}, "name": "norm"},
        "each token has mean 0 and variance 1", axes=axes)
    return [
        plain,
        normed("several tokens", "each token by itself, with the learned scale and shift",
               make.tokens(rng, b, l, d), "attention_norm"),
        normed("one wide token", "any number of axes in front", make.tokens(rng, 48), "mlp_norm"),
        normed("quiet tokens", "eps is the published 1e-6", 0.003 * make.tokens(rng, 2, 7, width + 1), "norm"),
        block("silent updates", "with both updates at zero, the tokens pass through", make.tokens(rng, 2, l, 6), silent,
              3),
        block("tokens in another order", "a block follows its tokens wherever they stand",
              np.stack([other, other[::-1]]), block_weights(rng, 10, 7), 5),
        block("attention and MLP", "attention first, then the MLP, each with its norm and its residual",
              make.tokens(rng, b, 2 * l, d), block_weights(rng, d, hidden), heads, share=3),
        block("one head, one token", "a token alone looks at itself", make.tokens(rng, 1, 1, 8),
              block_weights(rng, 8, 32), 1),
        block("quiet tokens in a block", "small tokens show the eps of both norms",
              0.003 * make.tokens(rng, 2, 5, 12), block_weights(rng, 12, 24), 4),
    ]


def oracle(case: Case) -> np.ndarray:
    x, weights = np.asarray(case.inputs["x"], dtype=np.float64), case.inputs["weights"]
    if case.function == "norm":
        flat = [oracles.layer_norm(token, weights, case.inputs["name"]) for token in x.reshape(-1, x.shape[-1])]
        return np.array(flat).reshape(x.shape)
    out = []
    for picture in x:
        asked = [oracles.layer_norm(token, weights, "attention_norm") for token in picture]
        updates = oracles.attention(asked, weights, "attention", case.inputs["heads"])
        tokens = [token + update for token, update in zip(picture, updates, strict=True)]
        out.append([token + oracles.mlp(oracles.layer_norm(token, weights, "mlp_norm"), weights) for token in tokens])
    return np.array(out)


def not_normed(inputs, out: np.ndarray) -> str | None:
    mean, spread = float(np.abs(out.mean(-1)).max()), float(np.abs(out.std(-1) - 1).max())
    if mean <= 1e-4 and spread <= 1e-3:
        return None
    return (f"with scale 1 and shift 0 every token should have mean 0 and standard deviation 1; yours are off by up to "
            f"{mean:.3f} and {spread:.3f}.")


def not_passed(inputs, out: np.ndarray) -> str | None:
    change = float(np.abs(out - inputs["x"]).max())
    if change <= 1e-5:
        return None
    return (f"attention.proj and mlp.2 are all zeros here, so both updates are zero, and the tokens should come out as "
            f"they went in; yours change by up to {change:.2f}.")


FIRST = 'x = x + multi_head(norm(x, weights, "attention_norm"), weights, "attention", heads)'
HIDDEN = 'hidden = F.gelu(linear(norm(x, weights, "mlp_norm"), weights, "mlp.0"))'
LAST = 'return x + linear(hidden, weights, "mlp.2")'
NORM = 'F.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], eps=1e-6)'


def mutant(name: str, sentence: str, *edits: tuple[str, str]) -> Mutant:
    return Mutant(name, edits, sentence)


MUTANTS = (
    mutant("eps 1e-5",
           "Your LayerNorm uses eps 1e-5, PyTorch's default; the published one is 1e-6. The difference is small, but "
           "it reaches the logits, most of all where tokens are small. Pass eps=1e-6.", (", eps=1e-6", "")),
    mutant("no scale and shift",
           "Your norm leaves out its learned scale and shift: name.weight and name.bias are in the dict.",
           (NORM, "F.layer_norm(x, x.shape[-1:], eps=1e-6)")),
    mutant("unbiased variance",
           "Your variance divides by d - 1. LayerNorm divides by d: x.var(-1, unbiased=False).",
           (NORM, '(x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True) + 1e-6).sqrt() * '
                  'weights[f"{name}.weight"] + weights[f"{name}.bias"]')),
    mutant("eps outside the root",
           "You added eps to the standard deviation. It belongs under the root: sqrt(variance + eps).",
           (NORM, '(x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True, unbiased=False).sqrt() + 1e-6) * '
                  'weights[f"{name}.weight"] + weights[f"{name}.bias"]')),
    mutant("mean not taken off",
           "You divided by the root of the mean square and took no mean off: that is RMSNorm. LayerNorm subtracts the "
           "mean of each token first.",
           (NORM, 'F.rms_norm(x, x.shape[-1:], weights[f"{name}.weight"], 1e-6) + weights[f"{name}.bias"]')),
    mutant("post-norm",
           "You norm after adding (post-norm, as in the first Transformer). ViT is pre-norm: the norm stands before "
           "each update, and the sum stays as it is.",
           (FIRST, 'x = norm(x + multi_head(x, weights, "attention", heads), weights, "attention_norm")'),
           (HIDDEN, 'hidden = F.gelu(linear(x, weights, "mlp.0"))'),
           (LAST, 'return norm(x + linear(hidden, weights, "mlp.2"), weights, "mlp_norm")')),
    mutant("norm at the end",
           "You norm the tokens again at the end of the block. What leaves a block is the plain sum; the model has one "
           "norm after its last block.",
           (LAST, 'return norm(x + linear(hidden, weights, "mlp.2"), weights, "mlp_norm")')),
    mutant("attention without its residual",
           "The residual of the attention is missing: x + attention(norm(x)). Without it the tokens are replaced by "
           "what they heard.",
           (FIRST, 'x = multi_head(norm(x, weights, "attention_norm"), weights, "attention", heads)')),
    mutant("MLP without its residual",
           "The residual of the MLP is missing: x + mlp(norm(x)).", (LAST, 'return linear(hidden, weights, "mlp.2")')),
    mutant("residual from the normed tokens",
           "You added the update to the *normed* tokens. The residual carries the token as it came in, not normed.",
           (FIRST, 'x = norm(x, weights, "attention_norm")\n    '
                   'x = x + multi_head(x, weights, "attention", heads)')),
    mutant("MLP's residual from the normed tokens",
           "You added the MLP's update to the *normed* tokens. The residual carries the token as it was, not normed.",
           (HIDDEN, 'x = norm(x, weights, "mlp_norm")\n    hidden = F.gelu(linear(x, weights, "mlp.0"))')),
    mutant("attention without its norm",
           "Your attention reads tokens that were not normed: attention_norm is missing.",
           ('multi_head(norm(x, weights, "attention_norm"), weights', "multi_head(x, weights")),
    mutant("MLP without its norm",
           "Your MLP reads tokens that were not normed: mlp_norm is missing.",
           ('linear(norm(x, weights, "mlp_norm"), weights', "linear(x, weights")),
    mutant("one norm for both",
           "Your MLP uses attention_norm. Each part has a scale and shift of its own; this one is mlp_norm.",
           ('"mlp_norm"', '"attention_norm"')),
    mutant("both from the input",
           "Your MLP reads the tokens as they came in, side by side with the attention. It starts from what attention "
           "left.",
           (FIRST, 'y = x + multi_head(norm(x, weights, "attention_norm"), weights, "attention", heads)'),
           (LAST, 'return y + linear(hidden, weights, "mlp.2")')),
    mutant("MLP first",
           "Your MLP comes before the attention. The tokens look first, then each works on what it has heard.",
           (LAST, 'return x + multi_head(norm(x, weights, "attention_norm"), weights, "attention", heads)'),
           (HIDDEN, 'x = x + linear(hidden, weights, "mlp.2")'), (FIRST, HIDDEN)),
    mutant("tanh GELU",
           "Your GELU is the tanh approximation. ViT's is the exact one (erf): F.gelu(x) without `approximate`.",
           ('"mlp.0"))', '"mlp.0"), approximate="tanh")')),
    mutant("ReLU", "Your MLP uses ReLU; ViT's uses GELU, which is smooth at zero: F.gelu.",
           ("F.gelu(", "F.relu(")),
    mutant("no activation",
           "There is nothing between your MLP's two linear maps, and two linear maps are one. Put F.gelu between "
           "them.", (HIDDEN, 'hidden = linear(norm(x, weights, "mlp_norm"), weights, "mlp.0")')),
    mutant("activation at the end",
           "Your GELU stands after the second map as well. The update must be free to go both ways: GELU between the "
           "two maps alone.", (LAST, 'return x + F.gelu(linear(hidden, weights, "mlp.2"))')),
)


def norm_by_hand(x, weights, name):
    centred = x - x.mean(dim=-1, keepdim=True)
    variance = centred.square().mean(dim=-1, keepdim=True)
    return centred * torch.rsqrt(variance + 1e-6) * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def block_by_hand(x, weights, heads):
    y = multi_head_chunked(norm_by_hand(x, weights, "attention_norm"), weights, "attention", heads) + x
    z = norm_by_hand(y, weights, "mlp_norm") @ weights["mlp.0.weight"].T + weights["mlp.0.bias"]
    z = 0.5 * z * (1 + torch.erf(z / 2**0.5))
    return y + z @ weights["mlp.2.weight"].T + weights["mlp.2.bias"]


def norm_of_torch(x, weights, name):
    module = nn.LayerNorm(x.shape[-1], eps=1e-6)
    return torch.func.functional_call(module, {part: weights[f"{name}.{part}"] for part in ("weight", "bias")}, (x,))


def block_in_functions(x, weights, heads):
    def mlp(x):
        return linear(nn.GELU()(linear(x, weights, "mlp.0")), weights, "mlp.2")

    after = x + multi_head(norm_of_torch(x, weights, "attention_norm"), weights, "attention", heads)
    return torch.add(after, mlp(norm_of_torch(after, weights, "mlp_norm")))


STYLES = (
    Style("everything by hand", {"norm": norm_by_hand, "vit_block": block_by_hand}),
    Style("torch's modules", {"norm": norm_of_torch, "vit_block": block_in_functions}),
)

EXERCISE = Exercise(
    id="01.4",
    title="The block",
    difficulty=3,
    minutes=13,
    points=25,
    why="a vision transformer is this block, three to thirty-two times. What TimeSformer and ViViT change, they change "
        "in here.",
    objectives=("put norm, update and residual in the order of ViT", "say what each of them is for"),
    hints=(
        "Twice the same sentence: take the norm of what you have, compute an update from it, add the update to what "
        "you had.",
        "First update: multi_head with the name \"attention\". Second: linear map mlp.0, F.gelu, linear map mlp.2. "
        "The second one starts from the result of the first.",
        "norm: F.layer_norm(x, x.shape[-1:], weights[name + '.weight'], weights[name + '.bias'], eps=1e-6). The "
        "block: x = x + multi_head(norm(x, ...), ...), then return x + the MLP of norm(x, ...).",
    ),
    answer=(norm, vit_block),
    given=(linear,),
    needs=(heads.EXERCISE,),
    cases=cases,
    oracle=oracle,
    properties=(
        Property("mean 0, variance 1", "norm", not_normed, ("plain scale and shift",)),
        Property("nothing added, nothing changed", "vit_block", not_passed, ("silent updates",)),
        Property("tokens are a set", "vit_block", place_matters, ("tokens in another order",)),
    ),
    mutants=MUTANTS,
    styles=STYLES,
)
