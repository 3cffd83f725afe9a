"""The environment check says what is wrong and what to do, and only that which holds everywhere is compared."""

import dataclasses
import re
import sys
import tomllib
from configparser import RawConfigParser
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from tools import install
from videoformer_edu import environment
from videoformer_edu.environment import Facts, Row, environment_html, judge, look_around, release, verdict_line

ROOT = Path(__file__).parents[1]
GOOD = Facts(
    python="3.12.4",
    versions={"torch": "2.13.0+cpu", "numpy": "2.4.6", "ipywidgets": "8.1.9", "jupyterlab": "4.6.6", "av": "18.1.0"},
    bounds={"torch": "2.4", "numpy": "1.26", "ipywidgets": "7.7"},
    threads=3, cores=5, memory=7.25, disk=11.5, gpu="Some Card",
)
COLAB = dataclasses.replace(
    GOOD, colab=True, versions={"torch": "2.11.0", "numpy": "2.1.3", "ipywidgets": "7.7.1", "av": "18.1.0"})


def without(facts: Facts, *names: str, **other: str) -> Facts:
    """`facts` without the packages `names`, and with other versions of some."""
    versions = {name: version for name, version in facts.versions.items() if name not in names}
    return dataclasses.replace(facts, versions=versions | other)


def advice(facts: Facts) -> dict[str, str]:
    return {row.what: row.advice for row in judge(facts) if row.advice}


@pytest.mark.parametrize("facts", [
    GOOD,
    COLAB,
    without(GOOD, "jupyterlab"),
    without(GOOD, jupyterlab="3.6.8", ipywidgets="7.7.1"),
    dataclasses.replace(GOOD, memory=None, disk=None, gpu=None, threads=1, cores=1),
    dataclasses.replace(GOOD, python="3.11.0", memory=2.0, disk=1.0),
])
def test_nothing_to_do_on_a_good_machine(facts):
    assert advice(facts) == {}
    assert verdict_line(judge(facts)) == "All 9 checks are ok: this machine is ready."


@pytest.mark.parametrize("facts, what, words", [
    (dataclasses.replace(GOOD, python="3.10.13"), "Python", "Python 3.11 or newer"),
    (without(GOOD, torch="2.3.1+cu121"), "PyTorch", "`pip install -U 'torch>=2.4'`"),
    (without(GOOD, "numpy"), "other libraries", "`pip install -U 'numpy>=1.26'`"),
    (without(GOOD, numpy="1.9.3"), "other libraries", "'numpy>=1.26'"),
    (without(GOOD, "av"), "video decoder (PyAV)", "`pip install av`"),
    (without(COLAB, "av"), "video decoder (PyAV)", "generated clip"),
    (without(GOOD, ipywidgets="7.7.1"), "explorers", "version 4 draws nothing with ipywidgets 7"),
    (without(GOOD, jupyterlab="3.6.8"), "explorers", "'jupyterlab>=4.2'"),
    (without(COLAB, ipywidgets="8.1.9"), "explorers", "Colab draws ipywidgets 7 only"),
    (dataclasses.replace(GOOD, memory=1.9), "memory", "close other programs"),
    (dataclasses.replace(GOOD, disk=0.4), "free disk", "make room"),
    (dataclasses.replace(GOOD, bounds={}), "the course", "`pip install -e .`"),
])
def test_each_problem_gets_its_own_advice(facts, what, words):
    found = advice(facts)
    assert found.keys() == {what}
    assert words in found[what]
    assert f"{what}: {found[what]}" in verdict_line(judge(facts))
    assert {row.verdict for row in judge(facts)} == {"ok", "do this"}


def test_installing_needs_more_room_than_having():
    bare = dataclasses.replace(GOOD, bounds={}, disk=6.9)
    assert "PyTorch's build for the processor alone: 3 GB" in advice(bare)["free disk"]
    assert "free disk" not in advice(dataclasses.replace(bare, disk=7.1))
    assert (install.GB_CPU, install.GB_CUDA) == tuple(environment.INSTALLED_GB.values())


def test_a_missing_ipywidgets_is_two_problems():
    assert advice(without(GOOD, "ipywidgets")).keys() == {"other libraries", "explorers"}


def test_versions_are_compared_as_numbers():
    assert release("2.13.0+cpu") == (2, 13, 0) > release("2.4")
    assert release("3.8rc1") == (3, 8)


def test_bounds_are_those_of_the_metadata():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert [f"{name}>={bound}" for name, bound in look_around().bounds.items()] == project["dependencies"]
    assert environment.COURSE == project["name"]
    assert project["requires-python"] == f">={'.'.join(map(str, environment.PYTHON))}"


def test_this_machine_is_seen():
    facts = look_around()
    assert release(facts.python) == sys.version_info[:3]
    assert facts.versions.keys() >= {"torch", "ipywidgets", "av", "jupyterlab"}
    assert facts.cores >= 1 and facts.threads >= 1 and not facts.colab
    assert facts.memory > 0.1 and facts.disk > 0


def test_course_that_is_not_installed_is_no_error(monkeypatch):
    monkeypatch.setattr(environment, "COURSE", "no_such_distribution")
    assert advice(look_around()).keys() == {"the course"}


def test_table_has_a_row_for_each_check_and_escapes():
    rows = [Row("a <b>", "n & m", "1 < 2"), Row("c", "d", "e", "run `x > y`")]
    soup = BeautifulSoup(environment_html(rows), "html.parser")
    cells = [[cell.text for cell in line.find_all(["th", "td"])] for line in soup.tbody.find_all("tr")]
    assert cells == [["a <b>", "n & m", "1 < 2", "ok", ""], ["c", "d", "e", "do this", "run x > y"]]
    assert soup.tbody.code.text == "x > y"
    assert soup.p.text == "1 of 2 checks want something done: c: run x > y"


def test_validation_compares_verdicts_and_not_the_machine():
    """Two good machines look the same to notebook validation, a good and a bad one do not."""
    sanitiser = RawConfigParser()
    sanitiser.read(ROOT / "tests" / "sanitize.cfg")

    def compared(facts: Facts) -> str:
        text = environment_html(judge(facts))
        for section in sanitiser.sections():
            text = re.sub(sanitiser[section]["regex"], sanitiser[section]["replace"], text)
        return text

    other = dataclasses.replace(GOOD, python="3.13.1", threads=16, cores=64, memory=128.0, disk=900.0, gpu=None)
    assert environment_html(judge(GOOD)) != environment_html(judge(other))
    assert compared(GOOD) == compared(other)
    assert compared(GOOD) != compared(dataclasses.replace(GOOD, memory=0.5))
