"""A wrong answer is an edit of the worked one; a sheet's cell is its text."""

import math

import pytest

from videoformer_edu.grading.answer_source import edited, with_markers, worked
from videoformer_edu.grading.spec import Case, Exercise, Mutant, Property, Style

ONE = 1


def half(x):
    """Divide by two."""
    return x / 2


def root(x, power: int = 2):
    """The root of x."""
    # STUB: return ...
    return half(x) ** (ONE / power)  # of a half


def undocumented(x):
    return x


def make(**facts):
    return Exercise(**{
        "id": "97.1", "title": "Roots", "difficulty": 1, "minutes": 1, "points": 1, "why": "w.", "objectives": ("o",),
        "answer": (root,), "given": (half,), "hints": ("a", "b", "c"), "mutants": (), "styles": (),
        "cases": lambda rng: [Case("nine", "root", {"x": 18.0, "power": 2}, "it is three")],
        "oracle": lambda case: math.sqrt(case.inputs["x"] / 2), **facts})


def test_functions_and_arguments_are_read_from_the_signatures():
    assert make().functions == {"root": "x, power=2"} and make().signature("root") == "root(x, power=2)"


def test_edits_reach_the_given_helpers_and_leave_the_answer_alone():
    assert edited((half, root), (("x / 2", "x / 8"),))["root"](32.0) == 2 and root(32.0) == 4
    assert edited((half, root), (("half(x) **", "(x / 3) **"), ("x / 3", "math.exp(x)")))["root"](0.0) == 1


@pytest.mark.parametrize(("edits", "message"), [
    ((("nowhere", ""),), "the edit of 'nowhere' needs it exactly once in half, root; it is there 0 times"),
    ((("return", "yield"),), "it is there 3 times"),
    ((("x / 2", "x / 4"), ("x / 2", "x")), "it is there 0 times"),
    ((("x / 2", "x /"),), "no Python: invalid syntax"),
])
def test_an_edit_that_does_not_fit_is_loud(edits, message):
    exercise = make()
    with pytest.raises(ValueError, match=rf"97\.1, 'wrong': .*{message}"):
        exercise.functions_of(Mutant("wrong", edits, "A sentence."))


def test_needed_exercises_bring_their_functions_once():
    first = make()
    second = make(id="97.2", answer=(undocumented,), given=(), needs=(first, first))
    assert second.whole == (half, root, undocumented) and list(second.functions) == ["undocumented"]


def test_a_style_gives_the_functions_that_differ():
    exercise = make(styles=(Style("by name", {"root": math.sqrt}), Style("by edit", edits=(("x / 2", "x * 0.5"),))))
    assert exercise.functions_of(exercise.styles[0]) == {"root": math.sqrt}
    assert exercise.functions_of(exercise.styles[1])["root"](8) == 2
    assert exercise.functions_of(Style("as worked")) == {"root": root}


@pytest.mark.parametrize("facts", [
    {"styles": (Style("s", {"roots": math.sqrt}),)}, {"properties": (Property("s", "roots", lambda i, o: None),)},
    {"differentiable": ("roots",)},
])
def test_a_function_that_is_not_asked_for_is_refused(facts):
    with pytest.raises(ValueError, match=r"97\.1: .* speaks of roots, the exercise asks for root"):
        make(**facts)


def test_the_cell_holds_docstring_markers_and_stub():
    assert with_markers(root).splitlines()[:4] == [
        "def root(x, power: int = 2):", '    """The root of x."""', "    # BEGIN SOLUTION", "    # STUB: return ..."]
    assert with_markers(root).endswith("# of a half\n    # END SOLUTION") and "STUB" not in worked(root)
    with pytest.raises(ValueError, match="undocumented needs a docstring"):
        with_markers(undocumented)
