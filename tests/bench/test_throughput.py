"""The arithmetic of bench/throughput.py on made-up times and memories, and the command itself at tiny size."""

import csv
import subprocess
import sys

import pytest
import torch
from test_peers import ROOT, bench_module

from videoformer_edu.cost import timesformer_cost

utilisation, throughput, page = map(bench_module, ("utilisation", "throughput", "throughput_page"))
Case = throughput.Case


def test_utilisation_by_hand():
    """1000 clips a second of 0.052 G multiply-adds: 312 G operations a second, one thousandth of an A100."""
    flops = utilisation.step_flops(52_000_000, 50)
    assert flops == 50 * 6 * 52_000_000
    peak = utilisation.peak_flops("NVIDIA A100-SXM4-40GB", "bf16")
    assert utilisation.utilisation(flops, 0.05, peak) == pytest.approx(0.001)
    assert utilisation.utilisation(flops, 0.05, None) is None


def test_the_definition_is_palms():
    """PaLM: 6 N for each token and 12 layers x heads x head width x sequence for attention, without what is no product.

    Our count holds the same terms; N is all matrices that a token passes, so CLS's head and the patches stand apart.
    """
    depth, width, tokens, hidden = 12, 768, 8 * 14**2 + 1, 4 * 768
    matrices = depth * (4 * width**2 + 2 * width * hidden)
    palm = tokens * (6 * matrices + 12 * depth * width * tokens)
    apart = 6 * ((tokens - 1) * 3 * 16**2 * width + width * 400)
    assert utilisation.step_flops(timesformer_cost(attention="joint").macs, 1) == palm + apart


@pytest.mark.parametrize(("name", "precision", "tflops"), [
    ("Tesla T4", "fp16", 65), ("Tesla T4", "bf16", None), ("Tesla V100-SXM2-16GB", "fp16", 125),
    ("Tesla V100-PCIE-32GB", "fp16", 112), ("Tesla V100-SXM2-16GB", "bf16", None),
    ("NVIDIA A100-SXM4-80GB", "bf16", 312), ("NVIDIA A100 80GB PCIe", "fp16", 312),
    ("NVIDIA A100-PCIE-40GB", "bf16", 312), ("NVIDIA L4", "bf16", 121),
    ("NVIDIA H100 80GB HBM3", "bf16", 989.5), ("NVIDIA H100 PCIe", "bf16", 756.5),
    ("NVIDIA H100 NVL", "fp16", 835.5), ("NVIDIA H200", "bf16", 989.5), ("NVIDIA H200 NVL", "bf16", 835.5),
    ("NVIDIA H200", "fp32", None), ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", "bf16", None), ("NVIDIA L40S", "bf16", None),
    ("NVIDIA GH200 480GB", "bf16", None), ("NVIDIA A10G", "bf16", None), ("NVIDIA T400", "fp16", None),
    ("CPU x86_64 AVX512, 2 cores", "fp32", None)])
def test_peak_rates_by_the_names_that_devices_give(name, precision, tflops):
    found = utilisation.peak_flops(name, precision)
    assert found is None if tflops is None else found == tflops * 1e12


@pytest.mark.parametrize(("room", "start", "expected", "tries"), [
    (100, 256, 64, [256, 128, 64]), (256, 256, 256, [256]), (5, 12, 3, [12, 6, 3]), (1, 3, 1, [3, 1]),
    (0, 2, 0, [2, 1])])
def test_the_largest_batch_is_found_by_halving(room, start, expected, tries):
    tried = []

    def fits(batch):
        tried.append(batch)
        return batch <= room

    assert throughput.largest(fits, start) == expected
    assert tried == tries


@pytest.mark.parametrize("error", [MemoryError("of the loop"), torch.cuda.OutOfMemoryError("of torch")])
def test_running_out_of_memory_means_that_it_does_not_fit(error, monkeypatch, capsys):
    batches = []

    class Runner:
        def __init__(self, case):
            self.case = case

        def __call__(self):
            assert not self.case.compile  # what fits is found out without compiling
            batches.append(self.case.batch)
            if self.case.batch * batches.count(self.case.batch) > 12:  # the second step needs more than the first
                raise error

    monkeypatch.setattr(throughput, "Runner", Runner)
    monkeypatch.setattr(throughput, "forget", lambda: batches.append("forget"))
    case = throughput.with_largest(Case("c3d_motion", "fp32", 0, compile=True), 32)
    assert case == Case("c3d_motion", "fp32", 4, compile=True)
    assert batches == ["forget", 32, "forget", 16, "forget", 8, 8, "forget", 4, 4]
    assert "batch 8: out of memory\nc3d_motion, fp32, batch 4: fits" in capsys.readouterr().out
    monkeypatch.setattr(throughput, "fits", lambda case: False)
    with pytest.raises(SystemExit, match="try --checkpointing on"):
        throughput.with_largest(case, 8)


