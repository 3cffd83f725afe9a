"""Constants of the grid: made once for each argument, numbers whatever mode the first call came in."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from videoformer_edu.attention.constants import cached_constant


def counted():
    calls = []

    @cached_constant
    def squares(length, device):
        """The squares."""
        calls.append(length)
        return torch.arange(length, device=device) ** 2
    return squares, calls


def test_the_same_argument_is_worked_out_once():
    squares, calls = counted()
    first, device = squares(4, torch.device("cpu")), torch.device("cpu")
    assert squares(4, device) is first and squares(3, device).tolist() == [0, 1, 4] and calls == [4, 3]
    assert squares.__name__ == "squares" and squares.__doc__ == "The squares."
    squares.cache_clear()
    assert squares(4, device) is not first


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad, FakeTensorMode, lambda: torch.device("meta")])
def test_what_was_made_in_any_mode_serves_training(mode):
    squares, _ = counted()
    with mode():
        squares(5, torch.device("cpu"))
    made = squares(5, torch.device("cpu"))
    assert made.tolist() == [0, 1, 4, 9, 16] and not made.is_inference()
    x = torch.ones(17, requires_grad=True)
    (x[made] * made).sum().backward()
    assert x.grad.nonzero().flatten().tolist() == [1, 4, 9, 16] and x.grad[16] == 16


def test_an_error_is_the_callers():
    @cached_constant
    def broken(size):
        raise ValueError(f"no table for {size}")
    with pytest.raises(ValueError, match="no table for 3"):
        broken(3)


@pytest.mark.slow
def test_a_compiler_takes_it_for_a_constant():
    squares, calls = counted()
    compiled = torch.compile(lambda x: x * squares(3, torch.device("cpu")), backend="eager", fullgraph=True,
                             dynamic=False)
    assert compiled(torch.full((3,), 2)).tolist() == [0, 2, 8] and calls == [3]
