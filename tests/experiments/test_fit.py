"""The recipe, the loop, and that a run can be repeated to the last bit."""

import pytest
import torch
from torch import nn

from videoformer_edu.experiments.catalogue import draw, training_batches
from videoformer_edu.experiments.fit import Recipe, fit, make_optimiser
from videoformer_edu.pretrained.small import build_small


def test_rate_rises_stays_and_falls():
    recipe = Recipe(steps=200, warm_up=0.05, decay=0.7)
    rates = [recipe.rate(step) for step in range(200)]
    assert rates[0] == 1e-3  # never quite zero
    assert rates[5] == pytest.approx(0.5)  # half of the first 10 steps
    assert rates[10] == rates[100] == rates[140] == 1
    assert rates[170] == pytest.approx(0.5)  # half of the last 60
    assert rates[199] == pytest.approx(1 / 60)
    assert rates[:11] == sorted(rates[:11]) and rates[140:] == sorted(rates[140:], reverse=True)


def test_only_matrices_and_tables_decay():
    model = build_small("timesformer_motion_divided")
    decayed, spared = make_optimiser(model, Recipe(weight_decay=0.3)).param_groups
    assert decayed["weight_decay"] == 0.3 and spared["weight_decay"] == 0
    assert {p.ndim for p in spared["params"]} == {1}
    assert any(p is model.time_positions.table for p in decayed["params"])
    assert len(decayed["params"]) + len(spared["params"]) == len(list(model.parameters()))


def test_weight_decay_is_the_only_force_on_a_matrix_without_a_gradient():
    model = nn.Linear(3, 2)
    before = model.weight.detach().clone()
    batches = [(torch.zeros(4, 3), torch.tensor([0, 1, 1, 0]))] * 3  # a zero input leaves the matrix no gradient
    fit(model, batches, Recipe(steps=3, lr=0.5, weight_decay=0.2, warm_up=0.05, decay=0.9))
    rates = [Recipe(steps=3, warm_up=0.05, decay=0.9).rate(step) for step in range(3)]
    shrunk = before
    for rate in rates:
        shrunk = shrunk * (1 - 0.5 * rate * 0.2)
    torch.testing.assert_close(model.weight.detach(), shrunk)


def test_gradients_are_clipped():
    model = nn.Linear(5, 3)
    seen = []
    inputs = 1e4 * torch.randn(7, 5)
    fit(model, [(inputs, torch.randint(3, (7,)))], Recipe(steps=1, clip=0.25),
        after_step=lambda done, loss: seen.append(torch.cat([p.grad.flatten() for p in model.parameters()]).norm()))
    assert seen[0] == pytest.approx(0.25, rel=1e-4)


def test_a_loss_that_is_not_finite_stops_the_run():
    batches = [(torch.full((2, 3), torch.inf), torch.tensor([0, 1]))]
    with pytest.raises(FloatingPointError, match="loss of step 1 is nan.*lower learning rate than 0.002"):
        fit(nn.Linear(3, 2), batches, Recipe(steps=1))


def short_run(name: str, kind: str, steps: int) -> tuple[list[float], nn.Module]:
    recipe = Recipe(steps=steps, batch=16)
    torch.manual_seed(3)
    model = build_small(name)
    return fit(model, training_batches(kind, recipe, seed=3), recipe), model


@pytest.mark.parametrize(("name", "kind", "task_chance"), [
    ("vit_digits", "digits", 10), ("timesformer_motion_divided", "motion", 8),
    ("timesformer_motion_joint", "motion", 8), ("timesformer_motion_space_only", "motion", 8)])
def test_a_short_run_lowers_the_loss_of_what_it_trains_on(name, kind, task_chance):
    """One batch, over and over: the loss must fall far below that of a guess."""
    recipe = Recipe(steps=30)
    model = build_small(name)
    losses = fit(model, [draw(kind, 16, seed=5, split="train")] * 30, recipe)
    guess = torch.tensor(float(task_chance)).log().item()
    assert losses[0] > 0.8 * guess
    assert losses[-1] < 0.4 * guess


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bits():
    first_losses, first = short_run("timesformer_motion_divided", "motion", 30)
    second_losses, second = short_run("timesformer_motion_divided", "motion", 30)
    assert first_losses == second_losses
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_no_batch_comes_twice():
    batches = [x for x, _ in training_batches("motion", Recipe(steps=4, batch=2), seed=0)]
    other = [x for x, _ in training_batches("motion", Recipe(steps=4, batch=2), seed=1)]
    everything = batches + other
    assert len(everything) == 8
    assert all(not torch.equal(a, b) for i, a in enumerate(everything) for b in everything[:i])
