"""A run goes on where it was, bit by bit, and only where it is the same run."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from videoformer_edu.data.motion import batch_seed, motion_batch
from videoformer_edu.data.pixels import MOTION_PIXELS, normalise
from videoformer_edu.models import c3d_motion, timesformer_motion
from videoformer_edu.training.checkpoint import ResumeError, checkpoints, load, save
from videoformer_edu.training.loop import fit
from videoformer_edu.training.recipe import Recipe
from videoformer_edu.training.resume import Checkpoints, on_plateau

EVERYTHING = Recipe(steps=11, batch=5, accumulate=2, ema=0.9, mixup=0.3, cutmix=0.5, label_smoothing=0.1,
                    layer_decay=0.8, schedule="stable", warm_up=0.2, seed=7)
PLAIN = Recipe(steps=6, batch=2)


class PowerCut(Exception):
    pass


def tiny(**changes):
    torch.manual_seed(1)
    return timesformer_motion(**{**dict(width=16, depth=2, heads=2, drop_path=0.4), **changes})


def train(folder, recipe, *, model=None, until=None, every=4, lines=None, **options):
    """A run in its folder, cut off after `until` steps: the trained model and its history."""
    def source(start):
        for step in range(start, recipe.steps):
            clips = motion_batch(recipe.batch, seed=batch_seed(recipe.seed, step))
            yield normalise(clips.clips, MOTION_PIXELS), clips.direction

    def after_step(run):
        if run.done == until:
            raise PowerCut

    log = [].append if lines is None else lines.append
    model = model or tiny()
    history = fit(model, source, recipe, after_step=after_step,
                  checkpoints=Checkpoints(folder, every=every, log=log, **options))
    return model, history


def cut(folder, recipe, until, **options):
    with pytest.raises(PowerCut):
        train(folder, recipe, until=until, **options)


def assert_same(one, other):
    assert one[1] == other[1]
    for (name, a), b in zip(one[0].state_dict().items(), other[0].state_dict().values(), strict=True):
        assert torch.equal(a, b), name


@pytest.mark.slow
@pytest.mark.parametrize("changes", [
    {}, {"schedule": "cosine", "checkpointing": True}, {"precision": "bf16", "ema": 0.0}], ids=str)
def test_resumed_twice_is_undisturbed_bit_by_bit(tmp_path, changes):
    recipe = replace(EVERYTHING, **changes)
    cut(tmp_path / "cut", recipe, 6)
    torch.rand(1234)  # whatever else happened meanwhile
    cut(tmp_path / "cut", recipe, 10)
    lines = []
    resumed = train(tmp_path / "cut", recipe, lines=lines)
    assert lines == [f"going on after step 8 of 11 ({tmp_path / 'cut'})"]
    assert_same(resumed, train(tmp_path / "whole", recipe))


def test_running_statistics_come_from_the_checkpoint(tmp_path):
    def start(seed):
        torch.manual_seed(seed)
        return c3d_motion()

    cut(tmp_path / "cut", PLAIN, 5, model=start(1))
    resumed = train(tmp_path / "cut", PLAIN, model=start(2))
    assert_same(resumed, train(tmp_path / "whole", PLAIN, model=start(1)))


def test_a_finished_run_is_finished(tmp_path):
    done = train(tmp_path, PLAIN)
    before = [path.stat().st_mtime_ns for path in checkpoints(tmp_path)]
    assert [path.name for path in checkpoints(tmp_path)] == ["step_000006.pt", "step_000004.pt"]
    assert_same(train(tmp_path, PLAIN), done)
    assert [path.stat().st_mtime_ns for path in checkpoints(tmp_path)] == before


def test_a_checkpoint_may_be_chosen(tmp_path):
    """Going on from step 2 after step 4 was written; the same run again, and step 4 is written again."""
    whole = train(tmp_path, PLAIN, every=2)
    cut(tmp_path / "b", PLAIN, 5, every=2)
    lines = []
    assert_same(train(tmp_path / "b", PLAIN, every=2, lines=lines, source=tmp_path / "b" / "step_000002.pt"), whole)
    assert lines[0].startswith("going on after step 2 of 6")


def test_a_damaged_newest_costs_one_interval_and_nothing_else(tmp_path):
    cut(tmp_path / "cut", EVERYTHING, 9)
    newest = tmp_path / "cut" / "step_000008.pt"
    newest.write_bytes(newest.read_bytes()[:-1000])
    lines = []
    resumed = train(tmp_path / "cut", EVERYTHING, lines=lines)
    assert lines[0].startswith("warning: step_000008.pt is cut short") and "after step 4 of 11" in lines[1]
    assert_same(resumed, train(tmp_path / "whole", EVERYTHING))


# -------------------------------------------------------------------------------------------------- another run

@pytest.mark.parametrize(("changes", "message"), [
    ({"lr": 1e-3}, "it has lr 0.002, this run 0.001"),
    ({"batch": 3}, "batch 2, this run 3"),
    ({"betas": (0.9, 0.95)}, r"betas \[0.9, 0.999\], this run \[0.9, 0.95\]"),
    ({"seed": 1}, "seed 0, this run 1"),
    ({"precision": "bf16"}, "precision 'fp32', this run 'bf16'"),
    ({"ema": 0.5}, "ema 0.0, this run 0.5"),
    ({"steps": 12}, 'steps 6, this run 12 .*only while the "stable" schedule is on its plateau'),
])
def test_another_recipe_is_refused_by_name(tmp_path, changes, message):
    cut(tmp_path, PLAIN, 5)
    before = [path.read_bytes() for path in checkpoints(tmp_path)]
    with pytest.raises(ResumeError, match=f"step 4 is of another run: .*{message}.*a folder of its own"):
        train(tmp_path, replace(PLAIN, **changes))
    assert [path.read_bytes() for path in checkpoints(tmp_path)] == before


@pytest.mark.parametrize(("about", "message"), [
    ({"model": "vivit_motion", "data": "motion"}, "model 'timesformer_motion', this run 'vivit_motion'"),
    ({"model": "timesformer_motion", "data": "order6"}, "data 'motion', this run 'order6'"),
    ({"model": "timesformer_motion", "data": "motion", "classes": 6}, "classes None, this run 6"),
])
def test_another_purpose_is_refused_by_name(tmp_path, about, message):
    cut(tmp_path, PLAIN, 5, about={"model": "timesformer_motion", "data": "motion"})
    with pytest.raises(ResumeError, match=message):
        train(tmp_path, PLAIN, about=about)


@pytest.mark.parametrize(("model", "message"), [
    ({"classes": 6}, r"another model or another number of classes: head.bias \(8,\) in the checkpoint, \(6,\) in the"),
    ({"depth": 1}, r"another model: blocks.1\..* in the checkpoint, unknown in the model; .*and \d+ more"),
])
def test_another_model_is_refused_by_its_tensors(tmp_path, model, message):
    cut(tmp_path, PLAIN, 5)
    with pytest.raises(ResumeError, match=message):
        train(tmp_path, PLAIN, model=tiny(**model))


def test_how_a_step_is_computed_may_change(tmp_path):
    """After running out of memory: the same run in more parts, with activations computed twice."""
    recipe = replace(PLAIN, batch=4)
    cut(tmp_path / "cut", recipe, 5, model=tiny(drop_path=0.0))
    lines = []
    model, history = train(tmp_path / "cut", replace(recipe, accumulate=2, checkpointing=True),
                           model=tiny(drop_path=0.0), lines=lines)
    assert lines[1:] == ["note: accumulate was 1, now 2: from here on the last digits can differ",
                         "note: checkpointing was False, now True: from here on the last digits can differ"]
    whole = train(tmp_path / "whole", recipe, model=tiny(drop_path=0.0))
    torch.testing.assert_close(history.losses, whole[1].losses, rtol=1e-5, atol=1e-5)


def test_a_stable_run_may_be_made_longer_on_its_plateau(tmp_path):
    short = Recipe(steps=10, batch=2, schedule="stable", warm_up=0.2, decay=0.7)
    longer = replace(short, steps=20)
    assert on_plateau(short, 4) and on_plateau(longer, 4)
    cut(tmp_path, short, 5)
    lines = []
    _, history = train(tmp_path, longer, lines=lines)
    assert "note: steps were 10, now 20" in lines
    assert len(history) == 20
    rates = history.column("lr")[1]
    assert rates[4:14] == [longer.lr] * 10 and rates[15] < longer.lr


@pytest.mark.parametrize(("until", "steps"), [(9, 20), (5, 40)])
def test_not_beyond_the_plateau_of_either(tmp_path, until, steps):
    """Step 8 of 10 is on the way down; step 4 of 40 is still on the way up."""
    short = Recipe(steps=10, batch=2, schedule="stable", warm_up=0.2, decay=0.7)
    cut(tmp_path, short, until)
    with pytest.raises(ResumeError, match="steps 10, this run"):
        train(tmp_path, replace(short, steps=steps))


def test_other_versions_are_told(tmp_path, monkeypatch):
    cut(tmp_path, PLAIN, 5)
    monkeypatch.setattr("videoformer_edu.training.resume.versions", lambda: {"torch": "99.0", "numpy": "98.0"})
    lines = []
    train(tmp_path, PLAIN, lines=lines)
    assert [line.split()[:2] for line in lines[1:]] == [["note:", "torch"], ["note:", "numpy"]]


@pytest.mark.parametrize(("spoil", "message"), [
    (lambda state: state.pop("rng"), "it has no 'rng'"), (lambda state: state.pop("recipe"), "it has no 'recipe'"),
    (lambda state: state["run"].pop("optimiser"), "it has no .optimiser"),
    (lambda state: state.update(run=[]), "list"),
    (lambda state: state["recipe"].update(momentum=0.9, steps=12), "a recipe has no momentum"),
])
def test_a_checkpoint_that_lacks_something_is_one_sentence(tmp_path, spoil, message):
    cut(tmp_path, PLAIN, 5)
    state = load(tmp_path / "step_000004.pt")
    spoil(state)
    save(tmp_path, state.pop("step"), {name: value for name, value in state.items() if name != "format"})
    recipe = PLAIN if "momentum" not in message else replace(PLAIN, schedule="stable")
    with pytest.raises(ResumeError, match=f"is whole, but not what a run .* leaves .*{message}"):
        train(tmp_path, recipe)


def test_a_second_run_leaves_the_folder_of_the_first_alone(tmp_path):
    """Of the first one's file, half written, not a byte goes, and it is told which process that is."""
    cut(tmp_path, PLAIN, 5)
    held = subprocess.Popen([sys.executable, "-c", "import sys, time, pathlib\n"
                             "from videoformer_edu.training.lock import FolderLock\n"
                             "held = FolderLock(pathlib.Path(sys.argv[1]))\n"
                             "print(held.acquire(), flush=True) or time.sleep(60)",
                             str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert held.stdout.readline() == "\n"
    unfinished = tmp_path / f".step_000006.pt.{held.pid}.unfinished"
    unfinished.write_bytes(b"half")
    try:
        with pytest.raises(ResumeError, match=f"in use by another run, process {held.pid} on .*a folder of its own"):
            train(tmp_path, PLAIN)
        assert unfinished.read_bytes() == b"half"
    finally:
        held.kill()
        held.communicate()
    train(tmp_path, PLAIN)
    assert not unfinished.exists()


def test_what_a_checkpoint_holds(tmp_path):
    train(tmp_path, PLAIN, about={"model": "timesformer_motion", "size": (8, 32)})
    state = load(tmp_path / "step_000006.pt")
    assert Recipe.from_dict(state["recipe"]) == PLAIN
    assert state["about"]["model"] == "timesformer_motion"
    assert state["about"]["versions"]["torch"] == torch.__version__
    assert set(state["rng"][0]) == {"torch", "cuda", "numpy", "python"}


@pytest.mark.parametrize("every", [0, -1, 2.5, True])
def test_an_interval_is_a_number_of_steps(tmp_path, every):
    with pytest.raises(ValueError, match="expected a whole number of steps"):
        Checkpoints(tmp_path, every=every)
