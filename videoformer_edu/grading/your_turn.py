"""A gap in a lesson: two to four lines for the reader, with a check that grades nothing and stops nothing."""

from __future__ import annotations

from numbers import Real

import torch


def your_turn(answer: object, expected: object, hint: str) -> None:
    """Print whether a gap is open, filled rightly, or filled otherwise: then what came out, and the hint.

    answer: what the reader's lines gave, None or ... while they are not there. expected: a number, a string, a tensor,
    or a tuple of these; numbers may differ in the fifth digit.
    """
    if answer is None or answer is ...:
        print("Your turn: fill the gap above and run this cell again.")
    elif _equal(answer, expected):
        print("Right.")
    else:
        print(f"Not yet: yours is {_short(answer)}. {hint}")


def _equal(answer: object, expected: object) -> bool:
    if isinstance(expected, tuple):
        return (isinstance(answer, tuple | list) and len(answer) == len(expected)
                and all(map(_equal, answer, expected)))
    if isinstance(expected, Real | torch.Tensor) and isinstance(answer, Real | torch.Tensor):
        answer, expected = (torch.as_tensor(value).double() for value in (answer, expected))
        return answer.shape == expected.shape and bool(torch.allclose(answer, expected, rtol=1e-4, atol=1e-6))
    return type(answer) is type(expected) and answer == expected


def _short(answer: object) -> str:
    if isinstance(answer, torch.Tensor) and answer.numel() > 6:
        return f"a tensor of shape {tuple(answer.shape)}"
    text = str(answer)
    return text if len(text) <= 80 else f"{text[:77]}..."
