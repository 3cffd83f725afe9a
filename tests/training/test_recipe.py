"""The recipe: what it accepts, its learning rates over steps and layers, and which parameters decay in which model."""

import inspect
import json
import math
import re
from dataclasses import replace
from functools import lru_cache

import pytest
import torch
from torch import nn

import videoformer_edu.models as models
from videoformer_edu.models import (
    video_swin_motion,
    vit_digits,
)
from videoformer_edu.training.recipe import Recipe, decayed, make_optimiser, make_schedule, parameter_groups

# ---------------------------------------------------------------------------------------------------------- the value


def test_a_recipe_survives_json():
    recipe = Recipe(steps=7, batch=5, betas=(0.8, 0.95), schedule="stable", mixup=0.2, precision="bf16", compile=True)
    again = Recipe.from_dict(json.loads(json.dumps(recipe.to_dict())))
    assert again == recipe and hash(again) == hash(recipe)
    assert json.loads(str(recipe)) == recipe.to_dict()


def test_unknown_entries_are_named():
    with pytest.raises(ValueError, match="a recipe has no learning_rate, momentum; it has steps, batch, lr"):
        Recipe.from_dict({"momentum": 0.9, "learning_rate": 1e-3})


@pytest.mark.parametrize(("name", "value", "words"), [
    ("steps", 0, "a whole number, at least 1"), ("steps", 2.5, "a whole number"), ("batch", True, "a whole number"),
    ("accumulate", 17, "no more parts than a batch has examples, 16"), ("seed", -1, "at least 0"),
    ("seed", 2**41, "from 0 to 1099511627776"),
    ("lr", 0, "a number above 0"), ("lr", math.nan, "a number above 0"), ("lr", "2e-3", "a number above 0"),
    ("weight_decay", -0.1, "a number from 0"), ("clip", math.inf, "a number from 0"), ("mixup", -1, "a number from 0"),
    ("betas", (0.9,), "two numbers from 0 to below 1"), ("betas", (0.9, 1.0), "two numbers"), ("betas", 0.9, "two num"),
    ("schedule", "linear", "one of cosine, stable"), ("warm_up", 1, "from 0 to below 1"),
    ("decay", 1.0, "from 0 to below 1"), ("label_smoothing", 1.0, "from 0 to below 1"), ("ema", 1, "from 0 to below 1"),
    ("layer_decay", 0, "above 0 to 1"), ("layer_decay", 1.1, "above 0 to 1"),
    ("precision", "half", "one of fp32, bf16"),
    ("compile", 1, "True or False"), ("checkpointing", "no", "True or False"),
])
def test_what_cannot_work_is_refused(name, value, words):
    with pytest.raises(ValueError, match=rf"{name} is {re.escape(repr(value))}; expected .*{words}"):
        Recipe(**{name: value})


def test_a_stable_schedule_needs_a_warm_up():
    assert Recipe(warm_up=0).rate(0) == 1
    with pytest.raises(ValueError, match="warm_up is 0; expected a number above 0"):
        Recipe(schedule="stable", warm_up=0)


# ------------------------------------------------------------------------------------------------------- the schedule


def test_stable_rises_stays_and_falls():
    recipe = Recipe(steps=200, schedule="stable", warm_up=0.05, decay=0.7)
    rates = [recipe.rate(step) for step in range(200)]
    assert rates[0] == 1e-3  # never quite zero
    assert rates[5] == pytest.approx(0.5)  # half of the first 10 steps
    assert rates[10] == rates[100] == rates[140] == 1
    assert rates[170] == pytest.approx(0.5)  # half of the last 60
    assert rates[199] == pytest.approx(1 / 60)
    assert rates[:11] == sorted(rates[:11]) and rates[140:] == sorted(rates[140:], reverse=True)


def test_cosine_rises_in_a_line_and_falls_along_half_a_cosine():
    recipe = Recipe(steps=200, schedule="cosine", warm_up=0.1)
    rates = [recipe.rate(step) for step in range(200)]
    assert rates[0] == 1e-3
    assert rates[5] == pytest.approx(0.25) and rates[15] == pytest.approx(0.75)
    assert rates[20] == 1
    assert rates[110] == pytest.approx(0.5)  # half way from 20 to 200
    assert rates[65] == pytest.approx((1 + math.sqrt(0.5)) / 2)
    assert rates[155] == pytest.approx((1 - math.sqrt(0.5)) / 2)
    assert rates[199] == 1e-3
    assert rates[20:] == sorted(rates[20:], reverse=True)


