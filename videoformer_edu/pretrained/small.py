"""The small trained models of the lessons: their weights come with the package, no network is needed.

`python -m videoformer_edu.experiments` makes them; `weights/RESULTS.md` says how well they do.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from importlib.resources import as_file, files

from torch import nn

from videoformer_edu.models.timesformer import timesformer_motion
from videoformer_edu.models.vit import vit_digits

BUILDERS: dict[str, Callable[[], nn.Module]] = {
    "vit_digits": vit_digits,
    "timesformer_motion_divided": partial(timesformer_motion, attention="divided"),
    "timesformer_motion_joint": partial(timesformer_motion, attention="joint"),
    "timesformer_motion_space_only": partial(timesformer_motion, attention="space_only"),
}
WEIGHTS = files("videoformer_edu.pretrained") / "weights"


def small_names() -> tuple[str, ...]:
    """The names that `load_small` knows."""
    return tuple(BUILDERS)


def build_small(name: str) -> nn.Module:
    """The untrained model of that name. Raises ValueError for an unknown name."""
    if name not in BUILDERS:
        raise ValueError(f"there is no small model {name!r}; choose one of {', '.join(BUILDERS)}")
    return BUILDERS[name]()


def load_small(name: str) -> nn.Module:
    """The trained model of that name, float32 and in eval mode. Raises ValueError for an unknown name."""
    from safetensors.torch import load_file

    model = build_small(name)
    with as_file(WEIGHTS / f"{name}.safetensors") as path:
        state = load_file(path)  # float16 on the disk, which copies into the model's float32
    model.load_state_dict(state, strict=True)
    return model.eval()


def small_results() -> dict:
    """What was measured when the weights were made: `{name: {"accuracy": ..., "confusion": ..., ...}}`.

    Accuracies are shares of 1, on held-out digits and photographs; `weights/RESULTS.md` is the same for reading.
    """
    return json.loads((WEIGHTS / "RESULTS.json").read_text(encoding="utf-8"))
