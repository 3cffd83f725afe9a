"""The house rules of DESIGN: who may import whom, how long a file may be, what a committed text may not hold."""

import ast
import graphlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PACKAGE = ROOT / "videoformer_edu"
MAINTAINERS = ("experiments", "tools")  # rooms outside of the package: they may import it, and it never imports them
MODULE_LINES = 250

# A file imports only from floors below its own, and from its own room.
FLOORS = {
    "tokens": 0, "layers": 0.5, "positions": 0.5, "run_length": 0.5, "data": 0,
    "attention": 1,
    "models": 2,
    "pretrained": 3, "cost": 3,
    "figures": 4, "training": 4, "environment": 4,
    "widgets": 5, "grading": 5,
    "sheets": 6, "look": 6, "course_files": 6, "lab": 6,
    "classroom": 7,
    "cli": 8,
}
DOORS = ("grading/__main__.py",)  # a command's name may be lower than what it opens; nothing imports a door
HEAVY = ("torch", "matplotlib", "ipywidgets", "av", "sklearn", "skimage", "seaborn", "numpy", "huggingface_hub")
# The hosts that a committed text may name; whatever else it needs has to come with the repository.
HOSTS = re.compile(
    r"(?:www\.|docs\.)?(?:arxiv\.org|doi\.org|github\.com|python\.org|pytorch\.org|jupyter\.org|openaccess\.thecvf\.com"
    r"|huggingface\.co|blender\.org|peach\.blender\.org|bigbuckbunny\.org|creativecommons\.org|w3\.org|scikit-learn\.org"
    r"|archive\.ics\.uci\.edu|download\.blender\.org|localhost|127\.0\.0\.1)")
# A test may name what must be refused.
EXAMPLES = ("tests/tools/", "tests/command/test_lab.py", "tests/notebooks/test_sanitize.py", "tests/test_house.py")


def committed(root: pathlib.Path = ROOT) -> list[str]:
    """The files that git knows; where there is no git (an unpacked archive), those that .gitignore does not name."""
    if (root / ".git").exists() and shutil.which("git"):
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True)
        if listed.returncode == 0:  # git refuses a checkout that belongs to somebody else
            return [name for name in listed.stdout.split("\0") if name and (root / name).is_file()]
    lines = (root / ".gitignore").read_text(encoding="utf-8").splitlines()
    ignored = [".git", *(line.strip("/") for line in lines if line and not line.startswith("#"))]
    names = []
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not any(map(pathlib.PurePath(name).match, ignored))]
        names += [(pathlib.Path(folder) / name).relative_to(root).as_posix() for name in files
                  if not any(map(pathlib.PurePath(name).match, ignored))]
    return sorted(names)


