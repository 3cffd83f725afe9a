"""`python -m tools.site [FOLDER]`: the static site, by default in dist/site. A warning of Sphinx stops it."""

import pathlib
import shutil
import sys

from tools.site.prepare import ROOT, prepare


def build(target: pathlib.Path, work: pathlib.Path = ROOT / "build" / "site") -> int:
    """0 when all went well. `target` is made anew."""
    from sphinx.cmd.build import main as sphinx

    prepare(work / "source")
    shutil.rmtree(target, ignore_errors=True)
    status = sphinx(["-q", "-W", "--keep-going", "-b", "html", "-d", str(work / "doctrees"), str(work / "source"),
                     str(target)])
    if status == 0:
        print(f"the site is in {target}: open index.html")
    return status


if __name__ == "__main__":
    sys.exit(build(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "dist" / "site"))
