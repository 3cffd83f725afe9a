"""The point of a sparse pattern: less time than dense attention under its mask. Alone, on one thread, in one run."""

import importlib.util
import pathlib

import pytest
import torch

path = pathlib.Path(__file__).parents[2] / "bench" / "patterns.py"
spec = importlib.util.spec_from_file_location("bench_patterns", path)
bench = importlib.util.module_from_spec(spec)
spec.loader.exec_module(bench)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.slow
@pytest.mark.timing
@pytest.mark.parametrize("name", ["sparse: local + spatial + strided", "windows (8, 7, 7)", "local temporal, 3 frames"])
def test_at_64_frames_at_least_four_times_less_than_the_dense_mask(name):
    """Measured 12 to 59 times less; outputs are compared first, inside `measure`."""
    row = bench.measure(bench.PATTERNS[name], 64, repeats=2)
    print(f"{name}: {1e3 * row['sparse']:.0f} ms, dense {1e3 * row['dense']:.0f} ms")
    assert row["dense"] > 4 * row["sparse"]


@pytest.mark.parametrize("name", ["local temporal, 3 frames", "shifted windows", "global spatial, stride 2"])
def test_memory_is_linear_in_the_frames(name):
    short, long = (bench.measure(bench.PATTERNS[name], frames, side=7, repeats=1, dense=False) for frames in (16, 64))
    assert 3.5 < long["bytes"] / short["bytes"] < 4.5


def test_the_bench_prints_what_it_measures(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["patterns.py", "--frames", "2", "--only", "strided temporal"])
    bench.main()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4 and lines[2].split()[4:6] == ["2", "392"]  # 196 tubes of 2 frames, each sees itself
