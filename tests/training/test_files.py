"""A file is whole or not there; a place that will not take one is named before anything is lost."""

import os
import resource
import signal

import pytest

from videoformer_edu.training.files import try_file, try_folder, whole_file


def test_a_file_appears_whole_and_replaces_the_old_one(tmp_path):
    path = tmp_path / "new" / "h.csv"
    for text in ("one", "two"):
        with whole_file(path) as unfinished:
            unfinished.write_text(text)
            assert not path.exists() or path.read_text() == "one"
        assert path.read_text() == text
    assert os.listdir(path.parent) == ["h.csv"]


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_an_error_on_the_way_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "h.csv"
    path.write_text("old")
    with pytest.raises(type(error)), whole_file(path) as unfinished:
        unfinished.write_text("half")
        raise error
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["h.csv"]


def test_a_good_place_is_left_as_it_was(tmp_path):
    (tmp_path / "old.csv").write_text("old")
    try_file(tmp_path / "old.csv", "--history")
    try_file(tmp_path / "new" / "w.safetensors", "--out", size=10)
    try_folder(tmp_path / "run", "--checkpoints")
    assert (tmp_path / "old.csv").read_text() == "old"
    assert sorted(os.listdir(tmp_path)) == ["new", "old.csv", "run"]
    assert os.listdir(tmp_path / "new") == os.listdir(tmp_path / "run") == []


def test_a_bad_place_is_named(tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(ValueError, match="--out is .*, a folder; name a file in it, such as .*NAME"):
        try_file(tmp_path, "--out")
    with pytest.raises(ValueError, match="--history is /dev/null, which may not be replaced"):
        try_file(tmp_path.joinpath("/dev/null"), "--history")
    with pytest.raises(ValueError, match=r"--checkpoints: nothing can be written to .*taken \(File exists\)"):
        try_folder(tmp_path / "taken", "--checkpoints")
    with pytest.raises(ValueError, match=r"--out: nothing can be written to .*taken.deep .Not a directory"):
        try_file(tmp_path / "taken" / "deep" / "w", "--out")
    with pytest.raises(ValueError, match="File name too long"):
        try_file(tmp_path / ("w" * 250), "--out")
    with pytest.raises(ValueError, match=r"--out: .* has \d+\.\d MB left, and 1000000000000.0 MB are needed"):
        try_file(tmp_path / "w", "--out", size=10**18)


def test_a_full_disk_is_noticed(tmp_path):
    """The system itself refuses to let a file grow."""
    limit, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limit[1]))
    try:
        with pytest.raises(ValueError, match=r"--out: nothing can be written to .*too large"):
            try_file(tmp_path / "w", "--out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)
    assert os.listdir(tmp_path) == []
