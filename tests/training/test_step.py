"""One step: each option does what it says and nothing else."""

import copy

import pytest
import torch
import torch.nn.functional as F
from small_runs import distance, images, source, tiny
from torch import nn

from videoformer_edu.data.mixing import mix
from videoformer_edu.data.motion import motion_batch
from videoformer_edu.data.pixels import MOTION_PIXELS, normalise
from videoformer_edu.models import c3d_motion
from videoformer_edu.models.blocks import blocks_of
from videoformer_edu.training.loop import fit
from videoformer_edu.training.recipe import Recipe
from videoformer_edu.training.step import Run, cross_entropy

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
    video = normalise(motion_batch(4, seed=0).clips, MOTION_PIXELS), torch.tensor([0, 7, 3, 3])
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
    clips = normalise(motion_batch(4, seed=0).clips, MOTION_PIXELS)
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
    models, clips = [], normalise(motion_batch(4, seed=0).clips, MOTION_PIXELS)
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
