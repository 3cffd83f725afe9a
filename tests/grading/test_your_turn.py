"""What a gap in a lesson says, for every kind of thing that somebody may write into it."""

import pytest
import torch

from videoformer_edu.grading.your_turn import your_turn

TABLE = torch.arange(6.0).reshape(2, 3)


@pytest.mark.parametrize("answer", [None, ...])
def test_an_open_gap_is_no_mistake(answer, capsys):
    your_turn(answer, 3, "A hint.")
    assert capsys.readouterr().out == "Your turn: fill the gap above and run this cell again.\n"


@pytest.mark.parametrize(("answer", "expected"), [
    (48, 48), (48.0, 48), (torch.tensor(48), 48), (0.333335, 1 / 3), ("roof", "roof"),
    (TABLE.int(), TABLE), (TABLE * (1 + 1e-5), TABLE), (TABLE.clone().requires_grad_(), TABLE),
    ((64, "divided"), (64, "divided")), ([64, TABLE], (64, TABLE)),
])
def test_what_is_right_to_the_fifth_digit_is_right(answer, expected, capsys):
    your_turn(answer, expected, "A hint.")
    assert capsys.readouterr().out == "Right.\n"


@pytest.mark.parametrize(("answer", "expected", "said"), [
    (47, 48, "47"), (0.3334, 1 / 3, "0.3334"), (float("nan"), 48, "nan"), ("door", "roof", "door"), ("48", 48, "48"),
    (TABLE.T, TABLE, "tensor([[0., 3.]"), (TABLE[:, :2], TABLE, "tensor([[0., 1.]"),
    (TABLE.reshape(1, 6).expand(9, 6), TABLE, "a tensor of shape (9, 6)"),
    ((64, 48, 1), (64, 48), "(64, 48, 1)"), (64, (64, 48), "64"), ((64, None), (64, 48), "(64, None)"),
    ("x" * 200, "roof", "x" * 77 + "..."),
])
def test_what_is_wrong_is_shown_with_the_hint(answer, expected, said, capsys):
    your_turn(answer, expected, "A hint.")
    out = capsys.readouterr().out
    assert out.startswith(f"Not yet: yours is {said}") and out.endswith(". A hint.\n")