def test_the_schedule_drives_the_rate_of_every_group_step_by_step():
    recipe = Recipe(steps=6, lr=0.25, layer_decay=0.5, warm_up=0.5)
    optimiser = make_optimiser(vit_digits(depth=1, width=8, heads=2), recipe)
    schedule = make_schedule(optimiser, recipe)
    start = [0.0625, 0.0625, 0.125, 0.125, 0.25, 0.25]  # three layers, with and without weight decay
    for step in range(6):
        assert [group["lr"] for group in optimiser.param_groups] == pytest.approx(
            [recipe.rate(step) * rate for rate in start])
        optimiser.step()
        schedule.step()


# --------------------------------------------------------------------------------------------------------- weight decay
# What stays out and what decays, for every family, as patterns of names: `#` is a number, {a,b} a or b. Every name of
# every published and every small model must fit exactly one of the two lists.

BIASES = "{q,k,v,qkv,proj}.bias"
BLOCK_OUT = ("{attention,mlp}_norm.{weight,bias}", f"attention.{BIASES}", "mlp.{0,2}.bias")
BLOCK_IN = ("attention.{qkv,proj}.weight", "mlp.{0,2}.weight")
FACTORISED_OUT = ("{spatial,temporal,mlp}_norm.{weight,bias}", "{spatial,temporal}_attention.attention.{qkv,proj}.bias",
                  "mlp.{0,2}.bias")
FACTORISED_IN = ("{spatial,temporal}_attention.attention.{qkv,proj}.weight", "mlp.{0,2}.weight")
MAE_OUT = ("{attention,mlp}_norm.{weight,bias}", "attention.qkv.{q,v}_bias", "attention.proj.bias", "mlp.{0,2}.bias")
LAST_OUT, LAST_IN = ("norm.{weight,bias}", "head.bias"), ("head.weight",)


