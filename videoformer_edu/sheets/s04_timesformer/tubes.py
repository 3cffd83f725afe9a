"""04.1: from frames to tubes and back."""

from __future__ import annotations

import numpy as np
import torch
from einops import rearrange

from videoformer_edu.grading.spec import Case, Exercise, Mutant, Property, Style
from videoformer_edu.sheets import inputs as make


def to_tubes(x, t):
    """x (b, t*n, d), time slowest -> tubes (b*n, t, d), clip slowest."""
    return rearrange(x, "b (t n) d -> (b n) t d", t=t)


def from_tubes(tubes, b):
    """tubes (b*n, t, d) -> x (b, t*n, d): undoes to_tubes."""
    return rearrange(tubes, "(b n) t d -> b (t n) d", b=b)


SIZES = {  # (b, t, n, d) to choose from, and what a right answer shows
    "several clips": (((2, 3), (3, 4, 5), (4, 5, 6), (1, 7, 8)),
                      "the tubes of the first clip come first, and no tube mixes clips"),
    "one clip": (((1,), (2, 3, 4), (5, 6), (3, 4, 7)), "each tube holds one place through all frames"),
    "one frame": (((2, 3), (1,), (5, 6), (4, 7)), "a tube of one frame is one token"),
    "one patch a frame": (((2, 3), (4, 5), (1,), (6, 7)), "a clip with one place is one tube"),
    "more frames than patches": (((4, 5), (9, 12), (2, 3), (6, 8)), "any size works"),
    "more patches than frames": (((3, 5), (2, 4), (16, 25), (1, 7)), "any size works"),
}


def cases(rng: np.random.Generator) -> list[Case]:
    out = []
    for name, (choices, sees) in SIZES.items():
        b, t, n, d = make.sizes(rng, *choices)
        x = make.numbered(b, t * n, d) if name in ("several clips", "one clip") else make.tokens(rng, b, t * n, d)
        out.append(Case(name, "to_tubes", {"x": x, "t": t}, sees, axes="(b*n, t, d)", gradient="patches than" in name))
        out.append(Case(f"{name}, back", "from_tubes", {"tubes": oracle_there(x, t), "b": b},
                        "every token returns to its frame and its place", axes="(b, t*n, d)",
                        gradient="patches than" in name))
        if name == "one clip":
            single = make.tokens(rng, 1, t, d)
            out.append(Case("one clip of one patch", "to_tubes", {"x": single, "t": t}, "a single tube has its axis",
                            axes="(b*n, t, d)"))
            out.append(Case("one clip of one patch, back", "from_tubes", {"tubes": single, "b": 1},
                            "a single clip has its axis", axes="(b, t*n, d)"))
        if name == "more patches than frames":
            again = make.tokens(rng, b, t * n, d)
            out.append(Case("other tokens, as many", "to_tubes", {"x": again, "t": t}, "every call is a new one",
                            axes="(b*n, t, d)"))
            out.append(Case("other tubes, as many", "from_tubes", {"tubes": oracle_there(again, t), "b": b},
                            "every call is a new one", axes="(b, t*n, d)"))
    return sorted(out, key=lambda case: case.function == "from_tubes")


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


def not_moved(inputs, out: np.ndarray) -> str | None:
    """Regrouping moves numbers: what is there and how often stays."""
    name, first = next(iter(inputs.items()))
    new = out[~np.isin(out, first)]
    if new.size:
        return f"the result holds {float(new[0]):g}, which is nowhere in `{name}`: regrouping only moves numbers."
    if (np.sort(out, axis=None) == np.sort(first, axis=None)).all():
        return None
    return f"some numbers of `{name}` are missing in the result and others are there more often than before."


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


THERE = 'rearrange(x, "b (t n) d -> (b n) t d", t=t)'
BACK = 'rearrange(tubes, "(b n) t d -> b (t n) d", b=b)'


def there(new: str) -> tuple[tuple[str, str], ...]:
    return ((THERE, new),)


def back(new: str) -> tuple[tuple[str, str], ...]:
    return ((BACK, new),)


