"""The bank tests the grader: every known mistake is named, every right style accepted, no case is idle."""

from dataclasses import replace

import numpy as np
import pytest

from videoformer_edu import sheets
from videoformer_edu.grading import bank
from videoformer_edu.grading.check import check
from videoformer_edu.grading.compare import distance
from videoformer_edu.grading.conclude import prepare
from videoformer_edu.grading.diagnosis import mistaken
from videoformer_edu.grading.spec import SheetSpec, Style
from videoformer_edu.sheets import __main__ as command
from videoformer_edu.sheets import folders, load

EXERCISES = [exercise for number in folders() for exercise in load(number).exercises]
SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2, 20261122))]


def name(exercise):
    return exercise.id


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("exercise", EXERCISES, ids=name)
def test_every_mistake_is_rejected_with_its_own_sentence_and_no_case_is_idle(exercise, seed):
    """In one test, so that each mistake is made once."""
    for mutant, report in zip(exercise.mutants, bank.verdicts(exercise, seed), strict=True):
        assert (report.outcome, report.mistake) == ("wrong", mutant.name)
        assert report.message.startswith(mutant.sentence)
        assert report.points < report.out_of
    matrix = bank.kill_matrix(exercise, seed)
    print(bank.kill_table(exercise, seed))
    assert matrix.shape == (len(exercise.mutants), len(prepare(exercise, seed)[0]))
    idle = [case.name for case, hit in zip(prepare(exercise, seed)[0], matrix.any(axis=0), strict=True) if not hit]
    missed = [mutant.name for mutant, hit in zip(exercise.mutants, matrix.any(axis=1), strict=True) if not hit]
    assert (idle, missed) == ([], [])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("exercise", EXERCISES, ids=name)
def test_every_right_style_is_accepted(exercise, seed):
    for style in (Style("as worked"), *exercise.styles):
        report = check(exercise, exercise.functions_of(style), seed=seed)
        assert report.outcome == "right", f"{style.name}: {report}"
        assert report.points == exercise.points


@pytest.mark.parametrize("exercise", EXERCISES, ids=name)
def test_the_bank_is_rich_and_its_entries_differ(exercise):
    assert len(exercise.mutants) >= 5 and len(exercise.styles) >= 2
    for field in ("name", "sentence"):
        values = [getattr(mutant, field) for mutant in exercise.mutants]
        assert len(set(values)) == len(values)
    assert all(mutant.sentence.endswith(".") and len(mutant.sentence) > 40 for mutant in exercise.mutants)


NUMBERED = [exercise for exercise in EXERCISES if not all(case.free for case in prepare(exercise, 0)[0])]


@pytest.mark.parametrize("exercise", NUMBERED, ids=name)
def test_the_oracle_stands_clear_of_the_tolerance(exercise):
    """Every mistake is at least ten tolerances away from right in some number of some case."""
    cases, expected = prepare(exercise, 0)
    for mutant in exercise.mutants:
        distances = [distance(right, mistaken(exercise, mutant, case), exercise.tolerance_of(case.function))
                     for case, right in zip(cases, expected, strict=True) if not case.free]
        assert max(distances) > 10, mutant.name


@pytest.mark.parametrize("exercise", EXERCISES, ids=name)
def test_the_same_seed_gives_the_same_cases_and_another_seed_others(exercise):
    def flat(seed):
        out = []
        for case in exercise.cases(np.random.default_rng(seed)):
            for value in case.inputs.values():
                out += [np.asarray(v).tolist() for v in (value.values() if isinstance(value, dict) else [value])]
        return out

    assert str(flat(5)) == str(flat(5))  # as text: nan is not equal to itself
    assert len({str(flat(seed)) for seed in range(6)}) > 1


@pytest.mark.slow
def test_the_command_judges_the_bank_on_many_seeds(capsys, monkeypatch):
    assert command.main(["04", "--seeds", "2"]) == 0
    printed = capsys.readouterr().out
    for exercise in load("04").exercises:
        tried = 2 * (len(exercise.mutants) + len(exercise.styles) + 1)
        assert f"{exercise.id} {exercise.title}: {tried} verdicts on" in printed
    assert printed.count(", 0 of them wrong\n") == 4
    exercise = load("04").exercise(4)
    swapped = replace(exercise, mutants=(replace(exercise.mutants[0], name="right", edits=(("(t + n)", "(n + t)"),)),),
                      styles=(Style("wrong", {"crossing": lambda n, d: 3}),))
    monkeypatch.setattr(command, "load", lambda number: SheetSpec("04", "T", "s", (swapped,)))
    assert command.main(["04", "--seeds", "1"]) == 1
    assert ("04.4, seed 0: 'right' is called right, None\n  04.4, seed 0: 'wrong' is called wrong"
            in capsys.readouterr().out)


def test_the_command_prints_the_matrix(capsys):
    assert command.main(["04"]) == 0
    printed = capsys.readouterr().out
    for exercise in load("04").exercises:
        assert f"{exercise.id} {exercise.title}, seed 0: {len(exercise.mutants)} of {len(exercise.mutants)} " in printed
    assert "repeat for repeat_interleave" in printed


def test_sheets_are_found_by_their_folders(tmp_path, monkeypatch):
    for name, text in {"s77_thrown_away": "SHEET = 'the spec'", "s78_no_package.py": "", "shared": ""}.items():
        if name.endswith(".py"):
            (tmp_path / name).write_text(text)
        else:
            (tmp_path / name).mkdir()
            (tmp_path / name / "__init__.py").write_text(text)
    before = folders()
    monkeypatch.setattr(sheets, "__path__", [*sheets.__path__, str(tmp_path)])
    assert before["04"] == "s04_timesformer" and folders() == before | {"77": "s77_thrown_away"}
    assert load(77) == "the spec" and load("4") is load("04")
    assert {number: f"s{load(number).slug.removesuffix('_sheet')}" for number in before} == before
    assert {load(number).number for number in before} == set(before)
