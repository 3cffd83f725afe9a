"""Answers by somebody who has not seen the bank: wrong ones are not accepted nor misnamed, right ones are not refused.

Without more, one wrong answer of `EVERY` goes through one seed, about a minute in all; `ADVERSARY_EVERY=1` checks all,
`ADVERSARY_SEEDS=5` with five seeds. `wide` says what is wrong, with oracles of its own; `names` says which names of
mistakes are true of which answer, and which faults of the graders are known.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from types import ModuleType

import pytest

from tests.sheets.adversary import wide
from tests.sheets.adversary.names import ABOVE, ACCEPTED, MISNAMED, TRUE_OF
from videoformer_edu.grading.report import RIGHT
from videoformer_edu.sheets import sheet

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
EXERCISES = sorted(path.stem[8:].replace("_", ".") for path in Path(__file__).parent.glob("answers_??_?.py"))
SEEDS = range(int(os.environ.get("ADVERSARY_SEEDS", "1")))
EVERY = int(os.environ.get("ADVERSARY_EVERY", "4"))
ALLOWED = 0.02  # of the wrong answers to an exercise may be accepted


def answers(exercise: str) -> ModuleType:
    return importlib.import_module(f"tests.sheets.adversary.answers_{exercise.replace('.', '_')}")


@pytest.mark.parametrize("exercise", EXERCISES)
def test_wrong_answers_are_wrong_and_right_ones_right(exercise):
    bank, faults = answers(exercise), {}
    for answer in (*bank.WRONG[::EVERY], *bank.RIGHT[::EVERY]):
        with wide.contained():
            faults[answer.name] = wide.fault(exercise, answer.functions())
    assert not [a.name for a in bank.WRONG[::EVERY] if faults[a.name] is None]
    assert not {a.name: faults[a.name] for a in bank.RIGHT[::EVERY] if faults[a.name] is not None}


@pytest.mark.parametrize("exercise", EXERCISES)
def test_at_most_two_in_a_hundred_are_accepted(exercise):
    bank, accepted = answers(exercise), ACCEPTED.get(exercise, set())
    assert len(bank.WRONG) >= 60 and len(bank.RIGHT) >= 8
    assert accepted <= {answer.name for answer in bank.WRONG}
    assert len(accepted) <= ABOVE.get(exercise, ALLOWED * len(bank.WRONG))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("exercise", EXERCISES)
def test_the_check_sees_through_all_of_them(exercise, seed, tmp_path, monkeypatch):
    monkeypatch.setenv("VIDEOFORMER_EDU_PROGRESS", str(tmp_path))
    held = sheet(exercise[:2]).exercise(exercise)
    bank, accepted, raised, misnamed, refused = answers(exercise), [], {}, {}, {}
    for answer in (*bank.WRONG[seed % EVERY :: EVERY], *bank.RIGHT[seed % EVERY :: EVERY]):
        try:
            with wide.contained():
                functions = answer.functions()
                report = held.check(*(functions.get(name) for name in held.spec.functions), seed=seed)
                assert repr(report) and report._repr_html_()
        except BaseException as error:  # nothing that an answer does may come out of a check
            raised[answer.name] = type(error).__name__
            continue
        if answer in bank.RIGHT and report.outcome != RIGHT:
            refused[answer.name] = report.message
        elif answer in bank.WRONG and report.outcome == RIGHT:
            accepted.append(answer.name)
        elif report.mistake and answer.name not in TRUE_OF[exercise].get(report.mistake, ()):
            misnamed[report.mistake, answer.name] = report.message
    assert not (raised or refused), (raised, refused)
    assert misnamed.keys() <= MISNAMED.get(exercise, set()), misnamed
    assert set(accepted) <= ACCEPTED.get(exercise, set())
