"""The loop: each option does what it says and nothing else, and a run can be repeated to the last bit."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from videoformer_edu.data.mixing import mix
from videoformer_edu.data.motion import batch_seed, motion_batch, normalise
from videoformer_edu.models import (
    c3d_motion,
    timesformer_motion,
    vit_digits,
)
from videoformer_edu.models.blocks import blocks_of
from videoformer_edu.training.history import History
from videoformer_edu.training.loop import fit
from videoformer_edu.training.recipe import Recipe
from videoformer_edu.training.step import Run, cross_entropy

TINY = dict(width=8, depth=2, heads=2, classes=5)


def images(count: int = 6, seed: int = 0, classes: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(count, 3, 32, 32, generator=generator),
            torch.randint(classes, (count,), generator=generator))


def tiny(**changes) -> nn.Module:
    torch.manual_seed(1)
    return vit_digits(**{**TINY, **changes})


def source(batch: int = 6, asked: list | None = None):
    """Batches that depend on the step alone; notes in `asked` where it was told to start."""
    def from_step(start: int):
        if asked is not None:
            asked.append(start)
        step = start
        while True:
            yield images(batch, seed=100 + step)
            step += 1

    return from_step


def distance(a: nn.Module, b: nn.Module) -> float:
    """The largest difference between two models' tensors, buffers included."""
    pairs = zip(a.state_dict().items(), b.state_dict().items(), strict=True)
    return max((x.double() - y.double()).abs().max().item() for (name, x), (other, y) in pairs if name == other)


# ------------------------------------------------------------------------------------------------- one step by hand


