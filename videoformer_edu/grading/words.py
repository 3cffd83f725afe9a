"""The sentences of a check: what was given, what was expected, where to look. Plain values in, words out."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

import numpy as np

from videoformer_edu.grading.collect import Given
from videoformer_edu.grading.compare import Misfit, Pair, apart, how_far, kind_of
from videoformer_edu.grading.crash import Crash
from videoformer_edu.grading.report import NOT_ATTEMPTED, CheckResult
from videoformer_edu.grading.spec import Case, Exercise, Functions, Tolerance

STAY = ("Stay in torch from the first line to the last: no .detach(), .data, .numpy(), .item() or torch.tensor(...) on "
        "the way, and no torch.no_grad().")


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


def builds_on_words(shaky: Sequence[str], named: bool, when: str = "") -> str:
    """The earlier exercises that this answer stands on and that are not right."""
    return (f"This exercise builds on {' and '.join(shaky)}, which {'is' if len(shaky) == 1 else 'are'} not right{when}"
            f"{'.' if named else ': look there first.'}")


def place_words(result: CheckResult, cases: Sequence[Case]) -> str:
    """Which check it is, and what it is about."""
    sees = next((case.sees for case in cases if (case.name, case.function) == (result.case, result.function)), "")
    return f"In the check “{result.case}” of {result.function} ({sees}): " if sees else ""


def state_words(exercise: Exercise, results: Sequence[CheckResult], apart_from: str = "") -> str:
    """What is right already and what waits for the learner, function by function."""
    by_name = {name: [r for r in results if r.function == name] for name in exercise.functions if name != apart_from}
    right = [name for name, own in by_name.items() if own and all(r.passed for r in own)]
    waiting = {name: next((r.sentence for r in own if r.outcome == NOT_ATTEMPTED), None)
               for name, own in by_name.items()}
    blank = [exercise.signature(name) for name, said in waiting.items() if said and said.endswith("holds the stub.")]
    said = [f"{' and '.join(right)}: right."] if right else []
    said += [f"Waiting for you: {' and '.join(blank)}."] if blank else []
    return " ".join(said + [one for one in waiting.values() if one and not one.endswith("holds the stub.")])


def crash_words(case: Case, crash: Crash) -> str:
    """The learner's own line, the exception, and what the call looked like."""
    lines = [f"{case.function} stopped with an exception in the check “{case.name}” ({case.sees})."]
    if crash.line is not None:
        lines += [f"{crash.place}, line {crash.line}:", f"    {crash.text}"]
    lines += [f"    {crash.said}", f"It was called with {arguments_words(case.inputs)}."]
    for name, value in case.inputs.items():
        key = crash.words.strip("'\"")
        if crash.kind == "KeyError" and isinstance(value, Mapping) and key not in value:
            lines.append(f"`{name}` has no {key!r}; it has {few(nearest(key, value), 6)}.")
    return "\n".join(lines)


def nearest(key: str, there: Mapping) -> list[str]:
    """The keys, those that look like `key` first."""
    keys = [str(one) for one in there]
    close = difflib.get_close_matches(key, keys, n=4, cutoff=0.5)
    return [repr(one) for one in close + [one for one in keys if one not in close]]


def few(names: Sequence[str], most: int = 3) -> str:
    """`a, b and 3 more`."""
    if len(names) <= most:
        return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
    return f"{', '.join(names[:most])} and {len(names) - most} more"


def arguments_words(inputs: Mapping[str, object]) -> str:
    """`x (2, 30, 12), t = 3, weights (a dict of 20 tensors)`."""
    def words(name: str, value: object) -> str:
        if isinstance(value, np.ndarray):
            return f"{name} {value.shape}"
        if isinstance(value, Mapping):
            return f"{name} (a dict of {len(value)} tensors)"
        if isinstance(value, tuple) and any(isinstance(part, np.ndarray) for part in value):
            return f"{name} (a tuple of {len(value)} tensors)"
        return f"{name} = {value!r}"

    return ", ".join(words(name, value) for name, value in inputs.items())


