"""From the repository to what Sphinx reads: built notebooks without their bootstrap, documents, a front page."""

from __future__ import annotations

import json
import pathlib
import re
import shutil

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCS = ("questions", "models", "experiments", "training", "trials", "bench", "throughput", "instructors")
MAP = re.compile(r"<!-- course map -->\n(.*?)<!-- end -->", re.S)
OBJECTIVES = re.compile(r"<!-- objectives -->\n(.*?)<!-- end -->", re.S)
# Addresses in pieces of HTML inside of a text, which Sphinx leaves alone.
LINK = re.compile(r'(<a\s[^>]*href="(?!https?:)[^"#]*)\.(?:ipynb|md)\b')
FOLDS = {"outputs_hidden": "hide-output", "source_hidden": "hide-input"}  # JupyterLab's word, and myst-nb's tag
FRONT = """# videoformer_edu

Video transformers, understood by building them. Below runs one, in this page: three small models with trained weights,
and clips that only the order of their frames tells apart. Change the order, hide patches, silence a head, draw a path.

```{{raw}} html
:file: live.html
```

## The course

{map}
{objectives}

Here you read. To work through the course, with every prediction, gap and graded sheet, see *Start* in the README of the
repository.

{trees}"""
TREE = """```{{toctree}}
:caption: {caption}
:hidden:

{pages}
```
"""


def prepare(folder: pathlib.Path) -> None:
    """Fills `folder`, which is made anew, with everything that Sphinx reads."""
    shutil.rmtree(folder, ignore_errors=True)
    lessons = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    sheets = sorted((ROOT / "exercises").glob("[0-9][0-9]_*.ipynb"))
    for path in [path for path in (*lessons, *sheets) if not path.stem.endswith(".new")]:
        target = folder / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        notebook = for_reading(json.loads(path.read_text(encoding="utf-8")))
        target.write_text(json.dumps(notebook, ensure_ascii=False), encoding="utf-8")
    (folder / "docs").mkdir(parents=True)
    documents = [name for name in DOCS if (ROOT / "docs" / f"{name}.md").exists()]
    for name in documents:
        text = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
        (folder / "docs" / f"{name}.md").write_text(within_site(text, "docs", folder), encoding="utf-8")
    shutil.copytree(ROOT / "docs" / "pictures", folder / "docs" / "pictures")
    (folder / "_static").mkdir()
    here = pathlib.Path(__file__).parent
    for name in ("course.css", "course.js"):
        shutil.copy(here / name, folder / "_static")
    shutil.copy(here / "conf.py", folder)
    (folder / "live.html").write_text(live_html(), encoding="utf-8")
    trees = [("Lessons", [f"notebooks/{path.stem}" for path in lessons]),
             ("Exercises", [f"exercises/{path.stem}" for path in sheets]),
             ("Documents", [f"docs/{name}" for name in documents])]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    front = FRONT.format(map=MAP.search(readme)[1], objectives=OBJECTIVES.search(readme)[1],
                         trees="\n".join(TREE.format(caption=caption, pages="\n".join(pages))
                                         for caption, pages in trees))
    (folder / "index.md").write_text(within_site(front, "", folder), encoding="utf-8")


def for_reading(notebook: dict) -> dict:
    """A built notebook as a page: without its bootstrap; what is folded in JupyterLab is folded here as well."""
    cells = []
    for cell in notebook["cells"]:
        old = cell.get("metadata", {})
        if "bootstrap" in old.get("tags", []):
            continue
        folded = old.get("jupyter", {})
        cell["metadata"] = {"tags": [tag for key, tag in FOLDS.items() if folded.get(key)]}
        if cell["cell_type"] == "markdown":
            cell["source"] = LINK.sub(r"\1.html", "".join(cell["source"]))
        cells.append(cell)
    return {**notebook, "cells": cells, "metadata": {"kernelspec": notebook["metadata"]["kernelspec"]}}


def within_site(text: str, place: str, folder: pathlib.Path) -> str:
    """Links to files that the site has stay; of others the words remain."""
    def link(found: re.Match) -> str:
        words, target = found.groups()
        path = target.partition("#")[0]
        if re.match(r"https?:|#", target) or not path:
            return found[0]
        there = (folder / place / path).resolve()
        return found[0] if there.exists() or (ROOT / place / path).suffix in (".png", ".md") and _will_be(place, path) \
            else words

    return re.sub(r"(?<!!)\[((?:\*\*)?[^\]\[]*(?:\*\*)?)\]\(([^)\s]+)\)", link, text)


def _will_be(place: str, path: str) -> bool:
    target = (ROOT / place / path).resolve()
    return target.parent == ROOT / "docs" and target.stem in DOCS and target.exists()


def live_html() -> str:
    """The explorer of the front page."""
    from videoformer_edu.data.motion import motion_batch
    from videoformer_edu.pretrained.small import load_small
    from videoformer_edu.widgets import live_explorer

    files = {"divided": "divided", "joint": "joint_time_first", "space-only": "space_only"}
    models = {name: load_small(f"timesformer_motion_{file}") for name, file in files.items()}
    return live_explorer(models, motion_batch(4, seed=3, split="test"),
                         title="What does the model say when you change the clip?",
                         alt="Eight frames in which an eight moves down. Amber: where one patch looks in time.").html
