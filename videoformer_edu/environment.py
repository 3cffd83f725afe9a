"""Is this machine ready for the course? One table: what was found, whether it will do, what to do where it will not.

`look_around()` gathers facts, `judge(facts)` turns them into rows and touches nothing, `show_environment()` displays
them. Whatever belongs to one machine stands in cells marked `data-machine`; all other words are the same everywhere.
"""

from __future__ import annotations

import html
import os
import platform
import re
import shutil
import sys
import warnings
from dataclasses import dataclass, field
from importlib import metadata
from typing import NamedTuple

COURSE = "videoformer_edu"
PYTHON = (3, 11)
MEMORY_GB = 2.0
DISK_GB = 1.0  # beside what is installed
INSTALLED_GB = {"cpu": 2.0, "cuda": 6.0}  # what `make lab` and `make test` install on Linux, by the build of PyTorch
BOUND = re.compile(r"([A-Za-z0-9_.-]+)>=([\d.]+)$")
BEYOND = ("av", "jupyterlab")  # not among the runtime requirements, but the table speaks of them


class Row(NamedTuple):
    """One line of the table; `advice` is empty where all is well."""

    what: str
    needed: str
    found: str
    advice: str = ""

    @property
    def verdict(self) -> str:
        return "do this" if self.advice else "ok"


@dataclass(frozen=True)
class Facts:
    """What `judge` wants to know. `versions` and `bounds` go by package name; a package that is not there is absent.

    memory and disk in GB, None where the system does not tell; gpu is a name, or None.
    """

    python: str
    versions: dict[str, str]
    bounds: dict[str, str] = field(default_factory=dict)
    colab: bool = False
    threads: int = 1
    cores: int = 1
    memory: float | None = None
    disk: float | None = None
    gpu: str | None = None


def release(version: str) -> tuple[int, ...]:
    """The numbers of a version that count: "2.13.0+cpu" -> (2, 13, 0), "3.8rc1" -> (3, 8)."""
    return tuple(int(part) for part in re.match(r"[\d.]*", version)[0].split(".") if part)


def judge(facts: Facts) -> list[Row]:
    """The rows of the table, in reading order."""
    return [_python(facts), *_libraries(facts), _decoder(facts), _explorers(facts), *_hardware(facts)]


def _python(facts: Facts) -> Row:
    wanted = ".".join(map(str, PYTHON))
    old = release(facts.python)[:2] < PYTHON
    return Row("Python", f"{wanted} or newer", facts.python,
               f"make a new environment with Python {wanted} or newer, then `make lab`" if old else "")


def _libraries(facts: Facts) -> list[Row]:
    if not facts.bounds:
        return [Row("the course", "installed", "its folder only",
                    "in the folder of the course: `make lab`, or `pip install -e .` with this kernel's Python")]
    bad = {name: facts.versions.get(name) for name, bound in facts.bounds.items()
           if name not in facts.versions or release(facts.versions[name]) < release(bound)}
    rows = []
    for what, names in (("PyTorch", ["torch"]), ("other libraries", [n for n in facts.bounds if n != "torch"])):
        found = ", ".join(f"{name} {facts.versions.get(name, 'missing')}" for name in names)
        mend = " ".join(f"'{name}>={facts.bounds[name]}'" for name in names if name in bad)
        needed = f"{facts.bounds['torch']} or newer" if what == "PyTorch" else "all there, and new enough"
        rows.append(Row(what, needed, found, f"`pip install -U {mend}`, then restart the kernel" if mend else ""))
    return rows


def _decoder(facts: Facts) -> Row:
    version = facts.versions.get("av")
    return Row("video decoder (PyAV)", "to read video files", f"av {version}" if version else "missing",
               "" if version else "`pip install av`; until then a generated clip stands in for the film")


def _explorers(facts: Facts) -> Row:
    """ipywidgets 7 belongs to JupyterLab 3 and Colab, 8 to JupyterLab 4; a wrong pair draws nothing at all."""
    widgets, lab = facts.versions.get("ipywidgets", "missing"), facts.versions.get("jupyterlab")
    front = "Colab" if facts.colab else f"JupyterLab {lab}" if lab else "JupyterLab in another environment"
    advice = ""
    if widgets == "missing":
        advice = "`pip install ipywidgets`, then restart the kernel"
    elif facts.colab and release(widgets)[0] >= 8:
        advice = "Runtime > Disconnect and delete runtime: Colab draws ipywidgets 7 only, which it brings itself"
    elif lab and not facts.colab and release(lab)[0] >= 4 and release(widgets)[0] < 8:
        advice = "`pip install -U 'ipywidgets>=8.1'`, restart JupyterLab: version 4 draws nothing with ipywidgets 7"
    elif lab and not facts.colab and release(lab)[0] < 4 and release(widgets)[0] >= 8:
        advice = "`pip install -U 'jupyterlab>=4.2'`, then restart it: version 3 does not know ipywidgets 8"
    return Row("explorers", "ipywidgets 8 in JupyterLab 4, 7 in Colab", f"ipywidgets {widgets}, {front}", advice)


