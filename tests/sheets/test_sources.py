"""Every sheet as its source has it: facts that add up, cells that can be run again in any order."""

import ast

import pytest

from tests.sheets.test_sheet_04 import ROOT
from tools.notebooks.source import Job, compose
from videoformer_edu.sheets import folders, load

WRITTEN = [number for number in folders() if list((ROOT / "solutions" / "source").glob(f"{number}_*_sheet.py"))]


def cells(number, kind):
    return [cell for cell in compose(Job(ROOT, kind, load(number).slug)).cells if cell.cell_type == "code"]


def names(source):
    """The names that a cell gives values to, and those that it reads without having given them one."""
    inner = (ast.FunctionDef, ast.Lambda, ast.ListComp, ast.GeneratorExp, ast.DictComp, ast.SetComp)
    tree = ast.parse(source)

    def given(node):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef):
                yield child.name
            elif isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
                yield child.id
            if not isinstance(child, inner):
                yield from given(child)

    nodes = list(ast.walk(tree))
    inside = {node.arg for node in nodes if isinstance(node, ast.arg)} | {
        node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    read = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    return set(given(tree)), read - set(given(tree)) - inside


@pytest.mark.parametrize("number", WRITTEN)
def test_an_earlier_cell_can_be_run_again(number):
    """What one cell leaves for others, no other cell gives another value."""
    pairs = [names(cell.source) for cell in cells(number, "solution")]
    for name in set().union(*(read for _, read in pairs)):
        assert sum(name in given for given, _ in pairs) <= 1, f"two cells give {name} a value, and others read it"


@pytest.mark.parametrize("number", WRITTEN)
def test_points_minutes_and_one_cell_a_function(number):
    exercises = load(number).exercises
    assert sum(exercise.points for exercise in exercises) == 100
    assert 35 <= sum(exercise.minutes for exercise in exercises) <= 60
    tags = [tag for cell in cells(number, "exercise") for tag in cell.metadata.get("tags", ())]
    assert [tag for tag in tags if tag.startswith("answer:")] == [
        f"answer:{name}" for exercise in exercises for name in exercise.functions]