def test_other_errors_are_not_taken_for_a_lack_of_memory():
    with pytest.raises(ValueError, match="precision is 'fp8'"):
        throughput.fits(Case("c3d_motion", "fp8", 2))


def made_row(case, macs, seconds, device="NVIDIA A100-SXM4-40GB"):
    return throughput.row(case, macs, seconds, [0.5], 3 * 2**20, device)


def test_a_row_by_hand():
    """10 clips in 0.2 s at the median, 2 G multiply-adds each: 120 G operations in 0.2 s, 0.6 of 312 TFLOP/s."""
    case = Case("timesformer_base", "bf16", 10, compile=True, threads=0, device="cuda")
    row = made_row(case, 2_000_000_000, [0.4, 0.2, 0.3, 0.1, 0.15])
    assert (row["ms"], row["ms_q1"], row["ms_q3"]) == ("200.0", "150.0", "300.0")
    assert (row["clips_per_s"], row["tflops"], row["mfu_percent"]) == ("50.0", "0.6", "0.2")
    assert (row["batch"], row["clip"], row["compile"], row["checkpointing"]) == ("10", "8 x 224 x 224", "yes", "no")
    assert (row["peak_mib"], row["processor_ms"], row["threads"], row["gmac"]) == ("3.0", "", "", "2")
    assert set(row) == set(page.COLUMNS)
    unknown = made_row(case, 2_000_000_000, [0.2], device="NVIDIA GeForce RTX 3060")
    assert unknown["mfu_percent"] == "" and unknown["tflops"] == "0.6"
    assert made_row(Case("c3d_motion", "fp32", 4), 10**6, [0.1], "CPU")["processor_ms"] == "500.0"


def measured(model, rates, **changes):
    case = Case(model, "fp32", 4, **changes)
    return throughput.Measured(made_row(case, 10**6, [1 / rate for rate in rates], "CPU of a test"), list(rates))


def test_speed_up_is_over_the_first_row_of_the_same_model():
    rows = throughput.compare([measured("c3d_motion", [2.0, 4.0, 3.0]), measured("vivit_motion", [1.0, 1.0, 1.0]),
                               measured("c3d_motion", [3.0, 6.0, 6.0], compile=True)])
    assert [row["speed_up"] for row in rows] == ["1.00", "1.00", "1.50"]


def test_the_page_keeps_old_rows_leaves_out_empty_columns_and_says_that_no_gpu_was_there(tmp_path):
    results, text = tmp_path / "r.csv", tmp_path / "p.md"
    first = throughput.compare([measured("c3d_motion", [2.0]), measured("c3d_motion", [4.0], threads=2)])
    page.save(first, results, text)
    page.save(throughput.compare([measured("c3d_motion", [8.0])]), results, text)
    lines = text.read_text(encoding="utf-8").splitlines()
    assert [row["ms"] for row in page.read(results)] == ["125.0", "250.0"]
    rows = [line for line in lines if line.startswith("| c3d_motion")]
    assert len(rows) == 2 and "| 125.0 | 125.0 – 125.0 |" in rows[0] and "MFU, %" not in lines[-6]
    assert lines[-1] == page.NO_GPU
    gpu = made_row(Case("timesformer_base", "bf16", 8, threads=0, device="cuda"), 10**9, [0.1])
    page.save([gpu], results, text)
    shown = text.read_text(encoding="utf-8")
    assert page.NO_GPU not in shown and "## NVIDIA A100-SXM4-40GB" in shown and "| MFU, % |" in shown
    assert shown.count("| c3d_motion") == 2


