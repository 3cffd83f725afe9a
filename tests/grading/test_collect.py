"""The half of a check that may run elsewhere: alone, on plain data, with plain data coming back."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from videoformer_edu.grading.collect import Call, Given, collect
from videoformer_edu.grading.conclude import calls, conclude
from videoformer_edu.grading.crash import Crash
from videoformer_edu.grading.returned import Returned
from videoformer_edu.sheets import load

TUBES, SPATIAL, BLOCK, COST = load("04").exercises
PLAIN = (np.ndarray, int, float, str, type(None))


def is_plain(value) -> bool:
    if isinstance(value, Given | Returned | Crash | Call):
        return all(is_plain(getattr(value, field.name)) for field in dataclasses.fields(value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and is_plain(part) for key, part in value.items())
    if isinstance(value, tuple | list):
        return all(map(is_plain, value))
    return type(value) in (*PLAIN, bool)


@pytest.mark.parametrize("exercise", load("04").exercises, ids=lambda exercise: exercise.id)
def test_what_goes_out_and_comes_back_is_plain(exercise):
    asked = calls(exercise, 3)
    given = collect(exercise.right, asked, exercise.helpers)
    assert is_plain(asked) and is_plain(given)
    assert conclude(exercise, 3, given).outcome == "right"


def test_a_call_that_was_stopped_is_an_outcome():
    given = collect(TUBES.right, calls(TUBES, 0))
    report = conclude(TUBES, 0, [Given(late=2.5), *given[1:]])
    assert report.outcome == "crashed"
    assert "to_tubes had not come to an end after 2.5 seconds" in report.message and "never ends" in report.message


def test_it_needs_no_exercise_and_no_sheet():
    program = ("import sys; from videoformer_edu.grading import collect; "
               "print(*(m for m in sys.modules if m.startswith('videoformer_edu.')))")
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert set(loaded) == {f"videoformer_edu.grading{name}" for name in
                           ("", ".collect", ".crash", ".returned", ".settings")}


def test_a_large_result_is_not_copied():
    call = Call("wide", {"x": np.zeros(1, np.float32)})
    (given,) = collect({"wide": lambda x: x.expand(10**6, 10**4)}, [call])
    assert given.returned.value.shape == (10**6, 10**4) and given.returned.value.base.size == 1


def test_nan_in_an_argument_is_no_change_of_it():
    def kept(x):
        return x * 2

    def filled(x):
        return x.nan_to_num_()

    x = np.array([1.0, np.nan], np.float32)
    assert [collect({"f": f}, [Call("f", {"x": x})])[0].changed for f in (kept, filled)] == [(), ("x",)]
