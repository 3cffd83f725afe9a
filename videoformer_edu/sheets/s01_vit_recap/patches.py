"""01.1: from pixels to tokens."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange

from videoformer_edu.grading.spec import Case, Exercise, Mutant, Property, Style
from videoformer_edu.sheets import inputs as make


def patchify(x, p):
    """x (b, c, h*p, w*p) -> patches (b, h*w, c*p*p): row by row; in each, channel by channel, each row by row."""
    return rearrange(x, "b c (h p) (w q) -> b (h w) (c p q)", p=p, q=p)


def embed(x, weights, name):
    """x (b, c, h*p, w*p) -> tokens (b, h*w, d); name.weight is (d, c, p, p), as of a convolution, name.bias (d,)."""
    weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    flat = weight.flatten(1)  # (d, c*p*p)
    return F.linear(patchify(x, weight.shape[-1]), flat, bias)


def filters(rng: np.random.Generator, name: str, d: int, c: int, p: int) -> dict[str, np.ndarray]:
    """The weights of a patch embedding, in the shape that a convolution stores."""
    weight = rng.standard_normal((d, c, p, p)) / np.sqrt(c * p * p)
    return {f"{name}.weight": weight.astype(np.float32), f"{name}.bias": rng.standard_normal(d).astype(np.float32)}


def twins(rng: np.random.Generator, c: int, h: int, w: int, p: int) -> np.ndarray:
    """`(2, c, h*p, w*p)`: two pictures that differ in one patch, in the second row and the last column."""
    picture = make.tokens(rng, 1, c, h * p, w * p)
    other = picture.copy()
    other[:, :, p:2 * p, -p:] = make.tokens(rng, 1, c, p, p)
    return np.concatenate([picture, other])


def cases(rng: np.random.Generator) -> list[Case]:
    axes, tokens = "(b, h*w, c*p*p)", "(b, h*w, d)"
    h, w, p = (int(size) for size in rng.permutation([2, 3, 5]))
    c, d = int(rng.choice([4, 6, 7])), int(rng.choice([9, 11, 13]))
    numbered = np.arange(2 * 3 * (4 * 2) * (4 * 5), dtype=np.float32).reshape(2, 3, 8, 20)

    def cut(name: str, sees: str, x: np.ndarray, p: int) -> Case:
        return Case(name, "patchify", {"x": x, "p": p}, sees, axes=axes)

    def embedded(name: str, sees: str, x: np.ndarray, weights: dict, part: str) -> Case:
        return Case(name, "embed", {"x": x, "weights": weights, "name": part}, sees, share=2, axes=tokens)

    return [
        cut("numbered pixels", "each patch holds its own pixels", numbered, 4),
        cut("several pictures", "patches row by row, in each channel, row, column",
            make.tokens(rng, 4, c, h * p, w * p), p),
        cut("one patch", "a picture of a single patch is that patch", make.tokens(rng, 3, 2, 7, 7), 7),
        cut("patches of one pixel", "every pixel is a patch", make.tokens(rng, 1, 1, h + 3, 2 * w + 1), 1),
        cut("large patches", "patches of 16 x 16, as in ViT-B/16", make.tokens(rng, 1, 3, 48, 32), 16),
        embedded("one patch differs", "a new patch changes its own token and no other",
                 twins(rng, 3, 2, 5, 4), filters(rng, "patch_embed.proj", d, 3, 4), "patch_embed.proj"),
        embedded("several pictures as tokens", "one linear map for every patch",
                 make.tokens(rng, 3, c, h * p, w * p), filters(rng, "to_tokens", d + 2, c, p), "to_tokens"),
        embedded("other weights among others", "weights are found by their names, in every call",
                 make.tokens(rng, 1, 3, 4, 8), make.norm(rng, "norm", d) | filters(rng, "patch_embed.proj", d, 3, 4),
                 "patch_embed.proj"),
        embedded("a grey picture", "one channel is enough",
                 make.tokens(rng, 1, 1, 24, 16), filters(rng, "proj", 1, 1, 8), "proj"),
    ]


def oracle(case: Case) -> np.ndarray:
    """Patch after patch, channel, row and column, one number at a time."""
    x = np.asarray(case.inputs["x"])
    weights = case.inputs.get("weights")
    p = case.inputs["p"] if weights is None else weights[f"{case.inputs['name']}.weight"].shape[-1]
    b, c, height, width = x.shape
    out = []
    for picture in range(b):
        for top in range(0, height, p):
            for left in range(0, width, p):
                places = [(channel, top + i, left + j) for channel in range(c) for i in range(p) for j in range(p)]
                patch = [x[(picture, *place)] for place in places]
                if weights is not None:
                    kernel, bias = (weights[f"{case.inputs['name']}.{part}"] for part in ("weight", "bias"))
                    patch = bias.astype(np.float64) + sum(
                        kernel[:, channel, i - top, j - left].astype(np.float64) * number
                        for number, (channel, i, j) in zip(patch, places, strict=True))
                out.append(patch)
    return np.array(out).reshape(b, -1, len(out[0]))


def strangers(inputs, out: np.ndarray) -> str | None:
    """Each number of the picture says where it comes from."""
    x, p = inputs["x"], inputs["p"]
    columns = x.shape[-1] // p
    for picture, number in np.ndindex(out.shape[:2]):
        top, left = number // columns * p, number % columns * p
        own = set(x[picture, :, top:top + p, left:left + p].ravel().tolist())
        for value in out[picture, number].tolist():
            if value not in own:
                place = np.argwhere(x == value)
                found = "a number that is in no picture" if not len(place) else (
                    f"a pixel of picture {place[0][0]}, row {place[0][2]}, column {place[0][3]}")
                return (f"patch {number} of picture {picture} covers rows {top} to {top + p - 1} and columns {left} to "
                        f"{left + p - 1}; yours holds {found}.")
    return None


def neighbours_change(inputs, out: np.ndarray) -> str | None:
    """The two pictures differ in one patch."""
    p = inputs["weights"]["patch_embed.proj.weight"].shape[-1]
    own = 2 * inputs["x"].shape[-1] // p - 1
    moved = np.flatnonzero(np.abs(out[0] - out[1]).max(-1) > 1e-6).tolist()
    if moved == [own]:
        return None
    others = [number for number in moved if number != own]
    return (f"the two pictures differ in patch {own} alone, and your tokens "
            + (f"{', '.join(map(str, others))} differ." if others else "are the same."))


CUT = '"b c (h p) (w q) -> b (h w) (c p q)", p=p, q=p'
JOINED = "rearrange(x, " + CUT + ")"
MAP = "F.linear(patchify(x, weight.shape[-1]), flat, bias)"


def mutant(name: str, old: str, new: str, sentence: str) -> Mutant:
    return Mutant(name, ((old, new),), sentence)


MUTANTS = (
    mutant("a reshape alone", JOINED, "x.reshape(len(x), -1, x.shape[1] * p * p)",
           "Your patches are consecutive numbers of memory: a channel's first rows, then the next ones. A patch is a "
           "square. Cut both sides, (h p) and (w q), then bring h and w together and c, p, q together."),
    mutant("channels last", "(c p q)", "(p q c)",
           "In your patches the channel runs fastest: red, green, blue of one pixel, then the next pixel. The weights "
           "of a convolution lie channel by channel, so a patch is (c p q). Same shape, other numbers."),
    mutant("pixels of a patch transposed", "(c p q)", "(c q p)",
           "Inside each patch you read column by column. Row by row is (c p q), with p the row and q the column; a "
           "patch of yours is mirrored along its diagonal."),
    mutant("patches column by column", "b (h w)", "b (w h)",
           "Your patches come column by column. Reading order is row by row: (h w), with w running fastest. The "
           "position table would give each patch another patch's place."),
    mutant("every h-th pixel", "(h p) (w q) ->", "(p h) (q w) ->",
           "A patch of yours gathers pixels from all over the picture, one of every h-th row and every w-th column. "
           "Neighbours belong together: split a side as (h p), patch outside and pixel inside."),
    mutant("pieces of rows", JOINED, 'rearrange(x.flatten(2), "b c (n p) -> b n (c p)", p=p * p)',
           "Each patch of yours is a run of p·p pixels in reading order, along a row, and not a square of p by p. Cut "
           "the rows as well as the columns: (h p) (w q)."),
    mutant("pictures mixed", JOINED, 'rearrange(x, "b c (h p) (w q) -> (h w) b (c p q)", p=p, q=p)'
           '.reshape(len(x), -1, x.shape[1] * p * p)',
           "Your patches are right and stand in the wrong picture: the patch runs before the picture, (h w) b, and a "
           "reshape cannot exchange the two. The batch comes first: b (h w)."),
    mutant("upside down", JOINED, 'rearrange(x, "b c (h p) (w q) -> b h w (c p q)", p=p, q=p).flip(1).flatten(1, 2)',
           "Your rows of patches run from the bottom to the top. Row 0 of a picture is its top row, and patch 0 the "
           "top left corner."),
    mutant("bias left out", MAP, "F.linear(patchify(x, weight.shape[-1]), flat)",
           "The bias is missing: a token is W x + b, and name.bias stands in the dict beside the weight."),
    mutant("kernel taken as (p p c)", "weight.flatten(1)", "weight.permute(0, 2, 3, 1).flatten(1)",
           "You flattened the kernel with its channels last, and your patches have them first. Patch and kernel must "
           "be read in the same order: weight is (d, c, p, p), flatten(1) makes (d, c·p·p)."),
    mutant("kernel turned round", "weight.flatten(1)", "weight.flip(2, 3).flatten(1)",
           "You turned the kernel by 180 degrees, as the convolution of mathematics does. A network's convolution "
           "slides its kernel as it is: multiply number by number."),
    mutant("reshaped instead of transposed", MAP, "patchify(x, weight.shape[-1]) @ weight.reshape(-1, len(weight)) + "
           "bias",
           "You reshaped the kernel to (c·p·p, d). A reshape does not transpose: flatten it to (d, c·p·p) first, then "
           "take .T, or let F.linear do it."),
    mutant("mean of a patch's pixels", MAP, "F.linear(patchify(x, weight.shape[-1]), flat / flat.shape[1], bias)",
           "Your tokens are c·p·p times too small before the bias: a linear map adds up all products, it takes no "
           "mean of them."),
)


def patchify_by_view(x, p):
    b, c, height, width = x.shape
    x = x.reshape(b, c, height // p, p, width // p, p)
    return x.permute(0, 2, 4, 1, 3, 5).reshape(b, -1, c * p * p)


def embed_by_convolution(x, weights, name):
    weight = weights[f"{name}.weight"]
    return F.conv2d(x, weight, weights[f"{name}.bias"], stride=weight.shape[-1]).flatten(2).transpose(1, 2)


def patchify_by_unfold(x, p):
    return F.unfold(x, kernel_size=p, stride=p).transpose(1, 2)


def embed_by_einsum(x, weights, name):
    weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    p = weight.shape[2]
    x = x.unfold(2, p, p).unfold(3, p, p)  # (b, c, h, w, p, q)
    return torch.einsum("bchwpq,dcpq->bhwd", x, weight).flatten(1, 2) + bias


STYLES = (
    Style("reshape, permute, reshape; a convolution", {"patchify": patchify_by_view, "embed": embed_by_convolution}),
    Style("unfold; einsum", {"patchify": patchify_by_unfold, "embed": embed_by_einsum}),
)

EXERCISE = Exercise(
    id="01.1",
    title="From pixels to tokens",
    difficulty=2,
    minutes=10,
    points=20,
    why="patches in another order than the weights expect raise no error: the model answers, and it answers nonsense.",
    objectives=("cut a picture into patches in the order that trained weights expect",
                "write a convolution whose stride equals its kernel as one linear map"),
    hints=(
        "Write the shape you have with its sides cut, b c (h p) (w q), and the shape you want. Which letters are the "
        "patch's address, and which the pixel's place inside it?",
        "patchify: address (h w), inside (c p q), the channel slowest. With reshape it takes three steps: cut both "
        "sides, permute, join. embed: the same map for every patch, so the last axis alone is multiplied.",
        'patchify: rearrange(x, "b c (h p) (w q) -> b (h w) (c p q)", p=p, q=p). embed: p is weight.shape[-1], and '
        "F.linear(patches, weight.flatten(1), bias).",
    ),
    answer=(patchify, embed),
    cases=cases,
    oracle=oracle,
    properties=(
        Property("own pixels", "patchify", strangers, ("numbered pixels",)),
        Property("a patch is its own token", "embed", neighbours_change, ("one patch differs",)),
    ),
    mutants=MUTANTS,
    styles=STYLES,
)