def type_words(case: Case, expected: object, misfit: Misfit) -> str:
    """The result, or a part of it, is another kind of thing."""
    given, wanted = misfit.given, misfit.wanted
    if misfit.name:
        part = f"part {misfit.name} of the result of {case.function} should be {wanted}; yours is {given.seen}"
    elif isinstance(expected, np.ndarray):
        part = f"{case.function} should return one torch tensor {case.axes}; yours returned {given.seen}"
    else:
        part = f"{case.function} should return {case.axes or wanted}; yours returned {given.seen}"
    if wanted == "one torch tensor" and given.kind == "array":
        return f"{part}. The arguments are tensors: stay with torch's functions, then gradients can flow."
    if wanted == "one torch tensor" and given.kind == "tuple":
        return f"{part}: join the pieces with torch.stack or torch.cat."
    return f"{part}."


def whose(pair: Pair) -> str:
    return f"part {pair.name} of the result" if pair.name else "the result"


def shape_words(case: Case, pair: Pair) -> str | None:
    if not pair.is_array or pair.value.shape == pair.expected.shape:
        return None
    right, found = pair.expected.shape, pair.value.shape
    axes = f" = {case.axes}" if case.axes and not pair.name else ""
    words = f"{whose(pair)} should have the shape {right}{axes}, yours has {found}"
    if sorted(found) == sorted(right):
        return f"{words}: the same axes in another order."
    if pair.value.size == pair.expected.size:
        return f"{words}: as many numbers, grouped into other axes."
    return f"{words}. It was called with {arguments_words(case.inputs)}."


def dtype_words(case: Case, pair: Pair) -> str | None:
    expected, value, dtype = pair.expected, pair.value, pair.given.dtype
    if not pair.is_array:
        if kind_of(expected) == "a whole number" and isinstance(value, float) and np.isfinite(value):
            return f"a count is a whole number; yours is {pair.given.seen}. Round it the right way (// or math.floor)."
        if kind_of(expected) == "a whole number" and dtype in ("float32", "float16", "bfloat16"):
            return f"a count is a whole number; yours is {pair.given.seen} in {dtype}, which cannot hold a large one."
        if kind_of(expected) == "True or False" and not isinstance(value, bool):
            return f"{whose(pair)} should be True or False; yours is {pair.given.seen}."
        return None
    if expected.dtype.kind == "f":
        return None if dtype == "float32" else (
            f"{whose(pair)} should be float32 like the input, yours is {dtype}; some tensor on the way was made with "
            "another dtype.")
    if expected.dtype.kind == "b":
        return None if dtype == "bool" else (
            f"{whose(pair)} should hold True and False (torch.bool), yours holds {dtype}: end with a comparison.")
    return None if value.dtype.kind in "iu" else (
        f"{whose(pair)} should hold whole numbers (torch.long), yours holds {dtype}.")


def finite_words(case: Case, pair: Pair) -> str | None:
    value, expected = np.asarray(pair.value), np.asarray(pair.expected)
    if value.dtype.kind != "f" or expected.dtype.kind not in "biuf":
        return None
    odd = ~np.isfinite(value) & np.isfinite(expected)
    if not odd.any():
        return None
    if not pair.is_array:
        return f"{whose(pair)} is {pair.value}; look for a division by zero."
    if not np.isfinite(expected).all():
        return (f"{int(odd.sum())} of {value.size} numbers are nan or infinite and should not be: what is nan in the "
                "arguments has reached them, and zero times nan is nan.")
    return (f"{int(odd.sum())} of {value.size} numbers are nan or infinite; look for a division by zero, exp of a "
            "large number, or a softmax over scores that are all -inf.")


