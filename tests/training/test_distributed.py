"""Two processes train as one would: through torchrun, with DDP and FSDP2, and after one of them was killed."""

import csv
import json
import os
import pathlib
import re
import subprocess
import sys
import time

import distributed_runs as runs
import pytest
import torch
from safetensors.torch import load_file

from videoformer_edu.data.motion import motion_batch
from videoformer_edu.data.pixels import MOTION_PIXELS, normalise
from videoformer_edu.models import c3d_motion, timesformer_motion, unordered_motion, vivit_motion
from videoformer_edu.training.__main__ import main
from videoformer_edu.training.command import MODELS
from videoformer_edu.training.distributed import Rows, World, gradients_summed, spread_like, whole
from videoformer_edu.training.recipe import Recipe
from videoformer_edu.training.step import Run

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
HELPER = pathlib.Path(__file__).with_name("distributed_runs.py")
OPTIONS = ["--steps", "20", "--batch", "7", "--accumulate", "2", "--lr", "5e-3", "--set", "width=16", "heads=2",
           "--ema", "0.9", "--device", "cpu", "--every", "5"]


@pytest.fixture(scope="module")
def on_videos(videos):
    """Options to train on real videos, of which each process decodes its own rows: 4 and 3 of 7."""
    return [*OPTIONS, "--data", str(videos), "--frames", "4", "--size", "16", "--evaluate"]


