"""The shipped weights: they load, they do what RESULTS says, and they look at the digit."""

import functools
import json
import pathlib
import re

import pytest
import torch

from experiments.attention_on_digit import attention_facts
from experiments.catalogue import EXPERIMENTS, GROUPS
from experiments.evaluate import accuracies, motion_probes
from experiments.material import report_examples
from experiments.pictures import drawn, picture_name
from experiments.table import markdown
from videoformer_edu.data.motion import motion_batch
from videoformer_edu.data.pixels import MOTION_PIXELS, normalise
from videoformer_edu.pretrained.small import WEIGHTS, about_small, load_small, small_names, small_results

ROOT = pathlib.Path(__file__).parents[2]
NAMES = small_names()
RESULTS = small_results()
ANSWERING = [name for name in NAMES if "accuracy" in RESULTS[name]]
PART = 512  # of the 1024 examples of the report
MARGIN = 0.005  # another processor may round a doubtful case the other way


@functools.cache
def facts_of(name):
    material = EXPERIMENTS[name].material
    return attention_facts(load_small(name), material.task, size=material.size)


@functools.cache
def measured(name):
    """Scores on a part of the report's examples."""
    material = EXPERIMENTS[name].material
    return accuracies(load_small(name), material, *(part[:PART] for part in report_examples(material)))


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match="no small model 'vit_letters'; choose one of .*divided.*vit_digits"):
        load_small("vit_letters")


def test_all_experiments_are_on_record():
    assert list(RESULTS) == list(EXPERIMENTS)
    assert set(NAMES) == {name for name, experiment in EXPERIMENTS.items() if experiment.ships}
    for name, result in RESULTS.items():
        experiment = EXPERIMENTS[name]
        assert {key: result[key] for key in experiment.settings() if key != "start"} == json.loads(
            json.dumps({key: value for key, value in experiment.settings().items() if key != "start"}))
        assert [run["seed"] for run in result["runs"]] == list(experiment.seeds)
        assert result["seed"] == experiment.seeds[0]
        for key in ("title", "note", "ships"):
            assert result[key] == getattr(experiment, key)