def within(prefix: str, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{prefix}.{name}" for name in names)


FAMILIES = {  # class -> (out, in)
    "ViT": (("cls", "space_positions.table", "patch_embed.proj.bias", *within("blocks.#", BLOCK_OUT), *LAST_OUT),
            ("patch_embed.proj.weight", *within("blocks.#", BLOCK_IN), *LAST_IN)),
    "TimeSformer": (
        ("cls", "{space,time}_positions.table", "patch_embed.proj.bias", *within("blocks.#", BLOCK_OUT),
         *within("blocks.#", FACTORISED_OUT), "blocks.#.temporal_projection.bias", *LAST_OUT),
        ("patch_embed.proj.weight", *within("blocks.#", BLOCK_IN), *within("blocks.#", FACTORISED_IN),
         "blocks.#.temporal_projection.weight", *LAST_IN)),
    "SparseTransformer": (
        ("{space,time}_positions.table", "tubelet_embed.proj.bias", *within("blocks.#", BLOCK_OUT), *LAST_OUT),
        ("tubelet_embed.proj.weight", *within("blocks.#", BLOCK_IN), *LAST_IN)),
    "ViViT": (
        ("tubelet_embed.proj.bias", *within("{encoder,spatial_encoder,temporal_encoder}", (
            "cls", "positions.table", "norm.{weight,bias}", *within("blocks.#", BLOCK_OUT),
            *within("blocks.#", FACTORISED_OUT))), "head.bias"),
        ("tubelet_embed.proj.weight", *within("{encoder,spatial_encoder,temporal_encoder}.blocks.#", BLOCK_IN),
         *within("encoder.blocks.#", FACTORISED_IN), "head.weight")),
    "VideoMAE": (
        ("encoder.tubelet_embed.proj.bias", *within("encoder.blocks.#", MAE_OUT), *LAST_OUT),
        ("encoder.tubelet_embed.proj.weight", *within("encoder.blocks.#", BLOCK_IN), *LAST_IN)),
    "VideoMAEPretraining": (
        ("mask_token", "encoder.tubelet_embed.proj.bias", *within("{encoder.,decoder_}blocks.#", MAE_OUT),
         "decoder_norm.{weight,bias}", *LAST_OUT),
        ("encoder.tubelet_embed.proj.weight", "to_decoder.weight", *within("{encoder.,decoder_}blocks.#", BLOCK_IN),
         *LAST_IN)),
    "VideoSwin": (
        ("tubelet_embed.proj.bias", "tubelet_norm.{weight,bias}", "stages.#.merging.norm.{weight,bias}",
         "stages.#.blocks.#.attention.relative_position_bias_table", *within("stages.#.blocks.#", BLOCK_OUT),
         *LAST_OUT),
        ("tubelet_embed.proj.weight", "stages.#.merging.reduction.weight", *within("stages.#.blocks.#", BLOCK_IN),
         *LAST_IN)),
    "MViT": (
        ("cls", "{space,time}_positions.table", "embed.proj.bias", *within("blocks.#", BLOCK_OUT),
         "blocks.#.attention.pool_{q,k,v}.norm.{weight,bias}", "blocks.#.attention.relative.{t,h,w}.table",
         "blocks.#.{attention,mlp}_skip.bias", *LAST_OUT),
        ("embed.proj.weight", *within("blocks.#", BLOCK_IN), "blocks.#.attention.pool_{q,k,v}.conv.weight",
         "blocks.#.{attention,mlp}_skip.weight", *LAST_IN)),
    "TwoPathwayTransformer": (
        ("{slow,fast}.tubelet_embed.proj.bias", "{slow,fast}.space_positions.table",
         "{slow,fast}.time_positions.weight",  # a linear map of the clock: what it gives are positions
         *within("{slow,fast}.blocks.#", BLOCK_OUT), "{slow,fast}.norm.{weight,bias}",
         "fusions.#.{slow,fast}_norm.{weight,bias}", "fusions.#.attention.{q,kv,proj}.bias", "head.bias"),
        ("{slow,fast}.tubelet_embed.proj.weight", *within("{slow,fast}.blocks.#", BLOCK_IN),
         "fusions.#.attention.{q,kv,proj}.weight", "head.weight")),
    # convolution 0, batch norm 1
    "SmallCNN3d": (("layers.#.1.{weight,bias}", "layers.#.{space,time}.1.{weight,bias}", "head.bias"),
                   ("layers.#.0.weight", "layers.#.{space,time}.0.weight", "head.weight")),
    "C3D": (("convolutions.conv#{a,b}.bias", "fc{6,7}.bias", "head.bias"),
            ("convolutions.conv#{a,b}.weight", "fc{6,7}.weight", "head.weight")),
    "R2Plus1D": (
        ("stem.{space,time}.1.{weight,bias}", "stages.#.#.body.#.{space,time}.1.{weight,bias}",
         "stages.#.#.shortcut.1.{weight,bias}", "head.bias"),
        ("stem.{space,time}.0.weight", "stages.#.#.body.#.{space,time}.0.weight", "stages.#.#.shortcut.0.weight",
         "head.weight")),
    "SlowFast": (
        ("{slow,fast}_stem.0.1.{weight,bias}", "laterals.#.1.{weight,bias}",
         "{slow,fast}_stages.#.#.body.#.1.{weight,bias}", "{slow,fast}_stages.#.#.shortcut.1.{weight,bias}",
         "head.bias"),
        ("{slow,fast}_stem.0.0.weight", "laterals.#.0.weight", "{slow,fast}_stages.#.#.body.#.0.weight",
         "{slow,fast}_stages.#.#.shortcut.0.weight", "head.weight")),
    # convolution, batch norm, ReLU; the tenth is a linear map
    "UnorderedFrames": (("frame.{1,4,7}.{weight,bias}", "frame.10.bias", "mlp.0.bias", "head.bias"),
                        ("frame.{0,3,6,10}.weight", "mlp.0.weight", "head.weight")),
    "FrameProbe": (  # its image model is frozen, and sorted all the same
        ("image.patch_embed.proj.bias", "image.cls", "image.space_positions.table",
         *within("image.blocks.#", BLOCK_OUT), "image.{norm.weight,norm.bias,head.bias}",
         "{patch_norm,norm}.{weight,bias}", "time_positions.table", "cls", "{keys,values}.bias",
         "mlp.0.bias", "head.bias"),
        ("image.patch_embed.proj.weight", *within("image.blocks.#", BLOCK_IN), "image.head.weight",
         "{keys,values}.weight", "mlp.0.weight", "head.weight")),
}


def fits(name: str, patterns: tuple[str, ...]) -> bool:
    def regex(pattern: str) -> str:
        escaped = re.escape(pattern).replace(r"\#", r"\d+")
        return re.sub(r"\\\{(.*?)\\\}", lambda m: f"(?:{m[1].replace(',', '|')})", escaped)

    return any(re.fullmatch(regex(pattern), name) for pattern in patterns)


NO_BUILDERS = ("slow_frames", "tube_mask")
BUILDERS = [(name, {}) for name in models.__all__
            if inspect.isfunction(getattr(models, name)) and name not in NO_BUILDERS]
BUILDERS += [("timesformer_motion", {"attention": kind}) for kind in ("joint", "space_only")]
BUILDERS += [("vivit_motion", {"variant": variant}) for variant in (
    "factorised_encoder", "factorised_self_attention", "factorised_dot_product")]
BUILDERS += [("mvit_motion", {"version": 1})]


def on_meta(name: str, changes: dict) -> nn.Module:
    with torch.device("meta"):  # shapes without numbers: the largest model takes no time
        return getattr(models, name)(**changes)


@pytest.mark.parametrize(("name", "changes"), BUILDERS,
                         ids=["-".join([name, *map(str, changes.values())]) for name, changes in BUILDERS])
def test_exactly_the_named_parameters_do_not_decay(name, changes):
    model = on_meta(name, changes)
    out, within_reach = FAMILIES[type(model).__name__]
    names = [key for key, _ in model.named_parameters()]
    assert [key for key in names if fits(key, out) == fits(key, within_reach)] == []  # each in one list, none in both
    assert {key for key, acts in decayed(model).items() if not acts} == {key for key in names if fits(key, out)}


@lru_cache
def names_of_families() -> dict[str, set[str]]:
    names: dict[str, set[str]] = {}
    for name, changes in BUILDERS:
        model = on_meta(name, changes)
        names.setdefault(type(model).__name__, set()).update(key for key, _ in model.named_parameters())
    return names


@pytest.mark.parametrize("family", FAMILIES)
def test_no_pattern_is_idle(family):
    names = names_of_families()[family]
    assert [p for patterns in FAMILIES[family] for p in patterns if not any(fits(key, (p,)) for key in names)] == []


@pytest.mark.parametrize(("name", "changes"), BUILDERS[::5])
def test_the_groups_hold_every_parameter_once(name, changes):
    model = on_meta(name, changes)
    acts = decayed(model)
    groups = parameter_groups(model, Recipe(weight_decay=0.3, lr=0.7))
    assert [(group["weight_decay"], group["lr"]) for group in groups] == [(0.3, 0.7), (0.0, 0.7)]
    assert [len(group["params"]) for group in groups] == [sum(acts.values()), len(acts) - sum(acts.values())]
    assert {id(p) for group in groups for p in group["params"]} == {id(p) for p in model.parameters()}


def test_vectors_of_unknown_layers_and_norms_over_several_axes_do_not_decay():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.gamma, self.mixing = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3, 3))
            self.over_a_map = nn.LayerNorm((2, 3))

    assert decayed(Scaled()) == {"gamma": False, "mixing": True, "over_a_map.weight": False, "over_a_map.bias": False}