@pytest.fixture(scope="module")
def seen(tmp_path_factory, on_videos):
    """What two processes saw, all in one launch."""
    folder = tmp_path_factory.mktemp("world")
    done = subprocess.run([*TORCHRUN, "--max-restarts", "1", str(HELPER), str(folder), *on_videos, "--workers", "1",
                           "--checkpoints", str(folder / "run"), "--out", str(folder / "weights.safetensors"),
                           "--history", str(folder / "history.csv")], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    weights = torch.load(folder / "weights.pt", weights_only=True)
    return {**json.loads((folder / "seen.json").read_text()), "weights": weights, "folder": folder, "out": done.stdout}


def defined(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights that training defines: all but the biases of keys, the middle third of each `qkv.bias`.

    Softmax takes no notice of what is added to all scores of a query, so their gradient is nothing but the rounding of
    the processor; Adam divides it by its own size, and they walk at random.
    """
    return {name: torch.cat([tensor.chunk(3)[0], tensor.chunk(3)[2]]) if name.endswith("qkv.bias") else tensor
            for name, tensor in weights.items()}


def assert_same_weights(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> None:
    torch.testing.assert_close(defined(ours), defined(theirs), rtol=0, atol=1e-5)


def logits(weights: dict[str, torch.Tensor], **sizes) -> torch.Tensor:
    model = timesformer_motion(**{**dict(width=16, heads=2), **sizes})
    model.load_state_dict(weights)
    with torch.no_grad():
        return model.eval()(clips(3)[0])


def test_a_shifted_key_bias_changes_nothing():
    """Why `defined` may leave it out, and nothing else: the other two thirds are heard."""
    model = runs.tiny()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    before = model.state_dict()
    biases = [name for name in before if name.endswith("qkv.bias")]
    assert len(biases) == 4, "two blocks, in each along time and across space"
    shifts = torch.randn(len(biases), 3, 16)
    for third, heard in enumerate((True, False, True)):
        after = {name: tensor.clone() for name, tensor in before.items()}
        for name, shift in zip(biases, shifts, strict=True):
            after[name].view(3, -1)[third] += shift[third]
        changed = (logits(after, depth=2) - logits(before, depth=2)).abs().max()
        assert changed > 1e-2 if heard else changed < 1e-5, f"third {third}: logits change by {changed}"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["DDP", "FSDP2"])
@pytest.mark.parametrize("case", runs.CASES)
def test_the_loss_curve_is_that_of_one_process(seen, case, kind):
    losses, weights = runs.train(runs.CASES[case], World())
    torch.testing.assert_close(seen["losses"][f"{case}, {kind}"], losses, rtol=0, atol=1e-5)
    together = seen["weights"][f"{case}, {kind}"]
    assert_same_weights(together, weights)
    torch.testing.assert_close(logits(together, depth=2), logits(weights, depth=2), rtol=0, atol=1e-5)


@pytest.mark.slow
def test_the_curves_could_have_differed(seen):
    """The comparison is not one of runs that learn nothing, or that all do the same."""
    plain, more = seen["losses"]["plain, DDP"], seen["losses"]["even more, DDP"]
    assert max(abs(a - b) for a, b in zip(plain, more, strict=True)) > 0.05
    assert max(plain) - min(plain) > 0.3


@pytest.mark.slow
def test_stochastic_depth_goes_on_in_each_process(seen):
    assert seen["losses"]["cut"] == seen["losses"]["whole"]
    for name, tensor in seen["weights"]["cut"].items():
        assert torch.equal(tensor, seen["weights"]["whole"][name]), name
    assert seen["losses"]["cut"] != seen["losses"]["even more, DDP"]


@pytest.mark.slow
@pytest.mark.parametrize("case", ["parts to whole", "whole to parts"])
def test_a_checkpoint_does_not_know_how_the_model_was_laid_out(seen, case):
    torch.testing.assert_close(seen["losses"][case], seen["losses"]["even more, DDP"], rtol=0, atol=1e-5)


@pytest.mark.slow
def test_batch_normalisation_sees_its_own_rows(seen):
    """As documented: on CPUs the curve of a 3-D CNN depends on the number of processes."""
    alone, _ = runs.train(runs.PLAIN, World(), model=runs.seeded(c3d_motion))
    assert max(abs(a - b) for a, b in zip(seen["losses"]["batch norm"], alone, strict=True)) > 1e-3


@pytest.mark.slow
def test_nan_in_one_process_stops_both(seen):
    assert len(seen["nan"]) == 2 and seen["nan"][0] == seen["nan"][1]
    assert "loss of step 3 is nan" in seen["nan"][0]


@pytest.mark.slow
def test_a_batch_smaller_than_the_world_is_refused_by_both(seen):
    assert seen["small"][0] == seen["small"][1]
    assert "batch is 1 clips, for 2 processes" in seen["small"][0]


@pytest.mark.slow
def test_what_passes_between_processes(seen):
    assert seen["backend"] == "gloo"
    assert seen["rows"] == [[0, 2, 4, 6], [1, 3, 5]]
    assert seen["total"] == 11
    assert seen["first"] == ["from 0", "from 0"]
    assert seen["reductions"] == [False, False, True], "gradients are summed once a step, with the last part"
    assert seen["part"] == [9, 16] and seen["put together"], "17 rows of a table are 9 and 8"
    assert seen["text"] == "2 processes on cpu, the model spread over them (FSDP2)"


# -------------------------------------------------------------------------------------------------- one process

def test_one_process_needs_no_torchrun(monkeypatch):
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    with World.joined("cpu") as world:
        assert (world.rank, world.size, world.first, str(world)) == (0, 1, True, "one process on cpu")
        model = c3d_motion()
        assert world.wrap(model) is model
        assert world.gather({"a": 1}) == [{"a": 1}] and world.from_first("x") == "x"
        assert world.total(torch.tensor(3.0)) == 3
        with gradients_summed(model, False):
            pass
    with pytest.raises(ValueError, match="start it with torchrun"), World.joined("cpu", shard=True):
        pass


def test_more_processes_than_gpus(monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "test")
    monkeypatch.setenv("LOCAL_RANK", "3")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ValueError, match="process 3 of this machine has no GPU of its own: there are 2; pass --nproc"):
        with World.joined("cuda"):
            pass


def test_no_gpu_at_all(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="sees no GPU here"), World.joined("cuda"):
        pass


@pytest.mark.parametrize(("batch", "accumulate", "fine"), [(6, 1, True), (7, 2, True), (5, 2, False), (2, 1, False)])
def test_every_process_needs_a_row_for_each_part(batch, accumulate, fine):
    world = World(rank=1, size=3)
    if fine:
        world.check_batch(batch, accumulate)
        assert all(len(World(rank, 3).rows(torch.arange(batch))) >= accumulate for rank in range(3))
    else:
        with pytest.raises(ValueError, match=f"batch is {batch} clips, for 3 processes.*at least {3 * accumulate}"):
            world.check_batch(batch, accumulate)


def test_rows_of_all_processes_are_the_batch():
    batch = torch.arange(11)
    assert sorted(torch.cat([World(rank, 4).rows(batch) for rank in range(4)]).tolist()) == batch.tolist()


class Alone(World):
    """One of several processes, without the others: it keeps its share of the loss and of the gradient to itself."""

    def wrap(self, model):
        return model

    def total(self, value):
        return value


def clips(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    batch = motion_batch(count, seed=3)
    return normalise(batch.clips, MOTION_PIXELS), batch.direction


@pytest.mark.parametrize("parts", [1, 2])
def test_a_process_may_bring_its_own_rows(parts):
    """The same step as with the whole batch, of which it takes them; together the step of one process."""
    recipe = Recipe(steps=2, batch=7, clip=0, accumulate=parts, label_smoothing=0.1)
    x, y = clips(7)
    whole = Run(runs.tiny(), recipe)
    loss, shares, gradients = whole.step((x, y)), [], []
    for rank in (0, 1):
        given, own = (Run(runs.tiny(), recipe, world=Alone(rank, 2)) for _ in range(2))
        shares.append(own.step(Rows(x[rank::2], y[rank::2], 7)))
        assert given.step((x, y)) == shares[-1]
        gradients.append([p.grad for p in own.model.parameters()])
    assert sum(shares) == pytest.approx(loss, rel=1e-6)
    for parameter, *pair in zip(whole.model.parameters(), *gradients, strict=True):
        torch.testing.assert_close(sum(pair) / 2, parameter.grad)  # DDP averages over processes


def test_rows_are_mixed_among_themselves():
    """By chance that is each process's own; a process that is alone mixes them as it does a whole batch."""
    recipe = Recipe(steps=1, batch=6, mixup=0.5, cutmix=1.0)
    x, y = clips(6)
    whole, alone, *others = (Run(runs.tiny(), recipe, world=Alone(rank, size))
                             for rank, size in ((0, 1), (0, 1), (0, 2), (0, 2), (1, 2)))
    assert whole.step((x, y)) == alone.step(Rows(x, y, 6))
    first, again, other = (run.step(Rows(x[:3], y[:3], 6)) for run in others)
    assert first == again != other


def test_a_model_without_blocks_is_not_spread():
    with pytest.raises(ValueError, match="UnorderedFrames has no blocks .*shard.* work block by block; leave them out"):
        World(0, 2, shard=True).wrap(unordered_motion())


def test_whole_keeps_plain_state_as_it_is():
    tensor = torch.arange(6.0, requires_grad=True)
    state = whole({"a": [tensor, (1, None)], "b": "text"})
    assert state["a"][1] == (1, None) and state["b"] == "text"
    assert torch.equal(state["a"][0], tensor) and not state["a"][0].requires_grad
    assert spread_like(tensor, torch.zeros(6)) is tensor


# DDP would have to be told of parameters that a step leaves out (`find_unused_parameters`), and be slower for it.
VARIANTS = [(timesformer_motion, {"attention": name}) for name in ("joint", "space_only")]
VARIANTS += [(vivit_motion, {"variant": name}) for name in (
    "spatio_temporal", "factorised_encoder", "factorised_self_attention", "factorised_dot_product")]


@pytest.mark.parametrize(("builder", "options"), [
    *((getattr(__import__("videoformer_edu.models", fromlist=[name]), name), {})
      for name in MODELS if name.endswith("_motion")), *VARIANTS],
    ids=lambda value: getattr(value, "__name__", None) or "-".join(value.values()))
def test_a_step_uses_every_parameter(builder, options):
    model = builder(**options).train()
    model(torch.randn(2, 3, 8, 32, 32)).square().sum().backward()
    left_out = [name for name, weight in model.named_parameters() if weight.requires_grad and weight.grad is None]
    assert left_out == []


# -------------------------------------------------------------------------------------------------- the command

def losses(path: pathlib.Path) -> list[float]:
    with open(path, newline="") as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


def held_out(text: str) -> dict[str, float]:
    line = re.search(r"held out, 3 clips: loss (\d\.\d+), top1 (\d+\.\d)%\n", text)
    return {"loss": float(line[1]), "top1": float(line[2])}


@pytest.mark.slow
def test_a_killed_worker_is_restarted_and_training_goes_on(seen):
    assert seen["out"].count("\nruns on 2 processes on cpu, the model copied to each (DDP)") == 2, seen["out"]
    assert re.findall(r"going on after step (\d+) of 20", seen["out"]) == ["5"]
    assert sorted(os.listdir(seen["folder"] / "run")) == [".lock", "step_000015.pt", "step_000020.pt"]


@pytest.mark.slow
def test_in_the_end_it_is_the_run_of_one_process(seen, on_videos, tmp_path, capsys):
    """The same command without torchrun and without a kill: the same curve, weights and numbers on what is held out."""
    line = [*on_videos, "--out", str(tmp_path / "weights.safetensors"), "--history", str(tmp_path / "h.csv")]
    assert main(line) == 0
    torch.testing.assert_close(losses(seen["folder"] / "history.csv"), losses(tmp_path / "h.csv"), rtol=0, atol=1e-5)
    ours, theirs = (load_file(folder / "weights.safetensors") for folder in (seen["folder"], tmp_path))
    assert_same_weights(ours, theirs)
    sizes = dict(frames=4, image_size=16, classes=3)
    torch.testing.assert_close(logits(ours, **sizes), logits(theirs, **sizes), rtol=0, atol=1e-5)
    assert held_out(seen["out"]) == pytest.approx(held_out(capsys.readouterr().out), abs=1e-3)


@pytest.mark.slow
def test_an_error_ends_all_processes_in_time(tmp_path):
    """A checkpoint folder of another run: one line, no waiting for each other, no restart that would help."""
    assert main([*OPTIONS[2:], "--steps", "5", "--checkpoints", str(tmp_path)]) == 0
    begun = time.monotonic()
    done = subprocess.run([*TORCHRUN, "-m", "videoformer_edu.training", *OPTIONS, "--checkpoints", str(tmp_path)],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    said = [line for line in done.stderr.splitlines() if "error: the checkpoint" in line]
    assert sorted(line.partition("error: ")[0] for line in said) == ["", "process 1: "]
    assert all("step 5 is of another run: it has steps 5, this run 20" in line for line in said)
    assert "__main__.py" not in done.stderr, "no traceback of ours"
    assert time.monotonic() - begun < 100