def test_the_page_and_its_pictures_are_those_of_the_results():
    page = (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")
    assert page == markdown(RESULTS)
    shown = set(re.findall(r"\(pictures/(experiments_\w+\.png)\)", page))
    assert shown == {picture_name(group) for group in GROUPS if drawn(RESULTS, group)}
    assert shown == {path.name for path in (ROOT / "docs" / "pictures").glob("experiments_*.png")}


def test_the_weights_stay_small():
    sizes = {name: (WEIGHTS / f"{name}.safetensors").stat().st_size for name in NAMES}
    assert max(sizes.values()) <= 1_000_000
    assert sum(sizes.values()) <= 8_000_000


@pytest.mark.parametrize("name", NAMES)
def test_weights_load_and_say_how_they_were_made(name):
    model, about = load_small(name), about_small(name)
    assert not model.training
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert sum(p.numel() for p in model.parameters()) == RESULTS[name]["parameters"]
    other = load_small(name)
    assert all(a is not b for a, b in zip(model.parameters(), other.parameters(), strict=True))
    assert about == {"name": name, **{key: RESULTS[name][key] for key in about if key != "name"}}
    assert about["recipe"]["steps"] == EXPERIMENTS[name].recipe.steps


@pytest.mark.parametrize("name", ANSWERING)
def test_the_accuracy_on_record_is_the_accuracy(name):
    """On a part of the examples; the confusion matrix of the whole bounds what the part may say."""
    found, record = measured(name), RESULTS[name]
    part, whole = torch.tensor(found["confusion"]), torch.tensor(record["confusion"])
    assert part.sum() == PART and whole.sum() == 2 * PART
    assert (part - whole).clamp(min=0).sum() <= MARGIN * PART  # no more of anything than the whole has
    assert record["accuracy"] == pytest.approx(whole.diagonal().sum().item() / (2 * PART), abs=1e-4)
    assert record["accuracy"] == record["runs"][0]["accuracy"]


@pytest.mark.parametrize("name", [name for name in NAMES if "attention" in RESULTS[name]])
def test_attention_on_record_is_the_attention(name):
    assert facts_of(name).keys() == RESULTS[name]["attention"].keys()
    for module, facts in RESULTS[name]["attention"].items():
        for key, value in facts.items():
            assert facts_of(name)[module][key] == pytest.approx(value, abs=0.02)


# ------------------------------------------------------------------------------- what the lessons say of them


@functools.cache
def fresh():
    """Clips that no run and no report has seen."""
    drawn_clips = motion_batch(PART, seed=777, split="test")
    return normalise(drawn_clips.clips, MOTION_PIXELS), drawn_clips.direction


def test_divided_sees_the_order_of_the_frames():
    assert RESULTS["timesformer_motion_divided"]["over_seeds"]["accuracy"][1] > 0.95  # the worst of five seeds
    probes = motion_probes(load_small("timesformer_motion_divided"), *fresh())
    assert probes["reversed_is_opposite"] > 0.95
    assert probes["frozen_accuracy"] < 0.2  # chance is 0.125
    assert probes["shuffled_accuracy"] < 0.8 < 0.9 < probes["shuffled_axis"]


@pytest.mark.parametrize("name", ["timesformer_motion_joint_time_first", "vivit_1", "vivit_2", "vivit_3", "vivit_4",
                                  "sparse", "video_swin", "mvit", "two_pathway", "c3d", "r2plus1d", "slowfast"])
def test_every_architecture_has_its_fair_chance(name):
    """A setting in which it solves the task on each seed, in less than four minutes of one processor."""
    assert RESULTS[name]["over_seeds"]["accuracy"][1] > 0.95
    assert max(run["seconds"] for run in RESULTS[name]["runs"]) < 240


def test_joint_attention_from_scratch_finds_the_axis_alone():
    over = RESULTS["timesformer_motion_joint"]["over_seeds"]
    assert over["axis"][1] > 0.8 and over["accuracy"][2] < 0.6 and abs(over["sign"][0] - 0.5) < 0.05


@pytest.mark.parametrize("name", ["single_frame", "single_frame_known"])
def test_a_single_frame_says_nothing(name):
    mean, low, high = RESULTS[name]["over_seeds"]["accuracy"]
    assert 0.125 - 0.03 < low <= high < 0.125 + 0.03
    assert abs(mean - 0.125) < 0.02


def test_a_set_of_frames_tells_the_axis_and_not_the_sign():
    over = RESULTS["unordered_frames"]["over_seeds"]
    assert 0.47 < over["accuracy"][1] <= over["accuracy"][2] < 0.53  # the exact ceiling, and what chance may add
    assert over["axis"][1] > 0.97
    blocks = torch.tensor(RESULTS["unordered_frames"]["confusion"]).reshape(4, 2, 4, 2).sum(dim=(1, 3))
    assert blocks.diagonal().sum() > 0.97 * blocks.sum()


def test_space_only_cannot_see_the_order():
    model, video = load_small("timesformer_motion_space_only"), fresh()[0][:64]
    assert RESULTS["timesformer_motion_space_only"]["over_seeds"]["accuracy"][2] < 0.53
    with torch.inference_mode():
        torch.testing.assert_close(model(video.flip(2)), model(video))


def test_tubelets_leak_motion_into_a_mean_over_steps():
    assert RESULTS["tubelet_space_only"]["over_seeds"]["accuracy"][1] > 0.95


def test_cls_of_the_image_model_looks_at_the_digit():
    last = facts_of("vit_digits")["blocks.2.attention"]
    assert last["mean_of_heads"] > 0.8 > 4 * last["chance"]
    assert last["peak"] > 0.95 and last["peak_chance"] < 0.2


def test_cls_of_the_video_model_follows_the_digit():
    for block in (0, 1):
        seen = facts_of("timesformer_motion_divided")[f"blocks.{block}.spatial_attention"]
        assert seen["mean_of_heads"] > 0.55 > 3 * seen["chance"]
        assert seen["peak"] > 0.65 and seen["peak_chance"] < 0.2


def test_cls_of_every_step_of_vivit_finds_the_digit():
    for block in (0, 1):
        seen = facts_of("vivit_2_display")[f"spatial_encoder.blocks.{block}.attention"]
        assert seen["mean_of_heads"] > 0.7 > 3 * seen["chance"]
