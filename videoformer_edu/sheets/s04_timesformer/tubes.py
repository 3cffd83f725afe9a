"""04.1: from frames to tubes and back."""

from __future__ import annotations

import numpy as np

from videoformer_edu.grading.spec import Case, Exercise, Property
from videoformer_edu.sheets.s04_timesformer.tubes_bank import MUTANTS, STYLES


def numbered(b: int, t: int, n: int, d: int) -> np.ndarray:
    """`(b, t*n, d)` tokens that tell where they come from: every number occurs once, in reading order."""
    return np.arange(b * t * n * d, dtype=np.float32).reshape(b, t * n, d)


def cases(rng: np.random.Generator) -> list[Case]:
    t, n, d = int(rng.choice([4, 6])), int(rng.choice([7, 9])), 5
    tubes = rng.standard_normal((2 * n, t, d)).astype(np.float32)
    there, back = "(b*n, t, d)", "(b, t*n, d)"
    return [
        Case("one clip", "to_tubes", {"x": numbered(1, 3, 10, 4), "t": 3},
             "each tube of a single clip holds one place through all frames", axes=there),
        Case("two clips", "to_tubes", {"x": numbered(2, 3, 10, 4), "t": 3},
             "the tubes of the first clip come first, and no tube mixes clips", axes=there),
        Case("random tokens", "to_tubes", {"x": rng.standard_normal((2, t * n, d)).astype(np.float32), "t": t},
             "any size works", axes=there),
        Case("back, two clips", "from_tubes",
             {"tubes": oracle_there(numbered(2, 3, 10, 4), 3), "b": 2},
             "every token returns to its frame and its place", axes=back),
        Case("back, random tokens", "from_tubes", {"tubes": tubes, "b": 2}, "any size works", axes=back),
    ]


def oracle_there(x: np.ndarray, t: int) -> np.ndarray:
    b, n = len(x), x.shape[1] // t
    tubes = np.zeros((b * n, t, x.shape[2]), dtype=x.dtype)
    for clip in range(b):
        for frame in range(t):
            for place in range(n):
                tubes[clip * n + place, frame] = x[clip, frame * n + place]
    return tubes


def oracle_back(tubes: np.ndarray, b: int) -> np.ndarray:
    n, t = len(tubes) // b, tubes.shape[1]
    x = np.zeros((b, t * n, tubes.shape[2]), dtype=tubes.dtype)
    for clip in range(b):
        for frame in range(t):
            for place in range(n):
                x[clip, frame * n + place] = tubes[clip * n + place, frame]
    return x


def oracle(case: Case) -> np.ndarray:
    return {"to_tubes": oracle_there, "from_tubes": oracle_back}[case.function](*case.inputs.values())


def mixed_places(inputs, tubes: np.ndarray) -> str | None:
    """The numbers are places in reading order, so a wrong tube can be read aloud."""
    t, n, d = inputs["t"], inputs["x"].shape[1] // inputs["t"], inputs["x"].shape[2]
    for number, tube in enumerate(tubes):
        code = tube[:, 0].astype(int) // d  # which token of the batch stands in each step of this tube
        wanted = [(number // n) * t * n + frame * n + number % n for frame in range(t)]
        if list(code) != wanted:
            held = ", ".join(f"clip {c // (t * n)} frame {c // n % t} place {c % n}" for c in code)
            return (f"tube {number} should hold place {number % n} of clip {number // n} in frames 0 to {t - 1}; "
                    f"yours holds {held}.")
    return None


def lost_numbers(inputs, out: np.ndarray) -> str | None:
    first = next(iter(inputs.values()))
    if (np.sort(out, axis=None) == np.sort(first, axis=None)).all():
        return None
    return "tokens got lost or doubled: regrouping only moves numbers, each of them must still be there once."


EXERCISE = Exercise(
    id="04.1",
    title="Frames to tubes and back",
    difficulty=2,
    minutes=8,
    points=15,
    why="a sequence does not know which tokens share a place; regrouping says so, and it is where most silent "
        "bugs of video models live.",
    objectives=("regroup (b, t·n, d) into tubes (b·n, t, d) and back",
                "say why a reshape alone mixes places and frames"),
    functions={"to_tubes": "x, t", "from_tubes": "tubes, b"},
    cases=cases,
    oracle=oracle,
    properties=(
        Property("nothing lost", "to_tubes", lost_numbers),
        Property("one tube, one place", "to_tubes", mixed_places, ("one clip", "two clips")),
        Property("nothing lost", "from_tubes", lost_numbers),
    ),
    hints=(
        "Token number i of a clip sits in frame i // n at place i % n. Write down, for 2 frames of 4 places, which "
        "token numbers belong into tube 0.",
        "Take the long axis apart first: (b, t*n, d) is really (b, t, n, d), time slowest. Then two axes have to "
        "change places before any two are joined.",
        "With einops it is one line each: name the two factors, as in rearrange(x, 'b (t n) d -> ...', t=t). The "
        "way back needs b for the same reason: it says how to take b*n apart.",
    ),
    mutants=MUTANTS,
    styles=STYLES,
)
