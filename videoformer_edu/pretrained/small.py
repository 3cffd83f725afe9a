"""The small trained models of the lessons: their weights come with the package, no network is needed.

`python -m experiments` makes them; `docs/experiments.md` says how well they do. Each file knows which
builder of `models` it belongs to, with which arguments.
"""

from __future__ import annotations

import json
from importlib.resources import as_file, files

from torch import nn

from videoformer_edu.pretrained.build import build

WEIGHTS = files("videoformer_edu.pretrained") / "weights"
SUFFIX = ".safetensors"


def small_names() -> tuple[str, ...]:
    """The names that `load_small` knows."""
    return tuple(sorted(file.name.removesuffix(SUFFIX) for file in WEIGHTS.iterdir() if file.name.endswith(SUFFIX)))


def build_small(name: str) -> nn.Module:
    """The untrained model of that name. Raises ValueError for an unknown name."""
    about = about_small(name)
    return build(about["model"], **about["changes"])


def about_small(name: str) -> dict:
    """How the model of that name was made: "model" and "changes" (its builder and arguments), "recipe", "seed",
    "accuracy", ... Raises ValueError for an unknown name."""
    from safetensors import safe_open

    if name not in small_names():
        raise ValueError(f"there is no small model {name!r}; choose one of {', '.join(small_names())}")
    with as_file(WEIGHTS / f"{name}{SUFFIX}") as path, safe_open(path, "pt") as file:
        return json.loads(file.metadata()["videoformer_edu"])


def load_small(name: str) -> nn.Module:
    """The trained model of that name, float32 and in eval mode. Raises ValueError for an unknown name."""
    from safetensors.torch import load_file

    model = build_small(name)
    with as_file(WEIGHTS / f"{name}{SUFFIX}") as path:
        state = load_file(path)  # float16 on the disk, which copies into the model's float32
    model.load_state_dict(state, strict=True)
    return model.eval()


def small_results() -> dict:
    """What was measured when the weights were made: `{name: {"accuracy": ..., "confusion": ..., "runs": ...}}`.

    All experiments, not only those whose weights are shipped. Accuracies are shares of 1, on held-out digits and
    photographs; `docs/experiments.md` is the same for reading.
    """
    return json.loads((WEIGHTS / "RESULTS.json").read_text(encoding="utf-8"))
