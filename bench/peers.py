"""Our models beside their published peers, in turn, in one run: equal outputs first, then who is faster.

    make bench                                            every pair, both sizes: an hour
    make bench ARGS="--pairs vit --size small"            one pair, less than a minute
    make bench ARGS="--device cuda --dtype bf16 --compile"    (written without a GPU at hand: untested there)

    make bench ARGS="--against ../before --bound 0.97"    this checkout beside another one: see bench/against.py

`--pairs` takes names or beginnings of names. Rows of bench/results.csv that were measured again are replaced, the page
docs/bench.md and its picture are made anew; `--dry` writes nothing. Needs the extra `bench`. See bench/timing.py for
how time is taken, bench/pairs.py for what is compared.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import platform
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
import conftest  # noqa: E402, F401, I001 - first of all: one thread, no network, a torchvision that imports

import against  # noqa: E402
import torch  # noqa: E402
from pairs import PAIRS, SIZES, Case  # noqa: E402
from report import COLUMNS, Row, means, save  # noqa: E402
from timing import MODES, Way, in_turn, quartiles, shares, speed_up, step  # noqa: E402

TOLERANCE = {"fp32": 1e-4, "bf16": 5e-2}  # of the largest logit
LIBRARIES = {"timm": ("timm",), "torchvision": ("torchvision",), "HF": ("transformers",),
             "vit-pytorch": ("vit-pytorch",), "timesformer-pytorch": ("timesformer-pytorch",)}
IMPORTS = """
import time, torch
start = time.process_time()
import videoformer_edu
one = time.process_time()
import videoformer_edu.models
print(one - start, time.process_time() - one)
"""


def chosen(names: list[str]) -> list[str]:
    """The pairs that are meant: by name, or all that begin so."""
    found = []
    for name in names:
        fitting = [name] if name in PAIRS else [pair for pair in PAIRS if pair.startswith(name)]
        if not fitting:
            raise SystemExit(f"no pair is called {name}, nor begins so; there are: {', '.join(PAIRS)}")
        found += fitting
    return [pair for pair in PAIRS if pair in found] if names else list(PAIRS)


def import_seconds() -> tuple[float, float]:
    """Processor time of `import videoformer_edu`, then of its models, in a process that has imported torch."""
    out = subprocess.run([sys.executable, "-c", IMPORTS], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    package, its_models = map(float, out.split())
    return package, its_models


def device_name(device: str) -> str:
    if device == "cuda":
        return torch.cuda.get_device_name()
    return f"CPU {platform.machine()} {torch.backends.cpu.get_cpu_capability()}, one thread"


def prepared(case: Case, way: Way) -> float:
    """Move the models to the device, compile them if asked; -> how far their logits are apart. Stops where too far."""
    case.ours, case.peer = case.ours.to(way.device), case.peer.to(way.device)
    case.clip, case.peer_clip = case.clip.to(way.device), case.peer_clip.to(way.device)
    if way.compile:
        case.ours, case.peer = torch.compile(case.ours), torch.compile(case.peer)
    with torch.inference_mode(), way.autocast():
        ours, peer = case.ours(case.clip).float(), case.logits(case.peer(case.peer_clip)).float()
    if ours.shape != peer.shape:
        raise SystemExit(f"logits of shape {tuple(ours.shape)} beside {tuple(peer.shape)}: nothing to compare")
    difference = case.difference(ours, peer)
    if case.same_weights and not difference < TOLERANCE[way.dtype]:
        raise SystemExit(f"with the same weights the logits differ by {difference:.1e}: no speed makes up for that")
    return difference


def compare(pair: str, size: str, modes: list[str], way: Way, rounds: int) -> list[Row]:
    """One pair at one size: a row for each mode."""
    torch.manual_seed(0)
    peer, build = PAIRS[pair]
    case = build(size)
    kind = "no" if not case.same_weights else "yes" if case.whole is None else "shortcut"
    macs = case.macs()
    difference = prepared(case, way)
    rows = []
    for mode in modes if case.whole is None else ["forward"]:
        work = 1 if mode == "forward" else 3  # the backward pass multiplies twice as much as the forward pass
        steps = [step(case.ours, case.clip, lambda out: out, mode, way),
                 step(case.peer, case.peer_clip, case.logits, mode, way)]
        samples = in_turn(steps, way.probe(), rounds=rounds, seconds=way.seconds)
        reached = [shares(sample, count * work) for sample, count in zip(samples, macs, strict=True)]
        ms = [1000 * quartiles([taken for taken, _ in sample]).median for sample in samples]
        ratio = speed_up(*reached)
        versions = [f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES[peer.split()[0]]]
        rows.append(dict(zip(COLUMNS, (
            pair, size, mode, device_name(way.device), way.dtype, "yes" if way.compile else "no", peer,
            kind, f"{difference:.0e}" if case.same_weights else "",
            *(f"{count / 1e9:.3f}" for count in macs), *(f"{value:.1f}" for value in ms),
            *(f"{100 * quartiles(reach).median:.0f}" for reach in reached),
            f"{ratio.median:.2f}", f"{ratio.low:.2f}", f"{ratio.high:.2f}", str(rounds),
            torch.__version__.split("+")[0], "; ".join(versions), datetime.date.today().isoformat()), strict=True)))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", nargs="+", default=[], metavar="NAME", help=f"of {', '.join(PAIRS)}")
    parser.add_argument("--size", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--mode", nargs="+", choices=MODES, default=list(MODES))
    parser.add_argument("--rounds", type=int, help="samples of each model: 15 at small size, 5 at base size")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--dtype", choices=tuple(TOLERANCE), default="fp32")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--dry", action="store_true", help="write no file")
    parser.add_argument("--against", type=Path, metavar="CHECKOUT", help="time this checkout beside another instead")
    parser.add_argument("--bound", type=float, help="with --against: exit with 1 if a ratio lies below it, e.g. 0.97")
    asked = parser.parse_args()
    if asked.against:
        raise SystemExit(against.run(asked.against, asked.size, asked.rounds, asked.bound))
    names, way = chosen(asked.pairs), Way(asked.device, asked.dtype, asked.compile)
    torch.set_num_threads(1)
    package, its_models = import_seconds()
    print(f"torch {torch.__version__}, {device_name(way.device)}, {way.dtype}{', compiled' if way.compile else ''}")
    print(f"import videoformer_edu: {package:.3f} s beyond import torch; its models: {its_models:.3f} s more")
    print(f"{'peer':27}{'size':7}{'mode':18}{'ours ms':>9}{'peer ms':>9}{'ours %':>8}{'peer %':>8}{'speed-up':>10}"
          "   quartiles", flush=True)
    rows = []
    for size in asked.size:
        for name in names:
            for row in compare(name, size, asked.mode, way, asked.rounds or (15 if size == "small" else 5)):
                rows.append(row)
                print(f"{row['peer']:27}{size:7}{row['mode']:18}{row['ms']:>9}{row['peer_ms']:>9}{row['percent']:>8}"
                      f"{row['peer_percent']:>8}{row['speed_up']:>10}   {row['speed_up_q1']} - {row['speed_up_q3']}",
                      flush=True)
                if not asked.dry:
                    save([row], list(PAIRS), ROOT / "bench/results.csv", ROOT / "docs/bench.md",
                         ROOT / "docs/pictures/bench.png")
    for name, mean in means(rows).items():
        print(f"geometric mean over {name}: {mean:.2f}")


if __name__ == "__main__":
    main()