def committed_texts():
    for name in committed():
        try:
            yield name, (ROOT / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def modules() -> list[pathlib.Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def dotted(path: pathlib.Path) -> str:
    """The name under which a file is imported."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported_names(path: pathlib.Path) -> set[str]:
    """Everything that a module imports, wherever in the file it does, as dotted names."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path.name}: relative import; name the room: from videoformer_edu.room import ..."
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def room(path: pathlib.Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path: pathlib.Path) -> set[str]:
    """The rooms of the package that a module imports from."""
    parts = [name.split(".") for name in imported_names(path)]
    return {part[1] for part in parts if part[0] == "videoformer_edu" and len(part) > 1 and part[1] != "__version__"}


def import_graph(paths: list[pathlib.Path]) -> dict[str, set[str]]:
    """Which of the files imports which, also where the import is hidden in a function."""
    names = {dotted(path) for path in paths}

    def file_of(name: str) -> str | None:
        while name and name not in names:
            name = name.rpartition(".")[0]
        return name or None

    return {dotted(path): {file for name in imported_names(path) if (file := file_of(name))} - {dotted(path)}
            for path in paths}


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_module_imports_only_from_floors_below(path):
    assert room(path) in FLOORS, f"{room(path)} has no floor yet: give it one in FLOORS, as DESIGN says"
    if path.relative_to(PACKAGE).as_posix() in DOORS:
        assert len(path.read_text(encoding="utf-8").splitlines()) < 12
        return
    above = {other: FLOORS.get(other) for other in imported_rooms(path) - {room(path)}
             if FLOORS.get(other, 99) >= FLOORS[room(path)]}
    assert above == {}, f"{path.name} is on floor {FLOORS[room(path)]}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_module_is_one_idea_long(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MODULE_LINES


def test_no_files_import_each_other_in_a_circle():
    """Not even with an import hidden in a function. `graphlib` names the circle."""
    paths = [path for folder in ("videoformer_edu", *MAINTAINERS) for path in sorted((ROOT / folder).rglob("*.py"))]
    order = list(graphlib.TopologicalSorter(import_graph(paths)).static_order())
    assert len(order) == len(paths) > 100


def test_a_circle_would_be_found(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    (tmp_path / "one.py").write_text("def f():\n    from two import g\n")
    (tmp_path / "two.py").write_text("import three.part\n")
    (tmp_path / "three.py").write_text("from one import f\n")
    graph = import_graph(sorted(tmp_path.glob("*.py")))
    assert graph == {"one": {"two"}, "two": {"three"}, "three": {"one"}}
    with pytest.raises(graphlib.CycleError):
        graphlib.TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_the_package_does_not_know_its_maintainers(path):
    assert {name.partition(".")[0] for name in imported_names(path)} & {*MAINTAINERS, "bench", "tests"} == set()


def test_importing_the_package_imports_nothing_heavy():
    program = "import sys, videoformer_edu; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(HEAVY) & set(loaded.stdout.split()) == set()


@pytest.mark.slow
def test_the_core_needs_no_drawing_and_no_data():
    core = ", ".join(f"videoformer_edu.{name}" for name in ("tokens", "layers", "attention", "models", "cost"))
    program = f"import sys, {core}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"matplotlib", "ipywidgets", "av", "sklearn", "skimage"} & set(loaded.stdout.split()) == set()


def test_without_git_the_same_files_are_read(tmp_path):
    shutil.copy(ROOT / ".gitignore", tmp_path)
    for name in ("a.py", "docs/b.md", "build/c.txt", ".venv/d.py", "x.egg-info/e", "f.new.ipynb", "g/__pycache__/h"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    assert committed(tmp_path) == [".gitignore", "a.py", "docs/b.md"]


def test_no_path_of_one_machine_is_committed():
    path = re.compile(r"""["' (=`](?:/(?:root|home|work|Users)/\w+|/tmp/\w+/|[A-Z]:\\Users)""")
    found = [f"{name}: {match[0]}" for name, text in committed_texts() if not name.startswith(EXAMPLES)
             for match in path.finditer(text)]
    assert found == []


def test_nothing_is_left_to_do_in_committed_code():
    left = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    found = [f"{name}: {match[0]}" for name, text in committed_texts() if not name.startswith(EXAMPLES)
             for match in left.finditer(text)]
    assert found == []


def test_no_test_is_skipped_or_expected_to_fail():
    looks_away = re.compile(r"pytest\.(skip|importorskip|xfail)\(|mark\.(skip|skipif|xfail)\b")
    found = [f"{name}: {match[0]}" for name, text in committed_texts()
             if name.startswith("tests/") and not name.startswith(EXAMPLES) for match in looks_away.finditer(text)]
    assert found == []


def test_committed_texts_name_only_known_hosts():
    named = re.compile(r"https?://([\w.-]+)")
    found = sorted({f"{name}: {match[1]}" for name, text in committed_texts() if not name.startswith(EXAMPLES)
                    for match in named.finditer(text) if not HOSTS.fullmatch(match[1])})
    assert found == []


def test_test_files_have_names_of_their_own():
    """pytest imports them by their file name alone."""
    names = [pathlib.Path(name).name for name in committed() if re.match(r"tests/.*test_\w+\.py$", name)]
    assert sorted(names) == sorted(set(names))


def test_nothing_large_is_committed():
    sizes = {name: (ROOT / name).stat().st_size for name in committed()}
    assert {name: size for name, size in sizes.items() if size > 2_500_000} == {}