def changed_words(given: Given) -> str | None:
    if not given.changed:
        return None
    names = " and ".join(f"`{name}`" for name in given.changed)
    return (f"your function wrote into its argument {names}, which the caller still needs (a residual, for one). "
            "Make a new tensor: `x = x + ...`, not `x += ...`; nothing that ends in `_`; no `x[...] = ...` without "
            "a `.clone()` first.")


def random_words(case: Case) -> str:
    return (f"two calls of {case.function} with the same inputs gave different results, so something in it is random: "
            "a dropout, or a module that is made afresh and never given the weights of the dict.")


def kept_words(before: Case) -> str:
    return (f"this is what your function gave in the check “{before.name}”, but it was called with other numbers now: "
            "something is kept from an earlier call.")


def gradient_words(case: Case, expected: object, given: Given,
                   wrong: tuple[list[str], list[str]] | None) -> str | None:
    """Which arguments get no gradient or a wrong one, and where that leaves off; None if all is right."""
    name = case.function
    if given.gradient_crash is not None:
        return (f"the values of {name} are right, but no gradient can be computed through it: "
                f"{given.gradient_crash.said}. {STAY}")
    if wrong is None:
        return None
    none, other = wrong
    said = [f"no gradient reaches {few([f'`{part}`' for part in none])}"] if none else []
    whole = [part for part in other if "['" not in part]
    for part in (whole or other)[:1]:
        gradient, cut = given.gradients.get(part), []
        if isinstance(expected, np.ndarray) and gradient is not None and gradient.shape == expected.shape:
            cut = [region for parts in case.parts for region, index in parts.items() if not np.any(gradient[index])]
        at = f" (none at all at {few(cut)})" if cut else ""
        names = few([f"`{one}`" for one in whole or other])
        said.append(f"the gradient at {names} is not the right one{at}: part of what the result depends on is cut off "
                    "from it")
    return (f"the values of {name} are right, but it could not be trained: {'; '.join(said)}. {STAY}")


def value_words(case: Case, found: Sequence[Pair], tolerance: Tolerance) -> str:
    """Where the values differ: which named regions are right, which are not, and the first place in numbers."""
    pair = next(pair for pair in found if how_far(pair, tolerance) > 1)
    if not pair.is_array:
        yours, right = (numbers([read(pair) for pair in found]) for read in (lambda p: p.value, lambda p: p.expected))
        return f"for {arguments_words(case.inputs)} you gave {yours}, expected {right}."
    value, expected = pair.value, pair.expected
    far = apart(value, expected, tolerance) > 1
    words = [f"{'the shape is' if not pair.name else f'the shape of part {pair.name} is'} right, the values are not"]
    for parts in case.parts if not pair.name else ():
        wrong = [name for name, index in parts.items() if far[index].any()]
        if len(wrong) < len(parts):
            right = [name for name in parts if name not in wrong]
            words.append(f"wrong: {', '.join(wrong)}; right: {', '.join(right)}")
    place = tuple(int(i) for i in np.argwhere(far)[0]) if far.ndim else ()
    yours, right = unlike(value[place], expected[place])
    first = f"[{', '.join(map(str, place))}]: yours {yours}, expected {right}"
    return f"{'; '.join(words)}. {int(far.sum())} of {far.size} numbers differ; the first is {first}."


def unlike(value: object, expected: object) -> tuple[str, str]:
    """Two numbers with as many digits as it takes to see that they differ."""
    if np.asarray(expected).dtype.kind != "f":
        return str(value), str(expected)
    for form in (".4f", ".5f", ".6f", ".7f", ".9g", ".12g"):
        if format(float(value), form) != format(float(expected), form):
            break
    return format(float(value), form), format(float(expected), form)


def numbers(values: Sequence[object]) -> str:
    """`(90000, 3900)` or `11`, whole numbers without a point."""
    parts = [f"{v:g}" if isinstance(v, float) and not v.is_integer() else
             f"{int(v)}" if isinstance(v, float) else str(v) for v in values]
    return parts[0] if len(parts) == 1 else f"({', '.join(parts)})"
