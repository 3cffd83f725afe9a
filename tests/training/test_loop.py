"""The loop: a run can be repeated, and goes on, to the last bit."""

import copy

import pytest
import torch
from small_runs import distance, images, source, tiny
from torch import nn

from videoformer_edu.data.motion import batch_seed, motion_batch
from videoformer_edu.data.pixels import MOTION_PIXELS, normalise
from videoformer_edu.models import timesformer_motion
from videoformer_edu.training.loop import fit
from videoformer_edu.training.recipe import Recipe
from videoformer_edu.training.step import Run


def motion_source(start: int):
    step = start
    while True:
        drawn = motion_batch(4, seed=batch_seed(3, step))
        yield normalise(drawn.clips, MOTION_PIXELS), drawn.direction
        step += 1


def test_the_same_seed_gives_the_same_bits_whatever_came_before():
    recipe = Recipe(steps=4, batch=4, seed=3, mixup=0.2, ema=0.5)
    models, histories = [], []
    for before in (7, 8):
        torch.manual_seed(1)
        models.append(timesformer_motion(drop_path=0.3))
        torch.manual_seed(before)
        histories.append(fit(models[-1], motion_source, recipe))
    torch.manual_seed(1)
    other = timesformer_motion(drop_path=0.3)
    fit(other, motion_source, Recipe(steps=4, batch=4, seed=4, mixup=0.2, ema=0.5))
    assert histories[0] == histories[1]
    assert all(torch.equal(a, b) for a, b in zip(*(m.state_dict().values() for m in models), strict=True))
    assert distance(models[0], other) > 1e-4


class InMemory:
    """The simplest checkpoints there are: one state, and where the random generator stands."""

    def __init__(self, every: int):
        self.every, self.kept = every, None

    def restore(self, run):
        if self.kept is not None:
            run.load_state_dict(copy.deepcopy(self.kept[0]))
            torch.set_rng_state(self.kept[1])

    def due(self, done):
        return done % self.every == 0

    def save(self, run):
        self.kept = copy.deepcopy(run.state_dict()), torch.get_rng_state()

    def close(self):
        self.closed = True


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_stopped_run_goes_on_to_the_same_bits(precision):
    recipe = Recipe(steps=7, batch=6, ema=0.9, precision=precision, seed=2, layer_decay=0.8)
    uninterrupted = tiny(drop_path=0.5)
    whole = fit(uninterrupted, source(), recipe)

    checkpoints, asked = InMemory(every=3), []

    def pull_the_plug(run):
        if run.done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(tiny(drop_path=0.5), source(asked=asked), recipe, checkpoints=checkpoints, after_step=pull_the_plug)
    model = tiny(drop_path=0.5)
    with torch.no_grad():
        for p in model.parameters():
            p.zero_()  # everything has to come from the checkpoint
    torch.manual_seed(99)
    history = fit(model, source(asked=asked), recipe, checkpoints=checkpoints)
    assert asked == [0, 3]
    assert history == whole and [row["step"] for row in history.rows] == [1, 2, 3, 4, 5, 6, 7]
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), uninterrupted.state_dict().values(),
                                                 strict=True))


def test_a_finished_run_is_not_trained_further():
    checkpoints, asked, model = InMemory(every=2), [], tiny()
    first = fit(model, source(), Recipe(steps=2, batch=6), checkpoints=checkpoints)
    again = tiny()
    assert fit(again, source(asked=asked), Recipe(steps=2, batch=6), checkpoints=checkpoints) == first
    assert distance(model, again) == 0


def test_a_state_holds_only_what_can_be_read_without_code(tmp_path):
    run = Run(tiny(), Recipe(steps=3, batch=6, ema=0.5, precision="fp16", layer_decay=0.5))
    run.scaler.load_state_dict({**run.scaler.state_dict(), "scale": 128.0})
    run.step(images())
    torch.save(run.state_dict(), tmp_path / "state.pt")
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    other = Run(tiny(), run.recipe)
    other.load_state_dict(state)
    assert other.scaler.state_dict() == run.scaler.state_dict() and other.scaler.get_scale() == 128
    assert all(run.step(images(seed=seed)) == other.step(images(seed=seed)) for seed in (5, 6))
    assert other.done == 3 and other.history == run.history and distance(run.model, other.model) == 0


def test_evaluations_join_the_history_at_their_steps():
    calls = []

    def evaluate(model):
        calls.append(model)
        return {"accuracy": len(calls) / 10}

    model, order = tiny(), []
    history = fit(model, source(), Recipe(steps=7, batch=6), evaluate=evaluate, evaluate_every=3,
                  after_step=lambda run: order.append((run.done, run.history.rows[-1].get("accuracy"))))
    assert history.column("accuracy") == ([3, 6, 7], [0.1, 0.2, 0.3]) and calls == [model] * 3
    assert order == [(1, None), (2, None), (3, 0.1), (4, None), (5, None), (6, 0.2), (7, 0.3)]


def test_a_loss_of_ones_own_gets_the_module_and_the_rows():
    class Painter(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, x):
            return self.scale * x

    seen, model = [], Painter()

    def squares(module, inputs, targets):
        seen.append((tuple(inputs.shape), targets.dtype))
        return (module(inputs) - 3 * inputs).square().mean()

    batch = torch.ones(5, 2, 4), torch.ones(5, 2, dtype=torch.bool)
    history = fit(model, [batch] * 60, Recipe(steps=60, batch=5, lr=0.2, accumulate=2), loss=squares)
    assert seen[:2] == [((3, 2, 4), torch.bool), ((2, 2, 4), torch.bool)]
    assert history.losses[0] == pytest.approx(4.0) and model.scale.item() == pytest.approx(3, abs=0.1)


def test_one_batch_over_and_over_is_learned():
    model = tiny(width=32)
    history = fit(model, [images()] * 40, Recipe(steps=40, batch=6, lr=0.01))
    assert history.losses[0] > 1.2 and history.losses[-1] < 0.1
