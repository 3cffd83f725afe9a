"""What goes wrong in training is provoked for real; the message says what happened, when, and what to try."""

import copy
import re

import pytest
import torch
from torch import nn

from videoformer_edu.models import vit_digits
from videoformer_edu.training.distributed import Rows
from videoformer_edu.training.faults import out_of_memory_explained
from videoformer_edu.training.loop import fit
from videoformer_edu.training.recipe import Recipe
from videoformer_edu.training.step import Run

GOOD = (torch.linspace(-1, 1, 20).reshape(5, 4), torch.tensor([0, 2, 1, 1, 0]))


def linear() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3))


def train(batches, model: nn.Module | None = None, **changes):
    return fit(model or linear(), batches, Recipe(**{"steps": 3, "batch": 5, **changes}))


# ----------------------------------------------------------------------------------------------------- not a number


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_loss_that_is_no_number_stops_the_run_before_the_weights_change(value):
    model, kept = linear(), []
    bad = GOOD[0].clone()
    bad[3, 2] = value
    with pytest.raises(FloatingPointError, match=re.escape(
            "the loss of step 3 is nan; the weights are still those of step 2. Try a lower learning rate than 0.002, "
            "a longer warm-up than 0.05, a smaller clip than 1, and look for inf and nan in the inputs")):
        fit(model, [GOOD, GOOD, (bad, GOOD[1])], Recipe(steps=3, batch=5),
            after_step=lambda run: kept.append(copy.deepcopy(run.model.state_dict())))
    assert len(kept) == 2
    assert all(torch.equal(value, kept[1][name]) for name, value in model.state_dict().items())


def test_a_learning_rate_far_too_high_ends_with_advice():
    model = vit_digits(width=8, depth=1, heads=2, classes=5)
    batch = torch.randn(5, 3, 32, 32), torch.tensor([0, 2, 1, 4, 0])
    with pytest.raises(FloatingPointError, match=r"of step \d+ .*Try a lower learning rate than 1e\+20"):
        train([batch] * 20, model, steps=20, lr=1e20, weight_decay=0, warm_up=0)