def test_a_step_is_adamw_on_the_clipped_gradient_of_the_cross_entropy():
    recipe = Recipe(steps=4, batch=6, lr=0.01, warm_up=0.5, clip=0.5, weight_decay=0.2, label_smoothing=0.1)
    model, batch = tiny(), images()
    by_hand = copy.deepcopy(model)
    run = Run(model, recipe)
    losses = [run.step(batch) for _ in range(3)]

    groups = [{"params": [p for n, p in by_hand.named_parameters() if acts(n, p)], "weight_decay": 0.2},
              {"params": [p for n, p in by_hand.named_parameters() if not acts(n, p)], "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=0.01)
    for step, rate in enumerate((1e-3, 0.5, 1.0)):
        for group in optimiser.param_groups:
            group["lr"] = 0.01 * rate
        optimiser.zero_grad()
        loss = F.cross_entropy(by_hand(batch[0]), batch[1], label_smoothing=0.1)
        loss.backward()
        norm = torch.stack([p.grad.norm() for p in by_hand.parameters()]).norm()
        assert norm > 0.5
        for p in by_hand.parameters():
            p.grad *= 0.5 / (norm + 1e-6)
        optimiser.step()
        assert losses[step] == pytest.approx(loss.item(), abs=1e-6)
    assert distance(model, by_hand) < 1e-6
    assert run.done == 3 and run.history.rows[1] == {"step": 2, "loss": losses[1], "lr": 0.005}


def acts(name: str, parameter: nn.Parameter) -> bool:
    return name.endswith("weight") and "norm" not in name


def test_clip_zero_leaves_the_gradient_alone():
    seen = {}
    for clip in (0.0, 0.25):
        fit(tiny(), [images()], Recipe(steps=1, batch=6, clip=clip),
            after_step=lambda run, clip=clip: seen.update({clip: torch.cat(
                [p.grad.flatten() for p in run.model.parameters()]).norm().item()}))
    assert seen[0.0] > 1
    assert seen[0.25] == pytest.approx(0.25, rel=1e-4)


@pytest.mark.parametrize(("batch", "parts"), [(6, 2), (6, 6), (7, 3), (5, 4)])  # 7 = 3 + 2 + 2, 5 = 2 + 1 + 1 + 1
def test_parts_of_a_batch_make_the_step_of_the_whole(batch, parts):
    runs = {k: Run(tiny(), Recipe(steps=9, batch=batch, lr=1e-3, accumulate=k, label_smoothing=0.1, clip=1.0))
            for k in (1, parts)}
    for step in range(2):
        losses = {k: run.step(images(batch, seed=step)) for k, run in runs.items()}
        assert losses[1] == pytest.approx(losses[parts], abs=1e-6)
        gradients = [torch.cat([p.grad.flatten() for p in run.model.parameters()]) for run in runs.values()]
        torch.testing.assert_close(*gradients, atol=1e-6, rtol=0)


def test_a_last_batch_smaller_than_the_parts_is_taken_row_by_row():
    whole, parts = (Run(tiny(), Recipe(steps=1, batch=8, accumulate=k)) for k in (1, 5))
    assert whole.step(images(3)) == pytest.approx(parts.step(images(3)), abs=1e-6)


def test_soft_targets_are_taken_as_they_are():
    inputs, labels = images()
    hard, soft = Run(tiny(), Recipe(steps=1, batch=6)), Run(tiny(), Recipe(steps=1, batch=6))
    assert hard.step((inputs, labels)) == pytest.approx(soft.step((inputs, F.one_hot(labels, 5).float())), abs=1e-6)


def test_mixing_is_that_of_the_seed_and_the_step():
    video = normalise(motion_batch(4, seed=0).clips), torch.tensor([0, 7, 3, 3])
    losses = {}
    for name, changes in {"plain": {}, "mixup": {"mixup": 0.8}, "cutmix": {"cutmix": 1.0}, "both": {
            "mixup": 0.8, "cutmix": 1.0}, "other seed": {"mixup": 0.8, "seed": 5}}.items():
        torch.manual_seed(1)
        run = Run(c3d_motion(), Recipe(steps=3, batch=4, lr=1e-9, **changes))
        expected = [expected_loss(run, video, changes) for run.done in range(3)]
        run.done = 0
        losses[name] = [run.step(video) for _ in range(3)]
        assert losses[name] == pytest.approx(expected, abs=1e-5)
    assert len({tuple(values) for values in losses.values()}) == len(losses)


def expected_loss(run: Run, video, changes: dict) -> float:
    clips, targets = video
    if changes:
        generator = torch.Generator().manual_seed(changes.get("seed", 0) * 1000003 + run.done + 1)
        clips, targets = mix(clips, targets, classes=8, mixup=changes.get("mixup", 0.0),
                             cutmix=changes.get("cutmix", 0.0), generator=generator)
    return F.cross_entropy(copy.deepcopy(run.model).train()(clips), targets).item()


# --------------------------------------------------------------------------------------------------- moving average


def test_the_average_follows_by_hand_and_ends_up_in_the_model():
    model, seen = tiny(), []
    history = fit(model, source(), Recipe(steps=4, batch=6, ema=0.75, warm_up=0),
                  after_step=lambda run: seen.append(copy.deepcopy(run.model.state_dict())),
                  evaluate=lambda model: {"weight": model.head.weight.sum().item()}, evaluate_every=3)
    average, measured = seen[0], []
    for number, state in enumerate(seen[1:], start=2):
        average = {name: 0.75 * average[name] + 0.25 * value for name, value in state.items()}
        if number >= 3:
            measured.append(average["head.weight"].sum().item())
    torch.testing.assert_close(dict(model.state_dict()), average, atol=1e-6, rtol=0)
    assert (model.head.weight - seen[-1]["head.weight"]).abs().max() > 1e-4
    assert history.column("weight")[0] == [3, 4]
    assert history.column("weight")[1] == pytest.approx(measured, abs=1e-5)


def test_running_statistics_are_averaged_too():
    torch.manual_seed(1)
    model = c3d_motion()
    clips = normalise(motion_batch(4, seed=0).clips)
    run = Run(model, Recipe(steps=2, batch=4, ema=0.5))
    run.step((clips, torch.tensor([0, 7, 3, 3])))
    first = model.layers[0][1].running_mean.clone()
    run.step((2 * clips, torch.tensor([0, 7, 3, 3])))
    torch.testing.assert_close(run.result.layers[0][1].running_mean, (first + model.layers[0][1].running_mean) / 2)


# -------------------------------------------------------------------------------------------------------- precision


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_trains_float32_weights(precision):
    seen = []

    class Watched(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(7, 3)

        def forward(self, x):
            logits = self.head(x)
            seen.append(logits.dtype)
            return logits

    torch.manual_seed(0)
    model, batch = Watched(), (torch.randn(5, 7), torch.tensor([0, 1, 2, 2, 1]))
    history = fit(model, [batch] * 30, Recipe(steps=30, batch=5, lr=0.1, precision=precision))
    assert set(seen) == {getattr(torch, {"bf16": "bfloat16", "fp16": "float16"}[precision])}
    assert model.head.weight.dtype == torch.float32
    assert history.losses[-1] < 0.25 * history.losses[0]


def test_the_loss_of_half_precision_logits_is_computed_in_float32():
    logits = torch.randn(5, 7).bfloat16()
    labels = torch.tensor([0, 2, 6, 3, 3])
    loss = cross_entropy(0.1)(nn.Identity(), logits, labels)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, F.cross_entropy(logits.double(), labels, label_smoothing=0.1).float())


def test_clipping_means_the_true_gradient_in_fp16_too():
    seen = []

    def look(run):
        seen.append(torch.cat([p.grad.flatten() for p in run.model.parameters()]).norm().item())

    fit(tiny(), [images()] * 8, Recipe(steps=8, batch=6, clip=0.25, precision="fp16"), after_step=look)
    assert seen[-1] == pytest.approx(0.25, rel=1e-3)


def test_a_step_that_overflows_in_fp16_is_left_out_and_the_schedule_waits():
    model = nn.Sequential(nn.Linear(4, 3))
    run = Run(model, Recipe(steps=4, batch=2, precision="fp16", lr=0.1, warm_up=0.5, ema=0.5))
    run.scaler.load_state_dict({**run.scaler.state_dict(), "scale": 2.0**127})
    before = copy.deepcopy(model.state_dict())
    batch = 3 * torch.ones(2, 4), torch.tensor([0, 2])
    run.step(batch)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert run.scaler.get_scale() == 2.0**126 and run.done == 1
    assert run.optimiser.param_groups[0]["lr"] == pytest.approx(0.1 * 1e-3)
    run.scaler.load_state_dict({**run.scaler.state_dict(), "scale": 2.0})
    run.step(batch)
    assert any(not torch.equal(value, before[name]) for name, value in model.state_dict().items())


# ---------------------------------------------------------------------------------------------- compile, checkpoint


def test_a_compiled_run_keeps_the_names_and_the_numbers(monkeypatch):
    calls = []

    def compile_lightly(module):
        calls.append(module)
        return torch._dynamo.optimize("eager")(module)

    monkeypatch.setattr(torch, "compile", compile_lightly)
    models, clips = [], normalise(motion_batch(4, seed=0).clips)
    for compiled in (False, True):
        torch.manual_seed(1)
        models.append(c3d_motion())
        fit(models[-1], [(clips, torch.tensor([0, 7, 3, 3]))] * 2, Recipe(steps=2, batch=4, compile=compiled))
    assert calls == [models[1]]
    assert models[1].state_dict().keys() == models[0].state_dict().keys()
    assert distance(*models) < 1e-6


def test_a_checkpointed_run_ends_like_a_plain_one():
    models = [tiny(drop_path=0.5), tiny(drop_path=0.5)]
    for model, checkpointing in zip(models, (False, True), strict=True):
        fit(model, source(), Recipe(steps=3, batch=6, checkpointing=checkpointing, ema=0.5))
    assert distance(*models) < 1e-6
    assert all("forward" not in vars(block) for block in blocks_of(models[1]).values())


def test_batch_norms_are_not_compiled_and_checkpointed_at_once():
    with pytest.raises(ValueError, match="SmallCNN3d has batch norms.*compile=True or checkpointing=True, not both"):
        Run(c3d_motion(), Recipe(compile=True, checkpointing=True))


# ------------------------------------------------------------------------------------------------- whole runs


def motion_source(start: int):
    step = start
    while True:
        drawn = motion_batch(4, seed=batch_seed(3, step))
        yield normalise(drawn.clips), drawn.direction
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


# ------------------------------------------------------------------------------------------------------ the history


def test_the_history_is_a_table_on_the_disk_too(tmp_path):
    history = History()
    history.add(step=1, loss=2.5, lr=0.1)
    history.add(step=2, loss=2.0, lr=0.2)
    history.update(accuracy=0.5)
    history.save(tmp_path / "history.csv")
    assert (tmp_path / "history.csv").read_text() == "step,loss,lr,accuracy\n1,2.5,0.1,\n2,2.0,0.2,0.5\n"
    assert history.losses == [2.5, 2.0] and history.column("accuracy") == ([2], [0.5])
    assert repr(history) == "History(2 steps; step 2, loss 2, lr 0.2, accuracy 0.5)" and repr(History()) == \
        "History(0 steps; empty)"
    again = History()
    again.load_state_dict(copy.deepcopy(history.state_dict()))
    assert again == history != History()
