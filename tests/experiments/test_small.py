"""The shipped weights: they load, they do what RESULTS says, and they look at the digit."""

import functools
import json

import pytest
import torch
from safetensors import safe_open

from videoformer_edu.data.images import digit_images
from videoformer_edu.data.motion import motion_batch, motion_test_set, normalise
from videoformer_edu.experiments.catalogue import EXPERIMENTS
from videoformer_edu.experiments.evaluate import digit_scores, motion_probes, motion_scores
from videoformer_edu.experiments.looking import attention_facts
from videoformer_edu.experiments.table import markdown
from videoformer_edu.pretrained.small import WEIGHTS, load_small, small_names, small_results

NAMES = small_names()
VIDEO = [name for name in NAMES if name.startswith("timesformer")]
MARGIN = 0.005  # five of 1024: another processor may round a doubtful case the other way


@pytest.fixture(scope="module")
def results():
    return small_results()


@pytest.fixture(scope="module")
def clips():
    drawn = motion_test_set()
    return normalise(drawn.clips), drawn.direction


@functools.cache
def facts_of(name):
    return attention_facts(load_small(name), "digits" if name == "vit_digits" else "motion")


@pytest.fixture(scope="module")
def scores_of(clips):
    return functools.cache(lambda name: motion_scores(load_small(name), *clips))


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match="no small model 'vit_letters'.*vit_digits, timesformer_motion_divided"):
        load_small("vit_letters")


@pytest.mark.parametrize("name", NAMES)
def test_weights_load_small_and_ready(name, results):
    model = load_small(name)
    assert not model.training
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert sum(p.numel() for p in model.parameters()) == results[name]["parameters"]
    assert (WEIGHTS / f"{name}.safetensors").stat().st_size < 300_000
    other = load_small(name)
    assert all(a is not b for a, b in zip(model.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_the_file_says_how_it_was_made(name, results):
    with safe_open(WEIGHTS / f"{name}.safetensors", "pt") as file:
        about = json.loads(file.metadata()["videoformer_edu"])
    assert about["name"] == name
    for key in ("recipe", "seed", "accuracy"):
        assert about[key] == results[name][key]


def test_results_belong_to_the_catalogue(results):
    assert list(results) == list(EXPERIMENTS)
    assert set(NAMES) == {name for name, result in results.items() if result["ships"]}
    for name, result in results.items():
        assert [run["seed"] for run in result["runs"]] == list(EXPERIMENTS[name].seeds)
        assert result["recipe"]["steps"] == EXPERIMENTS[name].recipe.steps
        for key in ("seed", "validation", "accuracy"):
            assert result["runs"][0][key] == result[key]
    assert (WEIGHTS / "RESULTS.md").read_text(encoding="utf-8") == markdown(results)


@pytest.mark.parametrize("name", VIDEO)
def test_the_accuracy_on_record_is_the_accuracy(name, results, scores_of):
    measured = scores_of(name)
    for key in ("accuracy", "axis", "sign"):
        assert measured[key] == pytest.approx(results[name][key], abs=MARGIN)
    difference = torch.tensor(measured["confusion"]) - torch.tensor(results[name]["confusion"])
    assert difference.abs().sum() <= 2 * MARGIN * 1024


def test_the_accuracy_on_record_of_the_image_model(results):
    drawn = digit_images(1024, seed=12345, split="test")
    measured = digit_scores(load_small("vit_digits"), normalise(drawn.images), drawn.digit)
    assert measured["accuracy"] == pytest.approx(results["vit_digits"]["accuracy"], abs=MARGIN)
    assert measured["accuracy"] > 0.9


def test_divided_sees_the_order_of_the_frames(clips, scores_of):
    assert scores_of("timesformer_motion_divided")["accuracy"] > 0.95
    probes = motion_probes(load_small("timesformer_motion_divided"), *clips)
    assert probes["reversed_is_opposite"] > 0.95
    assert probes["frozen_accuracy"] < 0.2  # chance is 0.125
    assert probes["shuffled_accuracy"] < 0.75 < 0.9 < probes["shuffled_axis"]


def test_space_only_cannot_see_the_order(clips, scores_of):
    model = load_small("timesformer_motion_space_only")
    assert scores_of("timesformer_motion_space_only")["accuracy"] < 0.53  # the exact ceiling, and what chance may add
    video = clips[0][:64]
    with torch.inference_mode():
        torch.testing.assert_close(model(video.flip(2)), model(video))
    fresh = motion_batch(512, seed=777, split="test")
    assert motion_scores(model, normalise(fresh.clips), fresh.direction)["accuracy"] < 0.5 + 0.06


def test_joint_found_the_axis_and_not_the_sign(scores_of):
    scores = scores_of("timesformer_motion_joint")
    assert scores["axis"] > 0.95
    assert 0.45 < scores["sign"] < 0.57
    blocks = torch.tensor(scores["confusion"]).reshape(4, 2, 4, 2).sum(dim=(1, 3))  # (axis, axis named)
    assert blocks.diagonal().sum() > 0.95 * blocks.sum()


def test_cls_of_the_image_model_looks_at_the_digit():
    facts = facts_of("vit_digits")
    last = facts["blocks.2.attention"]
    assert last["mean_of_heads"] > 0.8 > 4 * last["chance"]
    assert last["peak"] > 0.95 and last["peak_chance"] < 0.2


def test_cls_of_the_video_model_follows_the_digit():
    facts = facts_of("timesformer_motion_divided")
    for block in (0, 1):
        seen = facts[f"blocks.{block}.spatial_attention"]
        assert seen["mean_of_heads"] > 0.55 > 3 * seen["chance"]
        assert seen["peak"] > 0.65 and seen["peak_chance"] < 0.2


@pytest.mark.parametrize("name", NAMES)
def test_attention_on_record_is_the_attention(name, results):
    measured = facts_of(name)
    assert measured.keys() == results[name]["attention"].keys()
    for module, facts in results[name]["attention"].items():
        for key, value in facts.items():
            assert measured[module][key] == pytest.approx(value, abs=0.02)
