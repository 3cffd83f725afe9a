"""`python -m videoformer_edu.training`, from the command line to the files; under torchrun in test_distributed.py."""

import csv
import json
import re
import subprocess
import sys
from dataclasses import fields
from itertools import islice

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from videoformer_edu.data.motion import TASKS, TEST_SEED, batch_seed, motion_batch
from videoformer_edu.data.pixels import MOTION_PIXELS, normalise
from videoformer_edu.models.registry import BUILDERS
from videoformer_edu.pretrained.build import build
from videoformer_edu.training import plan
from videoformer_edu.training.__main__ import main
from videoformer_edu.training.checkpoint import checkpoints, load
from videoformer_edu.training.command import HELP, MODELS, check_options, in_options, parser
from videoformer_edu.training.data import EPOCH, find_data
from videoformer_edu.training.distributed import World
from videoformer_edu.training.evaluate import evaluate
from videoformer_edu.training.loop import fit
from videoformer_edu.training.recipe import Recipe
from videoformer_edu.training.results import evaluate_together
from videoformer_edu.training.resume import Checkpoints

TINY = ["--set", "width=16", "heads=2", "depth=1", "--batch", "2", "--device", "cpu"]


def refused(arguments, capsys) -> str:
    """What argparse says, in its last line, before it leaves with status 2."""
    with pytest.raises(SystemExit) as stopped:
        main([*TINY, *arguments])
    assert stopped.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    return said.err.splitlines()[-1]


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)


@pytest.mark.slow
def test_one_run_from_the_command_to_its_files(tmp_path, capsys):
    """The same weights, bit by bit, as the same run written in Python."""
    options = [*TINY, "--steps", "7", "--seed", "3", "--lr", "1e-3", "--ema", "0.5", "--betas", "0.9", "0.95",
               "--checkpoints", str(tmp_path / "run"), "--every", "3", "--evaluate", "--data", "motion4",
               "--out", str(tmp_path / "new" / "weights.safetensors"), "--history", str(tmp_path / "h.csv")]
    assert main(options) == 0
    said = capsys.readouterr()
    assert said.err == ""

    recipe = Recipe(steps=7, batch=2, seed=3, lr=1e-3, ema=0.5, betas=(0.9, 0.95))
    torch.manual_seed(3)
    model = build("timesformer_motion", width=16, heads=2, depth=1, classes=4)
    batches = (motion_batch(2, seed=batch_seed(3, step), task="motion4") for step in range(7))
    history = fit(model, [(normalise(batch.clips, MOTION_PIXELS), batch.direction) for batch in batches], recipe)
    for name, tensor in load_file(tmp_path / "new" / "weights.safetensors").items():
        assert torch.equal(tensor, model.state_dict()[name]), name
    with open(tmp_path / "h.csv", newline="") as file:
        assert [float(row["loss"]) for row in csv.DictReader(file)] == history.losses

    lines = said.out.splitlines()
    assert lines[0].startswith("model   timesformer_motion {") and lines[0].endswith("clips 3 x 8 x 32 x 32")
    assert lines[1] == "data    motion4: 4 classes, 6400 clips and 3200 steps an epoch, 1024 clips held out"
    assert Recipe.from_dict(json.loads(lines[2].removeprefix("recipe  "))) == recipe
    assert lines[3] == "runs on one process on cpu, 1 thread"
    assert lines[4].startswith("step      1 / 7  loss ")
    assert re.fullmatch(r"held out, 1024 clips: loss \d\.\d{4}, top1 \d+\.\d%", lines[-1]), "of 4 classes no top 5"
    assert [path.name for path in checkpoints(tmp_path / "run")] == ["step_000007.pt", "step_000006.pt"]

    stored = load(tmp_path / "run" / "step_000007.pt")
    assert stored["recipe"] == recipe.to_dict()
    assert stored["about"]["model"] == "timesformer_motion" and stored["about"]["options"]["width"] == 16
    assert stored["about"]["classes"] == list(TASKS["motion4"].classes)
    with safe_open(tmp_path / "new" / "weights.safetensors", framework="pt") as file:
        about = json.loads(file.metadata()["training"])
    assert about["pixels"] == [[0.35] * 3, [0.25] * 3]
    assert about["data"] == "motion4" and about["recipe"] == recipe.to_dict()