@pytest.mark.slow
def test_a_runner_does_real_steps_and_counts_their_memory():
    runner = throughput.Runner(Case("c3d_motion", "fp32", 3))
    before = runner.run.model.head.weight.clone()
    runner()
    runner()
    assert runner.run.done == len(runner.processor) == 2
    assert not torch.equal(before, runner.run.model.head.weight)
    parameters = sum(p.nbytes for p in runner.run.model.parameters())
    clips = runner.examples[0].nbytes
    assert runner.peak() > 4 * parameters + clips  # weights, two moments, gradients
    spared = throughput.Runner(Case("timesformer_motion", "fp32", 3, checkpointing=True))
    plain = throughput.Runner(Case("timesformer_motion", "fp32", 3))
    assert spared.peak() < 0.75 * plain.peak()
    plain.case = Case("timesformer_motion", "fp32", 3, compile=True)
    assert plain.peak() is None  # compiled code is not followed


def test_what_cannot_be_measured_is_said(capsys):
    for argv, message in ((["--device", "cpu", "--batch", "largest"], "needs a GPU"),
                          (["--device", "cpu", "--batch", "0"], "expected a number of clips, or largest"),
                          (["--device", "cuda"], "--device cpu measures the processor")):
        with pytest.raises(SystemExit):
            throughput.arguments(argv)
        assert message in capsys.readouterr().err


def test_on_a_gpu_cases_run_alone_and_one_that_does_not_fit_stops_none(monkeypatch, tmp_path, capsys):
    """The plan of a GPU run, with a made-up GPU: no CUDA is called but what is replaced here."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA A100-SXM4-40GB")
    monkeypatch.setattr(throughput, "forget", lambda: None)
    monkeypatch.setattr(throughput, "fits", lambda case: case.batch <= 70 // (1 + (case.model == "vivit_base")))
    seen = []

    def measure(cases, **how):
        (case,) = cases
        seen.append((case.model, case.precision, case.batch, case.compile, case.threads, case.device))
        if case.model == "vivit_base" and case.compile:
            raise torch.cuda.OutOfMemoryError("no room")
        row = made_row(case, 10**9, [0.1])
        return [throughput.Measured(row, [2.0 if case.compile else 1.0])]

    monkeypatch.setattr(throughput, "measure", measure)
    throughput.main(["--results", str(tmp_path / "r.csv"), "--page", str(tmp_path / "p.md")])  # all else by default
    assert seen == [(model, "bf16", batch, compiled, 0, "cuda") for model, batch in (
        ("timesformer_base", 64), ("vivit_base", 32)) for compiled in (False, True)]
    rows = page.read(tmp_path / "r.csv")
    assert [(row["model"], row["compile"], row["speed_up"]) for row in rows] == [
        ("timesformer_base", "no", "1.00"), ("timesformer_base", "yes", "2.00"), ("vivit_base", "no", "1.00")]
    out = capsys.readouterr().out
    assert "timesformer_base, bf16, batch 128: out of memory" in out and "compile=True" in out and "no room" in out
    assert "Where MFU is missing" not in out
    throughput.main(["--precision", "fp32", "--batch", "4", "--compile", "off", "--dry"])
    assert "Where MFU is missing no peak rate is known" in capsys.readouterr().out
    assert len(page.read(tmp_path / "r.csv")) == 3


@pytest.mark.slow
def test_the_command_measures_and_writes(tmp_path):
    files = ["--results", tmp_path / "r.csv", "--page", tmp_path / "p.md"]
    asked = ["--device", "cpu", "--model", "c3d_motion", "vivit_motion", "--batch", "2", "--rounds", "2",
             "--warm-up", "1", "--seconds", "0.01", "--checkpointing", "both"]
    done = subprocess.run([sys.executable, ROOT / "bench/throughput.py", *asked, *files], cwd=tmp_path,
                          capture_output=True, text=True, check=True)
    assert done.stderr == ""
    with (tmp_path / "r.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["model"], row["checkpointing"]) for row in rows] == [
        ("c3d_motion", "no"), ("c3d_motion", "yes"), ("vivit_motion", "no"), ("vivit_motion", "yes")]
    for row in rows:
        assert row["device"].startswith("CPU") and row["mfu_percent"] == "" and float(row["ms"]) > 0
        assert float(row["clips_per_s"]) == pytest.approx(2000 / float(row["ms"]), rel=0.02)
        assert f"| {row['model']} |" in done.stdout
