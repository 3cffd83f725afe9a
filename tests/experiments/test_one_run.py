"""One run, from a seed to numbers: repeatable to the bit, measured as it is stored, honest about its seconds."""

import time
from dataclasses import replace

import pytest
import torch

from experiments.catalogue import EXPERIMENTS
from experiments.evaluate import accuracies
from experiments.experiment import Material, changed
from experiments.material import draw, report_examples
from experiments.run import LEVELS, Stopwatch, mean_since, painting_loss, steps_to, train
from experiments.starting import fresh_model
from videoformer_edu.training.loop import fit
from videoformer_edu.training.recipe import Recipe

# one of each kind: pictures, one frame, a pool of clips, other clips, no labels, a change after each step
KINDS = {
    "vit_digits_8x8": {"accuracy", "confusion", "attention"},
    "single_frame": {"accuracy", "axis", "sign", "confusion"},
    "c3d_100_clips": {"accuracy", "axis", "sign", "confusion"},
    "divided_2_frames": {"accuracy", "axis", "sign", "confusion"},
    "timesformer_motion_divided": {"accuracy", "axis", "sign", "confusion", "probes", "attention"},
    "vivit_2_display": {"accuracy", "axis", "sign", "confusion", "probes", "attention"},
    "divided_rotary": {"accuracy", "axis", "sign", "confusion", "probes", "attention", "elsewhere"},
    "videomae_pretraining": {"painting_loss"},
    "timesformer_motion_joint_time_first": {"accuracy", "axis", "sign", "confusion", "probes", "attention"},
}
ALWAYS = {"seed", "seconds", "clock", "curve", "steps_to", "parameters", "macs", "validation"}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_run_measures_what_belongs_to_it(name, few):
    lines = []
    model, row = train(changed(EXPERIMENTS[name], steps=3), 7, log=lines.append)
    assert row.keys() == KINDS[name] | ALWAYS
    assert not model.training
    assert (row["seed"], row["clock"]) == (7, "processor") and row["seconds"] > 0
    assert [point[0] for point in row["curve"]] == [3]
    assert lines[-1].startswith(f"{name}  seed 7  step     3 / 3  loss")
    assert "accuracy" not in lines[-1]  # the report is no help in choosing
    if "elsewhere" in row:
        assert [(frames, speed) for frames, speed, _ in row["elsewhere"]] == [
            (12, 1), (16, 1), (24, 1), (12, 1.5), (16, 2), (24, 3)]
    if "confusion" in row:
        assert sum(map(sum, row["confusion"])) == few


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bits(few):
    short = changed(EXPERIMENTS["timesformer_motion_divided"], steps=20)
    (first, a), (second, b) = (train(short, 3, log=lambda line: None) for _ in range(2))
    assert {**a, "seconds": 0} == {**b, "seconds": 0}
    assert all(torch.equal(x, y) for x, y in zip(first.state_dict().values(), second.state_dict().values(),
                                                 strict=True))


def test_what_is_measured_are_the_weights_as_they_are_stored(few):
    model, row = train(changed(EXPERIMENTS["r2plus1d"], steps=2), 0, log=lambda line: None)
    for value in model.state_dict().values():
        assert not value.is_floating_point() or torch.equal(value, value.half().float())
    assert accuracies(model, Material(), *report_examples(Material()))["confusion"] == row["confusion"]


@pytest.mark.parametrize("name", ["vit_digits", "timesformer_motion_joint", "sparse", "unordered_frames"])
def test_a_model_learns_a_batch_by_heart(name):
    experiment = EXPERIMENTS[name]
    torch.manual_seed(0)
    batch = draw(experiment.material, 16, seed=5, split="train")
    losses = fit(fresh_model(experiment), [batch] * 40, replace(experiment.recipe, steps=40, batch=16)).losses
    guess = torch.tensor(10.0 if name == "vit_digits" else 8.0).log().item()
    assert losses[0] > 0.8 * guess
    assert losses[-1] < 0.4 * guess


def test_painting_learns_without_labels():
    model = fresh_model(EXPERIMENTS["videomae_pretraining"])
    video, _ = draw(Material(), 16, seed=5, split="train")
    wrong = torch.full((16,), 999)
    losses = fit(model, [(video, wrong)] * 40, Recipe(steps=40, schedule="stable"), loss=painting_loss(0.75)).losses
    assert losses[0] > 1.1 and losses[-1] < 1  # 1: painting the mean of a tubelet


def test_seconds_leave_out_what_is_looked_at():
    watch = Stopwatch(torch.device("cpu"))
    with watch.stopped():
        busy(0.2)
    assert watch.seconds < 0.1
    busy(0.1)
    assert 0.1 <= watch.seconds < 0.2


def busy(seconds):
    start = time.process_time()
    while time.process_time() - start < seconds:
        pass


def test_levels_are_those_of_the_first_look_that_reached_them():
    points = [[10, 2.0, 0.3], [20, 1.5, 0.81], [30, 1.0, 0.7], [40, 0.5, 0.93]]
    assert steps_to(points, Material()) == {"0.5": 20, "0.8": 20, "0.9": 40, "0.95": None}
    assert list(steps_to(points, Material())) == [str(level) for level in LEVELS]
    assert steps_to(points, Material(hidden=0.5)) == {}


def test_the_loss_of_a_point_is_the_mean_since_the_last_one():
    assert mean_since([1, 2, 3, 4, 5, 6], 3) == 5
    assert mean_since([1, 2, 3, 4], 3) == 4  # the last stretch is shorter


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_builds_and_answers(name):
    """On shapes alone: nothing is computed."""
    experiment = EXPERIMENTS[name]
    material = experiment.material
    with torch.device("meta"):
        model = fresh_model(experiment)
        frames = () if material.task == "digits" else (1 if material.view == "first_frame" else material.frames,)
        video = torch.empty(2, 3, *frames, material.size, material.size)
    if material.hidden:
        assert model.encoder.grid.t * 2 == material.frames  # its forward pass needs what is hidden
    else:
        assert model(video).shape == (2, 10 if material.task == "digits" else 8)
