"""What stands around the code is well formed and agrees with it: workflows, citation, container, licences, changes."""

import re
from pathlib import Path

import pytest
import yaml

from videoformer_edu import __version__

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_runs_what_is_there(path):
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["name"] == path.stem and workflow[True], "`on` is read as true"
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 60
        for step in job["steps"]:
            words = step.get("run", "").split()
            assert "uses" in step or words
            if words[:1] == ["make"]:
                assert words[1] in targets
            if words[:1] in (["bash"], ["python"]) and words[1] != "-m":
                assert (ROOT / words[1]).is_file()


def test_the_workflows_run_what_continuous_integration_runs():
    assert "bash .ci/run" in (ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8")
    assert {path.stem for path in WORKFLOWS} == {"notebooks", "site", "test"}


def test_the_version_is_said_once_and_repeated_truly():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == __version__ and citation["cff-version"] == "1.2.0"
    assert re.search(rf"^## {re.escape(__version__)}\b", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)


def test_the_container_installs_what_metadata_says_and_runs_as_nobody_special():
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    words = [line.split()[0] for line in lines if line and not line.startswith("#")]
    assert words[0] == "FROM" and words[-1] == "CMD"
    assert set(words) <= {"FROM", "RUN", "WORKDIR", "COPY", "ARG", "USER", "EXPOSE", "CMD"}
    assert words.index("USER") < words.index("CMD") and any("-c constraints.txt -e '.[lab]'" in line for line in lines)
    binder = yaml.safe_load((ROOT / ".binder" / "environment.yml").read_text(encoding="utf-8"))
    assert binder["name"] == "videoformer_edu" \
        and {"pip": ["-c ../constraints.txt", "-e ..[lab]"]} in binder["dependencies"]


def test_every_clip_has_its_licence_beside_it():
    clips = list((ROOT / "videoformer_edu" / "data" / "assets").glob("*.mp4"))
    assert len(clips) >= 3
    for clip in clips:
        text = clip.with_suffix(".txt").read_text(encoding="utf-8")
        assert re.search(r"^Licence", text, re.M) and re.search(r"^Changes", text, re.M)


def test_hooks_call_what_is_there():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    for hook in hooks:
        for word in hook["entry"].split():
            if word.startswith("tests/"):
                assert (ROOT / word).is_file()
