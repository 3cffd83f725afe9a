"""Evaluates an expression with the explorers' JavaScript around it: by node where there is one, else in Chromium."""

import json
import pathlib
import shutil
import subprocess
from functools import cache

from tools import system

SOURCES = pathlib.Path(__file__).parents[2] / "videoformer_edu" / "widgets"
FIRST = ("numbers", "kit", "frames", "cube", "chart", "bars", "timesformer")  # parts; then the explorers


@cache
def sources() -> str:
    own = sorted(path.stem for path in SOURCES.glob("*.js") if path.stem not in FIRST)
    return "\n".join((SOURCES / f"{name}.js").read_text(encoding="utf-8") for name in (*FIRST, *own))


def evaluate(expression: str, **values):
    """What the expression gives, as JSON; `values` are constants that it may name."""
    node = shutil.which("node")
    return in_node(node, expression, values) if node else in_chromium(expression, values)


def function(expression: str, values: dict) -> str:
    """A script whose value is the answer; bytes travel as lists of numbers."""
    names, given = ", ".join(values), ", ".join(map(json.dumps, values.values()))
    return f'(() => {{ "use strict";\n{sources()}\nreturn (({names}) => ({expression}))({given});\n}})()'


def in_node(node: str, expression: str, values: dict):
    script = f"process.stdout.write(JSON.stringify({function(expression, values)}));"
    done = subprocess.run([node, "-"], input=script, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def in_chromium(expression: str, values: dict):
    from playwright.sync_api import sync_playwright

    path = system.chromium()
    assert path, f"neither node nor a browser is here to run JavaScript: {system.NO_BROWSER}"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        try:
            return json.loads(browser.new_page().evaluate(f"JSON.stringify({function(expression, values)})"))
        finally:
            browser.close()