class Steep(nn.Module):
    """A finite loss whose gradient is not: the slope of a square root at zero."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        return (self.head(x) * 0).abs().sqrt()


def test_a_gradient_that_is_no_number_is_told_from_the_loss():
    with pytest.raises(FloatingPointError, match=r"the gradient of step 1 has the norm nan \(its loss is 1\.099\)"):
        train([GOOD], Steep())


def test_fp16_that_cannot_be_scaled_any_lower_names_other_precisions():
    run = Run(Steep(), Recipe(steps=99, batch=5, precision="fp16"))
    with pytest.raises(FloatingPointError, match=r'the gradient of step \d+ .*precision="bf16" or "fp32", a smaller'):
        for _ in range(99):
            run.step(GOOD)
    assert run.scaler.get_scale() < 1
    assert run.done == 17  # from 2 ** 16 down to 1 / 2


# ---------------------------------------------------------------------------------------------------------- no data


def test_an_empty_source_says_what_may_have_emptied_it():
    with pytest.raises(ValueError, match="the source is empty: no batch for step 1 of 3; .*drop_last=True.*used up"):
        train([])
    with pytest.raises(ValueError, match="the source is empty: no batch for step 1 of 3"):
        train(lambda start: iter(()))


def test_a_source_that_ends_early_says_how_far_it_came():
    with pytest.raises(ValueError, match="ended after 2 batches, at step 2 of 7; give it more epochs, or set steps=2"):
        train([GOOD] * 2, steps=7)


def test_more_batches_than_steps_are_left_where_they_are():
    batches = iter([GOOD] * 5)
    assert len(train(batches)) == 3
    assert len(list(batches)) == 2


def test_a_plain_iterable_cannot_go_on():
    class Halfway:
        def restore(self, run):
            run.done = 2

        def close(self):
            pass

    with pytest.raises(ValueError, match="goes on after step 2, and a plain iterable .*cannot; give a function"):
        fit(linear(), [GOOD] * 3, Recipe(steps=3, batch=5), checkpoints=Halfway())


# -------------------------------------------------------------------------------------------------------- bad batches


@pytest.mark.parametrize(("inputs", "labels", "error", "words"), [
    (GOOD[0], GOOD[1] + 1, ValueError,
     "the labels of step 1 go from 1 to 3, but the model has 3 classes: labels 0 to 2; build the model with classes=4"),
    (GOOD[0], GOOD[1] - 1, ValueError, "the labels of step 1 go from -1 to 1"),
    (GOOD[0], GOOD[1].int(), TypeError, r"are torch.int32 (5,); expected torch.int64 (b,): labels.long()"),
    (GOOD[0], GOOD[1][:, None], TypeError, "are torch.int64 (5, 1); expected torch.int64 (b,)"),
    (GOOD[0], GOOD[1].float(), ValueError, "are floats (5,); expected integer labels (b,) or a probability for each of "
                                           "the model's 3 classes, (b, 3)"),
    (GOOD[0], torch.full((5, 4), 0.25), ValueError, "are floats (5, 4)"),
    (GOOD[0], torch.full((5, 3), 0.5), ValueError, "no probabilities: least 0.5, sums from 1.5 to 1.5"),
    (GOOD[0], torch.tensor([[2.0, -1.0, 0.0]] * 5), ValueError, "no probabilities: least -1, sums from 1 to 1"),
    (GOOD[0], GOOD[1][:3], ValueError, "step 1 has 5 inputs and 3 targets; expected one for each"),
    (GOOD[0].byte(), GOOD[1], TypeError, "the inputs of step 1 are torch.uint8; expected floats: normalise the uint8"),
    (GOOD[0][:0], GOOD[1][:0], ValueError, "the batch of step 1 is empty"),
    (GOOD[0].repeat(2, 1), GOOD[1].repeat(2), ValueError, "step 1 has 10 examples, the recipe says batch=5"),
])
def test_a_bad_batch_is_described(inputs, labels, error, words):
    with pytest.raises(error, match=re.escape(words)):
        train([(inputs, labels)])


@pytest.mark.parametrize("batch", [
    GOOD[0], (GOOD[0],), (*GOOD, GOOD[1]), {"clips": GOOD[0]}, (GOOD[0], [0, 1, 2, 1, 0])])
def test_what_is_no_pair_of_tensors_is_refused(batch):
    with pytest.raises(TypeError, match=r"the batch of step 1 is not a pair of tensors \(inputs, labels\)"):
        train([batch])


@pytest.mark.parametrize(("batch", "error", "words"), [
    (Rows(GOOD[0][:2], GOOD[1][:2], 5), ValueError,
     "process 0 of 1 has 2 of the 5 rows of step 1; expected 5, the rows 0::1"),
    (Rows(*GOOD, 4), ValueError, "has 5 of the 4 rows of step 1; expected 4"),
    (Rows(GOOD[0].repeat(2, 1), GOOD[1].repeat(2), 10), ValueError, "step 1 has 10 examples, the recipe says batch=5"),
    (Rows(GOOD[0], GOOD[1] + 1, 5), ValueError, "the labels of step 1 go from 1 to 3"),
    (Rows(GOOD[0], None, 5), TypeError, "the batch of step 1 is not a pair of tensors"),
])
def test_rows_are_checked_like_a_batch(batch, error, words):
    with pytest.raises(error, match=re.escape(words)):
        train([batch])


def test_a_model_without_a_head_needs_a_loss_of_its_own():
    with pytest.raises(ValueError, match="Conv3d has no linear map that could be its head; pass a `loss`"):
        train([GOOD], nn.Conv3d(3, 4, 1))


def test_a_model_is_no_worse_off_after_a_bad_batch():
    run = Run(linear(), Recipe(steps=3, batch=5))
    with pytest.raises(ValueError, match="labels of step 1"):
        run.step((GOOD[0], GOOD[1] + 7))
    other = Run(linear(), Recipe(steps=3, batch=5))
    assert run.step(GOOD) == other.step(GOOD) and run.done == 1


# ----------------------------------------------------------------------------------------------------- no memory


class Vast(nn.Module):
    """Asks for more memory than any machine has."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        return self.head(x) + torch.empty(2**50).sum()


def test_running_out_of_memory_says_what_to_try():
    with pytest.raises(MemoryError, match=r"out of memory in step 1, with 3 examples at once; try the same batch in "
                                          r"more parts \(accumulate=4\).*checkpointing=True.*=\"bf16\".*allocate"):
        train([GOOD], Vast(), accumulate=2)


def test_a_gpu_without_memory_says_the_same_and_keeps_the_cause():
    cause = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nand much more")
    with pytest.raises(MemoryError, match=r"step 9, with 4 examples at once; .*accumulate=2.*2.00 GiB.\)$") as caught:
        with out_of_memory_explained(Recipe(batch=16), 9, processes=4):
            raise cause
    assert caught.value.__cause__ is cause


def test_other_errors_pass_as_they_are():
    class Broken(nn.Linear):
        def forward(self, x):
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="^mat1 and mat2"):
        train([GOOD], nn.Sequential(Broken(4, 3)))