def test_a_shared_parameter_is_there_once():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    assert [len(group["params"]) for group in parameter_groups(model, Recipe())] == [1, 2]


# ------------------------------------------------------------------------------------------- learning rates of layers


def test_each_layer_learns_slower_than_the_next():
    model = vit_digits(depth=2, width=8, heads=2)
    rates = {id(p): group["lr"] for group in parameter_groups(model, Recipe(lr=0.8, layer_decay=0.5))
             for p in group["params"]}
    named = {name: rates[id(p)] for name, p in model.named_parameters()}
    assert named["cls"] == named["patch_embed.proj.weight"] == named["space_positions.table"] == pytest.approx(0.1)
    assert named["blocks.0.mlp.0.weight"] == named["blocks.0.attention_norm.bias"] == pytest.approx(0.2)
    assert named["blocks.1.attention.qkv.bias"] == pytest.approx(0.4)
    assert named["norm.weight"] == named["head.weight"] == named["head.bias"] == 0.8
    assert len(named) == len(rates) == len(list(model.parameters()))


def test_layer_decay_and_weight_decay_do_not_mix_their_groups():
    model = video_swin_motion()
    acts = {id(p): decayed(model)[name] for name, p in model.named_parameters()}
    for group in parameter_groups(model, Recipe(layer_decay=0.75, weight_decay=0.3)):
        assert {acts[id(p)] for p in group["params"]} == {group["weight_decay"] == 0.3}


def test_a_model_without_blocks_says_so():
    with pytest.raises(ValueError, match="Sequential has no blocks.*blocks, stages or layers"):
        parameter_groups(nn.Sequential(nn.Linear(2, 2)), replace(Recipe(), layer_decay=0.9))
