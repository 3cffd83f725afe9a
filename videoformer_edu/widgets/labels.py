"""What a recorded attention is called in an explorer: where it sits in the model, and whom it lets look at whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from videoformer_edu.attention.cross import AlignedTime
from videoformer_edu.attention.patterns import Axial, Full, Pattern, Spatial, Temporal
from videoformer_edu.attention.pooling import Pooled
from videoformer_edu.attention.recording import AttentionMap
from videoformer_edu.attention.sparse_patterns import (
    GlobalSpatial,
    LocalTemporal,
    LocalWindow,
    SparseSpaceTime,
    StridedTemporal,
)

KINDS: dict[type[Pattern], str] = {
    Full: "joint", Temporal: "time", Spatial: "space", Pooled: "pooled", AlignedTime: "cross-attention",
    LocalTemporal: "local time", StridedTemporal: "strided time",
    GlobalSpatial: "global space",
}


def kind(m: AttentionMap) -> str:
    """"joint", "time", "shifted windows", ...; nothing for joint attention in a picture, where it is the only one."""
    match m.pattern:
        case LocalWindow(shift=shift):
            return "shifted windows" if any(shift) else "windows"
        case Axial(axis=axis):
            return f"along {axis}"
        case SparseSpaceTime(parts=parts):
            return "sparse: " + " + ".join(map(_part, parts))
        case Full() if m.clip.n == 1:
            return "time"  # one token a frame
        case Full() if m.clip.t == 1:
            return ""
    return KINDS.get(type(m.pattern), type(m.pattern).__name__.lower())


def _part(pattern: Pattern) -> str:
    """A part of a sparse pattern; every row and column of the own frame is plain space."""
    return "space" if pattern == GlobalSpatial(1) else KINDS[type(pattern)]


def first_head(m: AttentionMap) -> int:
    """The number of a map's first head: ViViT 4 gives its first heads to time and the others to space."""
    return m.probabilities.shape[2] if m.name.endswith(".space") else 0


def labels(maps: Sequence[AttentionMap]) -> list[str]:
    """A label for each map, all different: `stages.0.blocks.1.attention` -> "stage 0 · block 1 · shifted windows"."""
    places = [_place(m.name) for m in maps]
    while places and all(len(place) > 1 for place in places) and len({place[0] for place in places}) == 1 \
            and not places[0][0][-1].isdigit():
        places = [place[1:] for place in places]  # every one sits in "encoder": that tells nothing
    found = [" · ".join(filter(None, [*place, kind(m)])) for place, m in zip(places, maps, strict=True)]
    twice = {label for label, times in Counter(found).items() if times > 1}
    return [f"{label} ({m.name})" if label in twice else label for label, m in zip(found, maps, strict=True)]


def _place(name: str) -> list[str]:
    """slow.blocks.0.attention -> ["slow", "block 0"]; what kind of attention it is, the pattern says better."""
    parts = name.split(".")
    while len(parts) > 1 and (parts[-1].endswith("attention") or parts[-1] in ("time", "space")):
        parts.pop()
    words: list[str] = []
    for part in parts:
        if part.isdigit() and words:
            words[-1] = f"{words[-1].removesuffix('s')} {part}"
        else:
            words.append(part.replace("_", " "))
    return words
