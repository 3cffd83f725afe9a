"""What of a notebook is run, and what comes back from a child, in their smallest parts."""

from __future__ import annotations

import numpy as np
import pytest

from tests.grading.record.small_sheet import PAIRS, SOFT
from videoformer_edu.grading.collect import Call, Given, collect
from videoformer_edu.grading.record.cells import statements
from videoformer_edu.grading.record.child import plain
from videoformer_edu.grading.record.flags import flags_of
from videoformer_edu.grading.record.graded import Cell
from videoformer_edu.grading.record.hostile import given_of
from videoformer_edu.grading.record.program import program_of
from videoformer_edu.grading.record.wire import Forged, packed, unpacked


def cells(*sources: str) -> tuple[Cell, ...]:
    return tuple(Cell(source, number) for number, source in enumerate(sources))


def test_only_what_the_answer_needs_is_run():
    there, notes = statements(cells("import torch\nimport os", "RATE = 2\nother = 3\nprint(other)",
                                    "def half(x):\n    return x / RATE\n\n\ndef unused():\n    return other",
                                    "@torch.no_grad()\ndef soft(x, scale):\n    return half(x)\n\nsoft(1, 2)"))
    program = program_of(SOFT, there)
    assert [sorted(part.makes) for part in program.statements] == [["torch"], ["RATE"], ["half"], ["soft"]]
    assert [(part.file, part.line) for part in program.statements][2:] == [("<cell 2>", 1), ("<cell 3>", 1)]
    assert program.source.endswith("@torch.no_grad()\ndef soft(x, scale):\n    return half(x)")
    assert not (notes or program.notes or program.missing)


def test_what_is_missing_doubled_or_broken_is_said():
    there, _ = statements(cells("def soft(x, scale):\n    return x", "def soft(x, scale):\n    return 2 * x",
                                "def pairs(t, n:\n    return 1"))
    soft, pairs = program_of(SOFT, there), program_of(PAIRS, there)
    assert soft.notes == ("soft is defined 2 times: the one in cell 1 counts",) and soft.source.endswith("2 * x")
    assert "SyntaxError" in pairs.broken["pairs"] and "cell 2, line 1" in pairs.broken["pairs"]
    assert program_of(PAIRS, []).notes == ("pairs is not in what was handed in",)


def test_several_statements_on_a_line_are_each_taken_alone():
    there, _ = statements(cells("a = 1; b = 2  # both\ndef pairs(t, n): return b"))
    assert [part.source for part in there] == ["a = 1", "b = 2", "def pairs(t, n): return b"]


def test_flags_say_where_to_look():
    there, _ = statements(cells("import os\nimport torch\nfrom math import pi\ndef soft(x, scale):\n"
                                "    torch.allclose = open('/solutions/04.py')\n    return x.__globals__"))
    assert set(flags_of(there)) == {"imports os (cell 0)", "writes into torch.allclose (cell 0)", "uses open (cell 0)",
                                    "names 'solution' in a text (cell 0)", "reads .__globals__ (cell 0)"}


VALUES = [None, True, 7, -2.5, "é", (), (1, (2.0, "x")), {"a": 1, "b": {"c": ()}}, np.zeros((0, 3), np.float32),
          np.arange(6.0).reshape(2, 3), np.array([True, False]), {"x": np.int64(5)}, np.float32(0.5)]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_plain_data_comes_back_as_it_went(value):
    back = unpacked(packed(value))
    if isinstance(value, np.ndarray):
        assert back.dtype == value.dtype and np.array_equal(back, value) and back.flags.writeable
    else:
        assert back == value


def test_infinite_numbers_come_back_too():
    back = unpacked(packed((float("inf"), float("nan"))))
    assert back[0] == float("inf") and back[1] != back[1]


@pytest.mark.parametrize("value", [object(), {1, 2}, np.array([object()]), b"bytes", 1j, np.array(["text"])],
                         ids=["object", "set", "array of objects", "bytes", "complex", "array of texts"])
def test_what_is_no_plain_data_is_refused(value):
    with pytest.raises(TypeError):
        packed(value)


@pytest.mark.parametrize("cut", [0, 3, 8, 20, -1])
def test_a_message_that_was_cut_or_stretched_is_forged(cut):
    message = packed({"x": np.arange(4.0)})
    with pytest.raises(Forged):
        unpacked(message[:cut])
    with pytest.raises(Forged):
        unpacked(message + b"\0")


def record(given: Given | dict) -> bytes:
    message = packed(given if isinstance(given, dict) else plain(given))
    return len(message).to_bytes(8, "little") + message


def test_an_honest_record_is_read_as_it_was_written():
    call = Call("f", {"x": np.ones((2, 3), np.float32)}, seed=5)
    (given,) = collect({"f": lambda x: x * x}, [call])
    (read,) = given_of(record(given), [call])
    assert np.array_equal(read.returned.value, given.returned.value) and read.returned.dtype == "float32"
    assert np.array_equal(read.gradients["x"], given.gradients["x"])


@pytest.mark.parametrize("name, value", [
    ("late", 1.0), ("stub", 1), ("changed", ("y",)), ("waits", "f"), ("crash", "no"), ("random", None), ("points", 10),
    ("gradients", {"x": np.ones((9, 9), np.float32)}), ("gradients", {"y": None})])
def test_a_record_with_another_word_is_forged(name, value):
    call = Call("f", {"x": np.ones((2, 3), np.float32)}, seed=5)
    (given,) = collect({"f": lambda x: x * x}, [call])
    with pytest.raises(Forged):
        given_of(record({**plain(given), name: value}), [call])


def test_a_gradient_that_is_not_told_is_none():
    call = Call("f", {"x": np.ones((2, 3), np.float32)}, seed=5)
    (given,) = collect({"f": lambda x: x * x}, [call])
    (read,) = given_of(record({**plain(given), "gradients": None}), [call])
    assert read.gradients == {"x": None}
