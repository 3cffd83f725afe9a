"""The sentences of the ladder: what was given, what was expected, where to look. Plain values in, words out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from videoformer_edu.grading.edge import Crash, Given
from videoformer_edu.grading.spec import Case, Exercise, Functions


def misuse_words(exercise: Exercise, answer: Functions) -> str | None:
    """Something other than functions was handed to `check`."""
    names = ", ".join(exercise.functions)
    for name in exercise.functions:
        part = answer.get(name)
        if part is None or part is ... or (callable(part) and not issubclass(type(part), type)):
            continue
        what = f"a {type(part).__name__}" if not issubclass(type(part), type) else f"the class {part.__name__}"
        return (f"check takes the functions themselves, check({names}) without calling them; for {name} it got "
                f"{what}. If you wrote a module, wrap it: a function {exercise.signature(name)} that builds and "
                "calls it.")
    return None


def crash_words(case: Case, crash: Crash) -> str:
    """The learner's own line, the exception, and what the call looked like."""
    lines = [f"{case.function} stopped with an exception in the check “{case.name}”."]
    if crash.line is not None:
        lines += [f"{crash.place}, line {crash.line}:", f"    {crash.text}"]
    said = f"{crash.kind}: {crash.words}" if crash.words else crash.kind
    return "\n".join([*lines, f"    {said}", f"It was called with {arguments_words(case.inputs)}."])


def arguments_words(inputs: Mapping[str, object]) -> str:
    """`x (2, 30, 12), t = 3, weights (a dict of 20 tensors)`."""
    def words(name: str, value: object) -> str:
        if isinstance(value, np.ndarray):
            return f"{name} {value.shape}"
        if isinstance(value, Mapping):
            return f"{name} (a dict of {len(value)} tensors)"
        return f"{name} = {value!r}"

    return ", ".join(words(name, value) for name, value in inputs.items())


def type_words(count: bool, case: Case, given: Given) -> str | None:
    if count:
        if given.value is not None:
            return None
        return f"{case.function} should return {case.axes}; yours returned {given.seen}."
    if given.kind == "tensor":
        return None
    if given.kind == "array":
        return (f"{case.function} returned {given.seen}; it should be a torch tensor. The arguments are tensors: "
                "stay with torch's functions, then gradients can flow.")
    pieces = given.seen.startswith(("a list", "a tuple"))
    return (f"{case.function} should return one torch tensor {case.axes}; yours returned {given.seen}"
            f"{': join the pieces with torch.stack or torch.cat' if pieces else ''}.")


def shape_words(case: Case, given: Given, expected: np.ndarray) -> str | None:
    if given.value is None or given.value.shape == expected.shape:
        return None
    if expected.ndim == 0:
        return f"{case.function} should return {case.axes}; yours returned {given.seen}."
    words = f"the result should have the shape {expected.shape} = {case.axes}, yours has {given.value.shape}"
    if sorted(given.value.shape) == sorted(expected.shape):
        return f"{words}: the same axes in another order."
    if given.value.size == expected.size:
        return f"{words}: as many numbers, grouped into other axes."
    return f"{words}. It was called with {arguments_words(case.inputs)}."


def dtype_words(count: bool, given: Given) -> str | None:
    if given.value is None:
        return None
    if count:
        if given.value.dtype.kind in "iu" or (given.value.dtype.kind == "f" and not np.isfinite(given.value).all()):
            return None
        if given.value.dtype.kind == "f" and (given.value == np.round(given.value)).all():
            return None
        return f"a count is a whole number; yours is {given.seen}. Round it the right way (// or math.floor)."
    if given.dtype == "float32":
        return None
    return (f"the result should be float32 like the input, yours is {given.dtype}; "
            "some tensor on the way was made with another dtype.")


def finite_words(count: bool, given: Given) -> str | None:
    if given.value.dtype.kind != "f" or np.isfinite(given.value).all():
        return None
    where = "a division by zero" + ("" if count else ", or a softmax over scores that are all -inf")
    return (f"{int((~np.isfinite(given.value)).sum())} of {given.value.size} numbers are nan or infinite; "
            f"look for {where}.")


def changed_words(given: Given) -> str | None:
    if not given.changed:
        return None
    names = " and ".join(f"`{name}`" for name in given.changed)
    return (f"your function wrote into its argument {names}, which the caller still needs (a residual, for one). "
            "Make a new tensor: `x = x + ...`, not `x += ...`; nothing that ends in `_`; no `x[...] = ...` without "
            "a `.clone()` first.")


def value_words(exercise: Exercise, count: bool, case: Case, value: np.ndarray, expected: np.ndarray) -> str:
    """Where the values differ: which named regions are right, which are not, and the first place in numbers."""
    if count:
        return f"for {arguments_words(case.inputs)} you gave {numbers(value)}, expected {numbers(expected)}."
    tolerance = exercise.tolerance
    far = np.abs(value.astype(np.float64) - expected) > tolerance.absolute + tolerance.relative * np.abs(expected)
    words = ["the shape is right, the values are not"]
    for parts in case.parts:
        wrong = [name for name, index in parts.items() if far[index].any()]
        if len(wrong) < len(parts):
            right = [name for name in parts if name not in wrong]
            words.append(f"wrong: {', '.join(wrong)}; right: {', '.join(right)}")
    place = tuple(int(i) for i in np.argwhere(far)[0])
    first = f"[{', '.join(map(str, place))}]: yours {value[place]:.4f}, expected {expected[place]:.4f}"
    return f"{'; '.join(words)}. {int(far.sum())} of {far.size} numbers differ; the first is {first}."


def numbers(value: np.ndarray) -> str:
    """`(90000, 3900)` or `11`, whole numbers without a point."""
    parts = [f"{int(v):d}" if float(v).is_integer() else f"{float(v):g}" for v in np.atleast_1d(value)]
    return parts[0] if value.ndim == 0 else f"({', '.join(parts)})"
