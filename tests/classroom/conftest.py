"""A small class, graded once for all tests that look at what is made of it."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from in_process import no_children  # noqa: E402
from made_up_class import small_class  # noqa: E402

from videoformer_edu.classroom.grade_class import main  # noqa: E402


@pytest.fixture
def quick(monkeypatch):
    """The command without child processes."""
    no_children(monkeypatch)


@pytest.fixture(scope="session")
def handed_in(tmp_path_factory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("handed_in")
    for name, data in small_class().items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture(scope="session")
def graded(handed_in, tmp_path_factory) -> pathlib.Path:
    """The folder with everything that one run of the command has written."""
    out = tmp_path_factory.mktemp("graded")
    with pytest.MonkeyPatch.context() as patch:
        no_children(patch)
        assert main([str(handed_in), "--out", str(out / "scores.csv"), "--json", str(out / "report.json"),
                     "--feedback", str(out / "feedback"), "--workers", "2"]) == 0
    return out