def test_the_same_line_again_goes_on_or_has_nothing_to_do(tmp_path, capsys):
    line = [*TINY, "--steps", "6", "--every", "2", "--checkpoints", str(tmp_path)]
    assert main([*line, "--out", str(tmp_path / "a.safetensors")]) == 0
    (tmp_path / "step_000006.pt").unlink()
    assert main([*line, "--out", str(tmp_path / "b.safetensors")]) == 0
    assert "going on after step 4 of 6" in capsys.readouterr().out
    assert main([*line, "--out", str(tmp_path / "c.safetensors")]) == 0
    said = capsys.readouterr().out
    assert "going on after step 6 of 6" in said and "\nstep" not in said
    a, b, c = ((tmp_path / f"{name}.safetensors").read_bytes() for name in "abc")
    assert a == b == c
    assert main([*line, "--resume", str(tmp_path / "step_000004.pt")]) == 0
    assert "going on after step 4 of 6" in capsys.readouterr().out


@pytest.mark.parametrize(("change", "message"), [
    (["--lr", "0.1"], "it has lr 0.002, this run 0.1"),
    (["--data", "order6"], "it has classes ['E', "),
    (["--model", "vivit_motion"], "it has model 'timesformer_motion', this run 'vivit_motion'"),
    (["--resume", "nowhere.pt"], "there is no checkpoint nowhere.pt"),
])
def test_a_folder_of_another_run_is_left_alone(tmp_path, capsys, change, message):
    line = [*TINY, "--steps", "2", "--checkpoints", str(tmp_path)]
    assert main(line) == 0
    before = {path: path.read_bytes() for path in checkpoints(tmp_path)}
    capsys.readouterr()
    assert main([*line, *change]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ") and message in said and said.count("\n") == 1
    assert {path: path.read_bytes() for path in checkpoints(tmp_path)} == before


@pytest.mark.parametrize(("arguments", "message"), [
    (["--model", "timesformer_smal"], "no model 'timesformer_smal' .* did you mean timesformer_"),
    (["--model", "vit_digits"], "no model 'vit_digits' that takes clips and answers with classes"),
    (["--model", "videomae_pretraining_motion"], "that takes clips and answers with classes"),
    (["--data", "kinetics"], "no data 'kinetics': neither a folder nor a list .*motion, motion4.*ucf101-subset"),
    (["--steps", "0"], "--steps is 0; expected at least 1"),
    (["--epochs", "-1"], "--epochs is -1; expected a number above 0"),
    (["--epochs", "1", "--steps", "2"], "not allowed with argument"),
    (["--lr", "0"], "lr is 0.0; expected a number above 0"),
    (["--lr", "fast"], "argument --lr: invalid float value: 'fast'"),
    (["--betas", "0.9"], "argument --betas: expected 2 arguments"),
    (["--schedule", "linear"], "invalid choice: 'linear'"),
    (["--precision", "int8"], "invalid choice: 'int8'"),
    (["--accumulate", "9"], "accumulate is 9; expected no more parts than a batch has examples, 2"),
    (["--set", "depth:3"], "'depth:3' is not of the form NAME=VALUE"),
    (["--set", "layers=3"], "timesformer_motion has no layers, it has frames, image_size"),
    (["--set", "attention=divine"], "attention must be one of divided, joint, space_only; got 'divine'"),
    (["--set", "classes=3"], "the number of classes is that of the data"),
    (["--resume", "step_000001.pt"], "--resume needs --checkpoints"),
    (["--keep-head"], "--keep-head needs --pretrained"),
    (["--every", "0"], "--every is 0; expected at least 1"),
    (["--workers", "-1"], "--workers is -1; expected at least 0"),
    (["--pretrained", "nothing.safetensors"], "there is no nothing.safetensors in "),
    (["--size", "33"], "patch_size 8 must divide image_size 33; try --size 32"),
    (["--least-area", "0"], "--least-area is 0; expected a share above 0"),
    (["--flip", "0.5", "--skip-broken"], "--flip, --skip-broken: for real videos; motion is generated"),
    (["--held-out", "val", "--least-area", "0.5"], "--held-out, --least-area: for real videos"),
    (["--data", "tests", "--held-out", "./tests/"], "--held-out is --data, tests; leave it out"),
    (["--threads", "0"], "--threads is 0; expected at least 1"),
    (["--seed", str(2**63)], "seed is 9223372036854775808; expected a whole number from 0 to 1099511627776"),
    (["--steps", str(10**20)], "steps is 1.*; expected a whole number from 1 to 1099511627776"),
    (["--set", "width=abc"], "--set: width is 'abc'; expected a whole number"),
    (["--set", "depth=True"], "--set: depth is True; expected a whole number"),
    (["--set", "drop_path=much"], "--set: drop_path is 'much'; expected a number"),
    (["--set", "heads=0"], "0 heads do not divide the width 64"),
    (["--out", "tests"], "--out is tests, a folder; name a file in it"),
    (["--history", "/dev/null"], "--history is /dev/null, which may not be replaced"),
    (["--out", "setup.x", "--history", "./setup.x"], "--out and --history are both setup.x"),
    (["--checkpoints", "Makefile"], "--checkpoints: nothing can be written to Makefile .File exists"),
    (["--flip", "2"], "--flip is 2; expected a probability"),
])
def test_bad_options_are_explained_without_a_traceback(arguments, message, capsys):
    assert re.search(message, refused(arguments, capsys))


@pytest.mark.parametrize(("arguments", "message"), [
    (["--lr", "1e30", "--clip", "0"], "error: the (loss|gradient) of step"),
    (["--shard"], "there is one process and nothing to spread .*torchrun"),
])
def test_what_goes_wrong_later_is_one_line(tmp_path, arguments, message, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([*TINY, "--steps", "2", *arguments]) == 1
    said = capsys.readouterr().err
    assert re.search(message, said) and said.startswith("error: ") and said.count("\n") == 1


def test_somebody_may_stop_a_run_and_go_on(tmp_path, capsys, monkeypatch):
    line = [*TINY, "--steps", "4", "--every", "2", "--checkpoints", str(tmp_path)]
    real = Checkpoints.save

    def interrupt(checkpoints, run):
        real(checkpoints, run)
        raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoints, "save", interrupt)
    assert main(line) == 130
    assert capsys.readouterr().err == f"stopped: the same line goes on from {tmp_path / 'step_000002.pt'}\n"
    monkeypatch.undo()
    assert main(line) == 0
    assert "going on after step 2 of 4" in capsys.readouterr().out


def test_a_small_model_takes_one_thread_and_says_so(capsys, monkeypatch):
    def ran(*options, environment=None):
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        if environment:
            monkeypatch.setenv("OMP_NUM_THREADS", environment)
        threads = torch.get_num_threads()
        torch.set_num_threads(3)
        try:
            assert main([*TINY, "--steps", "1", *options]) == 0
            assert torch.get_num_threads() == 3, "the caller's threads are as they were"
        finally:
            torch.set_num_threads(threads)
        return re.search(r"runs on one process on cpu, (.*)\n", capsys.readouterr().out)[1]

    assert ran() == "1 thread (more do not help a small model; --threads)"
    assert ran("--threads", "2") == "2 threads"
    assert ran(environment="3") == "3 threads"
    monkeypatch.setattr(plan, "SMALL", 100)
    assert ran() == "3 threads"


def test_advice_is_in_the_words_of_the_command_line():
    said = 'try accumulate=4, or checkpointing=True, precision="bf16"; image_size=32, classes=3, layer_decay=1.'
    assert in_options(said) == (
        "try --accumulate 4, or --checkpointing, --precision bf16; --size 32, classes=3, --layer-decay 1.")
    assert in_options("a smaller clip than 0.5\n  and so on") == "a smaller clip than 0.5 and so on"


def test_processes_that_see_other_data_do_not_train_together():
    class Pair(World):
        def gather(self, value):
            return [(value[0], "0" * 64), value]

    options = parser().parse_args([*TINY, "--steps", "1"])
    options.settings, options.least_area, options.flip = {}, 0.35, 0.0
    with pytest.raises(ValueError, match="process 1 finds other clips or classes under motion than process 0"):
        plan.make_plan(options, Pair())


@pytest.mark.parametrize("name", ["vivit_base", "video_swin_tiny", "timesformer_hr", "c3d_motion"])
def test_real_clips_have_the_pixels_of_the_model(videos, name):
    """What is trained on and what is held out, both by the published mean and standard deviation of the builder."""
    def clips(model) -> tuple[torch.Tensor, torch.Tensor]:
        options = parser().parse_args(["--model", model, "--data", str(videos), "--frames", "3", "--size", "16",
                                       "--batch", "4"])
        check_options(parser(), options)
        _, data, shape = plan.make_plan(options, World())
        assert shape == (3, 3, 16, 16) and data.pixels == BUILDERS[model].pixels
        return next(iter(data.source(2)))[0], next(iter(data.held_out(0, 1, 3)))[0]

    for kind, other in zip(clips(name), clips("mvit_v1_b"), strict=True):
        unit = other * 0.225 + 0.45  # Kinetics' pixels
        torch.testing.assert_close(kind, normalise(unit.clamp(0, 1), BUILDERS[name].pixels), rtol=1e-4, atol=1e-4)


def test_every_field_of_a_recipe_is_an_option():
    assert set(HELP) | {"steps"} == {field.name for field in fields(Recipe)}
    given = parser().parse_args([])
    assert Recipe(**{name: getattr(given, name) for name in HELP}) == Recipe()


def test_help_names_everything_in_groups(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    said = capsys.readouterr().out
    groups = ["model:", "data:", "length:", "recipe:", "machine:", "checkpoints and results:"]
    for name in [*groups, *MODELS, *TASKS, *(f"--{name.replace('_', '-')}" for name in HELP)]:
        assert name in said
    assert "6400 count as one" in re.sub(r"\s+", " ", said)


def test_every_model_that_takes_clips_can_be_named():
    assert set(MODELS) <= set(BUILDERS)
    left_out = set(BUILDERS) - set(MODELS)
    assert all(name.startswith("vit_") or "pretraining" in name for name in left_out)


def test_an_epoch_of_generated_clips(capsys):
    assert EPOCH == 6400
    assert main([*TINY, "--batch", "800", "--epochs", "0.25", "--data", "motion4"]) == 0
    assert "step      2 / 2" in capsys.readouterr().out


def test_weights_can_be_started_from(tmp_path, capsys):
    """With a new head for other classes, with the old one for the same."""
    out = tmp_path / "a.safetensors"
    assert main([*TINY, "--steps", "1", "--out", str(out)]) == 0
    trained = load_file(out)
    for extra, kept in ((["--data", "motion4"], False), (["--keep-head"], True)):
        new = tmp_path / "b.safetensors"
        assert main([*TINY, "--steps", "1", "--lr", "1e-30", "--weight-decay", "0", "--pretrained", str(out), *extra,
                     "--out", str(new)]) == 0
        for name, tensor in load_file(new).items():
            assert torch.equal(tensor, trained[name]) == (kept or not name.startswith("head.")), name
    capsys.readouterr()


def test_clips_of_another_shape(capsys):
    """The model is made for them where its builder can be told so, and takes them as they are where it cannot."""
    assert main([*TINY, "--steps", "1", "--frames", "4", "--size", "16"]) == 0
    assert "clips 3 x 4 x 16 x 16" in capsys.readouterr().out
    assert main(["--model", "c3d_motion", "--batch", "2", "--device", "cpu", "--steps", "1", "--size", "48"]) == 0
    assert "clips 3 x 8 x 48 x 48" in capsys.readouterr().out


# -------------------------------------------------------------------------------------------------- the data

def test_workers_change_nothing_about_generated_clips():
    recipe = Recipe(steps=5, batch=3, seed=2)
    before = torch.get_rng_state()
    alone, helped = (list(islice(find_data("motion", recipe, frames=4, size=16, workers=workers).source(1), 4))
                     for workers in (0, 2))
    assert torch.equal(torch.get_rng_state(), before), "loading draws nothing from the global generator"
    for step, (one, other) in enumerate(zip(alone, helped, strict=True), start=1):
        expected = motion_batch(3, seed=batch_seed(2, step), frames=4, size=16)
        for x, y, z in zip(one, other, (normalise(expected.clips, MOTION_PIXELS), expected.direction), strict=True):
            assert torch.equal(x, y) and torch.equal(x, z)


def test_what_is_held_out_is_shared_among_processes():
    data = find_data("motion4", Recipe(), frames=2, size=8)
    parts = [list(data.held_out(rank, 3, 50)) for rank in range(3)]
    clips = [torch.cat([x for x, _ in part]) for part in parts]
    test = motion_batch(1024, seed=TEST_SEED, split="test", frames=2, size=8, task="motion4")
    assert [len(part) for part in clips] == [342, 341, 341]
    assert torch.equal(clips[1], normalise(test.clips, MOTION_PIXELS)[1::3])


def test_evaluating_in_parts_is_evaluating_the_whole():
    """Each of three processes is asked in turn, and given what the others found."""
    model = build("timesformer_motion", width=16, heads=2, depth=1)
    data = find_data("motion", Recipe(), frames=8, size=32)

    class Third(World):
        def gather(self, value):
            return [value if rank == self.rank else evaluate(model, data.held_out(rank, 3, 50)) for rank in range(3)]

    whole = evaluate_together(model, data, World())
    assert whole["examples"] == 1024 and set(whole) == {"examples", "loss", "top1", "top5"}
    parts = evaluate_together(model, data, Third(rank=1, size=3))
    assert parts["examples"] == 1024
    for name in ("loss", "top1", "top5"):
        assert parts[name] == pytest.approx(whole[name], rel=1e-5)


@pytest.mark.slow
def test_the_command_in_a_shell(tmp_path):
    done = subprocess.run([sys.executable, "-W", "error", "-m", "videoformer_edu.training", *TINY, "--steps", "2"],
                          capture_output=True, text=True, timeout=300, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "step      2 / 2  loss" in done.stdout
    failed = subprocess.run([sys.executable, "-m", "videoformer_edu.training", "--lr", "-1"], capture_output=True,
                            text=True, timeout=300, cwd=tmp_path)
    assert failed.returncode == 2 and "Traceback" not in failed.stderr