MUTANTS = (
    Mutant("reshape alone", there("x.reshape(-1, t, x.shape[-1])"),
           "A reshape alone does not move any number, it only draws the borders elsewhere: your first tube holds "
           "the first t tokens of frame 0, which are neighbours in space. Take t·n apart into (t, n), exchange "
           "the two, and only then join b and n."),
    Mutant("reshape alone on the way back", back("tubes.reshape(b, -1, tubes.shape[-1])"),
           "The way back gives the arrays of a plain reshape. The tubes lie place after place, the sequence must lie "
           "frame after frame, so time and place have to be exchanged before they are joined: (b·n, t, d) → "
           "(b, n, t, d) → (b, t, n, d) → (b, t·n, d)."),
    Mutant("frames instead of tubes", there('rearrange(x, "b (t n) d -> (b t) n d", t=t)'),
           "You grouped by frame, (b·t, n, d): tokens of the same moment. That is what spatial attention needs; "
           "along time a group holds the same place in all frames, (b·n, t, d)."),
    Mutant("time first", there('rearrange(x, "b (t n) d -> t (b n) d", t=t)'),
           "Your tubes lie as (t, b·n, d), as if the batch came second. Here the groups come first, one tube each: "
           "(b·n, t, d)."),
    Mutant("places before clips", there('rearrange(x, "b (t n) d -> (n b) t d", t=t)'),
           "Your tubes are right, but they lie in the order (n b): place 0 of all clips, then place 1 of all "
           "clips. With (b n) the clip is the slow axis, as everywhere in the course. With one clip nobody would "
           "notice."),
    Mutant("places before clips on the way back", back('rearrange(tubes, "(n b) t d -> b (t n) d", b=b)'),
           "On the way back you read the first axis as (n b), but the tubes come as (b n), clip slowest: tokens "
           "end up in another clip. With one clip nobody would notice."),
    Mutant("places for the slow axis",
           there("x.reshape(len(x), -1, t, x.shape[-1]).transpose(1, 2).reshape(-1, t, x.shape[-1])"),
           "You took t·n apart as (n, t). The sequence is frame after frame, so time is the slow factor: (t, n). "
           "Then exchange the two."),
    Mutant("batch mixed in", there("x.transpose(0, 1).reshape(-1, t, x.shape[-1])"),
           "You moved the batch axis behind the tokens and then reshaped: the tubes now mix tokens of different "
           "clips. Leave b in front; the two axes to exchange are t and n."),
    Mutant("one tube through all clips", there('rearrange(x, "b (t n) d -> n (b t) d", t=t)'),
           "Your tubes run through all clips of the batch, (n, b·t, d): a patch would attend to another person's "
           "video. b belongs to the groups, (b·n, t, d), not to the length of a tube."),
    Mutant("channels and frames exchanged", there('rearrange(x, "b (t n) d -> (b n) d t", t=t)'),
           "Your tubes are (b·n, d, t), channels before frames, as a 1-D convolution wants them. Attention wants "
           "the channels last: (b·n, t, d)."),
    Mutant("axes not joined", there('rearrange(x, "b (t n) d -> b n t d", t=t)'),
           "The tubes are right; only b and n are still two axes, (b, n, t, d). Join them into one axis of groups: "
           "(b·n, t, d)."),
    Mutant("time backwards", there(THERE + ".flip(1)"),
           "Your tubes run backwards: their first step is the last frame. Frame 0 comes first."),
    Mutant("frames from the tubes", back('rearrange(tubes, "(b n) t d -> (b t) n d", b=b)'),
           "The way back stops at the frames, (b·t, n, d). Join the frames of each clip to one sequence: (b, t·n, d)."),
)


def there_by_transpose(x, t):
    b, l, d = x.shape
    return x.reshape(b, t, l // t, d).transpose(1, 2).reshape(b * (l // t), t, d)


def back_by_transpose(tubes, b):
    groups, t, d = tubes.shape
    return tubes.unflatten(0, (b, groups // b)).transpose(1, 2).flatten(1, 2)


def there_by_loop(x, t):
    n = x.shape[1] // t
    return torch.stack([clip[place::n] for clip in x for place in range(n)])


def back_by_loop(tubes, b):
    clips = tubes.chunk(b)
    return torch.stack([torch.cat([clip[:, step] for step in range(clip.shape[1])]) for clip in clips])


STYLES = (
    Style("reshape, transpose, reshape", {"to_tubes": there_by_transpose, "from_tubes": back_by_transpose}),
    Style("slices in a loop", {"to_tubes": there_by_loop, "from_tubes": back_by_loop}),
)

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
    answer=(to_tubes, from_tubes),
    cases=cases,
    oracle=oracle,
    properties=(
        Property("numbers are moved", "to_tubes", not_moved),
        Property("one tube, one place", "to_tubes", mixed_places, ("several clips", "one clip")),
        Property("numbers are moved", "from_tubes", not_moved),
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
