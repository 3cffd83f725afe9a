"""One JupyterLab and one Chromium for the browser tests of a process; latencies and screenshots go to build/browser.

`ALBUM=1` keeps photographs of whole notebooks as well.
"""

import json
import pathlib
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from controls import Explorer, Latencies, table  # noqa: E402
from lab import ROOT, Lab  # noqa: E402
from notebook import Notebook  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402

from tools import system  # noqa: E402

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]

ALBUM = ROOT / "build" / "browser"


def pytest_sessionstart(session):
    if not hasattr(session.config, "workerinput"):  # once, before there are other processes
        shutil.rmtree(ALBUM, ignore_errors=True)


def pytest_collection_modifyitems(items):
    """Lessons first, since they take longest."""
    items.sort(key=lambda item: item.path.name != "test_lessons.py")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Two processes share the tests: a lesson stays in one piece, like a file of other tests."""
    from xdist.scheduler import LoadScopeScheduling

    class Pieces(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file, _, test = nodeid.partition("::")
            return test.partition("[")[2] or file if file.endswith("test_lessons.py") else file

    return Pieces(config, log)


def pytest_terminal_summary(terminalreporter):
    rows = [row for path in sorted(ALBUM.glob("latency_*.json")) for row in json.loads(path.read_text())]
    if rows:
        terminalreporter.write_line(table(rows))


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the system's browser; Playwright never fetches one."""
    path = system.chromium()
    if path is None:
        pytest.fail(system.NO_BROWSER, pytrace=False)
    return path


@pytest.fixture(scope="session")
def lab(chromium):
    with tempfile.TemporaryDirectory(prefix="lab-", ignore_cleanup_errors=True) as workplace:
        server = Lab(pathlib.Path(workplace))
        yield server
        server.stop()


@pytest.fixture(scope="session")
def browser(chromium):
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile, sync_playwright() as p:
        context = p.chromium.launch_persistent_context(
            profile, executable_path=chromium, headless=True, args=ARGUMENTS,
            viewport={"width": 1280, "height": 1400}, device_scale_factor=1)
        yield context
        context.close()


@pytest.fixture(scope="session")
def album() -> pathlib.Path:
    """Where screenshots are kept for a person to look at."""
    ALBUM.mkdir(parents=True, exist_ok=True)
    return ALBUM


@pytest.fixture(scope="session")
def latencies(album, worker_id):
    measured = Latencies()
    yield measured
    (album / f"latency_{worker_id}.json").write_text(json.dumps(measured.rows(), indent=1) + "\n")


@pytest.fixture(scope="session")
def findings():
    """What axe-core calls serious or critical within a part of a page: rule, element and remedy, in a line each."""
    from axe_playwright_python.sync_playwright import Axe

    def findings_(page, part: str) -> list[str]:
        violations = Axe().run(page, context=part).response["violations"]
        return [f"{violation['id']}: {node['html'][:150]} {node['failureSummary']}" for violation in violations
                if violation["impact"] in ("serious", "critical") for node in violation["nodes"]]

    return findings_


THEMES = {"light": "background: #fff; color: #111; color-scheme: light",
          "dark": "background: #111; color: #ddd; color-scheme: dark"}


@pytest.fixture
def show(browser, latencies):
    """Opens a page without kernel or notebook, with explorers on it: `show(explorer, width=390, theme="dark")`."""
    pages = []

    def show_(*explorers, width=1366, theme="light") -> Explorer:
        page = browser.new_page()
        pages.append(page)
        page.said = []
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=theme)
        body = "".join(one.html for one in explorers)
        page.set_content(f'<!doctype html><html lang="en"><head><title>Page</title><meta name="viewport" '
                         f'content="width=device-width"></head><body style="margin: 8px; font-family: sans-serif; '
                         f'{THEMES[theme]}"><main><h1>Page</h1>{body}</main></body></html>')
        page.locator(".vfe-live").nth(len(explorers) - 1).wait_for()
        return Explorer(page, page.locator("[data-explorer]").first, "page", "static page", latencies)

    yield show_
    for page in pages:
        assert page.said == []
        page.close()


@pytest.fixture
def open_notebook(lab, browser):
    """Opens a notebook of the copied course, and closes it after the test."""
    notebooks = []

    def open_(file: str) -> Notebook:
        notebooks.append(Notebook(browser.new_page(), lab, file))
        return notebooks[-1]

    yield open_
    for notebook in notebooks:
        notebook.close()
