"""Evaluation: against counts by hand, in chunks, and without a trace in the model."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from videoformer_edu.models import c3d_motion, timesformer_motion
from videoformer_edu.training.evaluate import (
    confusion,
    evaluate,
    in_top,
    logits_of,
    multi_view,
    predict,
    share,
)

LOGITS = torch.tensor([[9.0, 5, 1, 3], [0, 1, 2, 3], [4, 3, 2, 1], [1, 7, 2, 6], [2, 1, 9, 8], [1, 2, 3, 4]])
LABELS = torch.tensor([0, 2, 3, 3, 0, 3])
RANKS = [1, 2, 4, 2, 3, 1]  # of the label, read off by hand


class Given(nn.Module):
    """Its input are the logits."""

    def __init__(self):
        super().__init__()
        self.sizes, self.states = [], []

    def forward(self, x):
        self.sizes.append(len(x))
        self.states.append((self.training, torch.is_inference_mode_enabled()))
        return x


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_top_k_counts_the_ranks(k):
    assert in_top(LOGITS, LABELS, k).tolist() == [rank <= k for rank in RANKS]


@pytest.mark.parametrize("k", [0, 5])
def test_top_k_needs_a_k_within_the_classes(k):
    with pytest.raises(ValueError, match=f"k is {k}, but there are 4 classes; choose k from 1 to 4"):
        in_top(LOGITS, LABELS, k)


def test_confusion_has_a_row_for_each_true_class():
    table = [[1, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1], [1, 1, 0, 1]]
    assert confusion(LABELS, LOGITS.argmax(1), 4).tolist() == table
    assert confusion(LOGITS.argmax(1), LABELS, 4).T.tolist() == table
    nothing = torch.tensor([], dtype=torch.long)
    assert confusion(nothing, nothing, 2).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize(("truth", "answer", "words"), [
    ([1, 1], [0, 4], "answer goes from 0 to 4; expected 0 to 3"), ([1, -1], [0, 1], "truth goes from -1 to 1")])
def test_confusion_refuses_classes_that_are_none(truth, answer, words):
    with pytest.raises(ValueError, match=words):
        confusion(torch.tensor(truth), torch.tensor(answer), 4)


def test_logits_come_in_chunks_in_eval_mode_without_gradients():
    model = Given()
    out = logits_of(model, LOGITS, chunk=4)
    assert torch.equal(out, LOGITS) and model.sizes == [4, 2] and model.states == [(False, True)] * 2
    assert predict(model, LOGITS, chunk=5).tolist() == LOGITS.argmax(1).tolist()
    assert share(torch.tensor([True, False, True])) == 0.6667


def test_each_module_gets_its_own_mode_back():
    model = c3d_motion()
    model.train()
    model.layers[1].eval()  # a frozen part stays frozen
    before = {name: module.training for name, module in model.named_modules()}
    state = {name: value.clone() for name, value in model.state_dict().items()}
    predict(model, torch.randn(3, 3, 8, 16, 24))
    assert {name: module.training for name, module in model.named_modules()} == before
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    with pytest.raises(ValueError):
        predict(model, torch.randn(3, 3))
    assert {name: module.training for name, module in model.named_modules()} == before


def test_a_whole_set_is_measured_as_if_it_came_at_once():
    batches = [(LOGITS[:4], LABELS[:4]), (LOGITS[4:5], LABELS[4:5]), (LOGITS[5:], LABELS[5:])]
    found = evaluate(Given(), iter(batches), ks=(1, 2, 4, 5))
    assert found == {"examples": 6, "loss": pytest.approx(F.cross_entropy(LOGITS, LABELS).item()), "top1": 2 / 6,
                     "top2": 4 / 6, "confusion": confusion(LABELS, LOGITS.argmax(1), 4).tolist()}


def test_nothing_to_evaluate_is_an_error():
    with pytest.raises(ValueError, match="no batch came"):
        evaluate(Given(), iter([]))


# ------------------------------------------------------------------------------------------------------------- views


def test_probabilities_are_averaged_and_not_logits():
    one_is_sure = torch.tensor([[[20.0, 0, 0], [0, 1, 0], [0, 1, 0]]])  # (b=1, v=3, classes)
    mean = multi_view(Given(), one_is_sure[..., None, None, None])[..., 0, 0, 0]
    by_hand = sum(view.softmax(0) for view in one_is_sure[0]) / 3
    torch.testing.assert_close(mean[0], by_hand)
    assert mean[0].argmax() == 0 and one_is_sure.mean(1).argmax() == 0
    two_against_one = torch.tensor([[[20.0, 0, 0], [0, 3, 0], [0, 3, 0]]])
    mean = multi_view(Given(), two_against_one[..., None, None, None])[..., 0, 0, 0]
    assert mean[0].argmax() == 1 and two_against_one.mean(1).argmax() == 0  # here the two differ


def test_views_of_a_model_are_independent_of_chunks():
    model = timesformer_motion()
    clips = torch.randn(2, 5, 3, 8, 32, 32)
    by_hand = torch.stack([logits_of(model, clips[:, v]).softmax(1) for v in range(5)]).mean(0)
    torch.testing.assert_close(multi_view(model, clips, chunk=3), by_hand)
    torch.testing.assert_close(by_hand.sum(1), torch.ones(2))
