"""docs/instructors.md says what the command does, and what it shows can be run."""

import pathlib
import re
import shlex

from videoformer_edu.classroom.grade_class import WORKSHEETS, parser
from videoformer_edu.classroom.systems import WRITERS

ROOT = pathlib.Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "instructors.md").read_text(encoding="utf-8")
AGENTS = (ROOT / "exercises" / "AGENTS.md").read_text(encoding="utf-8")


def commands() -> list[list[str]]:
    blocks = "\n".join(re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)).replace("\\\n", " ")
    spans = [span for span in re.findall(r"`([^`\n]+)`", PAGE) if span.startswith("python -m videoformer_edu.grading ")]
    return [shlex.split(line) for line in [*blocks.splitlines(), *spans] if line.strip()]


def test_every_command_shown_is_understood():
    shown = [words for words in commands() if "videoformer_edu.grading" in words]
    assert len(shown) == 4
    for words in shown:
        parser().parse_args(words[words.index("videoformer_edu.grading") + 1:])


def test_every_option_and_format_is_told():
    options = {option for action in parser()._actions for option in action.option_strings if option.startswith("--")}
    assert options - set(re.findall(r"--[a-z-]+", PAGE)) == {"--help"}
    assert {f"| `{name}` |" for name in (*WRITERS, *WORKSHEETS)} <= set(re.findall(r"\| `\w+` \|", PAGE))


def test_the_container_shuts_what_it_should():
    """No network, no writing but the results, no rights, bounds on processes and memory; submissions are read only."""
    (docker,) = (words for words in commands() if words[0] == "docker")
    image = docker.index("videoformer-grader")
    options, inside = docker[2:image], docker[image + 1:]
    pairs = dict(zip(options, options[1:], strict=False))
    assert pairs["--network"] == "none" and "--read-only" in options and "--rm" in options
    assert pairs["--cap-drop"] == "ALL" and pairs["--security-opt"] == "no-new-privileges"
    assert pairs["--user"].split(":")[0] != "0" and int(pairs["--pids-limit"]) > 64 and pairs["--memory"] == "4g"
    mounts = [word for flag, word in zip(options, options[1:], strict=False) if flag == "--volume"]
    assert [mount.split(":")[1:] for mount in mounts] == [["/submissions", "ro"], ["/results"]]
    assert inside[:3] == ["python", "-m", "videoformer_edu.grading"]
    given = parser().parse_args(inside[3:])
    assert str(given.submissions[0]) == "/submissions" and given.out.is_relative_to("/results")


def test_the_page_promises_no_more_than_there_is():
    for path in re.findall(r"`((?:docs|exercises|tests|notebooks)/[\w./]+)`", PAGE):
        assert (ROOT / path).exists(), path


def test_learners_assistants_are_told_no_path_of_a_solution():
    assert re.findall(r"solutions?/|\.\./solutions|/sheets\b", AGENTS) == []
    for word in ("Never fill in", "prediction", "ladder of hints", "Explain"):
        assert word in AGENTS
