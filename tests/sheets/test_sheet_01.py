"""Sheet 01: its oracles against the package's modules, and its functions put together as the package's ViT."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from videoformer_edu.attention import MultiHeadAttention
from videoformer_edu.data.motion.images import digit_images
from videoformer_edu.data.pixels import MOTION_PIXELS, normalise
from videoformer_edu.grading.conclude import prepare
from videoformer_edu.models.vit import TransformerBlock
from videoformer_edu.positions import SpacePositions
from videoformer_edu.pretrained.small import load_small
from videoformer_edu.sheets import load
from videoformer_edu.tokens import Grid, PatchEmbed

EXERCISES = load("01").exercises


def tensors(value):
    if isinstance(value, dict):
        return {name: tensors(one) for name, one in value.items()}
    return torch.tensor(value) if isinstance(value, np.ndarray) else value


def loaded(module, weights, prefix=""):
    module.load_state_dict({name.removeprefix(prefix): tensor for name, tensor in weights.items()
                            if name.startswith(prefix)})
    return module


def patchify(x, p):
    return F.unfold(x, p, stride=p).mT


def embed(x, weights, name):
    d, c, p, _ = weights[f"{name}.weight"].shape
    module = PatchEmbed(patch_size=p, width=d, channels=c)
    return loaded(module.proj, weights, f"{name}.") and module(x[:, :, None])[0]


def add_places(patches, cls, table):
    return torch.stack([torch.vstack([cls[0], one]) for one in patches]) + table


def resize_table(table, old, new):
    positions = SpacePositions(h=old[0], w=old[1], width=table.shape[1])
    positions.table.data = table
    return positions(*new)


def attend(q, k, v):
    return F.scaled_dot_product_attention(q, k, v)


def multi_head(x, weights, name, heads):
    return loaded(MultiHeadAttention(width=x.shape[-1], heads=heads), weights, f"{name}.")(x)


def norm(x, weights, name):
    return loaded(torch.nn.LayerNorm(x.shape[-1], eps=1e-6), weights, f"{name}.")(x)


def vit_block(x, weights, heads):
    ratio = len(weights["mlp.0.bias"]) / x.shape[-1]
    block = TransformerBlock(width=x.shape[-1], heads=heads, mlp_ratio=ratio)
    return loaded(block, weights)(x, Grid(1, 1, x.shape[1]))


PACKAGE = {made.__name__: made for made in (patchify, embed, add_places, resize_table, attend, multi_head, norm,
                                            vit_block)}


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.id)
def test_the_oracle_agrees_with_the_package(exercise, seed):
    asked = set()
    for case, expected in zip(*prepare(exercise, seed), strict=True):
        with torch.no_grad():
            ours = PACKAGE[case.function](*(tensors(value) for value in case.inputs.values())).numpy()
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-5, err_msg=case.name)
        asked.add(case.function)
    assert asked == set(exercise.functions)


def test_its_functions_are_the_package_s_vit():
    answer = {name: made for exercise in EXERCISES for name, made in exercise.right.items()}
    model = load_small("vit_digits").eval()
    state = {name: tensor.detach() for name, tensor in model.state_dict().items()}
    x = torch.randn(3, 3, 24, 40, generator=torch.Generator().manual_seed(0))  # another size, not square
    table = answer["resize_table"](state["space_positions.table"], (8, 8), (6, 10))
    tokens = answer["add_places"](answer["embed"](x, state, "patch_embed.proj"), state["cls"], table)
    for i in range(len(model.blocks)):
        prefix = f"blocks.{i}."
        own = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
        tokens = answer["vit_block"](tokens, own, 4)
    logits = answer["norm"](tokens, state, "norm")[:, 0] @ state["head.weight"].T + state["head.bias"]
    with torch.no_grad():
        torch.testing.assert_close(logits, model(x), rtol=0, atol=1e-4)


def test_points_and_minutes_are_those_of_a_sheet():
    assert sum(exercise.points for exercise in EXERCISES) == 100
    assert 35 <= sum(exercise.minutes for exercise in EXERCISES) <= 60


def test_patches_read_channels_last_cost_what_the_sheet_says():
    model = load_small("vit_digits").eval()
    album = digit_images(256, seed=21, split="test")
    x = normalise(album.images, MOTION_PIXELS)
    with torch.no_grad():
        before = (model(x).argmax(1) == album.digit).float().mean()
        weight = model.patch_embed.proj.weight
        read_wrongly = weight.flatten(1).reshape(64, 4, 4, 3).permute(0, 3, 1, 2)  # (p q c) met by (c p q)
        weight.copy_(read_wrongly.clone())
        after = (model(x).argmax(1) == album.digit).float().mean()
    assert before > 0.89 and 0.15 < after < 0.25
