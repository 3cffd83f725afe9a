"""A zip that can be uploaded to Gradescope as it is: setup.sh, run_autograder, and the package without its clips.

Each run draws a new seed in memory; no seed lies in the container, where a submission could look for it.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import videoformer_edu
from videoformer_edu.grading.spec import SheetSpec

NEEDS = "torch numpy einops"  # what answers, oracles and the grader import
SETUP = f"""#!/usr/bin/env bash
# Runs once, when the image is built: Python 3.11 or newer, and PyTorch. Its build for the processor alone is enough and
# much smaller: put --extra-index-url and the address that pytorch.org tells (Linux, Pip, CPU) into the last line.
set -e
apt-get update
apt-get install -y python3 python3-venv
python3 -m venv /autograder/env
/autograder/env/bin/pip install --quiet {NEEDS}
"""
RUN = """#!/usr/bin/env bash
# Runs for each submission. Whatever goes wrong here is seen by the instructor, never as a score.
cd /autograder/source
exec /autograder/env/bin/python -m videoformer_edu.grading /autograder/submission --sheet {number} \\
  --as gradescope --out /autograder/results/results.json --workers 1
"""
LEFT_OUT = {"__pycache__", "weights", "assets", "reference", "widgets"}
KEPT = (".py", ".css")
DATE = (2020, 1, 1, 0, 0, 0)  # the same contents give the same bytes


def autograder_zip(sheet: SheetSpec) -> bytes:
    package = Path(videoformer_edu.__file__).parent
    files = {"setup.sh": SETUP.encode(), "run_autograder": RUN.format(number=sheet.number).encode()}
    for path in sorted(package.rglob("*")):
        inside = path.relative_to(package)
        if path.is_file() and path.suffix in KEPT and not LEFT_OUT & set(inside.parts):
            files[f"videoformer_edu/{inside.as_posix()}"] = path.read_bytes()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name, DATE)
            info.external_attr = (0o755 if "/" not in name else 0o644) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return out.getvalue()