def _hardware(facts: Facts) -> list[Row]:
    def amount(gigabytes: float | None) -> str:
        return "the system does not say" if gigabytes is None else f"{gigabytes:.1f} GB"

    # Where the course is not installed yet, that comes on top.
    wanted = DISK_GB if facts.bounds else DISK_GB + INSTALLED_GB["cuda"]
    make_room = "make room: weights and new notebooks need a place" if facts.bounds else (
        f"make room, or install PyTorch's build for the processor alone: {DISK_GB + INSTALLED_GB['cpu']:g} GB will do")
    return [
        Row("processor", "two cores do", f"{facts.threads} of {facts.cores} cores in use by PyTorch"),
        Row("memory", f"{MEMORY_GB:g} GB", amount(facts.memory),
            "close other programs and kernels" if (facts.memory or MEMORY_GB) < MEMORY_GB else ""),
        Row("free disk", f"{wanted:g} GB", amount(facts.disk), make_room if (facts.disk or wanted) < wanted else ""),
        Row("graphics card", "not needed", facts.gpu or "none: every lesson is made for the processor"),
    ]


def look_around() -> Facts:
    """The facts of this machine and this kernel. Nothing is installed, downloaded or changed."""
    import torch

    bounds = {match[1]: match[2] for line in _requirements() if (match := BOUND.match(line))}
    versions = {}
    for name in (*bounds, *BEYOND, "ipywidgets"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return Facts(
        python=platform.python_version(), versions=versions, bounds=bounds, colab="google.colab" in sys.modules,
        threads=torch.get_num_threads(), cores=os.cpu_count() or 1, memory=_memory(),
        disk=shutil.disk_usage(".").free / 1e9, gpu=_gpu(torch),
    )


def _requirements() -> list[str]:
    try:
        return [line.replace(" ", "") for line in metadata.requires(COURSE) or []]
    except metadata.PackageNotFoundError:
        return []


def _memory() -> float | None:
    """Memory of the machine, or of the container where that is less; in GB."""
    try:
        amounts = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    except (AttributeError, ValueError, OSError):  # Windows
        return None
    try:
        with open("/sys/fs/cgroup/memory.max", encoding="ascii") as file:
            amounts.append(int(file.read()))
    except (OSError, ValueError):  # no container, or one without a limit ("max")
        pass
    return min(amounts) / 1e9


def _gpu(torch) -> str | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an old driver is no reason to alarm anybody here
        if torch.cuda.is_available():
            return torch.cuda.get_device_name(0)
    return "Apple, through MPS" if torch.backends.mps.is_available() else None


def verdict_line(rows: list[Row]) -> str:
    """The table in one sentence, for those who read no table."""
    wrong = [row for row in rows if row.advice]
    if not wrong:
        return f"All {len(rows)} checks are ok: this machine is ready."
    return f"{len(wrong)} of {len(rows)} checks want something done: " + "; ".join(
        f"{row.what}: {row.advice}" for row in wrong)


def environment_html(rows: list[Row]) -> str:
    """The rows as an HTML table with a sentence below it. No verdict is said by colour alone."""
    def text(words: str) -> str:
        return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(words, quote=False))

    left = 'style="text-align:left"'
    head = "".join(f'<th scope="col" {left}>{word}</th>' for word in ("", "needed", "found", "verdict", "what to do"))
    body = "".join(
        f'<tr><th scope="row" {left}>{text(row.what)}</th><td {left}>{text(row.needed)}</td>'
        f"<td data-machine {left}>{html.escape(row.found, quote=False)}</td>"
        f"<td {left}><strong>{row.verdict}</strong></td><td {left}>{text(row.advice)}</td></tr>"
        for row in rows
    )
    return (f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
            f"<p>{text(verdict_line(rows))}</p>")


def show_environment() -> None:
    """Display the table for this machine."""
    from IPython.display import display

    rows = judge(look_around())
    display({"text/html": environment_html(rows), "text/plain": verdict_line(rows)}, raw=True)
