"""One set of packages and bounds, said in five places: metadata, exact versions, conda, Colab, this environment."""

import ast
import contextlib
import importlib.metadata
import pathlib
import re
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = pathlib.Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base", "huggingface-hub": "huggingface_hub"}
IMPORT_NAMES = {"pillow": "PIL", "scikit-learn": "sklearn", "scikit-image": "skimage", "pyyaml": "yaml",
                "huggingface-hub": "huggingface_hub"}
# name, then comma-separated comparisons: the part of conda's match specs that we use
MATCH_SPEC = re.compile(r"([a-z0-9][a-z0-9_.-]*)((?:(?:>=|<=|==|!=|<|>)\d+(?:\.\d+)*(?:,(?!$)|$))*)")


def requirements(*extras: str) -> dict[str, SpecifierSet]:
    """The runtime requirements together with those of `extras`; our own extras are followed."""
    found, own = {}, canonicalize_name(PROJECT["name"])

    def add(lines):
        for line in lines:
            requirement = Requirement(line)
            if requirement.marker is not None and not requirement.marker.evaluate({"python_full_version": "3.12.0"}):
                continue  # what only the first Pythons of a line need is in their own standard library since
            name = canonicalize_name(requirement.name)
            if name == own:
                for extra in requirement.extras:
                    add(PROJECT["optional-dependencies"][extra])
            else:
                found[name] = found.get(name, SpecifierSet()) & requirement.specifier

    add(PROJECT["dependencies"])
    add([f"{own}[{extra}]" for extra in extras])
    return found


def exact(path: str, **environment: str) -> dict[str, Version]:
    """The versions that a file fixes here, or elsewhere: `python_version="3.13"`."""
    if version := environment.get("python_version"):
        environment.setdefault("python_full_version", f"{version}.0")
    lines = (line.partition("#")[0].strip() for line in (ROOT / path).read_text().splitlines())
    found = {}
    for requirement in map(Requirement, filter(None, lines)):
        (fixed,) = requirement.specifier
        assert fixed.operator == "==", f"{requirement} is no exact version"
        if requirement.marker is None or requirement.marker.evaluate(environment):
            found[canonicalize_name(requirement.name)] = Version(fixed.version)
    return found


def strictest(specifiers: SpecifierSet) -> Version:
    """The lower bound that counts."""
    return max(Version(specifier.version) for specifier in specifiers if specifier.operator == ">=")


# ------------------------------------------------------------------------------------------------- pyproject.toml


def test_runtime_requirements_are_lower_bounds_only():
    for name, specifiers in requirements().items():
        assert [specifier.operator for specifier in specifiers] == [">="], f"{name}{specifiers}"


def test_extras_fix_no_version_and_bound_only_pytest_from_above():
    for name, specifiers in requirements("dev").items():
        upper = [specifier.operator for specifier in specifiers if specifier.operator != ">="]
        assert upper == (["<"] if name == "pytest" else []), f"{name}{specifiers}"


def test_every_runtime_requirement_is_used_by_the_package():
    used = {"jupyterlab"}  # a program, not a library
    for path in (ROOT / "videoformer_edu").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                used |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                used.add(node.module.partition(".")[0])
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                used.add(node.value)  # importlib.resources.files("skimage") opens a package without importing it
    assert {name for name in requirements("lab") if IMPORT_NAMES.get(name, name) not in used} == set()


def test_python_of_metadata_and_environment_file_agree():
    (python,) = [line for line in conda_lines() if line.startswith("python>")]
    assert python.removeprefix("python") == PROJECT["requires-python"]


# ------------------------------------------------------------------------------------------------ constraints.txt


def test_constraints_are_exact_plain_versions_and_name_every_requirement():
    constraints = exact("constraints.txt")
    assert constraints["torch"] == Version("2.13.0")
    assert [str(v) for v in constraints.values() if v.local] == []
    assert requirements("bench").keys() <= constraints.keys()


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_constraints_keep_the_bounds(python):
    constraints = exact("constraints.txt", python_version=python)
    broken = {name: str(constraints[name]) for name, bounds in requirements("bench").items()
              if constraints[name] not in bounds}
    assert broken == {}


def test_a_constraint_may_be_for_some_pythons_only():
    old, new = (exact("constraints.txt", python_version=python) for python in ("3.11", "3.12"))
    assert old.keys() - new.keys() == {"backports-tarfile", "overrides"} and new.keys() <= old.keys()


def test_the_oldest_python_can_have_every_version():
    """A system's Python may be the first of its line: where a package asks for a later one, a marker has to say so."""
    oldest = SpecifierSet(PROJECT["requires-python"])
    (first,) = (f"{specifier.version}.0" for specifier in oldest)
    there, here, too_new = exact("constraints.txt", python_version=first[:-2]), exact("constraints.txt"), {}
    for name in there.keys() & here.keys():
        if there[name] == here[name]:
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):  # what only the bench needs
                wants = importlib.metadata.metadata(name)["Requires-Python"] or ""
                if first not in SpecifierSet(wants):
                    too_new[name] = wants
    assert too_new == {}


def test_this_environment_is_the_one_of_the_constraints():
    only_for_the_bench = requirements("bench").keys() - requirements("test").keys()
    differs = {}
    for name, version in exact("constraints.txt").items():
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            if name in only_for_the_bench:
                continue
            installed = "nothing"
        if installed == "nothing" or Version(Version(installed).public) != version:
            differs[name] = f"{installed} instead of {version}"
    assert differs == {}, "run `make test`, which installs what constraints.txt says"


# ---------------------------------------------------------------------------------------------------------- Colab


def test_colab_has_every_runtime_requirement_in_a_version_that_does():
    colab = exact("tests/data_colab_freeze.txt")
    missing = {name: str(colab.get(name, "absent")) for name, bounds in requirements("pretrained").items()
               if name not in colab or colab[name] not in bounds}
    assert missing == {}


def test_colab_list_holds_no_more_than_is_asked():
    assert exact("tests/data_colab_freeze.txt").keys() == requirements("pretrained").keys()


# ------------------------------------------------------------------------------------------------ environment.yml


def conda() -> dict:
    return yaml.safe_load((ROOT / "environment.yml").read_text())


def conda_lines() -> list[str]:
    return [line for line in conda()["dependencies"] if isinstance(line, str)]


def test_conda_file_has_the_usual_shape():
    assert conda().keys() == {"name", "channels", "dependencies"}
    assert conda()["name"] == PROJECT["name"]
    assert conda()["channels"] == ["conda-forge", "nodefaults"]
    assert [entry for entry in conda()["dependencies"] if not isinstance(entry, str)] == [{"pip": ["--no-deps -e ."]}]


@pytest.mark.parametrize("line", conda_lines())
def test_conda_line_is_a_match_spec(line):
    assert MATCH_SPEC.fullmatch(line)


@pytest.mark.parametrize("line", ["numpy>>1.26", "numpy>=1.26,", "numpy 1.26", "NumPy>=1", "numpy>=", "numpy~=1.2"])
def test_other_lines_are_no_match_specs(line):
    assert not MATCH_SPEC.fullmatch(line)


def test_conda_has_the_packages_and_bounds_of_the_lab():
    lines = dict(MATCH_SPEC.fullmatch(line).groups() for line in conda_lines())
    there = {name: SpecifierSet(bounds) for name, bounds in lines.items() if name not in ("python", "pip")}
    here = {CONDA_NAMES.get(name, name): bounds for name, bounds in requirements("lab").items()}
    assert there.keys() == here.keys()
    assert {name: strictest(bounds) for name, bounds in there.items()} == {
        name: strictest(bounds) for name, bounds in here.items()}
